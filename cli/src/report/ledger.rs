//! The sections about loads and about rows that were rejected.

use maud::{Markup, html};

use super::data::{Ledger, Rejected};
use super::table::table;
use super::text::{Count, Text, bytes, counted, decimal};

/// The ledger; none is one that the role may not read.
pub fn loads(ledger: Option<&Ledger>) -> Markup {
    let Some(ledger) = ledger else {
        return unreadable("trips.ingest");
    };
    let rows: Vec<Vec<Markup>> = ledger
        .loads
        .iter()
        .map(|load| {
            vec![
                html! { (load.ingest) },
                html! { span class="file" { (load.file) } },
                html! { span class="at" { (load.finished_at) } },
                html! { (Count(load.rows.0)) },
                html! { (Count(load.rows.1)) },
                html! { (Count(load.rows.2)) },
                html! { span class="at" { (bytes(load.bytes)) } },
                html! { span class="at" { (decimal(load.seconds)) " s" } },
            ]
        })
        .collect();
    let columns = [
        ("Ingest", true),
        ("File", false),
        ("Finished (UTC)", true),
        ("Read", true),
        ("Loaded", true),
        ("Rejected", true),
        ("Size", true),
        ("Took", true),
    ];
    html! {
        p {
            (counted(ledger.count, "file was", "files were")) " loaded, of all regions: " (counted(ledger.rows.0, "row", "rows")) " read = "
            (Count(ledger.rows.1)) " loaded + " (Count(ledger.rows.2)) " rejected. Trips that were changed by SQL are in no file."
        }
        @if !rows.is_empty() { (table(&latest("Loads", ledger.count, rows.len()), &columns, &rows)) }
    }
}

/// Rejected rows; none are those that the role may not read.
pub fn rejected(rejected: Option<&Rejected>) -> Markup {
    let Some(rejected) = rejected else {
        return unreadable("trips.rejected_row");
    };
    if rejected.count == 0 {
        return html! { p { "No row of any load was rejected." } };
    }
    let reasons: Vec<Vec<Markup>> = rejected
        .reasons
        .iter()
        .map(|reason| {
            vec![
                html! { span class="reason" { (reason.reason) } },
                column(reason.column.as_ref()),
                html! { code { (reason.sqlstate) } },
                html! { (Count(reason.rows)) },
            ]
        })
        .collect();
    let examples: Vec<Vec<Markup>> = rejected
        .examples
        .iter()
        .map(|row| {
            vec![
                html! { (row.ingest) },
                html! { (Count(row.line)) },
                column(row.column.as_ref()),
                html! { code { (row.sqlstate) } },
                html! { span class="reason" { (row.reason) } },
                html! { code class="raw" { (row.raw) } },
            ]
        })
        .collect();
    let of_reasons = [
        ("Reason", false),
        ("Column", false),
        ("SQLSTATE", false),
        ("Rows", true),
    ];
    let of_rows = [
        ("Ingest", true),
        ("Line", true),
        ("Column", false),
        ("SQLSTATE", false),
        ("Reason", false),
        ("Begins with", false),
    ];
    html! {
        p { (counted(rejected.count, "row was", "rows were")) " rejected by all loads." }
        (table("Rejected rows by reason", &of_reasons, &reasons))
        (table(&latest("Rejected rows", rejected.count, examples.len()), &of_rows, &examples))
    }
}

/// The caption of a table that may not have all that there is.
fn latest(what: &str, count: i64, shown: usize) -> String {
    match i64::try_from(shown) {
        Ok(shown) if shown < count => {
            format!("{what}: {shown} of {}, latest loads first", Count(count))
        }
        _ => what.to_owned(),
    }
}

fn column(name: Option<&Text>) -> Markup {
    html! { @if let Some(name) = name { (name) } @else { "whole row" } }
}

fn unreadable(table: &str) -> Markup {
    html! { p { "The role that made this report may not read " code { (table) } "." } }
}
