//! One ingest as one line of a terminal, however wide that is.

use console::{measure_text_width, truncate_str};

use super::event::Phase;
use super::ingest::Ingest;
use super::words;

/// The fewest columns that a bar is worth.
const LEAST_BAR: usize = 8;

/// The most columns that help.
const MOST_BAR: usize = 40;

/// The fewest columns that a name gets.
const LEAST_NAME: usize = 12;

/// What bars are drawn with: eighths of a column, or whole ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Glyphs {
    /// Unicode's blocks.
    Blocks,
    /// ASCII.
    Plain,
}

const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/// The line of an ingest of which so many bytes are dealt with by now.
pub fn line(ingest: &Ingest, bytes: u64, width: usize, glyphs: Glyphs) -> String {
    let name = words::short_name(ingest);
    let figures = figures(ingest, bytes);
    let least = LEAST_NAME.min(measure_text_width(&name)) + 1 + LEAST_BAR + 1;
    let tail = figures
        .iter()
        .find(|tail| least + measure_text_width(tail) <= width)
        .or(figures.last())
        .cloned()
        .unwrap_or_default();
    let left = width.saturating_sub(measure_text_width(&tail) + 2);
    if left < LEAST_BAR {
        return truncate_str(&format!("{name} {tail}"), width, "…").into_owned();
    }
    // A name may have what a bar does not need, and a third where both need much.
    let for_name = left
        .saturating_sub(LEAST_BAR)
        .min((left / 2).max(LEAST_NAME));
    let name = truncate_str(&name, for_name, "…");
    let of_name = measure_text_width(&name);
    let bar = bar(
        bytes,
        ingest.bytes_total,
        (left - of_name).min(MOST_BAR),
        glyphs,
    );
    let line = format!("{name} {bar} {tail}");
    truncate_str(&line, width, "").into_owned()
}

/// What stands behind the bar, from all that there is to the least.
fn figures(ingest: &Ingest, bytes: u64) -> Vec<String> {
    let phase = match ingest.phase {
        Phase::Queued => return vec!["queued".to_owned()],
        Phase::Checking => return vec!["checking".to_owned()],
        Phase::Loading | Phase::Done => {
            let percent = words::percent(bytes, ingest.bytes_total);
            percent.map_or_else(String::new, |percent| format!("{percent:>3}%"))
        }
    };
    let rows = format!(" {} rows", words::grouped(ingest.rows));
    let few = format!(" {} rows", words::compact(ingest.rows));
    let rate = format!(" {}/s", words::compact(ingest.rows_per_second));
    let left = ingest.eta_seconds.map(words::duration);
    let time = left.map_or_else(String::new, |left| format!(" {left} left"));
    let rejected = match ingest.rejected {
        0 => String::new(),
        some => format!(" {} rejected", words::compact(some)),
    };
    vec![
        format!("{phase} {rows} {rate} {time}{rejected}"),
        format!("{phase}{few}{rate}{time}{rejected}"),
        format!("{phase}{rate}{time}{rejected}"),
        format!("{phase}{rate}{time}"),
        format!("{phase}{rate}"),
        phase,
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
            let part = EIGHTHS.get(eighths % 8).copied().unwrap_or(' ');
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
            for width in 0..200 {
                for bytes in [0, 1, 500, 1000] {
                    let line = line(&ingest(name), bytes, width, Glyphs::Blocks);
                    assert!(measure_text_width(&line) <= width, "{width}: {line}");
                }
            }
        }
    }

    #[test]
    fn what_is_said_depends_on_the_width() {
        let line = |width| line(&ingest("trips.csv"), 500, width, Glyphs::Plain);
        assert_eq!(
            line(80),
            "trips.csv #######.......  50%  2,150,000 rows  1.5M/s  3 s left 12 rejected"
        );
        assert_eq!(line(40), "trips.csv #####.....  50% 1.5M/s 3 s left");
    }

    #[test]
    fn a_bar_is_as_full_as_the_file_is_read() {
        assert_eq!(bar(0, 0, 4, Glyphs::Plain), "....");
        assert_eq!(bar(5, 10, 4, Glyphs::Plain), "##..");
        assert_eq!(bar(10, 10, 4, Glyphs::Blocks), "████");
        assert_eq!(bar(9, 16, 4, Glyphs::Blocks), "██▎░");
    }
}
