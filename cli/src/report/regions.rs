//! The sections about regions and datasources.

use maud::{Markup, html};

use super::data::{DRAWN_REGIONS, Region, Report};
use super::day::Day;
use super::places::bar;
use super::table::table;
use super::text::{decimal, share};
use super::weeks::swatch;

/// Rows that a table of names has; the rest is told as one.
const MOST_ROWS: usize = 100;

/// The regions.
pub fn regions(report: &Report) -> Markup {
    let all = report.trips();
    let most = report.regions.first().map_or(1, |region| region.trips);
    let mut rows: Vec<Vec<Markup>> = report
        .regions
        .iter()
        .take(MOST_ROWS)
        .enumerate()
        .map(|(place, region)| row(place, region, all, most))
        .collect();
    let rest = report.regions.get(MOST_ROWS..).unwrap_or_default();
    if !rest.is_empty() {
        let trips: i64 = rest.iter().map(|region| region.trips).sum();
        let weekly: f64 = rest.iter().map(|region| region.weekly).sum();
        rows.push(vec![
            html! { (rest.len()) " more regions" },
            html! { (bar(trips, most)) },
            html! { (share(trips, all)) },
            html! { (decimal(weekly)) },
            html! {},
            html! {},
        ]);
    }
    let columns = [
        ("Region", false),
        ("Trips", true),
        ("Share", true),
        ("Trips a week", true),
        ("First", true),
        ("Last", true),
    ];
    table("Regions by their number of trips", &columns, &rows)
}

fn row(place: usize, region: &Region, all: i64, most: i64) -> Vec<Markup> {
    vec![
        html! { @if place < DRAWN_REGIONS && region.trips > 0 { (swatch(place)) } (region.name) },
        html! { (bar(region.trips, most)) },
        html! { (share(region.trips, all)) },
        html! { (decimal(region.weekly)) },
        day(region.days.map(|days| days.0)),
        day(region.days.map(|days| days.1)),
    ]
}

fn day(day: Option<Day>) -> Markup {
    html! { @if let Some(day) = day { (day) } @else { "–" } }
}

/// The datasources.
pub fn datasources(report: &Report) -> Markup {
    let all = report.trips();
    let most = report.datasources.first().map_or(1, |source| source.trips);
    let rows: Vec<Vec<Markup>> = report
        .datasources
        .iter()
        .take(MOST_ROWS)
        .map(|source| {
            vec![
                html! { (source.name) },
                html! { (bar(source.trips, most)) },
                html! { (share(source.trips, all)) },
                day(Some(source.days.0)),
                day(Some(source.days.1)),
            ]
        })
        .collect();
    let columns = [
        ("Datasource", false),
        ("Trips", true),
        ("Share", true),
        ("First", true),
        ("Last", true),
    ];
    html! {
        (table("Datasources by their number of trips", &columns, &rows))
        @if report.datasources.len() > MOST_ROWS { p class="note" { "The first " (MOST_ROWS) " of " (report.datasources.len()) "." } }
    }
}
