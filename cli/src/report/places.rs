//! The sections about places: maps with their flows, and groups of similar trips.

use maud::{Markup, html};

use super::data::{Flow, Group, Groups, Map, Method, Report};
use super::frame::KM_PER_DEGREE;
use super::heat::ramp;
use super::map::{self, DRAWN_FLOWS, estimated, length_name};
use super::table::{behind, table};
use super::text::{Count, counted, decimal, share};
use super::weeks::swatch;

/// Limits of similarity that are used: those of trips_groups by default.
const LIMITS: &str =
    "origins within 500 m of each other, destinations within 500 m, times of day within 30 minutes";

/// Maps of the first regions.
pub fn maps(report: &Report) -> Markup {
    let sampled = report.maps.iter().any(|map| map.region_trips.is_some());
    html! {
        @if sampled {
            p class="note" {
                "Maps are drawn from a sample: about " (Count(report.maps.iter().map(|map| map.looked_at).sum()))
                " trips in randomly chosen pages of the table. Their counts are estimates from it."
            }
        }
        div class={ "maps" @if report.maps.len() == 1 { " one" } } {
            @for map in &report.maps {
                @if let Some(region) = report.drawn().get(map.place) {
                    figure {
                        h3 { (swatch(map.place)) (region.name) }
                        (map::map(map, region))
                        (caption(map))
                        (flows(map, &region.name.isolated()))
                    }
                }
            }
        }
        @if report.drawn().len() < report.regions.iter().filter(|region| region.trips > 0).count() {
            p class="note" { "The " (report.drawn().len()) " regions with most trips have a map." }
        }
    }
}

fn caption(map: &Map) -> Markup {
    let most = map
        .cells
        .iter()
        .map(|cell| cell.2)
        .max()
        .unwrap_or_default();
    let cell = map.frame.width_km() / f64::from(map.grid.0);
    let widest = map.flows.first().map(|flow| estimated(flow, map));
    html! {
        figcaption {
            p class="legend" {
                "Origins in a cell of " (length_name(cell)) ": "
                span class="at" { "1 " (ramp(1)) " " (approximately(map)) (Count(scaled(most, map))) }
            }
            @if let Some(widest) = widest {
                p class="legend" {
                    span class="swatch line" {}
                    span { (largest(map.flows.len().min(DRAWN_FLOWS))) (approximately(map)) (counted(widest, "trip", "trips")) }
                }
            }
            p { (outside(map)) }
        }
    }
}

/// What is drawn of flows, before the trips of the widest.
fn largest(flows: usize) -> String {
    match flows {
        1 => "The largest flow: ".to_owned(),
        _ => format!("The {flows} largest flows; the widest has "),
    }
}

fn approximately(map: &Map) -> &'static str {
    if map.region_trips.is_some() {
        "about "
    } else {
        ""
    }
}

fn scaled(trips: i64, map: &Map) -> i64 {
    estimated(
        &Flow {
            trips,
            from: (0.0, 0.0),
            to: (0.0, 0.0),
        },
        map,
    )
}

/// What the map leaves out, and where its scale is right.
fn outside(map: &Map) -> Markup {
    let latitude = map.frame.latitude();
    html! {
        @if map.end < map.looked_at {
            (share(map.looked_at - map.end, map.looked_at)) " of the trips begin or end outside the map. "
        }
        @if map.stay > 0 {
            (share(map.stay, map.looked_at)) " stay within one square of " (length_name(map.frame.width_km() / f64::from(map.grid.0) * 3.0)) " and are in no flow. "
        }
        "The scale is right at " (format!("{:.2}°{}", latitude.abs(), if latitude < 0.0 { "S" } else { "N" })) "."
    }
}

fn flows(map: &Map, region: &str) -> Markup {
    let frame = &map.frame;
    let place = |part: (f64, f64)| {
        (
            frame.west + part.0 * frame.width,
            frame.south + part.1 * frame.height,
        )
    };
    let rows = map
        .flows
        .iter()
        .take(DRAWN_FLOWS)
        .enumerate()
        .map(|(number, flow)| {
            let (from, to) = (place(flow.from), place(flow.to));
            let east = (to.0 - from.0) * frame.width_km() / frame.width;
            let north = (to.1 - from.1) * KM_PER_DEGREE;
            vec![
                html! { (number + 1) },
                html! { (Count(estimated(flow, map))) },
                html! { (share(flow.trips, map.looked_at)) },
                coordinates(from),
                coordinates(to),
                html! { (decimal(east.hypot(north))) },
            ]
        });
    let columns = [
        ("Rank", true),
        ("Trips", true),
        ("Share", true),
        ("From (lat, lon)", true),
        ("To (lat, lon)", true),
        ("km", true),
    ];
    behind(
        &format!("Largest flows in {region}"),
        &columns,
        &rows.collect::<Vec<_>>(),
    )
}

/// Latitude and longitude of a place given by longitude and latitude.
fn coordinates((longitude, latitude): (f64, f64)) -> Markup {
    html! { span class="at" { (format!("{latitude:.4}, {:.4}", super::frame::wrapped(longitude))) } }
}

/// Groups of similar trips.
pub fn groups(report: &Report) -> Markup {
    match &report.groups {
        Groups::NotAsked => {
            html! { p { "No groups were asked for (" code { "--groups none" } ")." } }
        }
        Groups::TooLarge(method, said) => html! {
            p {
                "The groups could not be made by the method " code { (method.name()) } ": " (said)
                ". Choose a region or a shorter period, " code { "--groups cell" } ", or raise " code { "trips_ext.group_memory" } "."
            }
        },
        Groups::Made {
            method,
            period,
            latest_only,
            regions,
        } => html! {
            p {
                (meaning(*method)) " Similar means: " (LIMITS) ". "
                @if *latest_only {
                    strong { "Only trips from " (period.from) " up to, but without, " (period.to) " are grouped: " }
                    "of all of them it would take longer (" code { "--groups representative" } " does it)."
                }
            }
            @for (place, groups) in regions.iter().enumerate() {
                @if let Some(region) = report.drawn().get(place) {
                    h3 { (swatch(place)) (region.name) }
                    @if groups.is_empty() {
                        p { "No two trips are similar." }
                    } @else {
                        (group_table(&format!("Largest groups in {}", region.name.isolated()), groups))
                    }
                }
            }
        },
    }
}

fn meaning(method: Method) -> &'static str {
    match method {
        Method::Representative => {
            "Each trip joins the most similar earlier trip that stands for a group, or begins a group of its own (method representative): a group is one way at one time of day."
        }
        Method::Density => {
            "Groups are dense corridors of any length (method density, DBSCAN): in dense data they run together."
        }
        Method::Cell => {
            "Trips whose ends and times fall into the same cells are a group (method cell), which is quick; similar trips on two sides of a cell's edge are kept apart, so that groups come out smaller than they are."
        }
    }
}

fn group_table(label: &str, groups: &[Group]) -> Markup {
    let most = groups.first().map_or(1, |group| group.trips);
    let rows: Vec<Vec<Markup>> = groups
        .iter()
        .enumerate()
        .map(|(number, group)| {
            vec![
                html! { (number + 1) },
                html! { (bar(group.trips, most)) },
                html! { span class="at" { (group.time_of_day) " ± " (format!("{:.0}", group.spread)) " min" } },
                coordinates(group.origin),
                coordinates(group.destination),
                html! { (decimal(group.km)) },
                html! { (group.days.0) },
                html! { (group.days.1) },
            ]
        })
        .collect();
    let columns = [
        ("Rank", true),
        ("Trips", true),
        ("Time of day", true),
        ("From (lat, lon)", true),
        ("To (lat, lon)", true),
        ("km", true),
        ("First", true),
        ("Last", true),
    ];
    table(label, &columns, &rows)
}

/// A number of trips with a small bar before it.
pub fn bar(trips: i64, most: i64) -> Markup {
    let percent = trips as f64 * 100.0 / most.max(1) as f64;
    html! {
        span class="bar" aria-hidden="true" { span style={ "width:" (format!("{percent:.1}")) "%" } {} }
        span class="count" { (Count(trips)) }
    }
}
