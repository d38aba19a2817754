//! The worker that runs one queued ingest, with the identity and the rights of who has queued it.

use std::ffi::CString;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;

use pgrx::prelude::*;
use trips_core::Error;
use trips_core::event::Phase;

use super::queue::{self, Job, Waiting};
use crate::ingest::input::Input;
use crate::ingest::load::{self, Summary};
use crate::ingest::options::Options;
use crate::ingest::run;
use crate::postgres::worker::{self, Worker, in_transaction};
use crate::postgres::{exit, role, session, spi};
use crate::status::attempt::{self, Status};
use crate::status::ended;
use crate::{error, ingest};

/// The name under which [`main`](trips_ext_job) is found.
const FUNCTION: &str = "trips_ext_job";

/// Starts a worker for an ingest; none where no slot is free.
pub fn start(next: Waiting) -> Option<Worker> {
    let text = format!(
        "{} {} {}",
        session::database().to_u32(),
        next.login.to_u32(),
        next.ingest
    );
    Worker::start_with("trips_ext job", FUNCTION, &text)
}

/// Where the worker starts; its text is the database, the role to connect as, and the ingest.
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn trips_ext_job(_argument: pg_sys::Datum) {
    let mut numbers = worker::text().split(' ').map(str::parse::<u32>);
    let (Some(Ok(database)), Some(Ok(login)), Some(Ok(ingest))) =
        (numbers.next(), numbers.next(), numbers.next())
    else {
        return;
    };
    worker::connect(database.into(), login.into());
    worker::end_on_sigterm();
    exit::before_exit(ingest::session_ends);
    let claimed = in_transaction(|| {
        // For as long as the process lives: who cancels finds it by this.
        attempt::hold_for_session(i64::from(ingest)).and_then(|()| queue::claim(i64::from(ingest)))
    });
    if let Some(job) = claimed {
        run(&job);
    }
}

fn run(job: &Job) {
    if let Ok(activity) = CString::new(format!("trips_ingest_async: {}", job.attempt.file)) {
        worker::show_activity(&activity);
    }
    let told = run::Job {
        events: job.events,
        ..run::Job::default()
    };
    let ended = PgTryBuilder::new(AssertUnwindSafe(|| {
        in_transaction(AssertUnwindSafe(|| prepare(job)));
        Ok(in_transaction(AssertUnwindSafe(|| load(job, &told))))
    }))
    .catch_others(|caught| Err(error::caught_failure(&caught)))
    .execute();
    match ended {
        Ok(_) if told.is_reported.get() => {}
        Ok(summary) => in_transaction(AssertUnwindSafe(|| note(job, &summary))),
        Err(failure) => {
            worker::abort_transaction();
            let failure = told.failure.take().unwrap_or(failure);
            log!(
                "trips_ext ingest {} failed: {}",
                job.attempt.ingest,
                failure.message
            );
            if !told.is_reported.get() {
                in_transaction(|| ended::fail(job.attempt.ingest, &failure));
            }
        }
    }
}

/// Takes on the role and the settings of who has queued the ingest.
fn prepare(job: &Job) -> Result<(), Error> {
    let role = job.attempt.role;
    let exists: bool = spi::value(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE oid OPERATOR(pg_catalog.=) $1)",
        &[role.into()],
    )?;
    if !exists {
        return Err(Error::NotPermitted {
            what: "run a queued ingest",
            detail: "The role that queued it does not exist any more.",
        });
    }
    spi::run(
        "SELECT pg_catalog.set_config('trips_ext.channel', $1, false)",
        &[job.attempt.channel.as_str().into()],
    )?;
    role::become_role(role);
    Ok(())
}

fn load(job: &Job, told: &run::Job) -> Result<Summary, Error> {
    let asked = &job.arguments;
    let options = Options::new(&asked.on_error, asked.reject_limit, &asked.if_loaded, false)?;
    run::require_rights_on_file(c"trips_ingest_async()")?;
    let path = &job.attempt.file;
    let input = match &job.directory {
        // The watched folder, whatever the settings allow.
        Some(directory) => Input::OnServer {
            path,
            directories: vec![PathBuf::from(directory)],
        },
        None => Input::on_server(path)?,
    };
    run::run(job.attempt.ingest, input, &options, Some(told))
}

/// Notes an end that no status worker has noted.
fn note(job: &Job, summary: &Summary) -> Result<(), Error> {
    let status = match summary.status {
        load::Status::Skipped => Status::Skipped,
        load::Status::Loaded | load::Status::Checked => Status::Completed,
    };
    let sequence = job.events + 1;
    attempt::write(
        &job.attempt,
        status,
        Phase::Done,
        sequence,
        &summary.counts,
        None,
    )
}
