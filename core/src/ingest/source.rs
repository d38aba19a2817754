//! A file of trips: opened with care, hashed, and read in blocks of whole records.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use super::header::Header;
use super::record::{LineEnding, Records, Scanner, count_lines};
use super::reject::excerpt;
use super::{MAX_LINES, MAX_RECORD_BYTES};
use crate::Error;

/// How much of a file [`Source::head_digest`] looks at.
const HEAD_BYTES: usize = 64 << 10;

/// How much [`Source::digest_whole`] reads at a time.
const DIGEST_STEP: usize = 1 << 20;

/// How much [`Blocks`] reads at a time: small enough to be hashed and searched while it is in the
/// processor's cache.
const READ_STEP: usize = 64 << 10;

/// Blocks are cut early when their lines are shorter than this on average, so that a file of
/// nothing but tiny malformed rows does not grow many times its size in rejects. The shortest row
/// that can be loaded is longer.
const SHORT_LINE_BYTES: usize = 32;

/// The longest path that the system takes, in bytes.
const MAX_PATH_BYTES: usize = libc::PATH_MAX as usize - 1;

/// A regular file that was opened for an ingest; nothing of it has been read yet.
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
            Err(_) if !names_allowed(path, allowed_directories) => return Err(outside()),
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

    /// The path, as it was given.
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
        check_unchanged(&self.file, &self.path, self.state, position)?;
        Ok(hasher.finalize().into())
    }

    /// Reads the header; the blocks of what follows hold about `block_bytes` each.
    ///
    /// # Errors
    /// The file cannot be read, is empty, is encoded in UTF-16, or has no proper header.
    pub fn into_blocks(self, block_bytes: usize) -> Result<(Header, Blocks), Error> {
        let mut reader = Reader {
            file: self.file,
            path: self.path,
            state: self.state,
            read: 0,
            at_end: false,
            hasher: blake3::Hasher::new(),
        };
        let block_bytes = block_bytes.max(1);
        let mut bytes = Vec::new();
        let Head {
            header,
            next_line: line,
            length,
        } = loop {
            // Twice as much each time, so that a long header is not searched over and over.
            let step = bytes.len().max(READ_STEP.min(block_bytes));
            reader.read_step(&mut bytes, step)?;
            if let Some(head) = Head::find(&reader.path, &bytes, reader.at_end)? {
                break head;
            }
        };
        bytes.drain(..length);
        let blocks = Blocks {
            reader,
            ending: header.line_ending(),
            block_bytes,
            carry: bytes,
            scanner: Scanner::new(header.line_ending()),
            scanned: 0,
            offset: length as u64,
            line,
        };
        Ok((header, blocks))
    }

    /// Fills `to` from `position` on, up to the end of the file; how many bytes there were.
    fn read_at(&self, to: &mut [u8], position: u64) -> Result<usize, Error> {
        let mut filled = 0;
        while let Some(rest @ [_, ..]) = to.get_mut(filled..) {
            match self.file.read_at(rest, position + filled as u64) {
                Ok(0) => break,
                Ok(length) => filled += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(Error::Read {
                        file: self.path.clone(),
                        source,
                    });
                }
            }
        }
        Ok(filled)
    }
}

/// Whether `path` is one that the system can be asked about.
fn check_path(path: &str) -> Result<(), Error> {
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
    Ok(directories
        .iter()
        .filter_map(|directory| std::fs::canonicalize(directory).ok())
        .any(|directory| real.starts_with(directory)))
}

/// Whether `path`, as it is written, lies below one of `directories`, if there are any.
fn names_allowed(path: &str, directories: &[PathBuf]) -> bool {
    let path = Path::new(path);
    let climbs = path.components().any(|part| part == Component::ParentDir);
    directories.is_empty()
        || !climbs
            && directories
                .iter()
                .any(|directory| path.starts_with(directory))
}

/// Whether the file is what it was when it was opened, and `read` bytes are all of it.
fn check_unchanged(file: &File, path: &str, then: State, read: u64) -> Result<(), Error> {
    let now = State::of(file).map_err(|source| Error::Read {
        file: path.to_owned(),
        source,
    })?;
    if now == then && read == then.size {
        Ok(())
    } else {
        Err(Error::FileChanged {
            file: path.to_owned(),
        })
    }
}

/// The header, and where the data starts.
#[derive(Debug)]
struct Head {
    header: Header,
    next_line: u64,
    length: usize,
}

impl Head {
    /// Looks for the header in the first `bytes` of the file; `None` asks for more of them.
    fn find(path: &str, bytes: &[u8], at_end: bool) -> Result<Option<Self>, Error> {
        let file = || path.to_owned();
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            return Err(Error::Utf16 { file: file() });
        }
        let mark = if bytes.starts_with(b"\xef\xbb\xbf") {
            3
        } else {
            0
        };
        let text = bytes.get(mark..).unwrap_or(b"");
        let Some(ending) = line_ending(text, at_end) else {
            return too_long_or_more(path, text, 1, at_end);
        };
        let mut records = Records::new(text, 1, ending);
        let record = match records.next() {
            Some(Ok(record)) => record,
            Some(Err(error)) => return too_long_or_more(path, text, error.line, at_end),
            None if at_end => return Err(Error::EmptyFile { file: file() }),
            // Blank lines at the start of a file are no reason to read all of it.
            None => return too_long_or_more(path, text, 1, at_end),
        };
        let unfinished =
            records.position() == text.len() && !text.ends_with(&[ending.terminator()]);
        if unfinished && !at_end {
            return too_long_or_more(path, record.bytes, record.line, at_end);
        }
        if record.bytes.len() > MAX_RECORD_BYTES {
            return Err(Error::RecordTooLong {
                file: file(),
                line: record.line,
            });
        }
        let length = mark + records.position();
        Ok(Some(Head {
            header: Header::parse(path, &record, ending, length as u64)?,
            next_line: records.line(),
            length,
        }))
    }
}

/// What to do about a header that does not end within `text`, which is all of the file `at_end`.
fn too_long_or_more(
    path: &str,
    text: &[u8],
    line: u64,
    at_end: bool,
) -> Result<Option<Head>, Error> {
    let file = path.to_owned();
    if text.len() > MAX_RECORD_BYTES + 1 {
        Err(Error::RecordTooLong { file, line })
    } else if at_end {
        Err(Error::UnterminatedQuote { file, line })
    } else {
        Ok(None)
    }
}

/// What ends the first line in `text`, and so all lines of the file; `None` when `text` does not
/// tell.
fn line_ending(text: &[u8], at_end: bool) -> Option<LineEnding> {
    let end_with = |ending| Scanner::new(ending).record_end(text, 0);
    match (
        end_with(LineEnding::LineFeed),
        end_with(LineEnding::CarriageReturn),
    ) {
        (None, None) => at_end.then_some(LineEnding::LineFeed),
        (Some(_), None) => Some(LineEnding::LineFeed),
        (Some(feed), Some(carriage)) if feed <= carriage + 1 => Some(LineEnding::LineFeed),
        // Whether a line feed follows cannot be seen yet.
        (None, Some(carriage)) if carriage == text.len() && !at_end => None,
        (_, Some(_)) => Some(LineEnding::CarriageReturn),
    }
}

/// Reads a file from its start to its end, and hashes what it reads.
#[derive(Debug)]
struct Reader {
    file: File,
    path: String,
    state: State,
    read: u64,
    at_end: bool,
    hasher: blake3::Hasher,
}

impl Reader {
    /// Reads up to `most` more bytes to the end of `to`; fewer only at the end of the file.
    fn read_step(&mut self, to: &mut Vec<u8>, most: usize) -> Result<(), Error> {
        let start = to.len();
        to.reserve_exact(most);
        let mut limited = (&self.file).take(most as u64);
        let length = limited.read_to_end(to).map_err(|source| Error::Read {
            file: self.path.clone(),
            source,
        })?;
        self.hasher.update(to.get(start..).unwrap_or(b""));
        self.read += length as u64;
        self.at_end = length < most;
        if self.read > self.state.size {
            return Err(Error::FileChanged {
                file: self.path.clone(),
            });
        }
        Ok(())
    }
}

/// A piece of a file that holds whole records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The physical line on which it starts, counted from 1.
    pub first_line: u64,
    /// Where in the file it starts, in bytes.
    pub offset: u64,
    /// Its text; only the last block of a file may lack the last line end.
    pub bytes: Vec<u8>,
}

/// The rows of a file, cut into blocks.
///
/// A block is larger than asked for only to hold its last record, which has at most
/// [`MAX_RECORD_BYTES`].
#[derive(Debug)]
pub struct Blocks {
    reader: Reader,
    ending: LineEnding,
    block_bytes: usize,
    /// What was read after the end of the last block: the start of the next one.
    carry: Vec<u8>,
    scanner: Scanner,
    /// How much of `carry` the scanner has seen.
    scanned: usize,
    offset: u64,
    line: u64,
}

/// The content of a file that was read whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    /// BLAKE3 of all its bytes.
    pub blake3: [u8; 32],
    /// How many bytes these are.
    pub bytes: u64,
}

impl Blocks {
    /// The next block, or `None` at the end of the file.
    ///
    /// # Errors
    /// The file cannot be read, has grown, or has too many lines; a record is too long; a quote is
    /// still open at the end. After an error there is nothing more to be had.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Block>, Error> {
        let mut bytes = std::mem::take(&mut self.carry);
        bytes.reserve_exact((self.block_bytes + READ_STEP).saturating_sub(bytes.len()));
        let most_lines = (self.block_bytes / SHORT_LINE_BYTES) as u64 + 1;
        let mut lines = count_lines(bytes.get(..self.scanned).unwrap_or(b""), self.ending);
        let mut end = 0;
        loop {
            let new = bytes.get(self.scanned..).unwrap_or(b"");
            lines += count_lines(new, self.ending);
            if let Some(last) = self.scanner.last_record_end(&bytes, self.scanned) {
                end = last;
            }
            self.scanned = bytes.len();
            if end > 0 && (bytes.len() >= self.block_bytes || lines >= most_lines) {
                break;
            }
            if self.reader.at_end {
                return self.last(bytes, lines, end);
            }
            self.check_record(&bytes, end)?;
            let step = self.block_bytes.saturating_sub(bytes.len());
            let step = step.clamp(READ_STEP.min(self.block_bytes), READ_STEP);
            self.reader.read_step(&mut bytes, step)?;
        }
        self.carry = bytes.split_off(end);
        self.scanned = self.carry.len();
        lines -= count_lines(&self.carry, self.ending);
        self.block(bytes, lines).map(Some)
    }

    /// What is left at the end of the file, whose last record may lack its line end.
    fn last(&mut self, bytes: Vec<u8>, lines: u64, end: usize) -> Result<Option<Block>, Error> {
        self.scanned = 0;
        if self.scanner.in_quotes() {
            self.check_record(&bytes, end)?;
            return Err(Error::UnterminatedQuote {
                file: self.reader.path.clone(),
                line: self.line_at(&bytes, end),
            });
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        self.scanner = Scanner::new(self.ending);
        self.block(bytes, lines).map(Some)
    }

    /// The block of `bytes`, which hold `lines` line ends.
    fn block(&mut self, bytes: Vec<u8>, lines: u64) -> Result<Block, Error> {
        let block = Block {
            first_line: self.line,
            offset: self.offset,
            bytes,
        };
        self.line += lines;
        self.offset += block.bytes.len() as u64;
        if block.first_line > MAX_LINES {
            return Err(Error::TooManyLines {
                file: self.reader.path.clone(),
            });
        }
        Ok(block)
    }

    /// Whether the record that starts at `start`, and does not end in `bytes`, may still grow.
    fn check_record(&self, bytes: &[u8], start: usize) -> Result<(), Error> {
        // One byte more may be the first one of its line end.
        if bytes.len() - start <= MAX_RECORD_BYTES + 1 {
            return Ok(());
        }
        Err(Error::RecordTooLong {
            file: self.reader.path.clone(),
            line: self.line_at(bytes, start),
        })
    }

    /// The line of what stands at `position` of the block that is being read.
    fn line_at(&self, bytes: &[u8], position: usize) -> u64 {
        self.line + count_lines(bytes.get(..position).unwrap_or(bytes), self.ending)
    }

    /// What was read, once [`next`](Blocks::next) has given `None`.
    ///
    /// # Errors
    /// The file is no longer what it was when it was opened, or was not read whole.
    pub fn finish(self) -> Result<Digest, Error> {
        let Reader {
            file,
            path,
            state,
            read,
            hasher,
            ..
        } = self.reader;
        check_unchanged(&file, &path, state, read)?;
        Ok(Digest {
            blake3: hasher.finalize().into(),
            bytes: read,
        })
    }
}
