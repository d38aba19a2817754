//! The curves of the proof, as SVG.

use std::fmt::Write;

/// Points of both curves: rows of the table, and rows a second or milliseconds.
pub(super) struct Curves {
    pub(super) loads: Vec<(f64, f64)>,
    pub(super) questions: Vec<(f64, f64)>,
}

const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 240.0;
const MARGIN: f64 = 56.0;

/// Both, side by side, each from zero on.
pub(super) fn draw(curves: &Curves) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>Rows a second of each load, and the slowest median of the boxes, over the rows of the table</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
        2.0 * (WIDTH + MARGIN) + MARGIN / 2.0,
        HEIGHT + 2.0 * MARGIN
    );
    let loads: Vec<_> = curves
        .loads
        .iter()
        .map(|(rows, rate)| (*rows, rate / 1e6))
        .collect();
    panel(
        &mut svg,
        0.0,
        "Loads: million rows a second",
        &loads,
        "#0072b2",
    );
    let title = "Boxes, as loaded: slowest median, ms";
    panel(
        &mut svg,
        WIDTH + MARGIN,
        title,
        &curves.questions,
        "#c1272d",
    );
    svg.push_str("</svg>\n");
    svg
}

fn panel(svg: &mut String, left: f64, title: &str, points: &[(f64, f64)], colour: &str) {
    let (left, top) = (left + MARGIN, MARGIN);
    let most = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).fold(0.0, f64::max);
    let (widest, step) = (most(|point| point.0).max(1.0), tick(most(|point| point.1)));
    let highest = (most(|point| point.1) / step).ceil().max(1.0) * step;
    let x = |rows: f64| left + rows / widest * WIDTH;
    let y = |value: f64| top + HEIGHT - value / highest * HEIGHT;
    // Writing to a String cannot fail.
    let _ = writeln!(
        svg,
        "<text x=\"{left}\" y=\"{}\" font-weight=\"bold\">{title}</text>",
        top - 16.0
    );
    for number in 0..=(highest / step).round() as u32 {
        let value = f64::from(number) * step;
        let _ = writeln!(
            svg,
            "<line x1=\"{left}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#dddddd\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            left + WIDTH,
            left - 6.0,
            y(value) + 4.0,
            (value * 1e3).round() / 1e3,
            y = y(value),
        );
    }
    for share in [0.0, 0.5, 1.0] {
        let rows = widest * share;
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            x(rows),
            top + HEIGHT + 20.0,
            if rows >= 1e6 {
                format!("{} M", rows / 1e6)
            } else {
                rows.to_string()
            },
        );
    }
    let line: Vec<String> = points
        .iter()
        .map(|(rows, value)| format!("{:.1},{:.1}", x(*rows), y(*value)))
        .collect();
    let _ = writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
        line.join(" ")
    );
    for (rows, value) in points {
        let _ = writeln!(
            svg,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{colour}\"/>",
            x(*rows),
            y(*value)
        );
    }
}

/// The distance of the lines of a scale up to `most`: 1, 2 or 5 times a power of ten, four lines or a few more.
fn tick(most: f64) -> f64 {
    let least = (most / 5.0).max(1e-6);
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|digit| digit * power)
        .find(|tick| *tick >= least)
        .unwrap_or(power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_has_round_steps() {
        for (most, step) in [
            (3.4e0, 1.0),
            (0.9, 0.2),
            (6.7, 2.0),
            (12.0, 5.0),
            (50.0, 10.0),
        ] {
            assert!((tick(most) - step).abs() < 1e-9, "{most}: {}", tick(most));
        }
    }

    #[test]
    fn every_point_is_drawn_within_its_panel() {
        let curves = Curves {
            loads: vec![(1e6, 2.5e6), (1e8, 3.0e6)],
            questions: vec![(1e6, 0.4), (1e7, 1.2), (1e8, 5.9)],
        };
        let svg = draw(&curves);
        assert_eq!(svg.matches("<circle").count(), 5);
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert!(svg.contains("100 M") && svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
        assert!(!svg.contains("NaN"));
    }
}
