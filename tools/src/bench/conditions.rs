//! What a benchmark was run on: versions, machine, settings of the server.

use std::fmt;
use std::fs;
use std::thread;

use postgres::Client;

use super::figures::MIB;

const VERSIONS: &str = "
    SELECT 'PostgreSQL', current_setting('server_version')
    UNION ALL
    SELECT CASE extname WHEN 'postgis' THEN 'PostGIS' ELSE extname END, extversion
      FROM pg_extension
     WHERE extname IN ('postgis', 'trips_ext')";

const SETTINGS: &str = "SELECT name, current_setting(name) FROM unnest($1::text[]) AS name";

/// What a reader needs to judge the figures; [`fmt::Display`] writes three lines of a list.
#[derive(Debug)]
pub(super) struct Conditions {
    pub(super) versions: Vec<(String, String)>,
    pub(super) machine: String,
    pub(super) settings: Vec<(String, String)>,
}

impl Conditions {
    /// Asks the server, for those of its settings that are named, and `/proc`.
    pub(super) fn read(session: &mut Client, settings: &[&str]) -> Result<Self, postgres::Error> {
        let pairs = |rows: Vec<postgres::Row>| {
            let pairs = rows.iter().map(|row| (row.get(0), row.get(1)));
            pairs.collect()
        };
        Ok(Self {
            versions: pairs(session.query(VERSIONS, &[])?),
            machine: machine(),
            settings: pairs(session.query(SETTINGS, &[&settings])?),
        })
    }
}

impl fmt::Display for Conditions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
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
