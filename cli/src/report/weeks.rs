//! Trips of each week as bars, those without trips included.

use maud::{Markup, html};

use super::axis::date_ticks;
use super::bars::{Bar, bars};
use super::data::{DRAWN_REGIONS, Region, Report, Week};
use super::day::Day;
use super::frame::ticks;
use super::svg::{Words, drawing, number, rectangle};
use super::table::behind;
use super::text::{Count, decimal};

/// How the chart lies on its drawing.
struct Layout {
    class: &'static str,
    width: f64,
    height: f64,
    /// How many dates the axis may have.
    dates: i32,
}

const WIDE: Layout = Layout {
    class: "wide",
    width: 960.0,
    height: 300.0,
    dates: 9,
};
const NARROW: Layout = Layout {
    class: "narrow",
    width: 400.0,
    height: 280.0,
    dates: 4,
};

/// What a digit of the scale is wide, and what stands beside it.
const DIGIT: f64 = 8.4;
const BESIDE_SCALE: f64 = 14.0;

/// Half of what a letter of a date is wide.
const HALF_LETTER: f64 = 4.2;

/// Room for half of the last date.
const RIGHT: f64 = 28.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 28.0;

/// The chart, twice; its legend; the figures behind it.
pub fn section(report: &Report) -> Markup {
    let bars = bars(&report.weeks);
    let weeks_in_bar = report.weeks.len().div_ceil(bars.len().max(1));
    html! {
        figure {
            (chart(report, &bars, &WIDE))
            (chart(report, &bars, &NARROW))
            figcaption {
                (legend(report, &bars))
                @if weeks_in_bar > 1 {
                    p { "Each bar is the weekly average of " (weeks_in_bar) " weeks; the table has every week." }
                }
                (cut_weeks(&report.weeks))
            }
        }
        (behind("Trips per week", &columns(report).iter().map(|(title, numeric)| (title.as_str(), *numeric)).collect::<Vec<_>>(), &rows(report)))
    }
}

fn chart(report: &Report, bars: &[Bar], layout: &Layout) -> Markup {
    let most = bars.iter().map(Bar::trips).fold(1.0, f64::max);
    let scale = ticks(0.0, most, 5.0);
    // The axis ends at a tick, so that no bar passes it.
    let step = scale.get(1).copied().unwrap_or(1.0).max(1.0);
    let top = (most / step).ceil() * step;
    let left = BESIDE_SCALE + DIGIT * Count(top as i64).to_string().len() as f64;
    let (width, height) = (layout.width - left - RIGHT, layout.height - TOP - BOTTOM);
    let plot = Plot {
        bars,
        left,
        top,
        step: width / bars.len().max(1) as f64,
        width,
        height,
    };
    let content = html! {
        (plot.grid(step))
        (plot.dates(layout.dates))
        (plot.bars(layout.class))
        (plot.average(report))
        path class="axis" d={ "M" (number(left)) " " (number(TOP + height)) "h" (number(width)) } {}
    };
    drawing(
        &words(report, layout.class),
        layout.class,
        layout.width,
        layout.height,
        &content,
    )
}

/// Bars and where they are drawn.
struct Plot<'a> {
    bars: &'a [Bar],
    /// Where bars begin.
    left: f64,
    /// Trips at the upper end.
    top: f64,
    /// Width of a bar with its gap.
    step: f64,
    width: f64,
    height: f64,
}

impl Plot<'_> {
    fn y(&self, trips: f64) -> f64 {
        TOP + self.height * (1.0 - trips / self.top)
    }

    fn grid(&self, step: f64) -> Markup {
        let count = (self.top / step).round() as i32;
        html! {
            @for number_of in 0..=count {
                @let trips = f64::from(number_of) * step;
                @let y = self.y(trips);
                path class="grid" d={ "M" (number(self.left)) " " (number(y)) "h" (number(self.width)) } {}
                text class="end" x=(number(self.left - 8.0)) y=(number(y + 4.0)) { (Count(trips.round() as i64)) }
            }
        }
    }

    fn dates(&self, most: i32) -> Markup {
        let (Some(first), Some(last)) = (self.bars.first(), self.bars.last()) else {
            return html! {};
        };
        let days = f64::from(last.monday.0 - first.monday.0) * self.bars.len() as f64
            / (self.bars.len() as f64 - 1.0).max(1.0);
        let days = days.max(f64::from(Day::WEEK));
        html! {
            @for (day, label) in date_ticks(first.monday, days, most) {
                @let along = f64::from(day.0 - first.monday.0) / days * self.width;
                @if along >= 0.0 && along <= self.width + RIGHT - HALF_LETTER * label.len() as f64 {
                    path class="tick" d={ "M" (number(self.left + along)) " " (number(TOP + self.height)) "v5" } {}
                    text class="middle" x=(number(self.left + along)) y=(number(TOP + self.height + 19.0)) { (label) }
                }
            }
        }
    }

    fn bars(&self, class: &str) -> Markup {
        let gap = if self.step > 3.0 {
            self.step * 0.18
        } else {
            0.0
        };
        let hatch = format!("cut-{class}");
        html! {
            defs {
                pattern id=(hatch) width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                    path class="hatch" d="M0 0v5" {}
                }
            }
            @for (place, path) in self.stacks(gap).iter().enumerate() {
                @if !path.is_empty() { path class={ "r" (place) } d=(path) {} }
            }
            @for (place, bar) in self.bars.iter().enumerate() {
                @let x = number(self.left + self.step * place as f64);
                @let y = self.y(bar.trips());
                @if bar.cut {
                    rect fill={ "url(#" (hatch) ")" } x=(x) y=(number(y)) width=(number(self.step)) height=(number(TOP + self.height - y)) {}
                }
                @if class == "wide" {
                    rect class="hover" x=(x) y=(TOP) width=(number(self.step)) height=(number(self.height)) {
                        title { "Week of " (bar.monday.to_string()) ": " (decimal_or_count(bar.trips())) " trips" @if bar.cut { ", " (bar.days) " days" } }
                    }
                }
            }
        }
    }

    /// The bars of each series as one path: regions from below in their order, then all others.
    fn stacks(&self, gap: f64) -> [String; DRAWN_REGIONS + 1] {
        let mut paths: [String; DRAWN_REGIONS + 1] = Default::default();
        for (place, bar) in self.bars.iter().enumerate() {
            let x = self.left + self.step * place as f64 + gap / 2.0;
            let mut below = 0.0;
            let others = bar.series.iter().zip(paths.iter_mut());
            let (first, drawn): (Vec<_>, Vec<_>) =
                others.enumerate().partition(|(series, _)| *series == 0);
            for (_, (trips, path)) in drawn.into_iter().chain(first) {
                if *trips > 0.0 {
                    let (lower, upper) = (self.y(below), self.y(below + trips));
                    *path += &rectangle(x, upper, self.step - gap, lower - upper);
                    below += trips;
                }
            }
        }
        paths
    }

    fn average(&self, report: &Report) -> Markup {
        let average: f64 = report.regions.iter().map(|region| region.weekly).sum();
        let y = self.y(average.min(self.top));
        html! {
            path class="average" d={ "M" (number(self.left)) " " (number(y)) "h" (number(self.width)) } {}
        }
    }
}

fn decimal_or_count(trips: f64) -> String {
    if trips.fract() == 0.0 {
        Count(trips as i64).to_string()
    } else {
        decimal(trips)
    }
}

fn legend(report: &Report, bars: &[Bar]) -> Markup {
    let average: f64 = report.regions.iter().map(|region| region.weekly).sum();
    let others = report
        .regions
        .iter()
        .skip(DRAWN_REGIONS)
        .any(|region| region.trips > 0);
    html! {
        ul class="keys" {
            @for (place, region) in report.drawn().iter().enumerate() {
                li { (swatch(place)) (region.name) }
            }
            @if others { li { span class="swatch b0" {} "all other regions" } }
            li { span class="swatch dash" {} "average of the period: " (decimal(average)) " a week" }
            @if bars.iter().any(|bar| bar.cut) { li { span class="swatch cut" {} "week cut by the period" } }
        }
    }
}

/// The colour of a region, by its place among those that are drawn.
pub fn swatch(place: usize) -> Markup {
    html! { span class={ "swatch b" (place + 1) } {} }
}

fn cut_weeks(weeks: &[Week]) -> Markup {
    let cut: Vec<&Week> = weeks.iter().filter(|week| week.days < Day::WEEK).collect();
    html! {
        @if !cut.is_empty() {
            p {
                "The period holds only a part of "
                @for (place, week) in cut.iter().enumerate() {
                    @if place > 0 { " and " }
                    "the week of " (week.monday) " (" (week.days) @if week.days == 1 { " day)" } @else { " days)" }
                }
                "."
            }
        }
    }
}

fn words(report: &Report, class: &str) -> Words {
    let weeks = &report.weeks;
    let most = weeks.iter().max_by_key(|week| week.trips());
    let empty = weeks.iter().filter(|week| week.trips() == 0).count();
    let description = most.map_or_else(String::new, |most| {
        format!(
            "{} weeks, {} of them without trips. Most trips, {}, in the week of {}. The table below has every week.",
            weeks.len(),
            empty,
            Count(most.trips()),
            most.monday
        )
    });
    Words {
        id: format!("weeks-{class}"),
        title: "Trips per week".to_owned(),
        description,
    }
}

fn columns(report: &Report) -> Vec<(String, bool)> {
    let mut columns = vec![
        ("Week of".to_owned(), false),
        ("Days".to_owned(), true),
        ("Trips".to_owned(), true),
    ];
    if report.drawn().len() > 1 {
        columns.extend(
            report
                .drawn()
                .iter()
                .map(|region: &Region| (region.name.isolated(), true)),
        );
    }
    columns
}

fn rows(report: &Report) -> Vec<Vec<Markup>> {
    let drawn = report.drawn().len();
    let row = |week: &Week| {
        let mut cells = vec![
            html! { (week.monday) },
            html! { (week.days) },
            html! { (Count(week.trips())) },
        ];
        if drawn > 1 {
            cells.extend(
                week.series
                    .iter()
                    .skip(1)
                    .take(drawn)
                    .map(|trips| html! { (Count(*trips)) }),
            );
        }
        cells
    };
    report.weeks.iter().map(row).collect()
}
