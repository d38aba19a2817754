//! Looking up many rows of a table by its primary key.
//!
//! A statement with `= ANY` descends the index for each key, up to version 16 of the server. Keys that are near each other
//! are here found by one descent, and rows that lie between them are not read.

use std::ops::RangeInclusive;

use pgrx::prelude::*;
use trips_core::Error;

use super::memory::Context;
use super::receiver::Row;
use super::relation::Relation;

/// Keys of a page that are passed over sooner than the index is descended again.
const NEAR: i64 = 24;

/// A scan of the primary key of a table, which sees what the calling statement sees. Checks no privilege.
pub struct KeyScan {
    relation: Relation,
    index: pg_sys::Relation,
    scan: pg_sys::IndexScanDesc,
    /// The row that is shown, and the one after it.
    slots: [*mut pg_sys::TupleTableSlot; 2],
    types: Vec<pg_sys::Oid>,
    detoasted: Context,
}

impl KeyScan {
    /// One of `relation`, which is given back unless it is a heap whose primary key is its first column alone, a `bigint`.
    pub fn open(relation: Relation) -> Result<KeyScan, Relation> {
        let types: Vec<pg_sys::Oid> = relation.columns().into_iter().map(|(_, oid)| oid).collect();
        if !relation.is_heap() || types.first() != Some(&pg_sys::INT8OID) {
            return Err(relation);
        }
        let Some(index) = primary_key(&relation) else {
            return Err(relation);
        };
        // SAFETY: table and index are open and belong together; a function's call has an active snapshot, which outlives
        // this value. That index tuples are wanted is said before the first rescan, which makes room for them.
        let (scan, slots) = unsafe {
            let scan = begin(relation.as_ptr(), index, pg_sys::GetActiveSnapshot());
            (*scan).xs_want_itup = true;
            let slot = || pg_sys::table_slot_create(relation.as_ptr(), std::ptr::null_mut());
            (scan, [slot(), slot()])
        };
        Ok(KeyScan {
            relation,
            index,
            scan,
            slots,
            types,
            detoasted: Context::new(c"trips_ext detoasted"),
        })
    }

    /// The table.
    pub fn relation(&self) -> &Relation {
        &self.relation
    }

    /// Shows the rows with these keys, which ascend, to `take`. Gives how many there are.
    ///
    /// # Errors
    /// The first that `take` gives, which ends it. What the server raises leaves as a panic.
    pub fn each(
        &mut self,
        keys: &[i64],
        mut take: impl FnMut(&Row<'_>) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        let mut rows = 0;
        for near in keys.chunk_by(|one, next| next.wrapping_sub(*one) <= NEAR) {
            let (Some(first), Some(last)) = (near.first(), near.last()) else {
                continue;
            };
            check_for_interrupts!();
            self.restart(*first..=*last);
            let mut wanted = near.iter().copied().peekable();
            while let Some(key) = self.next_key() {
                while wanted.next_if(|wanted| *wanted < key).is_some() {}
                // The key of a row that was changed may be there once more.
                if wanted.peek() == Some(&key) && self.fetch() {
                    if rows > 0 {
                        self.show(&mut take)?;
                    }
                    rows += 1;
                    self.slots.swap(0, 1);
                }
            }
        }
        if rows > 0 {
            self.show(&mut take)?;
        }
        Ok(rows)
    }

    /// Goes to the first of these keys.
    fn restart(&mut self, keys: RangeInclusive<i64>) {
        let bound = |strategy: u32, procedure: u32, key: i64| {
            let mut bound = pg_sys::ScanKeyData::default();
            // SAFETY: the procedure compares two bigints.
            unsafe {
                pg_sys::ScanKeyInit(
                    &mut bound,
                    1,
                    strategy as pg_sys::StrategyNumber,
                    procedure.into(),
                    pg_sys::Datum::from(key),
                );
            }
            bound
        };
        let mut bounds = [
            bound(
                pg_sys::BTGreaterEqualStrategyNumber,
                pg_sys::F_INT8GE,
                *keys.start(),
            ),
            bound(
                pg_sys::BTLessEqualStrategyNumber,
                pg_sys::F_INT8LE,
                *keys.end(),
            ),
        ];
        // SAFETY: the scan was begun for two keys, which it copies.
        unsafe {
            pg_sys::index_rescan(self.scan, bounds.as_mut_ptr(), 2, std::ptr::null_mut(), 0);
        }
    }

    /// The next key of the index.
    fn next_key(&mut self) -> Option<i64> {
        const FORWARD: pg_sys::ScanDirection::Type = pg_sys::ScanDirection::ForwardScanDirection;
        // SAFETY: the scan has been started. The tuple that it is at has one column, which is not null: a bigint behind
        // the header, where it is aligned.
        unsafe {
            let place = pg_sys::index_getnext_tid(self.scan, FORWARD);
            if place.is_null() {
                return None;
            }
            let tuple = (*self.scan).xs_itup.cast::<u8>();
            Some(
                tuple
                    .add(size_of::<pg_sys::IndexTupleData>())
                    .cast::<i64>()
                    .read_unaligned(),
            )
        }
    }

    /// Fetches the row of the key at hand into the second slot; false where nobody may see it.
    fn fetch(&mut self) -> bool {
        // SAFETY: the scan is at a tuple, and the slot is of its table.
        let is_seen = unsafe { pg_sys::index_fetch_heap(self.scan, self.slots[1]) };
        if is_seen {
            // SAFETY: the heap's slots are of this kind; it has just been given a tuple, in a page that it pins.
            unsafe {
                let slot = self.slots[1].cast::<pg_sys::HeapTupleTableSlot>();
                let tuple = (*slot).tuple;
                prefetch((*tuple).t_data.cast(), (*tuple).t_len as usize);
            }
        }
        is_seen
    }

    /// Shows the row in the first slot.
    fn show(&mut self, take: &mut impl FnMut(&Row<'_>) -> Result<(), Error>) -> Result<(), Error> {
        // SAFETY: the slot holds a row, whose columns stay until another is fetched into it.
        let result = unsafe {
            pg_sys::slot_getallattrs(self.slots[0]);
            let slot = &*self.slots[0];
            take(&Row::new(
                std::slice::from_raw_parts(slot.tts_values, self.types.len()),
                std::slice::from_raw_parts(slot.tts_isnull, self.types.len()),
                &self.types,
                &self.detoasted,
            ))
        };
        self.detoasted.reset();
        result
    }
}

impl Drop for KeyScan {
    fn drop(&mut self) {
        // An error that unwinds ends the (sub)transaction, which lets go of all this.
        if !std::thread::panicking() {
            // SAFETY: made in `open`, and ended once. The lock stays until the transaction ends.
            unsafe {
                for slot in self.slots {
                    pg_sys::ExecDropSingleTupleTableSlot(slot);
                }
                pg_sys::index_endscan(self.scan);
                pg_sys::index_close(self.index, pg_sys::NoLock as pg_sys::LOCKMODE);
            }
        }
    }
}

/// Has the processor bring what will be read soon: rows lie apart from each other, so that each is waited for otherwise.
#[inline]
fn prefetch(bytes: *const u8, count: usize) {
    #[cfg(target_arch = "x86_64")]
    for offset in (0..count).step_by(64) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint, which reads nothing that the program could see.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(bytes.wrapping_add(offset).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (bytes, count);
}

/// The index of a primary key that is the first column alone, open.
fn primary_key(relation: &Relation) -> Option<pg_sys::Relation> {
    // SAFETY: the relation is open and locked, so that its index stays. A primary key is a btree; rd_index is set for an
    // index, and has one column number at least.
    unsafe {
        #[cfg(not(feature = "pg18"))]
        let key = pg_sys::RelationGetPrimaryKeyIndex(relation.as_ptr());
        #[cfg(feature = "pg18")]
        let key = pg_sys::RelationGetPrimaryKeyIndex(relation.as_ptr(), false);
        if key == pg_sys::InvalidOid {
            return None;
        }
        let index = pg_sys::index_open(key, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
        let form = (*index).rd_index;
        if (*form).indnatts == 1 && (*form).indkey.values.as_ptr().read() == 1 {
            return Some(index);
        }
        pg_sys::index_close(index, pg_sys::NoLock as pg_sys::LOCKMODE);
        None
    }
}

/// # Safety
/// Both relations are open, the index is one of the table, and the snapshot stays.
unsafe fn begin(
    table: pg_sys::Relation,
    index: pg_sys::Relation,
    snapshot: pg_sys::Snapshot,
) -> pg_sys::IndexScanDesc {
    // SAFETY: the caller's promise.
    unsafe {
        #[cfg(not(feature = "pg18"))]
        return pg_sys::index_beginscan(table, index, snapshot, 2, 0);
        #[cfg(feature = "pg18")]
        return pg_sys::index_beginscan(table, index, snapshot, std::ptr::null_mut(), 2, 0);
    }
}
