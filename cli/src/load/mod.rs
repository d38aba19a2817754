//! `trips load`: files of this machine, sent over the connection and ingested by the server, each in a transaction of its own.

mod input;
mod known;
mod send;
mod show;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use tokio::signal;

use crate::connect::{Server, Session};
use crate::error::Error;
use input::Input;
use send::{Loaded, Status};
use show::{Observer, Progress};

const EXAMPLES: &str = "\
Examples:
  trips load trips.csv                        into the database of PGDATABASE
  trips load -d trips *.csv                   each file in a transaction of its own
  trips load --on-error ignore trips.csv      leaves bad rows out, and says which
  zcat trips.csv.gz | trips load -            standard input

A file is known by its content: loaded again, from here or by trips_ingest, it is skipped. So a command that was broken off
can be repeated as it is.

Exit status: 0 if all files are loaded, or were before; 1 if any is not.";

/// What to load, and how.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Options {
    /// Files to load, CSV with a header; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What to do with a row that cannot be loaded
    #[arg(long, value_enum, value_name = "ACTION", default_value_t = OnError::Stop)]
    on_error: OnError,
    /// Most rows of a file that may be left out, with --on-error ignore
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(i64).range(1..))]
    reject_limit: Option<i64>,
    /// What to do with a file whose content is loaded already
    #[arg(long, value_enum, value_name = "ACTION", default_value_t = IfLoaded::Skip)]
    if_loaded: IfLoaded,
    /// Send and check the files, and store nothing
    #[arg(long)]
    dry_run: bool,
    /// Print the result of each file as a JSON object
    #[arg(long)]
    json: bool,
}

/// The values of `--on-error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OnError {
    /// The first bad row ends the load of its file; nothing of it is loaded
    Stop,
    /// Bad rows are left out, and kept in trips.rejected_row
    Ignore,
}

/// The values of `--if-loaded`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum IfLoaded {
    /// Say so
    Skip,
    /// Fail
    Error,
}

impl Options {
    /// The arguments of `trips_ingest_upload` that are words: `on_error`, `if_loaded`.
    fn words(&self) -> (&'static str, &'static str) {
        let on_error = match self.on_error {
            OnError::Stop => "stop",
            OnError::Ignore => "ignore",
        };
        let if_loaded = match self.if_loaded {
            IfLoaded::Skip => "skip",
            IfLoaded::Error => "error",
        };
        (on_error, if_loaded)
    }
}

/// Loads the files.
///
/// # Errors
/// The server cannot be reached. What is wrong with a file is printed, and the others are loaded.
pub async fn run(server: &Server, options: &Options) -> Result<ExitCode, Error> {
    let mut session = server.connect().await?;
    let observer = Observer::of(server, &session).await;
    let mut all_loaded = true;
    for path in &options.files {
        let name = input::name_of(path);
        match load(server, &mut session, &observer, options, path).await {
            Ok(loaded) => show::result(&loaded, options.json)?,
            Err(error) => {
                all_loaded = false;
                show::failure(&name, &error);
                if session.client.is_closed() {
                    return Err(Error::new("connection to server was lost").hint(
                        "Nothing of the file was loaded. Repeat the command: files that are loaded are skipped.",
                    ));
                }
            }
        }
    }
    Ok(match all_loaded {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Loads one file. An interrupt (Ctrl-C) cancels it.
async fn load(
    server: &Server,
    session: &mut Session,
    observer: &Observer,
    options: &Options,
    path: &Path,
) -> Result<Loaded, Error> {
    if let Some(ingest) = known::ingest_of(&session.client, path).await? {
        return known::skip(path, ingest, options);
    }
    let input = Input::open(path)?;
    let progress = Progress::start(observer, &input);
    let sent = {
        let work = send::send(&session.client, input, options, &progress);
        tokio::pin!(work);
        tokio::select! {
            result = &mut work => result,
            _ = signal::ctrl_c() => {
                server.cancel(&session.client).await?;
                // It may have been too late: what the server says is what counts.
                work.await
            }
        }
    };
    progress.finish();
    show::notices(session);
    if sent.is_err() {
        // The transaction is open, and broken.
        let _ = session.client.batch_execute("ROLLBACK").await;
    }
    let loaded = sent?;
    Ok(match loaded.status {
        Status::Loaded if loaded.rows_rejected > 0 => {
            send::with_rejected(&session.client, loaded).await
        }
        _ => loaded,
    })
}
