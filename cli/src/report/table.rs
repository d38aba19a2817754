//! Tables: a caption, a head, rows that begin with what they are about.

use maud::{Markup, html};

/// A column's title, and whether it holds numbers.
pub type Column<'a> = (&'a str, bool);

/// A table that scrolls by itself where it is wider than the page. `label` names the place that scrolls, and is the
/// caption where none is given.
pub fn table(label: &str, columns: &[Column<'_>], rows: &[Vec<Markup>]) -> Markup {
    html! {
        div class="scroll" tabindex="0" role="group" aria-label=(label) {
            table {
                caption { (label) }
                thead { tr {
                    @for (title, numeric) in columns {
                        th scope="col" class=[numeric.then_some("n")] { (title) }
                    }
                } }
                tbody {
                    @for row in rows {
                        tr { (cells(columns, row)) }
                    }
                }
            }
        }
    }
}

fn cells(columns: &[Column<'_>], row: &[Markup]) -> Markup {
    html! {
        @for (place, (cell, (_, numeric))) in row.iter().zip(columns).enumerate() {
            @let class = numeric.then_some("n");
            @if place == 0 {
                th scope="row" class=[class] { (cell) }
            } @else {
                td class=[class] { (cell) }
            }
        }
    }
}

/// The figures behind a chart, folded away.
pub fn behind(label: &str, columns: &[Column<'_>], rows: &[Vec<Markup>]) -> Markup {
    html! {
        details {
            summary { "Figures: " (label) }
            (table(label, columns, rows))
        }
    }
}
