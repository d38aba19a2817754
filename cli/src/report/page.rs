//! The page: its head, its heading with the key figures, its sections.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::data::Report;
use super::text::{Count, counted, decimal};
use super::{heat, ledger, places, regions, weeks};

/// Nothing may be loaded, and no script run, whatever a name tries.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// The style sheet. It is the program's own, so that it may stand in the page as it is.
const STYLE: &str = include_str!("style.css");

/// A section: identifier, title, content.
type Section = (&'static str, &'static str, Markup);

/// The whole page.
pub fn page(report: &Report) -> Markup {
    let sections = sections(report);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content={ "trips " (env!("CARGO_PKG_VERSION")) };
                title { "Trips" @if let Some(region) = &report.region { " of " (region.isolated()) } (period(report)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a class="skip" href="#main" { "Skip to the figures" }
                header {
                    (heading(report))
                    @if sections.len() > 2 {
                        nav aria-label="Sections" {
                            ul { @for (id, title, _) in &sections { li { a href={ "#" (id) } { (title) } } } }
                        }
                    }
                }
                main id="main" tabindex="-1" {
                    @for (id, title, content) in &sections {
                        section id=(id) aria-labelledby={ (id) "-title" } {
                            h2 id={ (id) "-title" } { (title) }
                            (content)
                        }
                    }
                }
                footer {
                    p { "Made by trips report " (env!("CARGO_PKG_VERSION")) " with trips_ext " (report.about.version) ". All figures are of one snapshot of the database." }
                }
            }
        }
    }
}

fn period(report: &Report) -> String {
    report.period.map_or_else(String::new, |period| {
        format!(", {} to {}", period.from, period.to.after(-1))
    })
}

fn heading(report: &Report) -> Markup {
    html! {
        p class="kind" { "Trips report" }
        h1 { @if let Some(region) = &report.region { "Trips of " (region) } @else { "Trips of all regions" } }
        p class="about" {
            @if let Some(period) = report.period {
                (period.from) " to " (period.to.after(-1)) ", " (counted(period.days(), "day", "days")) " · "
            }
            "database " (report.about.database) " · as of " (report.about.made_at) " UTC"
        }
        @if report.trips() > 0 { (figures(report)) }
    }
}

/// The key figures.
fn figures(report: &Report) -> Markup {
    let weekly: f64 = report.regions.iter().map(|region| region.weekly).sum();
    let with_trips = report
        .regions
        .iter()
        .filter(|region| region.trips > 0)
        .count();
    html! {
        dl class="figures" {
            (figure("Trips", &Count(report.trips()).to_string()))
            (figure("Trips a week", &decimal(weekly)))
            (figure(if with_trips == 1 { "Region" } else { "Regions" }, &with_trips.to_string()))
            (figure(if report.datasources.len() == 1 { "Datasource" } else { "Datasources" }, &report.datasources.len().to_string()))
            @if let Some(ledger) = &report.ledger {
                (figure("Files loaded", &Count(ledger.count).to_string()))
            }
            @if let Some(rejected) = &report.rejected {
                (figure("Rows rejected", &Count(rejected.count).to_string()))
            }
        }
    }
}

fn figure(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

fn sections(report: &Report) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    if report.trips() == 0 {
        sections.push(("none", "No trips", none(report)));
    } else {
        sections.push(("weeks", "Trips per week", weeks::section(report)));
        sections.push(("hours", "Hours of the week", heat::section(&report.hours)));
        sections.push(("maps", "Origins and flows", places::maps(report)));
        sections.push(("regions", "Regions", regions::regions(report)));
        sections.push(("datasources", "Datasources", regions::datasources(report)));
        sections.push(("groups", "Similar trips", places::groups(report)));
    }
    sections.push(("loads", "Loads", ledger::loads(report.ledger.as_ref())));
    sections.push((
        "rejected",
        "Rejected rows",
        ledger::rejected(report.rejected.as_ref()),
    ));
    sections
}

/// What is to be done where there are no trips.
fn none(report: &Report) -> Markup {
    html! {
        @if report.restricted {
            p { "There are no trips in this period. Without " code { "--from" } " and " code { "--to" } " the report is of all days that have any." }
        } @else if report.region.is_some() {
            p { "This region has no trips." }
        } @else {
            p { "This database holds no trips yet. Load a file that lies on the server:" }
            pre { code { "SELECT * FROM trips_ingest('/data/trips.csv');" } }
            p {
                "It has a header with the names " code { "region" } ", " code { "origin_coord" } ", " code { "destination_coord" } ", "
                code { "datetime" } " and " code { "datasource" } ", in any order."
            }
        }
    }
}
