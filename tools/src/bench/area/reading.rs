//! A session that asks all the time while another one works.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};

use super::shape::Rect;
use crate::bench::figures::{median, milliseconds, thousands};
use crate::with_causes;

const ASK: &str =
    "SELECT trips_weekly_average($1::float8, $2::float8, $3::float8, $4::float8)::float8";

/// One answer.
#[derive(Clone, Copy, Debug)]
struct Wait {
    started: Instant,
    elapsed: Duration,
}

/// The thread of that session.
pub(super) struct Reader {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Vec<Wait>, String>>,
}

/// Waits for answers, by the client's clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Waits {
    answers: u64,
    median: Duration,
    pub(super) longest: Duration,
}

impl Reader {
    /// Starts to ask about the boxes, one after the other, over and over.
    pub(super) fn start(conninfo: &str, boxes: Vec<Rect>) -> Result<Self, postgres::Error> {
        let mut session = Client::connect(conninfo, NoTls)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || read(&mut session, &boxes, &stopped));
        Ok(Self { stop, thread })
    }

    /// Ends it and gives its waits that began before `since`, and those after.
    ///
    /// An error is what the server said, or an answer that changed.
    pub(super) fn stop(self, since: Instant) -> Result<[Waits; 2], String> {
        self.stop.store(true, Ordering::Relaxed);
        let waits = self.thread.join();
        let waits = waits.map_err(|_| "the reading thread ended early".to_owned())??;
        let (before, after): (Vec<Wait>, Vec<Wait>) =
            waits.into_iter().partition(|wait| wait.started < since);
        Ok([before, after].map(|waits| Waits::of(&waits)))
    }
}

fn read(session: &mut Client, boxes: &[Rect], stop: &AtomicBool) -> Result<Vec<Wait>, String> {
    let in_words = |error: postgres::Error| with_causes(&error);
    let ask = session.prepare(ASK).map_err(in_words)?;
    let mut known: Vec<Option<f64>> = vec![None; boxes.len()];
    let mut waits = Vec::new();
    for number in (0..boxes.len()).cycle() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let asked = &boxes[number];
        let started = Instant::now();
        let row = session.query_one(
            &ask,
            &[
                &asked.min_lon,
                &asked.min_lat,
                &asked.max_lon,
                &asked.max_lat,
            ],
        );
        let elapsed = started.elapsed();
        let answer = row.and_then(|row| row.try_get(0)).map_err(in_words)?;
        let first: f64 = *known[number].get_or_insert(answer);
        if first.to_bits() != answer.to_bits() {
            return Err(format!(
                "the answer changed from {first} to {answer}: {asked:?}"
            ));
        }
        waits.push(Wait { started, elapsed });
    }
    Ok(waits)
}

impl Waits {
    fn of(waits: &[Wait]) -> Self {
        let times: Vec<Duration> = waits.iter().map(|wait| wait.elapsed).collect();
        Self {
            answers: times.len() as u64,
            median: median(&times),
            longest: times.iter().max().copied().unwrap_or_default(),
        }
    }

    /// Answers, median and longest wait as cells of a table.
    pub(super) fn cells(&self) -> String {
        format!(
            "{} | {} | {}",
            thousands(self.answers),
            milliseconds(self.median),
            milliseconds(self.longest)
        )
    }
}
