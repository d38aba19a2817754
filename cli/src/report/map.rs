//! A map of a region: where trips begin, which ways most of them take, meridians and parallels, a scale bar.

use maud::{Markup, html};

use super::data::{Flow, Map, Region};
use super::frame::{Frame, round_length, ticks, wrapped};
use super::heat::SHADES;
use super::svg::{Words, drawing, number};
use super::text::{Count, decimal};

/// Width of a map in its own units.
const WIDTH: f64 = 400.0;

/// What a scale bar is at most, as a part of the width.
const SCALE_PART: f64 = 0.3;

/// Width of the line with most trips, and of one with hardly any.
const WIDEST: f64 = 5.0;
const THINNEST: f64 = 0.9;

/// Lines that are drawn; more would hide each other.
pub const DRAWN_FLOWS: usize = 20;

/// The map.
pub fn map(map: &Map, region: &Region) -> Markup {
    let height = WIDTH * map.frame.height_km() / map.frame.width_km();
    let on = Drawing { map, height };
    let content = html! {
        rect class="land" width=(number(WIDTH)) height=(number(height)) {}
        (on.cells())
        (on.graticule())
        (on.flows())
        (on.labels())
        (on.scale_bar())
    };
    drawing(&words(map, region), "map", WIDTH, height, &content)
}

/// A map and its height in the drawing's units.
struct Drawing<'a> {
    map: &'a Map,
    height: f64,
}

impl Drawing<'_> {
    /// Where a place is drawn, given in parts of the frame from the south-west.
    fn at(&self, place: (f64, f64)) -> (f64, f64) {
        (place.0 * WIDTH, (1.0 - place.1) * self.height)
    }

    /// Cells of each shade as one path, in units of cells, those side by side as one.
    fn cells(&self) -> Markup {
        let most = self
            .map
            .cells
            .iter()
            .map(|cell| cell.2)
            .max()
            .unwrap_or_default();
        let (columns, rows) = self.map.grid;
        let (width, height) = (WIDTH / f64::from(columns), self.height / f64::from(rows));
        html! {
            g transform=(format!("matrix({width:.4} 0 0 -{height:.4} 0 {:.1})", self.height)) {
                @for shade in 1..=SHADES {
                    @let path = runs(&self.map.cells, most, shade);
                    @if !path.is_empty() { path class={ "s" (shade) } d=(path) {} }
                }
            }
        }
    }

    fn graticule(&self) -> Markup {
        let frame = &self.map.frame;
        html! {
            @for longitude in meridians(frame) {
                path class="graticule" d={ "M" (number(self.x(longitude))) " 0v" (number(self.height)) } {}
            }
            @for latitude in parallels(frame) {
                path class="graticule" d={ "M0 " (number(self.y(latitude))) "h" (number(WIDTH)) } {}
            }
        }
    }

    fn x(&self, longitude: f64) -> f64 {
        (longitude - self.map.frame.west) / self.map.frame.width * WIDTH
    }

    fn y(&self, latitude: f64) -> f64 {
        (1.0 - (latitude - self.map.frame.south) / self.map.frame.height) * self.height
    }

    /// Degrees, at the upper and the right edge: the scale bar is at the lower left.
    fn labels(&self) -> Markup {
        let frame = &self.map.frame;
        html! {
            @for longitude in meridians(frame) {
                @let x = self.x(longitude);
                @if x > 32.0 && x < WIDTH - 70.0 {
                    text class="degree middle" x=(number(x)) y="13" { (degrees(wrapped(longitude), apart(&meridians(frame)), ["E", "W"])) }
                }
            }
            @for latitude in parallels(frame) {
                @let y = self.y(latitude);
                @if y > 24.0 && y < self.height - 8.0 {
                    text class="degree end" x=(number(WIDTH - 5.0)) y=(number(y + 4.0)) { (degrees(latitude, apart(&parallels(frame)), ["N", "S"])) }
                }
            }
        }
    }

    fn flows(&self) -> Markup {
        let most = self.map.flows.first().map_or(1, |flow| flow.trips.max(1));
        html! {
            // The widest last, on top.
            @for flow in self.map.flows.iter().take(DRAWN_FLOWS).rev() {
                @let width = THINNEST + (WIDEST - THINNEST) * flow.trips as f64 / most as f64;
                @let (line, head) = arrow(self.at(flow.from), self.at(flow.to), width);
                g class="flow" {
                    title { (Count(estimated(flow, self.map))) " trips" }
                    path class="way" stroke-width=(number(width)) d=(line) {}
                    path class="head" d=(head) {}
                }
            }
        }
    }

    fn scale_bar(&self) -> Markup {
        let (km, length) = scale(&self.map.frame);
        let y = self.height - 14.0;
        html! {
            rect class="plate" x="6" y=(number(y - 20.0)) width=(number(length + 16.0)) height="28" rx="3" {}
            path class="scale" d={ "M14 " (number(y - 4.0)) "v5h" (number(length)) "v-5" } {}
            text class="middle" x=(number(14.0 + length / 2.0)) y=(number(y - 6.0)) { (length_name(km)) }
        }
    }
}

/// Kilometres of the scale bar, and its length in the drawing's units.
fn scale(frame: &Frame) -> (f64, f64) {
    let km = round_length(frame.width_km() * SCALE_PART);
    (km, km / frame.width_km() * WIDTH)
}

/// A length with its unit: 88 m, 1.36 km, 20 km.
pub fn length_name(km: f64) -> String {
    match km {
        km if km < 0.9995 => format!("{:.0} m", km * 1000.0),
        km if km.fract().abs() < 1e-9 => format!("{} km", Count(km as i64)),
        km => format!("{} km", decimal(km)),
    }
}

/// The trips of a flow; where a sample was looked at, what it says of all.
pub fn estimated(flow: &Flow, map: &Map) -> i64 {
    match map.region_trips {
        Some(all) if map.looked_at > 0 => {
            (flow.trips as f64 * all as f64 / map.looked_at as f64).round() as i64
        }
        _ => flow.trips,
    }
}

fn meridians(frame: &Frame) -> Vec<f64> {
    ticks(frame.west, frame.width, 4.0)
}

fn parallels(frame: &Frame) -> Vec<f64> {
    ticks(frame.south, frame.height, 4.0)
}

/// How far apart ticks are; one alone is told with three decimals.
fn apart(ticks: &[f64]) -> f64 {
    match ticks {
        [first, second, ..] => second - first,
        _ => 0.001,
    }
}

/// Degrees with as many decimals as ticks need that are so many degrees apart.
fn degrees(value: f64, step: f64, [positive, negative]: [&str; 2]) -> String {
    let places = (-(step * 1.000_001).log10().floor()).clamp(0.0, 6.0) as usize;
    let shown = format!("{:.places$}", value.abs());
    let is_zero = shown.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    let side = if is_zero {
        ""
    } else if value > 0.0 {
        positive
    } else {
        negative
    };
    format!("{shown}°{side}")
}

/// The cells of a shade, in rows, as boxes from their south-western corners.
fn runs(cells: &[(i32, i32, i64)], most: i64, wanted: i64) -> String {
    let mut places: Vec<(i32, i32)> = cells
        .iter()
        .filter(|cell| shade(cell.2, most) == wanted)
        .map(|cell| (cell.1, cell.0))
        .collect();
    places.sort_unstable();
    let mut path = String::new();
    let mut run: Option<(i32, i32, i32)> = None;
    let close = |run: Option<(i32, i32, i32)>, path: &mut String| {
        if let Some((row, from, to)) = run {
            let length = to - from + 1;
            *path += &format!("M{from} {row}h{length}v1h-{length}z");
        }
    };
    for (row, column) in places {
        run = match run {
            Some((last, from, to)) if last == row && to + 1 == column => Some((row, from, column)),
            other => {
                close(other, &mut path);
                Some((row, column, column))
            }
        };
    }
    close(run, &mut path);
    path
}

/// The shade of a cell beside the fullest: steps of its root, for few cells have most of the trips.
fn shade(trips: i64, most: i64) -> i64 {
    let part = (trips as f64 / most.max(1) as f64).sqrt();
    ((part * SHADES as f64).ceil() as i64).clamp(1, SHADES)
}

/// A line that bends to its right, so that ways there and back lie beside each other, and the head of an arrow.
fn arrow(from: (f64, f64), to: (f64, f64), width: f64) -> (String, String) {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx.hypot(dy).max(0.1);
    let bend = (
        (from.0 + to.0) / 2.0 - dy * 0.18,
        (from.1 + to.1) / 2.0 + dx * 0.18,
    );
    let towards = (to.0 - bend.0, to.1 - bend.1);
    let unit = towards.0.hypot(towards.1).max(0.1);
    let ahead = (towards.0 / unit, towards.1 / unit);
    let size = (4.0 + width * 1.5).min(length * 0.6);
    let base = (to.0 - ahead.0 * size, to.1 - ahead.1 * size);
    let half = size * 0.45;
    let n = number;
    let line = format!(
        "M{} {}Q{} {} {} {}",
        n(from.0),
        n(from.1),
        n(bend.0),
        n(bend.1),
        n(base.0),
        n(base.1)
    );
    let head = format!(
        "M{} {}L{} {}L{} {}z",
        n(to.0),
        n(to.1),
        n(base.0 - ahead.1 * half),
        n(base.1 + ahead.0 * half),
        n(base.0 + ahead.1 * half),
        n(base.1 - ahead.0 * half)
    );
    (line, head)
}

fn words(map: &Map, region: &Region) -> Words {
    let flow = map.flows.first().map_or_else(String::new, |flow| {
        format!(
            " The largest flow has {} trips.",
            Count(estimated(flow, map))
        )
    });
    Words {
        id: format!("map-{}", map.place),
        title: format!("Origins and flows in {}", region.name.isolated()),
        description: format!(
            "A map of about {:.0} by {:.0} kilometres; darker or brighter cells have more origins, arrows lead from origins to destinations.{flow} The table below has the largest flows.",
            map.frame.width_km().ceil(),
            map.frame.height_km().ceil()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_bar_is_as_long_as_it_says() {
        for (lon, lat, size) in [
            (-74.04, 40.72, 0.08),
            (9.99, 53.55, 0.4),
            (25.7, 66.5, 3.0),
            (179.95, -17.8, 0.3),
        ] {
            let frame = Frame::around(lon, lat, size, size);
            let (km, length) = scale(&frame);
            let degrees = length / WIDTH * frame.width;
            // Along a parallel; the great circle is shorter by next to nothing.
            let half = (degrees.to_radians() / 2.0).sin() * frame.latitude().to_radians().cos();
            let ground = 2.0 * 6371.0088 * half.asin();
            assert!(
                (ground / km - 1.0).abs() < 0.01,
                "{km} km are drawn as {ground}"
            );
            assert!(length > WIDTH * 0.1 && length <= WIDTH * 0.31);
        }
    }

    #[test]
    fn cells_side_by_side_are_one_box() {
        let cells = [(0, 0, 9), (1, 0, 9), (3, 0, 9), (0, 1, 9), (7, 7, 100)];
        assert_eq!(runs(&cells, 100, 3), "M0 0h2v1h-2zM3 0h1v1h-1zM0 1h1v1h-1z");
        assert_eq!(runs(&cells, 100, 8), "M7 7h1v1h-1z");
        assert_eq!(runs(&cells, 100, 1), "");
    }

    #[test]
    fn degrees_have_the_decimals_that_tell_them_apart() {
        assert_eq!(degrees(-74.05, 0.05, ["E", "W"]), "74.05°W");
        assert_eq!(degrees(-0.0, 10.0, ["E", "W"]), "0°");
        assert_eq!(degrees(53.5, 0.1, ["N", "S"]), "53.5°N");
    }

    #[test]
    fn an_arrow_of_no_length_is_drawn_without_harm() {
        let (line, head) = arrow((5.0, 5.0), (5.0, 5.0), 2.0);
        assert!(!line.contains("NaN") && !head.contains("NaN"));
    }
}
