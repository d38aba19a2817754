//! `trips-generate`: writes a file of invented trips, the same bytes for the same seed.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use trips_tools::generate::{self, Contents, DEFAULT_REGIONS, REGIONS};

/// Write a CSV file of invented trips in Prague, Turin and Hamburg.
///
/// The same number of rows and regions and the same seed give the same bytes, on every machine.
#[derive(Parser)]
#[command(name = "trips-generate", version)]
struct Arguments {
    /// Number of trips
    rows: u64,
    /// Seed of the random numbers
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Number of cities: 4 adds Lyon, 5 Lyon and Porto
    #[arg(long, value_name = "N", default_value_t = DEFAULT_REGIONS as u8,
          value_parser = clap::value_parser!(u8).range(1..=REGIONS.len() as i64))]
    regions: u8,
    /// File to write; standard output without it
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let target = arguments.output.map_or_else(
                || "standard output".to_owned(),
                |path| path.display().to_string(),
            );
            eprintln!("trips-generate: could not write {target}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> io::Result<()> {
    let contents = Contents {
        rows: arguments.rows,
        seed: arguments.seed,
        regions: usize::from(arguments.regions),
    };
    match &arguments.output {
        Some(path) => generate::write_trips(File::create(path)?, &contents),
        None => generate::write_trips(io::stdout().lock(), &contents),
    }
}
