//! `trips-bench`: runs a benchmark and prints a page of Markdown.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use trips_tools::bench::{area, groups, load};
use trips_tools::with_causes;

/// Benchmarks of trips_ext. The result is a page of Markdown on standard output.
#[derive(Parser)]
#[command(name = "trips-bench", version)]
struct Arguments {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Subcommand)]
enum Benchmark {
    /// Time trips_ingest against other ways to load the same file, in turns
    Load(Load),
    /// Time questions about areas, and what their trees cost
    Area(Area),
    /// Time groups of similar trips
    Groups(Groups),
    /// Load file after file into one table, ask, group and count again
    Proof(Proof),
}

#[derive(Args)]
struct Load {
    /// Rows that the file holds
    #[arg(long)]
    rows: u64,
    /// How often each way runs
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    repeats: u16,
    /// File to load, readable to the server
    #[arg(long)]
    file: PathBuf,
    /// The same rows in two files with a header each, readable to the server
    #[arg(long, num_args = 2, value_names = ["FILE", "FILE"])]
    halves: Vec<PathBuf>,
    /// Another system: its name, and a command that loads the file and writes version, rows and seconds as JSON
    #[arg(long, num_args = 2, value_names = ["NAME", "COMMAND"])]
    rival: Vec<String>,
    /// How the benchmark was called, for the page
    #[arg(long, value_name = "TEXT", default_value = "trips-bench load")]
    command: String,
    /// A database with the extension and empty tables, as superuser: "host=/run/postgresql dbname=bench"
    conninfo: String,
}

/// Every answer that is timed is compared with a count of the rows; the exit status is 1 when one differs, or when the
/// run ended early. What was measured until then is printed all the same.
#[derive(Args)]
struct Area {
    /// Rows that the file holds
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    rows: u64,
    /// How often the file is loaded without the trees, and with them
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    repeats: u16,
    /// File to load, written by trips-generate --regions 5; the server must be able to read it and files beside it
    #[arg(long)]
    file: PathBuf,
    /// Seed of the places that are asked about
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Build no GiST index: that takes longer than anything else
    #[arg(long)]
    no_gist: bool,
    /// In how many small loads to bring a quarter of the rows; 0 leaves that part out
    #[arg(long, value_name = "LOADS", default_value_t = 1_000)]
    small_loads: u64,
    /// Write the answers about whole cities there, as JSON, for a comparison with other systems
    #[arg(long, value_name = "FILE")]
    cities: Option<PathBuf>,
    /// How the benchmark was called, for the page
    #[arg(long, value_name = "TEXT", default_value = "trips-bench area")]
    command: String,
    /// A database with the extension and empty tables, as superuser: "host=/run/postgresql dbname=bench"
    conninfo: String,
}

#[derive(Args)]
struct Groups {
    /// Trips of the first city
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    rows: u64,
    /// How often each grouping runs
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    repeats: u16,
    /// Where files are written for the server to read
    #[arg(long)]
    directory: PathBuf,
    /// Leave ST_ClusterDBSCAN out: it takes longer than all the rest
    #[arg(long)]
    no_rival: bool,
    /// How the benchmark was called, for the page
    #[arg(long, value_name = "TEXT", default_value = "trips-bench groups")]
    command: String,
    /// A database with the extension and empty tables, as superuser: "host=/run/postgresql dbname=bench"
    conninfo: String,
}

/// Every answer that is timed is compared with a count of the rows; the exit status is 1 when one differs.
#[derive(Args)]
struct Proof {
    /// How many files
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    files: u64,
    /// Rows of each file
    #[arg(long, value_parser = clap::value_parser!(u64).range(1_000..))]
    rows_each: u64,
    /// Seed of the first file, and of the places that are asked about
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where files are written for the server to read, one at a time
    #[arg(long)]
    directory: PathBuf,
    /// Where the curves are written, as SVG
    #[arg(long, value_name = "FILE")]
    curves: PathBuf,
    /// How the proof was called, for the page
    #[arg(long, value_name = "TEXT", default_value = "trips-bench proof")]
    command: String,
    /// A database with the extension and empty tables, as superuser: "host=/run/postgresql dbname=bench"
    conninfo: String,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().benchmark {
        Benchmark::Load(arguments) => bench_load(arguments),
        Benchmark::Area(arguments) => bench_area(arguments),
        Benchmark::Groups(arguments) => bench_groups(arguments),
        Benchmark::Proof(arguments) => prove(arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("trips-bench: {}", with_causes(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn bench_load(arguments: Load) -> Result<(), Box<dyn Error>> {
    let rivals = arguments.rival.as_chunks().0.iter();
    let halves = arguments.halves.try_into();
    let report = load::run(&load::Plan {
        conninfo: arguments.conninfo,
        file: arguments.file,
        halves: halves.map_err(|_| "--halves takes two files")?,
        rows: arguments.rows,
        repeats: usize::from(arguments.repeats),
        rivals: rivals
            .map(|[name, command]| load::Rival {
                name: name.clone(),
                command: ["sh", "-c", command].map(str::to_owned).to_vec(),
                version: None,
            })
            .collect(),
        command: arguments.command,
    })?;
    print!("{report}");
    Ok(())
}

fn prove(arguments: Proof) -> Result<(), Box<dyn Error>> {
    let proof = area::Proof::run(&area::ProofPlan {
        command: arguments.command,
        conninfo: arguments.conninfo,
        directory: arguments.directory,
        files: arguments.files,
        rows_each: arguments.rows_each,
        seed: arguments.seed,
        curves: arguments.curves,
        progress: |step| eprintln!("==> {step}"),
    })?;
    print!("{proof}");
    match proof.all_right() {
        true => Ok(()),
        false => Err("an answer was wrong".into()),
    }
}

fn bench_area(arguments: Area) -> Result<(), Box<dyn Error>> {
    let report = area::run(&area::Plan {
        command: arguments.command,
        conninfo: arguments.conninfo,
        file: arguments.file,
        rows: arguments.rows,
        seed: arguments.seed,
        repeats: usize::from(arguments.repeats),
        gist: !arguments.no_gist,
        small_loads: arguments.small_loads,
        cities: arguments.cities,
        progress: |step| eprintln!("==> {step}"),
    });
    print!("{report}");
    match report.failure() {
        None => Ok(()),
        Some(reason) => Err(reason.into()),
    }
}

fn bench_groups(arguments: Groups) -> Result<(), Box<dyn Error>> {
    let report = groups::run(&groups::Plan {
        command: arguments.command,
        conninfo: arguments.conninfo,
        directory: arguments.directory,
        rows: arguments.rows,
        repeats: usize::from(arguments.repeats),
        rival: !arguments.no_rival,
        progress: |step| eprintln!("==> {step}"),
    })?;
    print!("{report}");
    match report.failure() {
        None => Ok(()),
        Some(reason) => Err(reason.into()),
    }
}
