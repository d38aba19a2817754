//! The room that is left free on the disks of tables: VACUUM needs a little to give back what a failed load has taken,
//! and where WAL is on the same disk, the server needs it to stay up.

use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::path::Path;

use trips_core::Error;

use super::relation::Relation;
use crate::{error, settings};

/// Of a small disk no more than this part is left free.
const MOST_OF_DISK: u64 = 16;

/// How often it is looked: whenever so great a part of what is left free has been written.
const LOOKS: u64 = 16;

/// What may be taken of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// All but what `trips_ext.disk_reserve` says.
    Sparing,
    /// All: what is written helps to free room.
    Whole,
}

/// What is left free on the disk of one table.
pub struct Reserve {
    table: String,
    /// The directory of the table's file.
    directory: CString,
    /// Bytes that are left free.
    bytes: u64,
    /// Bytes that were written since the last look.
    written: u64,
    /// How long the table was then, in blocks.
    blocks: u32,
}

impl Reserve {
    /// That of a table's disk; none where nothing is to be left free, or the system does not tell what is.
    pub fn of(relation: &Relation) -> Option<Reserve> {
        let wanted = settings::disk_reserve();
        if wanted == 0 {
            return None;
        }
        let path = relation.path();
        let directory = Path::new(&path).parent()?.to_str()?;
        let directory = CString::new(directory).ok()?;
        let bytes = wanted.min(Space::of(&directory)?.size / MOST_OF_DISK);
        Some(Reserve {
            table: relation.name().to_string_lossy().into_owned(),
            directory,
            bytes,
            // The first write looks, however small it is.
            written: bytes,
            blocks: relation.blocks(),
        })
    }

    /// Raises 53100 where so many bytes more would leave too little free.
    pub fn require(&mut self, bytes: u64) {
        self.written += bytes;
        if self.written < self.bytes / LOOKS {
            return;
        }
        self.written = 0;
        let Some(Space { free, .. }) = Space::of(&self.directory) else {
            return;
        };
        if free < self.bytes + bytes {
            error::raise(&Error::DiskReserve {
                table: self.table.clone(),
                free,
                reserve: self.bytes,
            });
        }
    }

    /// As [`Reserve::require`], after the fact: for what the table has grown by since it was last asked.
    pub fn require_grown(&mut self, relation: &Relation) {
        let blocks = relation.blocks();
        let grown = blocks.saturating_sub(self.blocks);
        self.blocks = blocks;
        if grown > 0 {
            self.require(u64::from(grown) * u64::from(pgrx::pg_sys::BLCKSZ));
        }
    }
}

/// A file system.
struct Space {
    /// Bytes in all.
    size: u64,
    /// Bytes that the server's user may still take.
    free: u64,
}

impl Space {
    /// That of a directory; none where the system does not tell.
    fn of(directory: &CStr) -> Option<Space> {
        let mut found = MaybeUninit::<libc::statvfs>::uninit();
        // SAFETY: the path is NUL-terminated; statvfs fills the struct in where it returns 0.
        let found = unsafe {
            match libc::statvfs(directory.as_ptr(), found.as_mut_ptr()) {
                0 => found.assume_init(),
                _ => return None,
            }
        };
        Some(Space {
            size: found.f_blocks.saturating_mul(found.f_frsize),
            free: found.f_bavail.saturating_mul(found.f_frsize),
        })
    }
}
