//! What is known of the files of the watched folder, in `trips.inbox_file`.

use std::path::Path;

use pgrx::prelude::*;
use trips_core::Error;
use trips_core::inbox::{News, State};

use super::not_set;
use crate::jobs::queue::{Arguments, Roles};
use crate::jobs::{dispatcher, queue};
use crate::postgres::{message, session, spi};
use crate::settings::{self, Inbox};
use crate::status::{attempt, ended};

/// How often a file is queued whose ingests the server's end interrupts: it may be the file that ends it.
const TRIES: i32 = 5;

/// Longer paths do not fit into an index.
const LONGEST_PATH: usize = 2_000;

/// Files that are read from the table at a time.
const AT_A_TIME: usize = 1_000;

/// Microseconds between the epochs of Unix and PostgreSQL: 1970-01-01 and 2000-01-01.
const EPOCH: i64 = 946_684_800_000_000;

/// The folder, and who loads its files.
#[derive(Debug, Clone, Copy)]
pub struct Folder<'a> {
    /// The directory.
    pub directory: &'a str,
    /// The role.
    pub role: pg_sys::Oid,
}

/// The role that loads the files, or what is missing for that.
///
/// # Errors
/// None of its own; what the server raises leaves as a panic, here and below.
pub fn ready(settings: &Inbox) -> Result<Result<pg_sys::Oid, Error>, Error> {
    if attempt::owner()?.is_none() {
        return Ok(Err(Error::Inbox {
            problem: format!(
                "extension \"trips_ext\" does not exist in database \"{}\"",
                settings.database
            ),
            hint: "Create it there with CREATE EXTENSION.",
        }));
    }
    if settings.role.is_empty() {
        return Ok(Err(not_set("trips_ext.inbox_role is not set")));
    }
    let role = spi::nullable::<pg_sys::Oid>(
        "SELECT (SELECT oid FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) $1)",
        &[settings.role.as_str().into()],
    )?;
    Ok(role.ok_or_else(|| Error::Inbox {
        problem: format!("role \"{}\" does not exist", settings.role),
        hint: "Create it, or set trips_ext.inbox_role to another.",
    }))
}

impl Folder<'_> {
    /// Sees to what was there before the worker was: queues what the server's end has interrupted, and has what is queued run. False
    /// where it is to be done again, since an end has not been told of yet.
    pub fn recover(&self) -> Result<bool, Error> {
        ended::tidy()?;
        let _owner = attempt::owner()?;
        forget_gone()?;
        let is_told: bool = spi::value(
            "SELECT NOT EXISTS (SELECT FROM trips.inbox_file f JOIN trips.ingest_attempt a ON a.id OPERATOR(pg_catalog.=) f.ingest \
              WHERE a.status OPERATOR(pg_catalog.=) 'running' AND NOT trips.ingest_is_running(a.id))",
            &[],
        )?;
        for path in self.interrupted()? {
            let ingest = self.queue(&path)?;
            spi::run(
                "UPDATE trips.inbox_file SET ingest = $2, role = $3, tries = tries OPERATOR(pg_catalog.+) 1 \
                  WHERE path OPERATOR(pg_catalog.=) $1",
                &[path.as_str().into(), ingest.into(), self.role.into()],
            )?;
        }
        if !queue::waiting()?.is_empty() {
            dispatcher::see_to_it()?;
        }
        Ok(is_told)
    }

    /// The files of this folder whose ingests ended with the server, or with their worker, in the order in which they came.
    fn interrupted(&self) -> Result<Vec<String>, Error> {
        let within = format!("{}/", self.directory.trim_end_matches('/'));
        spi::rows(
            "SELECT f.path FROM trips.inbox_file f JOIN trips.ingest_attempt a ON a.id OPERATOR(pg_catalog.=) f.ingest \
              WHERE a.status OPERATOR(pg_catalog.=) 'failed' \
                AND a.error_sqlstate OPERATOR(pg_catalog.=) ANY ('{57P01,57P02}') \
                AND f.tries OPERATOR(pg_catalog.<) $1 AND pg_catalog.starts_with(f.path, $2) \
              ORDER BY f.ingest",
            &[TRIES.into(), within.as_str().into()],
            |row| Ok(row.get(1)?.unwrap_or_default()),
        )
    }

    /// Queues the files that are complete and not known, and forgets those that are gone.
    pub fn take(&self, news: &[News]) -> Result<(), Error> {
        let _owner = attempt::owner()?;
        for news in news {
            match news {
                News::Complete { path, .. } if path.len() > LONGEST_PATH => {
                    warn_of(path, "its path is too long");
                }
                News::Complete { path, state } => self.take_file(path, *state)?,
                News::Gone { path } => forget(path)?,
                News::NotText { name } => warn_of(name, "its name is not valid in UTF-8"),
            }
        }
        Ok(())
    }

    fn take_file(&self, path: &str, state: State) -> Result<(), Error> {
        let size = i64::try_from(state.size).unwrap_or(i64::MAX);
        // A time that the type does not hold is taken for one that it does: what then tells files apart is the size.
        let modified = session::timestamp(state.modified.saturating_sub(EPOCH))
            .or_else(|| session::timestamp(0));
        let is_known: bool = spi::value(
            "SELECT EXISTS (SELECT FROM trips.inbox_file \
              WHERE path OPERATOR(pg_catalog.=) $1 AND size OPERATOR(pg_catalog.=) $2 AND modified OPERATOR(pg_catalog.=) $3)",
            &[path.into(), size.into(), modified.into()],
        )?;
        if is_known {
            return Ok(());
        }
        let ingest = self.queue(path)?;
        spi::run(
            "INSERT INTO trips.inbox_file (path, size, modified, ingest, tries, role) VALUES ($1, $2, $3, $4, 1, $5) \
             ON CONFLICT (path) DO UPDATE SET size = excluded.size, modified = excluded.modified, \
                    ingest = excluded.ingest, tries = 1, role = excluded.role",
            &[
                path.into(),
                size.into(),
                modified.into(),
                ingest.into(),
                self.role.into(),
            ],
        )
    }

    /// Queues a file as `trips_ingest_async` does; the number of the ingest.
    fn queue(&self, path: &str) -> Result<i64, Error> {
        let arguments = Arguments::from(settings::inbox_options());
        let roles = Roles {
            login: self.role,
            current: self.role,
        };
        queue::enter(path, &arguments, roles, Some(self.directory))
    }
}

/// Says in the server's log that a file is passed over.
fn warn_of(file: &str, problem: &str) {
    let text = format!("file \"{file}\" of the inbox is passed over: {problem}");
    message::warning(&text, "Rename the file.");
}

/// Forgets the files that are not there any more.
fn forget_gone() -> Result<(), Error> {
    let mut last = String::new();
    loop {
        let paths: Vec<String> = spi::rows(
            "SELECT path FROM trips.inbox_file WHERE path OPERATOR(pg_catalog.>) $1 ORDER BY path LIMIT $2",
            &[last.as_str().into(), (AT_A_TIME as i64).into()],
            |row| Ok(row.get(1)?.unwrap_or_default()),
        )?;
        for path in &paths {
            let looked = std::fs::symlink_metadata(Path::new(path));
            if looked.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
                forget(path)?;
            }
        }
        match paths.into_iter().next_back() {
            Some(path) => last = path,
            None => return Ok(()),
        }
    }
}

fn forget(path: &str) -> Result<(), Error> {
    spi::run(
        "DELETE FROM trips.inbox_file WHERE path OPERATOR(pg_catalog.=) $1",
        &[path.into()],
    )
}
