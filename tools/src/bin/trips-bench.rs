//! `trips-bench`: times `trips_ingest` against `COPY` and prints a page of Markdown.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use trips_tools::bench::{self, Plan};
use trips_tools::with_causes;

/// Time trips_ingest against COPY of the same file, in turns, and print the result as Markdown.
#[derive(Parser)]
#[command(name = "trips-bench", version)]
struct Arguments {
    /// Rows that the file holds
    #[arg(long)]
    rows: u64,
    /// How often each of the two runs
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    repeats: u16,
    /// File to load, readable to the server
    #[arg(long)]
    file: PathBuf,
    /// A database with the extension and empty tables, as superuser: "host=/run/postgresql dbname=bench"
    conninfo: String,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let plan = Plan {
        conninfo: arguments.conninfo,
        file: arguments.file,
        rows: arguments.rows,
        repeats: usize::from(arguments.repeats),
    };
    match bench::run(&plan) {
        Ok(report) => {
            print!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("trips-bench: {}", with_causes(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}
