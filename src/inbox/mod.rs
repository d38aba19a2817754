//! The watched folder: a background worker that runs with the server and queues the files that are complete.
//!
//! Which files are, `trips_core::inbox` tells from what the kernel says, and from a scan. Each is queued once, as
//! `trips_ingest_async` queues them, in the transaction that notes it in `trips.inbox_file` ([`files`]): so a file that is told
//! of again, by the next scan after a start, is known. What the server's end has interrupted is queued again.

mod files;

use std::ffi::CString;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use pgrx::prelude::*;
use trips_core::Error;
use trips_core::inbox::Inbox;

use crate::postgres::worker::in_transaction;
use crate::postgres::{latch, worker};
use crate::{error, settings};

/// The name under which [`main`](trips_ext_inbox) is found.
const FUNCTION: &str = "trips_ext_inbox";

/// Between two looks for what is missing: the extension, the role, the directory. Also before a worker that has ended by an error
/// is started again.
const LATER: Duration = Duration::from_secs(10);

/// Between two looks for loads that the server's end has interrupted, and that have not been told of yet.
const SOON: Duration = Duration::from_secs(1);

/// Files that are queued in one transaction.
const AT_A_TIME: usize = 100;

/// Has the server start the worker, if it loads this library at its start.
pub fn register() {
    if worker::is_preloading() {
        worker::run_with_server("trips_ext inbox", FUNCTION, LATER);
    }
}

/// Where the worker starts.
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn trips_ext_inbox(_argument: pg_sys::Datum) {
    worker::take_signals();
    let database = wait_for_database();
    worker::connect_to(&database);
    worker::end_on_sigterm();
    let mut watch = None;
    let mut trouble = String::new();
    loop {
        worker::reload_settings();
        let settings = settings::inbox();
        if settings.database != database {
            worker::start_again();
        }
        match serve(&settings, &mut watch) {
            Ok(()) => trouble.clear(),
            Err(error) => {
                watch = None;
                report(&error, &mut trouble);
            }
        }
        match &watch {
            Some(watch) => latch::wait_for(watch.inbox.notices(), watch.pause()),
            None => latch::wait(LATER),
        }
    }
}

/// Waits until there is a directory to watch and a database for its files.
fn wait_for_database() -> String {
    loop {
        let settings = settings::inbox();
        if !settings.directory.is_empty() {
            if !settings.database.is_empty() {
                return settings.database;
            }
            error::warn(&not_set("trips_ext.inbox_database is not set"));
        }
        if !worker::wait_for_ever() {
            worker::start_again();
        }
        worker::reload_settings();
    }
}

fn not_set(problem: &str) -> Error {
    Error::Inbox {
        problem: problem.to_owned(),
        hint: "Set it in postgresql.conf and reload the configuration.",
    }
}

/// Says why nothing can be done: in the server's log, once, and in pg_stat_activity.
fn report(error: &Error, last: &mut String) {
    let message = error.message();
    show(&format!("waiting: {message}"));
    if *last != message {
        error::warn(error);
        *last = message;
    }
}

fn show(activity: &str) {
    if let Ok(activity) = CString::new(activity) {
        worker::show_activity(&activity);
    }
}

/// A directory that is being watched.
struct Watch {
    settings: settings::Inbox,
    inbox: Inbox,
    /// Whether all that was interrupted before has been seen to.
    is_recovered: bool,
}

impl Watch {
    /// How long to wait for the kernel's next notice; none is for ever.
    fn pause(&self) -> Option<Duration> {
        let pause = self.inbox.pause(Instant::now());
        match self.is_recovered {
            true => pause,
            false => Some(pause.map_or(SOON, |pause| pause.min(SOON))),
        }
    }
}

/// One look: queues what is complete.
fn serve(settings: &settings::Inbox, watch: &mut Option<Watch>) -> Result<(), Error> {
    if watch
        .as_ref()
        .is_some_and(|watch| watch.settings != *settings)
    {
        *watch = None;
    }
    if settings.directory.is_empty() {
        show("waiting: trips_ext.inbox_directory is not set");
        return Ok(());
    }
    let role = in_transaction(|| files::ready(settings))?;
    let watch = match watch {
        Some(watch) => watch,
        None => watch.insert(Watch {
            settings: settings.clone(),
            inbox: Inbox::open(&settings.directory)?,
            is_recovered: false,
        }),
    };
    let folder = files::Folder {
        directory: &settings.directory,
        role,
    };
    show(&format!("watching {}", settings.directory));
    if !watch.is_recovered {
        watch.is_recovered = in_transaction(|| folder.recover());
    }
    let news = watch.inbox.look(Instant::now())?;
    for news in news.chunks(AT_A_TIME) {
        in_transaction(AssertUnwindSafe(|| folder.take(news)));
    }
    Ok(())
}
