//! Trips by hour and weekday, as a field of colours.

use maud::{Markup, html};

use super::data::HOURS;
use super::svg::{Words, drawing, number};
use super::table::behind;
use super::text::Count;

const DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// Shades of the field, beside that of nothing.
pub const SHADES: i64 = 8;

/// The shade of a count beside the greatest one: 0 for nothing, else 1 to [`SHADES`], by equal steps.
pub fn shade(trips: i64, most: i64) -> i64 {
    match trips {
        0 => 0,
        trips => (i128::from(trips) * i128::from(SHADES) / i128::from(most.max(1)) + 1)
            .clamp(1, i128::from(SHADES)) as i64,
    }
}

/// How cells lie on a drawing.
struct Layout {
    id: &'static str,
    /// Size of a cell, and what is left free for names on the left and above.
    cell: (f64, f64),
    margin: (f64, f64),
    /// Whether hours go from left to right.
    lying: bool,
}

const WIDE: Layout = Layout {
    id: "hours-wide",
    cell: (37.0, 30.0),
    margin: (56.0, 26.0),
    lying: true,
};
const NARROW: Layout = Layout {
    id: "hours-narrow",
    cell: (49.0, 22.0),
    margin: (52.0, 26.0),
    lying: false,
};

/// The field, twice: for wide windows and for narrow ones; its legend; the figures behind it.
pub fn section(hours: &[i64; HOURS]) -> Markup {
    let most = hours.iter().copied().max().unwrap_or_default();
    html! {
        figure {
            (field(hours, &WIDE))
            (field(hours, &NARROW))
            figcaption {
                (legend("Trips an hour of the week", most))
            }
        }
        (behind("Trips by hour and weekday", &columns(), &rows(hours)))
    }
}

/// What the shades mean.
pub fn legend(what: &str, most: i64) -> Markup {
    html! {
        p class="legend" {
            (what) ": "
            span class="at" { "0 " (ramp(0)) " " (Count(most)) }
        }
    }
}

/// The shades from one on, in their order.
pub fn ramp(first: i64) -> Markup {
    html! { span class="ramp" aria-hidden="true" { @for shade in first..=SHADES { span class={ "s" (shade) } {} } } }
}

fn field(hours: &[i64; HOURS], layout: &Layout) -> Markup {
    let most = hours.iter().copied().max().unwrap_or_default();
    let across = if layout.lying {
        (24.0, 7.0)
    } else {
        (7.0, 24.0)
    };
    let width = layout.margin.0 + layout.cell.0 * across.0;
    let height = layout.margin.1 + layout.cell.1 * across.1;
    let content = html! {
        (names(layout))
        @for (hour, trips) in hours.iter().enumerate() {
            @let (day, hour) = (hour / 24, hour % 24);
            @let (column, row) = if layout.lying { (hour, day) } else { (day, hour) };
            rect class={ "s" (shade(*trips, most)) }
                x=(number(layout.margin.0 + layout.cell.0 * column as f64)) y=(number(layout.margin.1 + layout.cell.1 * row as f64))
                width=(number(layout.cell.0 - 2.0)) height=(number(layout.cell.1 - 2.0)) rx="2" {
                title { (DAYS.get(day).copied().unwrap_or_default()) (format!(", {hour:02}:00 to {:02}:00: ", hour + 1)) (Count(*trips)) " trips" }
            }
        }
    };
    drawing(
        &words(hours, layout.id),
        if layout.lying { "wide" } else { "narrow" },
        width,
        height,
        &content,
    )
}

/// Names of days and hours.
fn names(layout: &Layout) -> Markup {
    let (left, top) = layout.margin;
    let (width, height) = layout.cell;
    html! {
        @for (place, day) in DAYS.iter().enumerate() {
            @let day = day.get(..3).unwrap_or(day);
            @let place = place as f64;
            @if layout.lying {
                text class="end" x=(number(left - 8.0)) y=(number(top + height * (place + 0.5) + 3.5)) { (day) }
            } @else {
                text class="middle" x=(number(left + width * (place + 0.5) - 1.0)) y=(number(top - 9.0)) { (day) }
            }
        }
        @for hour in (0..24).step_by(if layout.lying { 3 } else { 2 }) {
            @let place = f64::from(hour);
            @if layout.lying {
                text class="middle" x=(number(left + width * place - 1.0)) y=(number(top - 9.0)) { (format!("{hour:02}:00")) }
            } @else {
                text class="end" x=(number(left - 8.0)) y=(number(top + height * place + 3.5)) { (format!("{hour:02}:00")) }
            }
        }
    }
}

fn words(hours: &[i64; HOURS], id: &str) -> Words {
    let most = hours
        .iter()
        .enumerate()
        .max_by_key(|(place, trips)| (**trips, HOURS - place));
    let description = most.map_or_else(String::new, |(place, trips)| {
        format!(
            "Most trips, {}, begin on {}s from {:02}:00 to {:02}:00. The table below has every hour.",
            Count(*trips),
            DAYS.get(place / 24).copied().unwrap_or_default(),
            place % 24,
            place % 24 + 1
        )
    });
    Words {
        id: id.to_owned(),
        title: "Trips by hour and weekday".to_owned(),
        description,
    }
}

fn columns() -> Vec<(&'static str, bool)> {
    let days = DAYS.iter().map(|day| (*day, true));
    [("Hour", false)]
        .into_iter()
        .chain(days)
        .chain([("All days", true)])
        .collect()
}

fn rows(hours: &[i64; HOURS]) -> Vec<Vec<Markup>> {
    let at = |day: usize, hour: usize| hours.get(day * 24 + hour).copied().unwrap_or_default();
    let total = |day: usize| (0..24).map(|hour| at(day, hour)).sum::<i64>();
    let mut rows: Vec<Vec<Markup>> = Vec::new();
    for hour in 0..24 {
        let counts: Vec<i64> = (0..7).map(|day| at(day, hour)).collect();
        rows.push(row(&format!("{hour:02}:00"), &counts));
    }
    rows.push(row("All hours", &(0..7).map(total).collect::<Vec<_>>()));
    rows
}

fn row(name: &str, counts: &[i64]) -> Vec<Markup> {
    let mut cells = vec![html! { (name) }];
    cells.extend(counts.iter().map(|trips| html! { (Count(*trips)) }));
    cells.push(html! { (Count(counts.iter().sum())) });
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_nothing_has_the_shade_of_nothing() {
        assert_eq!(
            [0, 1, 12, 13, 99, 100].map(|trips| shade(trips, 100)),
            [0, 1, 1, 2, 8, 8]
        );
        assert_eq!(shade(0, 0), 0);
    }

    #[test]
    fn every_hour_is_drawn_twice_and_told_once() {
        let mut hours = [0; HOURS];
        hours[24 + 8] = 1234;
        let page = section(&hours).into_string();
        assert_eq!(page.matches("<rect").count(), 2 * HOURS);
        assert_eq!(
            page.matches("Tuesday, 08:00 to 09:00: 1,234 trips").count(),
            2
        );
        assert_eq!(page.matches("<td").count(), 25 * 8);
    }
}
