//! What the trees cost a load: the same file with and without them, in turns.

use std::error::Error;
use std::fmt;
use std::path::Path;

use postgres::Client;

use super::trips::{WITH_TREES, WITHOUT_TREES, empty, load};
use crate::bench::figures::{thousands, times_as_long};
use crate::bench::session::warm_page_cache;
use crate::bench::turns::Turns;
use crate::memory;

/// Times of loads; [`fmt::Display`] writes the section.
#[derive(Debug)]
pub(super) struct Ingest(Turns);

/// Loads the file `repeats` times in each way. What the last load with the trees has brought stays.
pub(super) fn measure(
    conninfo: &str,
    control: &mut Client,
    file: &Path,
    rows: u64,
    repeats: usize,
) -> Result<Ingest, Box<dyn Error>> {
    warm_page_cache(file)?;
    let [mut without, mut with] = [Vec::new(), Vec::new()];
    for _ in 0..repeats {
        for (runs, settings) in [(&mut without, WITHOUT_TREES), (&mut with, WITH_TREES)] {
            empty(control)?;
            runs.push(load(conninfo, control, file, rows, settings)?);
        }
    }
    Ok(Ingest(Turns {
        names: ["without the trees", "with the trees"],
        runs: [without, with],
        rows,
    }))
}

impl Ingest {
    /// How many times as long a load takes with the trees.
    pub(super) fn ratio(&self) -> f64 {
        let [without, with] = self.0.medians();
        times_as_long(with, without)
    }
}

impl fmt::Display for Ingest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "## Ingest\n\n{}", self.0)?;
        writeln!(
            out,
            "With the trees a load of {} rows takes {:.3} times as long. The two take turns; each run has a session \
             of its own, empty tables and a checkpoint before it. Memory is the largest growth of `RssAnon` of the \
             loading backend, sampled every {} ms; shared buffers are not in it.\n",
            thousands(self.0.rows),
            self.ratio(),
            memory::INTERVAL.as_millis()
        )
    }
}
