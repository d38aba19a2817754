//! The result of a benchmark as a page of Markdown: the ratio first, then what it was measured on.

use std::error::Error;
use std::fmt;
use std::fs;
use std::thread;
use std::time::Duration;

use postgres::Client;

use super::{Plan, Run};
use crate::memory;

/// Settings that decide how fast a load is.
const SETTINGS: &str = "
    SELECT name, current_setting(name)
      FROM unnest(ARRAY['wal_level', 'fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers',
                        'max_wal_size', 'checkpoint_timeout', 'maintenance_work_mem', 'autovacuum',
                        'max_worker_processes']) AS name";

const VERSIONS: &str = "
    SELECT 'PostgreSQL', current_setting('server_version')
    UNION ALL
    SELECT CASE extname WHEN 'postgis' THEN 'PostGIS' ELSE extname END, extversion
      FROM pg_extension
     WHERE extname IN ('postgis', 'trips_ext')";

const MIB: f64 = 1024.0 * 1024.0;

/// Everything that a reader needs to judge the figures; [`fmt::Display`] writes the page.
#[derive(Debug)]
pub struct Report {
    rows: u64,
    file_bytes: u64,
    copy: Vec<Run>,
    ingest: Vec<Run>,
    versions: Vec<(String, String)>,
    machine: String,
    settings: Vec<(String, String)>,
}

impl Report {
    pub(super) fn new(
        plan: &Plan,
        session: &mut Client,
        copy: Vec<Run>,
        ingest: Vec<Run>,
    ) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            rows: plan.rows,
            file_bytes: fs::metadata(&plan.file)?.len(),
            copy,
            ingest,
            versions: pairs(session, VERSIONS)?,
            machine: machine(),
            settings: pairs(session, SETTINGS)?,
        })
    }

    fn rows_per_second(&self, elapsed: Duration) -> f64 {
        self.rows as f64 / elapsed.as_secs_f64()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_headline(out)?;
        self.write_runs(out)?;
        self.write_memory(out)?;
        self.write_conditions(out)
    }
}

impl Report {
    fn write_headline(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let copy = median(&self.copy).as_secs_f64();
        let ingest = median(&self.ingest).as_secs_f64();
        writeln!(out, "# trips_ingest against COPY\n")?;
        writeln!(
            out,
            "`trips_ingest` takes **{:.3}** of the time of `COPY`: it is {:.1} times as fast \
             (medians of {}, {} rows, {:.0} MiB).\n",
            ingest / copy,
            copy / ingest,
            self.copy.len(),
            thousands(self.rows),
            self.file_bytes as f64 / MIB,
        )
    }

    fn write_runs(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "| | `COPY` | `trips_ingest` |\n|---|---:|---:|")?;
        for (number, (copy, ingest)) in (1..).zip(self.copy.iter().zip(&self.ingest)) {
            writeln!(
                out,
                "| run {number} | {:.3} s | {:.3} s |",
                copy.elapsed.as_secs_f64(),
                ingest.elapsed.as_secs_f64()
            )?;
        }
        let (copy, ingest) = (median(&self.copy), median(&self.ingest));
        writeln!(
            out,
            "| **median** | **{:.3} s** | **{:.3} s** |",
            copy.as_secs_f64(),
            ingest.as_secs_f64()
        )?;
        writeln!(
            out,
            "| rows a second | {} | {} |",
            thousands(self.rows_per_second(copy) as u64),
            thousands(self.rows_per_second(ingest) as u64)
        )?;
        writeln!(
            out,
            "| memory of the backend, growth | {:.1} MiB | {:.1} MiB |\n",
            largest_growth(&self.copy) / MIB,
            largest_growth(&self.ingest) / MIB
        )
    }

    fn write_memory(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "`COPY` writes the file's five columns, typed, into a table without an index. The two take turns; each run \
             has a session of its own, empty tables and a checkpoint before it. Memory is the largest growth \
             of `RssAnon` of the loading backend over all runs, sampled every {} ms; shared buffers are not in it.\n",
            memory::INTERVAL.as_millis()
        )
    }

    fn write_conditions(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = |pairs: &[(String, String)], between: &str| {
            let items: Vec<String> = pairs
                .iter()
                .map(|(name, value)| format!("{name}{between}{value}"))
                .collect();
            items.join(", ")
        };
        writeln!(out, "- Versions: {}", listed(&self.versions, " "))?;
        writeln!(out, "- Machine: {}", self.machine)?;
        writeln!(out, "- Settings: `{}`", listed(&self.settings, " = "))
    }
}

fn pairs(session: &mut Client, query: &str) -> Result<Vec<(String, String)>, postgres::Error> {
    let rows = session.query(query, &[])?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Processor, cores and memory, as far as `/proc` tells.
fn machine() -> String {
    let field = |path: &str, name: &str| {
        let text = fs::read_to_string(path).ok()?;
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let model = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned());
    let memory = field("/proc/meminfo", "MemTotal")
        .and_then(|total| total.strip_suffix(" kB")?.parse::<f64>().ok())
        .map_or_else(String::new, |kib| format!(", {:.0} GiB", kib / MIB));
    format!("{model}, {cores} cores{memory}")
}

/// The middle run, by time; of an even number the slower of the two in the middle.
fn median(runs: &[Run]) -> Duration {
    let mut times: Vec<Duration> = runs.iter().map(|run| run.elapsed).collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn largest_growth(runs: &[Run]) -> f64 {
    runs.iter().map(|run| run.memory_growth).max().unwrap_or(0) as f64
}

/// A number with a comma after every three digits.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(milliseconds: &[u64]) -> Vec<Run> {
        milliseconds
            .iter()
            .map(|&elapsed| Run {
                elapsed: Duration::from_millis(elapsed),
                memory_growth: elapsed << 20,
            })
            .collect()
    }

    fn report() -> Report {
        Report {
            rows: 2_000_000,
            file_bytes: 256 << 20,
            copy: runs(&[4_000, 9_000, 5_000]),
            ingest: runs(&[1_000, 1_250, 800]),
            versions: vec![("PostgreSQL".to_owned(), "15.20".to_owned())],
            machine: "a processor, 2 cores".to_owned(),
            settings: vec![("fsync".to_owned(), "on".to_owned())],
        }
    }

    #[test]
    fn the_page_begins_with_the_ratio_of_the_medians() {
        let page = report().to_string();
        let headline = page.lines().nth(2).expect("a headline");
        assert!(headline.starts_with("`trips_ingest` takes **0.200** of the time of `COPY`"));
        assert!(headline.contains("5.0 times as fast (medians of 3, 2,000,000 rows, 256 MiB)"));
    }

    #[test]
    fn the_page_holds_every_run_and_what_it_was_measured_on() {
        let page = report().to_string();
        for line in [
            "| run 2 | 9.000 s | 1.250 s |",
            "| rows a second | 400,000 | 2,000,000 |",
            "| memory of the backend, growth | 9000.0 MiB | 1250.0 MiB |",
            "- Versions: PostgreSQL 15.20",
            "- Machine: a processor, 2 cores",
            "- Settings: `fsync = on`",
        ] {
            assert!(
                page.lines().any(|written| written == line),
                "{line}\n{page}"
            );
        }
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_000), "1,000");
        assert_eq!(thousands(12_345_678), "12,345,678");
    }
}
