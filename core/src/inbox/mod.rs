//! A directory that files of trips are put into: which of them are complete.
//!
//! The kernel tells what happens in the directory (inotify); a scan finds what was there before, and what was not told. A
//! file that was renamed or linked into the directory is complete. One that was written there is complete once it was
//! closed and has then stayed as it is for a second (see the module `waiting`); one that a scan finds, once it has for five.

mod waiting;

use std::ffi::OsStr;
use std::fs::{Metadata, ReadDir};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use crate::Error;
use crate::ingest::source::check_path;
use waiting::Waiting;

/// How long a file must stay as it is after it was closed.
const AFTER_CLOSE: Duration = Duration::from_secs(1);

/// How long a file must have stayed as it is that nothing is known about: nobody says whether it is still written.
const AFTER_CHANGE: Duration = Duration::from_secs(5);

/// The most that one look takes from the kernel and from a scan.
const LOOK: usize = 200;

/// The most files that are waited for at a time; others are found by another scan.
const MOST_WAITING: usize = 10_000;

/// Room for what the kernel has to tell, in bytes: a hundred events and more.
const NOTICES: usize = 8 << 10;

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// Its size in bytes.
    pub size: u64,
    /// When its content was last changed, microseconds since 1970-01-01 UTC.
    pub modified: i64,
}

impl State {
    fn of(metadata: &Metadata) -> State {
        let seconds = metadata.mtime().saturating_mul(1_000_000);
        State {
            size: metadata.size(),
            modified: seconds.saturating_add(metadata.mtime_nsec() / 1000),
        }
    }
}

/// What has happened in the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A file is complete. It may have been told of before: a scan does not know.
    Complete {
        /// Its path.
        path: String,
        /// What it was then.
        state: State,
    },
    /// A file is not there any more.
    Gone {
        /// Its path.
        path: String,
    },
    /// The name of a file is not UTF-8: no path in a database can name it.
    NotText {
        /// The name, as far as it can be read.
        name: String,
    },
}

/// A directory that is watched.
#[derive(Debug)]
pub struct Inbox {
    directory: PathBuf,
    notices: OwnedFd,
    scan: Option<ReadDir>,
    /// Whether another scan is due: something was not told, or not kept.
    missed: bool,
    waiting: Waiting,
}

impl Inbox {
    /// Begins to watch a directory, and to scan it.
    ///
    /// # Errors
    /// The path is not absolute or not valid, or leads to no directory that can be read and watched.
    pub fn open(directory: &str) -> Result<Inbox, Error> {
        check_path(directory)?;
        let watch = || -> io::Result<Inbox> {
            let notices = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
            let told = WatchFlags::CLOSE_WRITE
                | WatchFlags::MOVED_TO
                | WatchFlags::CREATE
                | WatchFlags::MOVED_FROM
                | WatchFlags::DELETE
                | WatchFlags::DELETE_SELF
                | WatchFlags::MOVE_SELF
                | WatchFlags::ONLYDIR;
            inotify::add_watch(&notices, directory, told)?;
            // After that: what comes meanwhile is told or found, or both.
            Ok(Inbox {
                scan: Some(std::fs::read_dir(directory)?),
                directory: PathBuf::from(directory),
                notices,
                missed: false,
                waiting: Waiting::new(MOST_WAITING),
            })
        };
        watch().map_err(|source| Error::Watch {
            directory: directory.to_owned(),
            source,
        })
    }

    /// What can be read from as soon as the kernel has something to tell.
    pub fn notices(&self) -> BorrowedFd<'_> {
        self.notices.as_fd()
    }

    /// What is new by `now`. More may be known than is told in one look: see [`Inbox::pause`].
    ///
    /// # Errors
    /// The directory cannot be read any more, or was removed or renamed: open it again.
    pub fn look(&mut self, now: Instant) -> Result<Vec<News>, Error> {
        let mut news = Vec::new();
        self.take_notices(now, &mut news)
            .and_then(|()| self.go_on_scanning(now, &mut news))
            .map_err(|source| Error::Watch {
                directory: self.directory.display().to_string(),
                source,
            })?;
        for (name, state) in self
            .waiting
            .due(now, |name| state_of(&self.directory, name))
        {
            self.tell_complete(&name, state, &mut news);
        }
        Ok(news)
    }

    /// How long to wait for the kernel's next notice before the next look; none where only a notice brings something new.
    pub fn pause(&self, now: Instant) -> Option<Duration> {
        match self.scan.is_some() || self.is_scan_due() {
            true => Some(Duration::ZERO),
            false => self.waiting.next(now),
        }
    }

    /// Whether all that was there when it was opened has been told or is waited for.
    pub fn has_scanned(&self) -> bool {
        self.scan.is_none() && !self.missed
    }

    fn take_notices(&mut self, now: Instant, news: &mut Vec<News>) -> io::Result<()> {
        let mut room = [MaybeUninit::uninit(); NOTICES];
        let mut told = Vec::new();
        let mut reader = Reader::new(&self.notices, &mut room);
        while told.len() < LOOK || !reader.is_buffer_empty() {
            match reader.next() {
                Ok(event) => {
                    let name = event.file_name().map(|name| name.to_bytes().to_vec());
                    told.push((event.events(), name.unwrap_or_default()));
                }
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        for (what, name) in told {
            self.take_notice(what, OsStr::from_bytes(&name), now, news)?;
        }
        Ok(())
    }

    fn take_notice(
        &mut self,
        what: ReadFlags,
        name: &OsStr,
        now: Instant,
        news: &mut Vec<News>,
    ) -> io::Result<()> {
        let ended =
            ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::UNMOUNT | ReadFlags::IGNORED;
        if what.intersects(ended) {
            return Err(io::Error::from_raw_os_error(libc::ENOENT));
        }
        if what.contains(ReadFlags::QUEUE_OVERFLOW) {
            self.missed = true;
            return Ok(());
        }
        if what.contains(ReadFlags::ISDIR) || is_hidden(name) {
            return Ok(());
        }
        if what.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM) {
            self.waiting.forget(name);
            if let Some(path) = self.path(name) {
                news.push(News::Gone { path });
            }
            return Ok(());
        }
        let Some((state, links)) = look_at(&self.directory, name) else {
            return Ok(());
        };
        if what.contains(ReadFlags::MOVED_TO) {
            self.waiting.forget(name);
            self.tell_complete(name, state, news);
        } else if what.contains(ReadFlags::CLOSE_WRITE) || links > 1 {
            // What comes with several names was linked here, not created.
            self.wait_for(name, state, now, AFTER_CLOSE);
        }
        Ok(())
    }

    fn go_on_scanning(&mut self, now: Instant, news: &mut Vec<News>) -> io::Result<()> {
        if self.is_scan_due() && self.scan.is_none() {
            self.missed = false;
            self.scan = Some(std::fs::read_dir(&self.directory)?);
        }
        let Some(mut scan) = self.scan.take() else {
            return Ok(());
        };
        for _ in 0..LOOK {
            let Some(entry) = scan.next() else {
                return Ok(());
            };
            let name = entry?.file_name();
            if is_hidden(&name) {
                continue;
            }
            let Some((state, _)) = look_at(&self.directory, &name) else {
                continue;
            };
            match is_older(state, AFTER_CHANGE) {
                true => self.tell_complete(&name, state, news),
                false => self.wait_for(&name, state, now, AFTER_CHANGE),
            }
        }
        self.scan = Some(scan);
        Ok(())
    }

    /// Whether something is to be found that was missed, and there is room to wait for it.
    fn is_scan_due(&self) -> bool {
        self.missed && !self.waiting.is_full()
    }

    fn wait_for(&mut self, name: &OsStr, state: State, now: Instant, how_long: Duration) {
        self.missed |= !self.waiting.add(name, state, now, how_long);
    }

    fn tell_complete(&self, name: &OsStr, state: State, news: &mut Vec<News>) {
        news.push(match self.path(name) {
            Some(path) => News::Complete { path, state },
            None => News::NotText {
                name: name.to_string_lossy().into_owned(),
            },
        });
    }

    fn path(&self, name: &OsStr) -> Option<String> {
        self.directory
            .join(name)
            .into_os_string()
            .into_string()
            .ok()
    }
}

/// Programs that copy files give them names that begin with a full stop until they are complete.
fn is_hidden(name: &OsStr) -> bool {
    name.as_bytes().first().is_none_or(|first| *first == b'.')
}

/// The state of a regular file, and how many names it has; none of what is something else or not there. Symbolic links are not
/// followed: who may put files here need not be one who may read those that a link could lead to.
fn look_at(directory: &Path, name: &OsStr) -> Option<(State, u64)> {
    let metadata = std::fs::symlink_metadata(directory.join(name)).ok()?;
    metadata
        .is_file()
        .then(|| (State::of(&metadata), metadata.nlink()))
}

fn state_of(directory: &Path, name: &OsStr) -> Option<State> {
    look_at(directory, name).map(|(state, _)| state)
}

/// Whether the content was changed longer ago than that.
fn is_older(state: State, age: Duration) -> bool {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.is_ok_and(|now| {
        let micros = i64::try_from(now.as_micros()).unwrap_or(i64::MAX);
        micros.saturating_sub(state.modified) > age.as_micros() as i64
    })
}
