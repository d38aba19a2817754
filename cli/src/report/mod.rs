//! `trips report`: one HTML page that needs nothing but itself.
//!
//! Data flow one way: [`read`] asks the database for what [`data`] holds, [`weeks`], [`heat`] and [`map`] draw it,
//! [`page`] and its sections put it together, [`output`] writes it.

mod axis;
mod bars;
mod data;
mod day;
mod frame;
mod heat;
mod ledger;
mod map;
mod output;
mod page;
mod places;
mod read;
mod read_groups;
mod read_ledger;
mod read_maps;
mod regions;
mod svg;
mod table;
mod text;
mod weeks;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, ValueEnum};
use tokio_postgres::IsolationLevel;

use crate::connect::Server;
use crate::error::Error;
use day::Day;
use output::Output;
use text::{bytes, counted};

/// What to report on.
#[derive(Debug, Args)]
pub struct Options {
    /// File to write; - is standard output
    #[arg(short, long, value_name = "FILE", default_value = "report.html")]
    pub output: PathBuf,
    /// Only trips of this region
    #[arg(long)]
    pub region: Option<String>,
    /// Only trips from this day on, as 2018-05-01
    #[arg(long, value_name = "DATE")]
    pub from: Option<Day>,
    /// Only trips before this day
    #[arg(long, value_name = "DATE")]
    pub to: Option<Day>,
    /// How similar trips are put together
    #[arg(long, value_name = "METHOD", value_enum, default_value_t = GroupChoice::Auto)]
    pub groups: GroupChoice,
}

/// How groups of similar trips are made, if at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GroupChoice {
    /// Representative, in seconds: of more than a million trips, only the last weeks
    Auto,
    /// Around representatives: what a group should be
    Representative,
    /// By density (DBSCAN)
    Density,
    /// By cells of place and time: the quickest
    Cell,
    /// No groups
    None,
}

/// Writes the report.
///
/// # Errors
/// The database cannot be asked, or the file cannot be written.
pub async fn run(server: &Server, options: &Options) -> Result<ExitCode, Error> {
    let begin = Instant::now();
    if let (Some(from), Some(to)) = (options.from, options.to)
        && from >= to
    {
        return Err(
            Error::new(format!("the period from {from} to {to} has no days"))
                .hint("--to is the first day after the period."),
        );
    }
    // Before anything that takes long: a file that cannot be written is found out at once.
    let output = Output::open(&options.output)?;
    let mut session = server.connect().await?;
    let mut transaction = session
        .client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await?;
    let report = read::report(&mut transaction, options).await?;
    transaction.commit().await?;
    let page = page::page(&report).into_string();
    output.write(page.as_bytes())?;
    let regions = report
        .regions
        .iter()
        .filter(|region| region.trips > 0)
        .count();
    eprintln!(
        "{}: {}, {}, {}, {:.1} s",
        options.output.display(),
        counted(report.trips(), "trip", "trips"),
        counted(
            i64::try_from(regions).unwrap_or(i64::MAX),
            "region",
            "regions"
        ),
        bytes(i64::try_from(page.len()).unwrap_or(i64::MAX)),
        begin.elapsed().as_secs_f64()
    );
    Ok(ExitCode::SUCCESS)
}
