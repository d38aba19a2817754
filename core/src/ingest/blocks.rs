//! The rows of a file in blocks of whole records, so that each block can be parsed by itself.

use std::io::Read;

use super::header::Header;
use super::record::{LineEnding, Records, Scanner, count_lines};
use super::source::Source;
use super::{MAX_LINES, MAX_RECORD_BYTES};
use crate::Error;

/// How much is read at a time, at the most: small enough to be hashed and searched while it is in the processor's
/// cache.
const READ_STEP: usize = 64 << 10;

/// Blocks are cut early when their lines are shorter than this on average, so that a file of
/// nothing but tiny malformed rows does not grow many times its size in rejects. Few rows that can be loaded are
/// shorter.
const SHORT_LINE_BYTES: usize = 64;

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
    /// How much is read at a time: less than [`READ_STEP`] where that has many times the lines of a block.
    step: usize,
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
    /// Reads the header of `source`, and gets ready for what follows.
    pub(super) fn start(source: Source, block_bytes: usize) -> Result<(Header, Self), Error> {
        let mut reader = Reader {
            source,
            read: 0,
            at_end: false,
            hasher: blake3::Hasher::new(),
        };
        let block_bytes = block_bytes.max(1);
        let step = READ_STEP.min(block_bytes);
        let (head, carry) = Head::read(&mut reader, step)?;
        let blocks = Blocks {
            reader,
            ending: head.header.line_ending(),
            block_bytes,
            step,
            carry,
            scanner: Scanner::new(head.header.line_ending()),
            scanned: 0,
            offset: head.header.bytes(),
            line: head.next_line,
        };
        Ok((head.header, blocks))
    }

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
            self.reader.read_step(&mut bytes, self.step)?;
        }
        if lines > most_lines + most_lines / 2 {
            self.step = (self.step / 2).max(1);
        } else if lines < most_lines {
            self.step = (self.step * 2).min(READ_STEP.min(self.block_bytes));
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
                file: self.file(),
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
            return Err(Error::TooManyLines { file: self.file() });
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
            file: self.file(),
            line: self.line_at(bytes, start),
        })
    }

    /// The path of the file, for errors.
    fn file(&self) -> String {
        self.reader.source.path().to_owned()
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
            source,
            read,
            hasher,
            ..
        } = self.reader;
        source.check_unchanged(read)?;
        Ok(Digest {
            blake3: hasher.finalize().into(),
            bytes: read,
        })
    }
}

/// Reads a file from its start to its end, and hashes what it reads.
#[derive(Debug)]
struct Reader {
    source: Source,
    read: u64,
    at_end: bool,
    hasher: blake3::Hasher,
}

impl Reader {
    /// Reads up to `most` more bytes to the end of `to`; fewer only at the end of the file.
    fn read_step(&mut self, to: &mut Vec<u8>, most: usize) -> Result<(), Error> {
        let start = to.len();
        to.reserve_exact(most);
        let length = self
            .source
            .file()
            .take(most as u64)
            .read_to_end(to)
            .map_err(|error| self.source.read_error(error))?;
        self.hasher.update(to.get(start..).unwrap_or(b""));
        self.read += length as u64;
        self.at_end = length < most;
        let size = self.source.size();
        // Where it was cut off, the end of what is left is no row to complain of.
        if self.read > size || self.at_end && self.read < size {
            return Err(self.source.changed());
        }
        Ok(())
    }
}

/// The header, and the line after it.
#[derive(Debug)]
struct Head {
    header: Header,
    next_line: u64,
}

impl Head {
    /// Reads the start of a file, up to the header and a little more; the head, and what was read
    /// after it.
    fn read(reader: &mut Reader, first_step: usize) -> Result<(Self, Vec<u8>), Error> {
        let mut bytes = Vec::new();
        loop {
            // Twice as much each time, so that a long header is not searched over and over.
            let step = bytes.len().max(first_step);
            reader.read_step(&mut bytes, step)?;
            if let Some(head) = Head::find(reader.source.path(), &bytes, reader.at_end)? {
                let rest = bytes.split_off(head.header.bytes() as usize);
                return Ok((head, rest));
            }
        }
    }

    /// Looks for the header in the first `bytes` of the file; `None` asks for more of them.
    fn find(path: &str, bytes: &[u8], at_end: bool) -> Result<Option<Self>, Error> {
        let file = || path.to_owned();
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            return Err(Error::Utf16 { file: file() });
        }
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
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
        let length = bytes.len() - text.len() + records.position();
        Ok(Some(Head {
            header: Header::parse(path, &record, ending, length as u64)?,
            next_line: records.line(),
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
