//! `trips watch`: shows how ingests go, as the server pushes it.

mod bar;
mod bars;
mod catch_up;
mod display;
mod event;
mod follow;
mod ingest;
mod lines;
mod state;
mod stop;
mod words;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Args;

use crate::connect::Server;
use crate::error::Error;
use bars::Bars;
use display::{Display, Json};
use follow::Follower;
use ingest::End;
use lines::Lines;
use stop::{Outcome, Stop};

/// The status where the ingest has failed.
const FAILED: u8 = 3;

/// The status where there is no such ingest.
const UNKNOWN: u8 = 4;

/// What shells call an end by Ctrl-C.
const INTERRUPTED: u8 = 130;

/// What shells call an end by SIGTERM.
const TERMINATED: u8 = 143;

/// Examples and exit statuses, below the options.
const HELP: &str = "\
Examples:
  Every ingest of the database \"city\", until Ctrl-C:
    trips watch --dbname city
  One that runs in the background, and whether it went well:
    load=\"SELECT trips_ingest_async('/data/trips.csv')\"
    job=$(psql -XAtc \"$load\" city)
    trips watch --until-done \"$job\" --dbname city && echo loaded
  Events for another program:
    trips watch --json --dbname city | jq 'select(.event == \"failed\")'

Exit status:
  0    the ingest was completed or skipped; Ctrl-C without --until-done
  1    an error, or how the ingest ended cannot be seen
  2    the command line is wrong
  3    the ingest failed
  4    there is no such ingest, or this role may not see it
  130  Ctrl-C before the ingest was done
  143  SIGTERM";

/// What to watch, and how to show it.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub struct Options {
    /// Ingests to watch, by number; without any, all that run or will
    ///
    /// Without any, but with --until-done, that one alone. Ingests named here are shown even if they have ended.
    #[arg(value_name = "INGEST", value_parser = clap::value_parser!(u32).range(1..=i64::from(i32::MAX)))]
    pub ingests: Vec<u32>,
    /// Print each event as the server pushed it: one JSON object a line
    ///
    /// What could not be heard, because the watching began later or the connection was lost, is printed in the same form
    /// with "caught_up": true.
    #[arg(long)]
    pub json: bool,
    /// End when this ingest is done; the exit status says how it went
    #[arg(long, value_name = "INGEST", value_parser = clap::value_parser!(u32).range(1..=i64::from(i32::MAX)))]
    pub until_done: Option<u32>,
    /// Channel to listen on; without it, the one that the setting trips_ext.channel names, or trips_ingest
    #[arg(long, value_name = "NAME")]
    pub channel: Option<String>,
}

/// Watches, until Ctrl-C or the end of the ingest that is waited for.
///
/// # Errors
/// The server cannot be reached at the start, or lets us in no more.
pub async fn run(server: &Server, options: &Options) -> Result<ExitCode, Error> {
    // Before signals are caught: Ctrl-C ends the asking for a password at once.
    let session = server.connect().await?;
    let mut display = display(options);
    let mut follower = Follower::new(server, options, display.as_mut())?;
    let outcome = follower.run(session).await;
    let finished = display.finish(matches!(outcome, Ok(Outcome::Interrupted)));
    match outcome {
        Ok(outcome) => {
            finished.or_else(|error| ignore_broken_pipe(error).map(drop))?;
            status(outcome, options)
        }
        Err(Stop::Output(error)) => ignore_broken_pipe(error),
        Err(Stop::Error(error)) => Err(error),
    }
}

/// Bars where somebody looks and the terminal can move its cursor.
fn display(options: &Options) -> Box<dyn Display> {
    let is_dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
    if options.json {
        Box::new(Json)
    } else if std::io::stdout().is_terminal() && !is_dumb {
        Box::new(Bars::new())
    } else {
        Box::new(Lines::default())
    }
}

fn status(outcome: Outcome, options: &Options) -> Result<ExitCode, Error> {
    Ok(match outcome {
        Outcome::Done(End::Completed | End::Skipped(_)) => ExitCode::SUCCESS,
        Outcome::Done(End::Failed(_)) => ExitCode::from(FAILED),
        Outcome::Done(End::Unknown) => ExitCode::FAILURE,
        Outcome::NoSuchIngest(id) => {
            let error = Error::new(format!("there is no ingest {id}")).hint(
                "trips.ingest_progress shows those of the last 30 days, to the roles that loaded them and to members of pg_read_all_stats.",
            );
            eprintln!("trips: {error}");
            ExitCode::from(UNKNOWN)
        }
        Outcome::Interrupted if options.until_done.is_none() => ExitCode::SUCCESS,
        Outcome::Interrupted => ExitCode::from(INTERRUPTED),
        Outcome::Terminated => ExitCode::from(TERMINATED),
    })
}

/// Who reads has had enough: that is no error.
fn ignore_broken_pipe(error: std::io::Error) -> Result<ExitCode, Error> {
    if error.kind() == std::io::ErrorKind::BrokenPipe {
        return Ok(ExitCode::SUCCESS);
    }
    Err(Error::new(format!("could not write: {error}")))
}
