//! Ingests in words and figures, for lines and bars.

use super::event::{Failure, Phase};
use super::ingest::{End, Ingest};
use crate::words::{duration, escape, grouped, rounded, took};

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
                took(ingest.elapsed_seconds),
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
        let mut ingest = Ingest::of_event(&event(Kind::Progress, 3), None);
        assert_eq!(name(&ingest), "/data/trips.csv (ingest 2)");
        assert_eq!(short_name(&ingest), "trips.csv");
        ingest.file = Some("/d/\u{1b}]0;x\u{7}.csv".to_owned());
        assert_eq!(short_name(&ingest), "\\x1b]0;x\\x07.csv");
        ingest.file = None;
        assert_eq!(short_name(&ingest), "ingest 2");
    }

    #[test]
    fn a_share_is_a_whole_part_of_a_hundred() {
        assert_eq!(percent(1, 0), None);
        assert_eq!(percent(2, 3), Some(66));
        assert_eq!(percent(u64::MAX, 1), Some(u64::MAX));
    }
}
