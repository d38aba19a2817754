//! The settings `trips_ext.*`, each with the reason for its default.

use std::ffi::{CStr, CString};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pgrx::prelude::*;
use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting, PostgresGucEnum};
use trips_core::Error;
use trips_core::ingest::pipeline;

use crate::ingest::options::{IfLoaded, OnError, Options};
use crate::postgres::{session, spi, worker};

/// A name that says whom it is for; LISTEN must name the same.
static CHANNEL: GucSetting<Option<CString>> =
    GucSetting::<Option<CString>>::new(Some(c"trips_ingest"));

/// Anywhere, as COPY: pg_read_server_files is the right that guards files.
static ALLOWED_DIRECTORIES: GucSetting<Option<CString>> =
    GucSetting::<Option<CString>>::new(Some(c""));

/// By the machine, see [`pipeline_settings`].
static PARSER_THREADS: GucSetting<i32> = GucSetting::<i32>::new(0);

/// In kB. A block of 512 KiB is the largest that helps; this holds those of four parser threads and their batches.
static INGEST_MEMORY: GucSetting<i32> = GucSetting::<i32>::new(64 * 1024);

/// In kB. A run of 3.0 million trips, or on more than two cores of 1.9: with [`INGEST_MEMORY`] a load stays below 256 MiB.
static AREA_MEMORY: GucSetting<i32> = GucSetting::<i32>::new(176 * 1024);

/// In seconds. Longer than the pause between files that are loaded one after the other: a merge takes the cores that a load
/// would have.
static MERGE_DELAY: GucSetting<i32> = GucSetting::<i32>::new(10);

/// Without the trees no area can be asked about until they are built: not for daily use.
static AREA_TREES: GucSetting<bool> = GucSetting::<bool>::new(true);

/// In kB. Six million trips by density; by representatives what counts is how many of these there are.
static GROUP_MEMORY: GucSetting<i32> = GucSetting::<i32>::new(1024 * 1024);

/// In kB. Four segments of WAL, and more than VACUUM asks for.
static DISK_RESERVE: GucSetting<i32> = GucSetting::<i32>::new(64 * 1024);

/// Each takes two slots of max_worker_processes, which are eight at its default, and a core and more.
static MAX_JOBS: GucSetting<i32> = GucSetting::<i32>::new(2);

/// Nothing is watched.
static INBOX_DIRECTORY: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));

/// None: which database gets files is said by who has them watched.
static INBOX_DATABASE: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));

/// None: whose rights files are loaded with is said, too.
static INBOX_ROLE: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));

/// As COPY and trips_ingest.
static INBOX_ON_ERROR: GucSetting<InboxOnError> =
    GucSetting::<InboxOnError>::new(InboxOnError::Stop);

/// No limit, as trips_ingest.
static INBOX_REJECT_LIMIT: GucSetting<i32> = GucSetting::<i32>::new(0);

/// By the machine, see [`group_threads`].
static GROUP_THREADS: GucSetting<i32> = GucSetting::<i32>::new(0);

/// Above this, the one backend that inserts has long been the bottleneck.
const MOST_AUTOMATIC_PARSER_THREADS: usize = 4;

/// A session should leave some of a large machine to others.
const MOST_AUTOMATIC_GROUP_THREADS: usize = 4;

const ALLOWED_DIRECTORIES_NAME: &CStr = c"trips_ext.allowed_directories";
const ALLOWED_DIRECTORIES_NAME_TEXT: &str = "trips_ext.allowed_directories";

/// Whether the limit had a value before this session knew what it is.
static EARLY_ALLOWED_DIRECTORIES: AtomicBool = AtomicBool::new(false);

/// Makes the settings known to the server.
pub fn register() {
    let is_early = !worker::is_preloading() && session::knows_setting(ALLOWED_DIRECTORIES_NAME);
    EARLY_ALLOWED_DIRECTORIES.store(is_early, Ordering::Relaxed);
    GucRegistry::define_string_guc(
        c"trips_ext.channel",
        c"Channel on which the status of ingests is pushed.",
        c"LISTEN to this channel to receive it; at most 63 bytes.",
        &CHANNEL,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_string_guc(
        ALLOWED_DIRECTORIES_NAME,
        c"Directories of the server that trips_ingest may read files from.",
        c"Absolute paths, separated by commas; what lies below them is allowed too. Empty allows any.",
        &ALLOWED_DIRECTORIES,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"trips_ext.parser_threads",
        c"Threads of a session that parse a file during trips_ingest.",
        c"0 means as many as the machine has cores, and at most 4.",
        &PARSER_THREADS,
        0,
        64,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"trips_ext.ingest_memory",
        c"Memory for the parts of a file that are read, parsed and wait to be inserted during trips_ingest.",
        c"",
        &INGEST_MEMORY,
        1024,
        8 * 1024 * 1024,
        GucContext::Userset,
        GucFlags::UNIT_KB,
    );
    GucRegistry::define_int_guc(
        c"trips_ext.area_memory",
        c"Memory for the area trees that an ingest, trips_compact or trips_rebuild is building.",
        c"More of it makes fewer and larger runs, which are quicker to ask.",
        &AREA_MEMORY,
        1024,
        64 * 1024 * 1024,
        GucContext::Userset,
        GucFlags::UNIT_KB,
    );
    GucRegistry::define_int_guc(
        c"trips_ext.merge_delay",
        c"Time without loads after which a background worker merges runs of the area trees, where a load has left many.",
        c"-1 leaves it to trips_compact().",
        &MERGE_DELAY,
        -1,
        24 * 60 * 60,
        GucContext::Userset,
        GucFlags::UNIT_S,
    );
    GucRegistry::define_int_guc(
        c"trips_ext.group_memory",
        c"Memory for trips and groups during trips_groups and trips_group_members.",
        c"A grouping that would take more ends with an error.",
        &GROUP_MEMORY,
        64,
        1024 * 1024 * 1024,
        GucContext::Userset,
        GucFlags::UNIT_KB,
    );
    GucRegistry::define_int_guc(
        c"trips_ext.group_threads",
        c"Threads of a session that look for similar trips during trips_groups and trips_group_members.",
        c"0 means as many as the machine has cores, and at most 4.",
        &GROUP_THREADS,
        0,
        64,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"trips_ext.disk_reserve",
        c"Room that an ingest, trips_compact or trips_rebuild leaves free on the disks that it writes to.",
        c"At most a sixteenth of a disk; 0 leaves none.",
        &DISK_RESERVE,
        0,
        i32::MAX,
        GucContext::Suset,
        GucFlags::UNIT_KB,
    );
    GucRegistry::define_int_guc(
        c"trips_ext.max_jobs",
        c"Ingests of trips_ingest_async that run at a time in a database.",
        c"Others are queued. Each takes two background workers.",
        &MAX_JOBS,
        1,
        64,
        GucContext::Sighup,
        GucFlags::default(),
    );
    GucRegistry::define_string_guc(
        c"trips_ext.inbox_directory",
        c"Directory of the server whose files are ingested by themselves.",
        c"An absolute path. Needs trips_ext in shared_preload_libraries, trips_ext.inbox_database and trips_ext.inbox_role.",
        &INBOX_DIRECTORY,
        GucContext::Sighup,
        GucFlags::default(),
    );
    GucRegistry::define_string_guc(
        c"trips_ext.inbox_database",
        c"Database into which the files of trips_ext.inbox_directory are ingested.",
        c"The extension must be there.",
        &INBOX_DATABASE,
        GucContext::Sighup,
        GucFlags::default(),
    );
    GucRegistry::define_string_guc(
        c"trips_ext.inbox_role",
        c"Role with whose rights the files of trips_ext.inbox_directory are ingested.",
        c"It must be permitted to log in, and have the privileges that trips_ingest needs.",
        &INBOX_ROLE,
        GucContext::Sighup,
        GucFlags::default(),
    );
    GucRegistry::define_enum_guc(
        c"trips_ext.inbox_on_error",
        c"What is done with rows that cannot be loaded, of statements on trips.inbox and of files of trips_ext.inbox_directory.",
        c"As the argument on_error of trips_ingest.",
        &INBOX_ON_ERROR,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"trips_ext.inbox_reject_limit",
        c"Most rows that are rejected where trips_ext.inbox_on_error is ignore.",
        c"0 is no limit.",
        &INBOX_REJECT_LIMIT,
        0,
        i32::MAX,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_bool_guc(
        c"trips_ext.area_trees",
        c"Whether an ingest writes area trees of its trips.",
        c"Off, questions about areas, regions and periods are refused afterwards until trips_rebuild() has built the trees.",
        &AREA_TREES,
        GucContext::Suset,
        GucFlags::default(),
    );
}

/// Where status is pushed.
pub fn channel() -> String {
    text(&CHANNEL)
}

/// Whether [`channel`] is one that NOTIFY takes.
///
/// # Errors
/// 22023 where it is empty or longer than 63 bytes.
pub fn check_channel() -> Result<(), Error> {
    let channel = channel();
    if channel.is_empty() || channel.len() >= pg_sys::NAMEDATALEN as usize {
        return Err(Error::InvalidOption {
            name: "trips_ext.channel",
            value: channel,
            allowed: "1 to 63 bytes",
        });
    }
    Ok(())
}

/// What the settings `trips_ext.inbox_*` say; each may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbox {
    /// The directory that is watched.
    pub directory: String,
    /// The database that gets its files.
    pub database: String,
    /// The role that loads them.
    pub role: String,
}

/// The watched folder.
pub fn inbox() -> Inbox {
    Inbox {
        directory: text(&INBOX_DIRECTORY),
        database: text(&INBOX_DATABASE),
        role: text(&INBOX_ROLE),
    }
}

/// The values of `trips_ext.inbox_on_error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PostgresGucEnum)]
pub enum InboxOnError {
    /// The first bad row ends the ingest.
    #[name = c"stop"]
    Stop,
    /// Bad rows are rejected.
    #[name = c"ignore"]
    Ignore,
}

/// How what comes to the inbox is ingested.
pub fn inbox_options() -> Options {
    let reject_limit = u64::try_from(INBOX_REJECT_LIMIT.get()).ok();
    Options {
        on_error: match INBOX_ON_ERROR.get() {
            InboxOnError::Stop => OnError::Stop,
            InboxOnError::Ignore => OnError::Ignore {
                reject_limit: reject_limit.filter(|limit| *limit > 0),
            },
        },
        if_loaded: IfLoaded::Skip,
        dry_run: false,
    }
}

/// Where files may be; empty means anywhere.
///
/// # Errors
/// 22023 where an entry is no absolute path: an empty one could mean anything, and a relative one is relative to the data
/// directory. 42501 where the client has tried to set it before it was known whose it is.
pub fn allowed_directories() -> Result<Vec<PathBuf>, Error> {
    let list = text(&ALLOWED_DIRECTORIES);
    if list.trim().is_empty() {
        return match lost_allowed_directories()? {
            true => Err(Error::NotPermitted {
                what: "set parameter \"trips_ext.allowed_directories\"",
                detail: "The session has set it before the library was loaded, so that nobody knows what a superuser has set.",
            }),
            false => Ok(Vec::new()),
        };
    }
    let directories: Vec<PathBuf> = list.split(',').map(|path| path.trim().into()).collect();
    match directories.iter().all(|path| path.is_absolute()) {
        true => Ok(directories),
        false => Err(Error::InvalidOption {
            name: ALLOWED_DIRECTORIES_NAME_TEXT,
            value: list,
            allowed: "absolute paths, separated by commas",
        }),
    }
}

/// Whether a value that the client had given the setting was refused when the server learned that only superusers may: it had
/// taken the place of that of the configuration file, the database or the role, if there was one.
fn lost_allowed_directories() -> Result<bool, Error> {
    if !EARLY_ALLOWED_DIRECTORIES.load(Ordering::Relaxed) {
        return Ok(false);
    }
    spi::value(
        "SELECT source OPERATOR(pg_catalog.=) 'default' FROM pg_catalog.pg_settings WHERE name OPERATOR(pg_catalog.=) $1",
        &[ALLOWED_DIRECTORIES_NAME_TEXT.into()],
    )
}

/// How much an ingest takes of the machine.
pub fn pipeline_settings() -> pipeline::Settings {
    let threads = match usize::try_from(PARSER_THREADS.get()) {
        Ok(0) | Err(_) => cores().clamp(1, MOST_AUTOMATIC_PARSER_THREADS),
        Ok(threads) => threads,
    };
    let kilobytes = usize::try_from(INGEST_MEMORY.get()).unwrap_or(0);
    pipeline::Settings::within(kilobytes * 1024, threads)
}

/// Bytes that trees under construction may take.
pub fn area_memory() -> usize {
    usize::try_from(AREA_MEMORY.get()).unwrap_or(0) * 1024
}

/// Bytes that a grouping may take.
pub fn group_memory() -> usize {
    usize::try_from(GROUP_MEMORY.get()).unwrap_or(0) * 1024
}

/// Threads of a grouping.
pub fn group_threads() -> usize {
    match usize::try_from(GROUP_THREADS.get()) {
        Ok(0) | Err(_) => cores().clamp(1, MOST_AUTOMATIC_GROUP_THREADS),
        Ok(threads) => threads,
    }
}

/// Bytes that are left free on disks.
pub fn disk_reserve() -> u64 {
    u64::try_from(DISK_RESERVE.get()).unwrap_or(0) * 1024
}

/// How many queued ingests run at a time.
pub fn max_jobs() -> usize {
    usize::try_from(MAX_JOBS.get()).unwrap_or(1).max(1)
}

/// Whether an ingest writes trees.
pub fn area_trees() -> bool {
    AREA_TREES.get()
}

/// How long nobody must load until runs are merged in the background; none where they are not.
pub fn merge_delay() -> Option<Duration> {
    let seconds = u64::try_from(MERGE_DELAY.get()).ok()?;
    Some(Duration::from_secs(seconds))
}

/// Processors that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn text(setting: &GucSetting<Option<CString>>) -> String {
    setting
        .get()
        .map(|text| text.to_string_lossy().into_owned())
        .unwrap_or_default()
}
