//! Ingests in words and figures, for lines and bars.

use std::fmt::Write;

use super::event::{Failure, Phase};
use super::ingest::{End, Ingest};

/// Text as it may go to a terminal: what would steer it, or turn the order of letters, is written as an escape.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                // Writing to a string does not fail.
                let _ = write!(escaped, "\\u{:04x}", u32::from(character));
            }
            character if character.is_control() => {
                let _ = write!(escaped, "\\x{:02x}", u32::from(character));
            }
            character => escaped.push(character),
        }
    }
    escaped
}

/// What an ingest is called: its file's whole path, where that is known.
pub fn name(ingest: &Ingest) -> String {
    match &ingest.file {
        Some(file) => format!("{} (ingest {})", escape(file), ingest.id),
        None => format!("ingest {}", ingest.id),
    }
}

/// What it is called where room is short: the last part of its file's path.
pub fn short_name(ingest: &Ingest) -> String {
    let file = ingest.file.as_deref();
    let last = file.and_then(|file| file.rsplit('/').find(|part| !part.is_empty()));
    last.map_or_else(|| format!("ingest {}", ingest.id), escape)
}

/// How an ingest ended.
pub fn end(ingest: &Ingest, end: &End) -> String {
    match end {
        End::Completed => {
            let mut words = format!(
                "loaded {} rows in {}, {} rows/s",
                grouped(ingest.rows),
                seconds(ingest.elapsed_seconds),
                rounded(ingest.rows_per_second)
            );
            push_rejected(&mut words, ingest.rejected);
            words
        }
        End::Skipped(Some(by)) => format!("skipped: content was loaded before by ingest {by}"),
        End::Skipped(None) => "skipped: content was loaded before".to_owned(),
        End::Failed(failure) => failed(failure),
        End::Unknown => {
            "ended; how is not to be seen without SELECT on trips.ingest_progress".to_owned()
        }
    }
}

fn failed(failure: &Failure) -> String {
    let mut words = format!(
        "failed: {} ({})",
        escape(&failure.message),
        failure.sqlstate
    );
    if let Some(line) = failure.line {
        words += &format!(" at line {line}");
        if let Some(column) = &failure.column {
            words += &format!(", column {}", escape(column));
        }
    }
    words
}

/// How far an ingest is that has not ended.
pub fn progress(ingest: &Ingest) -> String {
    let phase = match ingest.phase {
        Phase::Queued => return "queued".to_owned(),
        Phase::Checking => "checking",
        Phase::Loading | Phase::Done => "loading",
    };
    if ingest.rows == 0 && ingest.rejected == 0 {
        return phase.to_owned();
    }
    let mut words = String::from(phase);
    if let Some(percent) = percent(ingest.bytes_done, ingest.bytes_total) {
        words += &format!(" {percent}%");
    }
    words += &format!(
        ", {} rows, {} rows/s",
        grouped(ingest.rows),
        rounded(ingest.rows_per_second)
    );
    if let Some(left) = left(ingest) {
        words += &format!(", {left}");
    }
    push_rejected(&mut words, ingest.rejected);
    words
}

/// How long it will take yet. Once the file is read, what belongs to its rows is written: nobody knows how long.
pub fn left(ingest: &Ingest) -> Option<String> {
    if ingest.bytes_total > 0 && ingest.bytes_done >= ingest.bytes_total {
        return Some("finishing".to_owned());
    }
    let left = ingest.eta_seconds?;
    Some(format!("{} left", duration(left)))
}

fn push_rejected(words: &mut String, rejected: u64) {
    if rejected > 0 {
        *words += &format!(", {} rejected", grouped(rejected));
    }
}

/// The whole part of a hundred, of what is known.
pub fn percent(done: u64, total: u64) -> Option<u64> {
    (done.saturating_mul(100)).checked_div(total)
}

/// A number with its thousands apart: `5,000,000`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A number in words from a million on: `1.5 million`.
pub fn rounded(number: u64) -> String {
    if number < 1_000_000 {
        return grouped(number);
    }
    format!("{:.1} million", number as f64 / 1e6)
}

/// A number in few letters: `950`, `12k`, `1.5M`, `2.0G`.
pub fn compact(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        1_000..1_000_000 => format!("{}k", number / 1_000),
        1_000_000..1_000_000_000 => format!("{:.1}M", number as f64 / 1e6),
        _ => format!("{:.1}G", number as f64 / 1e9),
    }
}

/// How long something took.
fn seconds(seconds: f64) -> String {
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    duration(seconds)
}

/// How long something takes, in one or two whole units: `3 s`, `2 min 5 s`, `1 h 4 min`.
pub fn duration(seconds: f64) -> String {
    let seconds = seconds.ceil() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, 0) => format!("{minutes} min"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, 0, _) => format!("{hours} h"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::Kind;
    use super::super::event::tests::event;
    use super::*;

    fn ended(kind: Kind) -> String {
        let mut event = event(kind, 9);
        event.rows = 5_000_000;
        event.rejected = 12;
        event.elapsed_seconds = 3.21;
        event.rows_per_second = 1_540_000;
        let ingest = Ingest::of_event(&event, None);
        end(&ingest, ingest.end.as_ref().unwrap())
    }

    #[test]
    fn ends_are_told_in_full() {
        assert_eq!(
            ended(Kind::Completed),
            "loaded 5,000,000 rows in 3.2 s, 1.5 million rows/s, 12 rejected"
        );
        assert_eq!(
            ended(Kind::Skipped),
            "skipped: content was loaded before by ingest 1"
        );
        assert_eq!(ended(Kind::Failed), "failed: bad (22007) at line 4");
        let failure = Failure {
            sqlstate: "22023".to_owned(),
            message: "bad \u{1b}[31m".to_owned(),
            line: Some(7),
            column: Some("datetime".to_owned()),
        };
        assert_eq!(
            failed(&failure),
            "failed: bad \\x1b[31m (22023) at line 7, column datetime"
        );
    }

    #[test]
    fn progress_says_what_is_known() {
        let ingest = |kind| Ingest::of_event(&event(kind, 3), None);
        assert_eq!(
            progress(&ingest(Kind::Progress)),
            "loading 50%, 5 rows, 10 rows/s, 1 s left, 1 rejected"
        );
        assert_eq!(progress(&ingest(Kind::Queued)), "queued");
    }

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(
            escape("a\u{1b}[2J\r\n\u{9b}é\u{202e}\u{7f}"),
            "a\\x1b[2J\\x0d\\x0a\\x9bé\\u202e\\x7f"
        );
        let mut ingest = Ingest::of_event(&event(Kind::Progress, 3), None);
        assert_eq!(name(&ingest), "/data/trips.csv (ingest 2)");
        assert_eq!(short_name(&ingest), "trips.csv");
        ingest.file = Some("/d/\u{1b}]0;x\u{7}.csv".to_owned());
        assert_eq!(short_name(&ingest), "\\x1b]0;x\\x07.csv");
        ingest.file = None;
        assert_eq!(short_name(&ingest), "ingest 2");
    }

    #[test]
    fn figures_are_short() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [999, 12_345, 1_540_000, 2_000_000_000].map(compact),
            ["999", "12k", "1.5M", "2.0G"]
        );
        assert_eq!(
            [0.0, 2.1, 60.0, 125.0, 3600.0, 3840.5].map(duration),
            ["0 s", "3 s", "1 min", "2 min 5 s", "1 h", "1 h 4 min"]
        );
        assert_eq!(percent(1, 0), None);
        assert_eq!(percent(u64::MAX, 1), Some(u64::MAX));
    }
}
