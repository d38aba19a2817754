//! One ingest as one line of a terminal, however wide that is.

use console::{Alignment, measure_text_width, pad_str, truncate_str};

use super::event::Phase;
use super::ingest::Ingest;
use super::words;
use crate::words::{compact, grouped};

/// The fewest columns that a bar is worth.
const LEAST_BAR: usize = 8;

/// The most columns that help.
const MOST_BAR: usize = 40;

/// The columns that a name gets at least, where it needs them.
const LEAST_NAME: usize = 12;

/// What bars are drawn with: eighths of a column, or whole ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Glyphs {
    /// Unicode's blocks.
    Blocks,
    /// ASCII.
    Plain,
}

const EIGHTHS: [char; 8] = ['░', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/// The line of an ingest of which so many bytes are dealt with by now. The bar's place depends on the terminal alone, so
/// that it keeps still while figures grow.
///
/// `column` is how wide the longest of the names is that stand below each other.
pub fn line(ingest: &Ingest, bytes: u64, column: usize, width: usize, glyphs: Glyphs) -> String {
    let name = words::short_name(ingest);
    let for_bar = (width / 4).clamp(LEAST_BAR, MOST_BAR);
    let column = column.min(LEAST_NAME.max(width / 4));
    let least = column + 1 + for_bar + 1;
    let figures = figures(ingest, bytes);
    let fitting = figures
        .iter()
        .find(|tail| least + measure_text_width(tail) <= width);
    let Some(tail) = fitting else {
        let least = figures.last().map_or("", String::as_str);
        return truncate_str(&format!("{name} {least}"), width, "…").into_owned();
    };
    let for_name = width.saturating_sub(for_bar + measure_text_width(tail) + 2);
    let for_name = column.min(for_name);
    let name = truncate_str(&name, for_name, "…");
    let name = pad_str(&name, for_name, Alignment::Left, None);
    let bar = bar(bytes, ingest.bytes_total, for_bar, glyphs);
    format!("{name} {bar} {tail}")
}

/// What stands behind the bar, from all that there is to the least.
fn figures(ingest: &Ingest, bytes: u64) -> Vec<String> {
    if ingest.phase == Phase::Queued || ingest.phase == Phase::Checking {
        return vec![words::progress(ingest)];
    }
    let percent = words::percent(bytes, ingest.bytes_total);
    let percent = percent.map_or_else(String::new, |percent| format!("{percent:>3}%"));
    let rows = format!("{} rows", grouped(ingest.rows));
    let few = format!("{} rows", compact(ingest.rows));
    let rate = format!("{}/s", compact(ingest.rows_per_second));
    let time = words::left(ingest).unwrap_or_default();
    let rejected = match ingest.rejected {
        0 => String::new(),
        some => format!("{} rejected", compact(some)),
    };
    let line = |between: &str, parts: &[&String]| {
        let parts: Vec<&str> = parts.iter().map(|part| part.as_str()).collect();
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        parts.collect::<Vec<_>>().join(between)
    };
    vec![
        line("  ", &[&percent, &rows, &rate, &time, &rejected]),
        line(" ", &[&percent, &few, &rate, &time, &rejected]),
        line(" ", &[&percent, &rate, &time, &rejected]),
        line(" ", &[&percent, &time, &rejected]),
        line(" ", &[&percent, &rejected]),
        percent,
    ]
}

fn bar(done: u64, total: u64, width: usize, glyphs: Glyphs) -> String {
    let share = if total == 0 {
        0.0
    } else {
        done as f64 / total as f64
    };
    let eighths = (share.clamp(0.0, 1.0) * (width * 8) as f64) as usize;
    match glyphs {
        Glyphs::Blocks => {
            let part = EIGHTHS.get(eighths % 8).copied().unwrap_or('░');
            let mut bar = "█".repeat(eighths / 8);
            if eighths / 8 < width {
                bar.push(part);
            }
            let drawn = (eighths / 8 + 1).min(width);
            bar + &"░".repeat(width - drawn)
        }
        Glyphs::Plain => {
            let full = (eighths / 8).min(width);
            "#".repeat(full) + &".".repeat(width - full)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::Kind;
    use super::super::event::tests::event;
    use super::*;

    fn ingest(name: &str) -> Ingest {
        let mut event = event(Kind::Progress, 3);
        event.file = Some(format!("/data/{name}"));
        event.rows = 2_150_000;
        event.rows_per_second = 1_540_000;
        event.eta_seconds = Some(2.2);
        event.rejected = 12;
        Ingest::of_event(&event, None)
    }

    #[test]
    fn a_line_fits_however_wide_the_terminal_is() {
        for name in ["t.csv", "a-rather-long-name-of-a-file-2018.csv.gz", "ééé"] {
            for width in 1..200 {
                for bytes in [0, 1, 500, 1000] {
                    let line = line(&ingest(name), bytes, 20, width, Glyphs::Blocks);
                    assert!(measure_text_width(&line) <= width, "{width}: {line}");
                }
            }
        }
    }

    #[test]
    fn what_is_said_depends_on_the_width() {
        let line = |width| line(&ingest("trips.csv"), 500, 9, width, Glyphs::Plain);
        assert_eq!(
            line(84),
            "trips.csv ##########...........  50%  2,150,000 rows  1.5M/s  3 s left  12 rejected"
        );
        assert_eq!(
            line(60),
            "trips.csv #######........  50% 1.5M/s 3 s left 12 rejected"
        );
        assert_eq!(line(40), "trips.csv #####.....  50% 12 rejected");
        assert_eq!(line(24), "trips.csv ####....  50%");
        assert_eq!(line(12), "trips.csv  …");
    }

    #[test]
    fn a_bar_is_as_full_as_the_file_is_read() {
        assert_eq!(bar(0, 0, 4, Glyphs::Plain), "....");
        assert_eq!(bar(5, 10, 4, Glyphs::Plain), "##..");
        assert_eq!(bar(10, 10, 4, Glyphs::Blocks), "████");
        assert_eq!(bar(9, 16, 4, Glyphs::Blocks), "██▎░");
    }
}
