//! A file of trips: opened with care, and hashed.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use super::header::Header;
use super::reject::excerpt;
use crate::Error;

pub use super::blocks::{Block, Blocks, Digest};

/// How much of a file [`Source::head_digest`] looks at.
const HEAD_BYTES: usize = 64 << 10;

/// How much [`Source::digest_whole`] reads at a time.
const DIGEST_STEP: usize = 1 << 20;

/// The longest path that the system takes, in bytes.
const MAX_PATH_BYTES: usize = libc::PATH_MAX as usize - 1;

/// A regular file that was opened, or received, for an ingest; nothing of it has been read yet.
#[derive(Debug)]
pub struct Source {
    file: File,
    path: String,
    state: State,
}

/// What tells that a file has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    size: u64,
    modified: (i64, i64),
}

impl State {
    fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(State {
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}

impl Source {
    /// Opens the regular file at `path`, following symbolic links.
    ///
    /// With `allowed_directories`, the file that was opened must lie below one of them, whatever
    /// links led to it; without, it may lie anywhere. Neither a FIFO nor a device can make the
    /// call wait.
    ///
    /// # Errors
    /// The path is not absolute or not valid, the file cannot be opened, is not a regular one, or
    /// lies outside the allowed directories. What lies outside is not told apart.
    pub fn open(path: &str, allowed_directories: &[PathBuf]) -> Result<Self, Error> {
        check_path(path)?;
        let outside = || Error::OutsideAllowedDirectories {
            file: path.to_owned(),
        };
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(path);
        let file = match opened {
            Ok(file) => file,
            Err(_) if !may_be_told_of(path, allowed_directories) => return Err(outside()),
            Err(source) => return Err(open_error(path, source)),
        };
        let read_error = |source| Error::Read {
            file: path.to_owned(),
            source,
        };
        if !leads_to_allowed(&file, allowed_directories).map_err(read_error)? {
            return Err(outside());
        }
        if let Some(kind) = irregular(file.metadata().map_err(read_error)?.file_type()) {
            return Err(Error::NotRegularFile {
                file: path.to_owned(),
                kind,
            });
        }
        let state = State::of(&file).map_err(read_error)?;
        Ok(Source {
            file,
            path: path.to_owned(),
            state,
        })
    }

    /// A file that a client has sent, by the name that the client gives it: it may be any.
    ///
    /// # Errors
    /// The system does not tell its size, or does not let it be read from its start.
    pub fn received(mut file: File, name: &str) -> Result<Self, Error> {
        let state = file.rewind().and_then(|()| State::of(&file));
        let state = state.map_err(|source| Error::Read {
            file: name.to_owned(),
            source,
        })?;
        Ok(Source {
            file,
            path: name.to_owned(),
            state,
        })
    }

    /// The path or name, as it was given.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The size of the file in bytes when it was opened.
    pub fn size(&self) -> u64 {
        self.state.size
    }

    /// BLAKE3 of the file's size (eight bytes, little-endian) and its first 64 KiB: files whose
    /// head digests differ are not the same.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn head_digest(&self) -> Result<[u8; 32], Error> {
        let mut head = vec![0; HEAD_BYTES];
        let length = self.read_at(&mut head, 0)?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.state.size.to_le_bytes());
        hasher.update(head.get(..length).unwrap_or(&head));
        Ok(hasher.finalize().into())
    }

    /// BLAKE3 of the whole file; the position from which blocks are read stays where it is.
    /// `poll` is called before each step of 1 MiB and can end the work.
    ///
    /// # Errors
    /// The file cannot be read or has changed since it was opened; whatever `poll` gives.
    pub fn digest_whole(
        &self,
        poll: &mut dyn FnMut() -> Result<(), Error>,
    ) -> Result<[u8; 32], Error> {
        let mut hasher = blake3::Hasher::new();
        let mut step = vec![0; DIGEST_STEP];
        let mut position = 0;
        loop {
            poll()?;
            let length = self.read_at(&mut step, position)?;
            if length == 0 {
                break;
            }
            hasher.update(step.get(..length).unwrap_or(&step));
            position += length as u64;
            if position > self.state.size {
                break;
            }
        }
        self.check_unchanged(position)?;
        Ok(hasher.finalize().into())
    }

    /// Reads the header; the blocks of what follows hold about `block_bytes` each.
    ///
    /// # Errors
    /// The file cannot be read, is empty, is encoded in UTF-16, or has no proper header.
    pub fn into_blocks(self, block_bytes: usize) -> Result<(Header, Blocks), Error> {
        Blocks::start(self, block_bytes)
    }

    /// An error if the file is no longer what it was when it was opened, or if `read` bytes are
    /// not all of it.
    pub(super) fn check_unchanged(&self, read: u64) -> Result<(), Error> {
        let now = State::of(&self.file).map_err(|source| self.read_error(source))?;
        if now == self.state && read == self.state.size {
            Ok(())
        } else {
            Err(self.changed())
        }
    }

    /// The error that the file is no longer what it was.
    pub(super) fn changed(&self) -> Error {
        Error::FileChanged {
            file: self.path.clone(),
        }
    }

    /// The error that the file could not be read.
    pub(super) fn read_error(&self, source: io::Error) -> Error {
        Error::Read {
            file: self.path.clone(),
            source,
        }
    }

    /// The open file.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Fills `to` from `position` on, up to the end of the file; how many bytes there were.
    fn read_at(&self, to: &mut [u8], position: u64) -> Result<usize, Error> {
        let mut filled = 0;
        while let Some(rest @ [_, ..]) = to.get_mut(filled..) {
            match self.file.read_at(rest, position + filled as u64) {
                Ok(0) => break,
                Ok(length) => filled += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(self.read_error(source)),
            }
        }
        Ok(filled)
    }
}

/// Whether `path` is one that the system can be asked about.
pub(crate) fn check_path(path: &str) -> Result<(), Error> {
    let problem = if path.contains('\0') {
        "it holds a NUL byte"
    } else if path.len() > MAX_PATH_BYTES {
        "it is too long"
    } else if path.starts_with('/') {
        return Ok(());
    } else {
        return Err(Error::PathNotAbsolute {
            file: path.to_owned(),
        });
    };
    Err(Error::InvalidPath {
        file: excerpt(path.as_bytes()),
        problem,
    })
}

/// Why a file could not be opened. A socket cannot be, but it is known what it is.
fn open_error(path: &str, source: io::Error) -> Error {
    let file = path.to_owned();
    if source.raw_os_error() == Some(libc::ENXIO) {
        let kind = std::fs::metadata(path).ok();
        if let Some(kind) = kind.and_then(|metadata| irregular(metadata.file_type())) {
            return Error::NotRegularFile { file, kind };
        }
    }
    Error::Open { file, source }
}

/// What a file is that is not a regular one.
fn irregular(kind: std::fs::FileType) -> Option<&'static str> {
    if kind.is_file() {
        None
    } else if kind.is_dir() {
        Some("directory")
    } else if kind.is_fifo() {
        Some("FIFO")
    } else if kind.is_socket() {
        Some("socket")
    } else {
        Some("device")
    }
}

/// Whether the file that was opened lies below one of `directories`, if there are any. It is asked
/// of the open file, and not of its path, whose links may change between two looks.
fn leads_to_allowed(file: &File, directories: &[PathBuf]) -> io::Result<bool> {
    if directories.is_empty() {
        return Ok(true);
    }
    let real = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    Ok(is_below(&real, directories))
}

/// Whether it may be told what is wrong with a `path` that cannot be opened: as far as it exists it lies below one of
/// `directories`, if there are any, and no link leads on from there.
fn may_be_told_of(path: &str, directories: &[PathBuf]) -> bool {
    let path = Path::new(path);
    if directories.is_empty() {
        return true;
    }
    // What `..` goes up from may lie outside.
    if path.components().any(|part| part == Component::ParentDir) {
        return false;
    }
    let mut beyond = None;
    for part in path.ancestors() {
        if let Ok(real) = std::fs::canonicalize(part) {
            return !beyond.is_some_and(Path::is_symlink) && is_below(&real, directories);
        }
        beyond = Some(part);
    }
    false
}

/// Whether a path without links lies below one of `directories`.
fn is_below(real: &Path, directories: &[PathBuf]) -> bool {
    directories
        .iter()
        .filter_map(|directory| std::fs::canonicalize(directory).ok())
        .any(|directory| real.starts_with(directory))
}
