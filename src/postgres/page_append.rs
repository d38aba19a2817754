//! Appending whole pages to a table, past the shared buffers.
//!
//! The server's own bulk writers (of a rewritten table, of a new index) do so with files that nobody else uses. Here
//! others do, so that this holds:
//!
//! - The lock for extension is held from the look at the file's end until the pages are written: nobody else adds
//!   pages meanwhile, and who sees a page sees it whole.
//! - WAL first: the images of pages are flushed before these are written. So a crash leaves no torn page without an
//!   image, and no tuple of a transaction that WAL does not know.
//! - No checkpoint starts between the two: its redo point could be behind the images, and its fsync before the writes.
//! - Checksums are set and rows are counted. Conflicts with serializable transactions, which the heap looks for by table,
//!   are found when it takes the rows that are left at the end: there is always one.
//!
//! The pages of a group but the last are written by one call of the kernel, which takes half of the time; the last one
//! goes by smgrextend, which has the next checkpoint sync the file. So does all that is not in a plain file of core's own
//! storage manager, or that begins a segment of it.
//!
//! Images are not decoded: where WAL is for logical decoding, or is not all that there is, rows take the usual way.

use std::collections::VecDeque;
use std::ffi::{CStr, CString};

use pgrx::prelude::*;
use trips_core::ingest::tuple::{TUPLE_LENGTH, Tuple};
use trips_core::page::{PAGE_BYTES, Page, Stamp};

use super::relation::Relation;
use crate::fault::{self, Point};

/// Pages that are appended at a time: 2 MiB, which a processor still has at hand then.
const PAGES: usize = 256;

/// Pages that are worth a flush of their own: 1 MiB.
pub(super) const ENOUGH_PAGES: usize = 128;

/// Pages whose WAL is flushed while others are made: 512 KiB.
const PAGES_PER_GROUP: usize = 64;

const MAIN: pg_sys::ForkNumber::Type = pg_sys::ForkNumber::MAIN_FORKNUM;

/// Blocks of a segment of a table's file: 1 GiB.
const SEGMENT: u32 = pg_sys::RELSEG_SIZE;

const EXCLUSIVE: pg_sys::LOCKMODE = pg_sys::ExclusiveLock as pg_sys::LOCKMODE;

/// Pages that fill with tuples, to be appended to a table by one command.
pub(super) struct Pages {
    pages: Vec<Page>,
    /// How many of them have tuples; all but the last of these are full, and settled from the block `next` on.
    used: usize,
    /// The block that the first page will most likely be. A page is settled while the processor has it at hand, since
    /// it is rare that somebody else extends the table meanwhile.
    next: u32,
    /// Bytes of a page that the table's fill factor leaves free.
    spare: usize,
    stamp: Stamp,
    /// The table's file, without the number of a segment.
    path: String,
}

impl Pages {
    /// Those for `relation`, if it is a table that they may be appended to.
    pub(super) fn of(relation: &Relation) -> Option<Pages> {
        let is_possible =
            relation.is_permanent() && has_replica_wal() && pg_sys::BLCKSZ as usize == PAGE_BYTES;
        is_possible.then(|| Pages {
            pages: Vec::new(),
            used: 0,
            next: relation.blocks(),
            spare: PAGE_BYTES * (100 - relation.fill_factor()) / 100,
            stamp: stamp(),
            path: relation.path(),
        })
    }

    /// Adds a tuple, of [`MAX_TUPLE_BYTES`](trips_core::page::MAX_TUPLE_BYTES) at the most. Whether it had room: if not,
    /// the pages are to be appended.
    pub(super) fn push(&mut self, tuple: &[u8]) -> bool {
        let spare = self.spare;
        self.add(|page| page.push(tuple, spare).then_some(()))
            .is_some()
    }

    /// As [`Pages::push`], for a trip.
    #[inline]
    pub(super) fn push_trip(&mut self, tuple: &Tuple) -> bool {
        let spare = self.spare;
        let add = |page: &mut Page| {
            *page.add(TUPLE_LENGTH, spare)?.first_chunk_mut()? = *tuple;
            Some(())
        };
        self.add(add).is_some()
    }

    /// Has `add` add a tuple to the page in hand, or else to the next.
    #[inline]
    fn add(&mut self, add: impl Fn(&mut Page) -> Option<()>) -> Option<()> {
        if let Some(last) = self.used.checked_sub(1) {
            let page = self.pages.get_mut(last)?;
            if add(page).is_some() {
                return Some(());
            }
            page.settle(self.next + last as u32, self.stamp);
        }
        if self.used >= PAGES {
            return None;
        }
        if self.pages.len() == self.used {
            self.pages.push(Page::EMPTY);
        }
        self.used += 1;
        add(self.pages.get_mut(self.used - 1)?)
    }

    /// Those that have tuples; all but the last are full.
    pub(super) fn used(&self) -> &[Page] {
        &self.pages[..self.used]
    }

    /// Takes the tuples out of the first `count` pages, which have been appended.
    pub(super) fn clear(&mut self, count: usize) {
        for page in &mut self.pages[..count] {
            page.clear();
        }
        self.pages[..self.used].rotate_left(count);
        self.used -= count;
        self.next += count as u32;
    }

    /// Appends the first `count` pages, which are full, to `relation`; shows them to `note` while the processor has them
    /// at hand, with the block of the first it is shown. Gives the block of the first of all.
    pub(super) fn append(
        &mut self,
        relation: &Relation,
        count: usize,
        mut note: impl FnMut(u32, &[Page]),
    ) -> u32 {
        let pages = &mut self.pages[..count];
        let rows = pages.iter().map(Page::len).sum();
        let end = FileEnd::lock(relation);
        let first = end.blocks();
        if first != self.next {
            self.next = first;
            for (block, page) in (first..).zip(&mut *pages) {
                page.settle(block, self.stamp);
            }
        }
        let mut block = first;
        let mut logged = VecDeque::new();
        for group in pages.chunks_mut(PAGES_PER_GROUP) {
            note(block, group);
            let group = end.log(block, group);
            block += group.pages.len() as u32;
            logged.push_back(group);
            // The WAL writer flushes meanwhile; what it has done is written.
            while let Some(group) = logged.pop_front_if(|group| group.is_flushed()) {
                end.write(group, &self.path);
            }
        }
        for group in logged {
            end.write(group, &self.path);
        }
        end.unlock();
        relation.count_inserted(rows);
        first
    }
}

/// The end of a table's file, which nobody else moves; and no checkpoint starts.
struct FileEnd {
    relation: pg_sys::Relation,
    file: pg_sys::SMgrRelation,
    _no_checkpoint: NoCheckpoint,
}

impl FileEnd {
    fn lock(relation: &Relation) -> FileEnd {
        let relation = relation.as_ptr();
        // SAFETY: the relation is open. The file's entry stays until invalidations are processed, which nothing does that
        // is called before `unlock`.
        let file = unsafe {
            pg_sys::LockRelationForExtension(relation, EXCLUSIVE);
            open_file(relation)
        };
        FileEnd {
            relation,
            file,
            _no_checkpoint: NoCheckpoint::new(),
        }
    }

    /// How many blocks the file has.
    fn blocks(&self) -> u32 {
        // SAFETY: the file is open.
        unsafe { pg_sys::smgrnblocks(self.file, MAIN) }
    }

    /// Writes the images of pages, which will be those from the block `first` on, to WAL.
    fn log<'p>(&self, first: u32, pages: &'p mut [Page]) -> Logged<'p> {
        let mut blocks: Vec<u32> = (first..).take(pages.len()).collect();
        let mut places: Vec<_> = pages.iter_mut().map(place).collect();
        // SAFETY: both arrays have as many elements as there are pages, each of which is a standard page. Afterwards
        // XactLastRecEnd is where WAL ends with the last image.
        let wal_end = unsafe {
            pg_sys::log_newpages(
                locator(self.file),
                MAIN,
                pages.len() as i32,
                blocks.as_mut_ptr(),
                places.as_mut_ptr(),
                true,
            );
            // Wakes the WAL writer where there is enough for it.
            pg_sys::XLogSetAsyncXactLSN(pg_sys::XactLastRecEnd);
            pg_sys::XactLastRecEnd
        };
        Logged {
            first,
            pages,
            wal_end,
        }
    }

    /// Puts pages behind the file's end.
    fn write(&self, logged: Logged<'_>, path: &str) {
        let Logged { first, pages, .. } = logged;
        fault::reach(Point::Append);
        // SAFETY: any place in WAL may be asked for; the pages are valid.
        unsafe {
            pg_sys::XLogFlush(logged.wal_end);
            for (block, page) in (first..).zip(pages.iter_mut().map(place)) {
                pg_sys::PageSetChecksumInplace(page, block);
            }
        }
        let before = match self.takes_group(first, pages.len()) {
            true => pages.len() - 1,
            false => 0,
        };
        let (group, rest) = pages.split_at_mut(before);
        if !group.is_empty() {
            Segment::open(path, first / SEGMENT).write(first % SEGMENT, group);
        }
        for (block, page) in (first + before as u32..).zip(rest.iter_mut().map(place)) {
            // SAFETY: the page is that of the file's next block, and its image is flushed.
            unsafe { pg_sys::smgrextend(self.file, MAIN, block, page.cast(), false) };
        }
    }

    /// Whether so many pages from a block on are in a segment that exists, of core's own storage manager.
    fn takes_group(&self, first: u32, count: usize) -> bool {
        // SAFETY: the file is open.
        let is_plain = unsafe { (*self.file).smgr_which == 0 };
        is_plain && !first.is_multiple_of(SEGMENT) && first % SEGMENT + count as u32 <= SEGMENT
    }

    /// Lets others extend the file. Where an error comes before this, the end of the transaction does it.
    fn unlock(self) {
        // SAFETY: the lock is held.
        unsafe { pg_sys::UnlockRelationForExtension(self.relation, EXCLUSIVE) };
    }
}

/// A segment of a table's file, open for writing; closed by unwinding too.
struct Segment {
    file: pg_sys::File,
    path: CString,
}

impl Segment {
    fn open(path: &str, number: u32) -> Segment {
        let path = match number {
            0 => path.to_owned(),
            _ => format!("{path}.{number}"),
        };
        // A path of the server's has no NUL.
        let path = CString::new(path).unwrap_or_default();
        // SAFETY: the server copies the path.
        let file = unsafe { pg_sys::PathNameOpenFile(path.as_ptr(), libc::O_RDWR) };
        if file < 0 {
            failed("open", &path);
        }
        Segment { file, path }
    }

    /// Writes pages from a block of the segment on.
    fn write(&self, first: u32, pages: &mut [Page]) {
        let (bytes, offset) = (size_of_val(pages), i64::from(first) * PAGE_BYTES as i64);
        let (place, event) = (
            pages.as_mut_ptr(),
            pg_sys::WaitEventIO::WAIT_EVENT_DATA_FILE_EXTEND,
        );
        // SAFETY: the file is open, and the pages are so many bytes.
        let written =
            unsafe { pg_sys::FileWrite(self.file, place.cast(), bytes as _, offset, event) };
        if usize::try_from(written) != Ok(bytes) {
            failed("extend", &self.path);
        }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: opened in `open`, and closed once.
        unsafe { pg_sys::FileClose(self.file) };
    }
}

/// Raises what the system said of a file.
fn failed(what: &str, path: &CStr) -> ! {
    let error = std::io::Error::last_os_error();
    let code = match error.raw_os_error() {
        // A write that was cut short leaves no error.
        Some(0 | libc::ENOSPC | libc::EDQUOT) => PgSqlErrorCode::ERRCODE_DISK_FULL,
        _ => PgSqlErrorCode::ERRCODE_IO_ERROR,
    };
    let path = path.to_string_lossy();
    super::raise(code, format!("could not {what} file \"{path}\": {error}"))
}

/// Pages whose images are in WAL.
struct Logged<'p> {
    /// The block of the first.
    first: u32,
    pages: &'p mut [Page],
    /// Where WAL ends with the last image.
    wal_end: pg_sys::XLogRecPtr,
}

impl Logged<'_> {
    /// Whether the images are on disk.
    fn is_flushed(&self) -> bool {
        // SAFETY: looks at shared memory.
        unsafe { !pg_sys::XLogNeedsFlush(self.wal_end) }
    }
}

/// Keeps checkpoints from starting until it is dropped, by unwinding too.
struct NoCheckpoint;

const NO_CHECKPOINT: std::ffi::c_int = pg_sys::DELAY_CHKPT_START as std::ffi::c_int;

impl NoCheckpoint {
    fn new() -> NoCheckpoint {
        // SAFETY: MyProc is this backend's own entry, and no other of its flags is touched.
        unsafe { (*pg_sys::MyProc).delayChkptFlags |= NO_CHECKPOINT };
        NoCheckpoint
    }
}

impl Drop for NoCheckpoint {
    fn drop(&mut self) {
        // SAFETY: as in `new`.
        unsafe { (*pg_sys::MyProc).delayChkptFlags &= !NO_CHECKPOINT };
    }
}

#[cfg(not(feature = "pg15"))]
use pg_sys::RelFileLocator as Locator;
#[cfg(feature = "pg15")]
use pg_sys::RelFileNode as Locator;

/// # Safety
/// The relation is open.
unsafe fn open_file(relation: pg_sys::Relation) -> pg_sys::SMgrRelation {
    // SAFETY: the caller's promise.
    unsafe {
        #[cfg(feature = "pg15")]
        let locator = (*relation).rd_node;
        #[cfg(not(feature = "pg15"))]
        let locator = (*relation).rd_locator;
        pg_sys::smgropen(locator, (*relation).rd_backend)
    }
}

/// # Safety
/// The file is open.
unsafe fn locator(file: pg_sys::SMgrRelation) -> *mut Locator {
    // SAFETY: the caller's promise.
    unsafe {
        #[cfg(feature = "pg15")]
        return &raw mut (*file).smgr_rnode.node;
        #[cfg(not(feature = "pg15"))]
        return &raw mut (*file).smgr_rlocator.locator;
    }
}

fn place(page: &mut Page) -> pg_sys::Page {
    page.as_mut_ptr().cast()
}

/// Who inserts.
fn stamp() -> Stamp {
    // SAFETY: inside a transaction; it gets an id, and its command is marked as used, if they are not yet.
    unsafe {
        Stamp {
            transaction: pg_sys::GetCurrentTransactionId().into_inner(),
            command: pg_sys::GetCurrentCommandId(true),
        }
    }
}

/// Whether WAL is written for recovery and replicas and nothing else.
fn has_replica_wal() -> bool {
    // SAFETY: a setting that only changes at a start.
    unsafe { pg_sys::wal_level == pg_sys::WalLevel::WAL_LEVEL_REPLICA as std::ffi::c_int }
}
