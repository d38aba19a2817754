//! Inserting many rows at a time into an ordinary table: ready heap tuples, or values.
//!
//! Where the table allows it, rows fill [`Pages`] that are appended whole; otherwise, and for the few that are left at
//! the end, the heap takes up to a thousand at a time, as from COPY.

use std::ops::Range;

use pgrx::prelude::*;
use trips_core::ingest::tuple::{Tuple, bytes_of};
use trips_core::page::{MAX_TUPLE_BYTES, PAGE_BYTES, Page};

use super::brin::{self, MinMax};
use super::disk::{Reserve, Use};
use super::memory::Context;
use super::page_append::{ENOUGH_PAGES, Pages};
use super::relation::Relation;
use super::row_former::RowFormer;
use super::value::Value;

/// Tuples that one call of the heap takes: COPY's number.
const TUPLES_PER_CALL: usize = 1000;

/// Bytes of values that one call takes, unless a row alone has more.
const BYTES_PER_CALL: usize = 256 * 1024;

/// The longest tuple that is never moved to a TOAST table, in bytes: a quarter of a page (TOAST_TUPLE_THRESHOLD).
const TOAST_THRESHOLD: usize = 2032;

/// An insert into one table that goes on until `finish`; until then rows may wait for others. Without `finish` the
/// transaction must abort: the server then releases what this holds. Raises 53100 where the disk is full, or has no more than
/// what is to be left free.
pub struct BulkInsert<'r> {
    executor: Executor<'r>,
    /// Rows that wait; none where the table's rows do not come in whole pages.
    pages: Option<Pages>,
    /// What is left free of the disk.
    disk: Option<Reserve>,
    /// What one call allocates; emptied after each.
    scratch: Context,
    /// Holds all that the server allocated for the executor.
    state: Context,
}

/// What the server's executor has of the insert.
struct Executor<'r> {
    relation: &'r Relation,
    slots: Vec<*mut pg_sys::TupleTableSlot>,
    /// What slots hold that do not own their tuples.
    tuples: Vec<pg_sys::HeapTupleData>,
    target: *mut pg_sys::ResultRelInfo,
    state: *mut pg_sys::EState,
    bulk: pg_sys::BulkInsertState,
    command: pg_sys::CommandId,
    has_checks: bool,
    has_not_null: bool,
    former: RowFormer<'r>,
    /// Indexes that need not be told of every row.
    min_max: Vec<MinMax>,
    /// How many indexes the target has with those.
    all_indexes: i32,
}

impl<'r> BulkInsert<'r> {
    /// Prepares to insert into `relation`, which must be [`Relation::is_heap`] and locked ROW EXCLUSIVE.
    pub fn begin(relation: &'r Relation, disk: Use) -> BulkInsert<'r> {
        let scratch = Context::new(c"trips_ext bulk insert call");
        let state = Context::new(c"trips_ext bulk insert");
        let executor = {
            let _entered = state.enter();
            Executor::begin(relation)
        };
        BulkInsert {
            executor,
            pages: Pages::of(relation),
            disk: match disk {
                Use::Sparing => Reserve::of(relation),
                Use::Whole => None,
            },
            scratch,
            state,
        }
    }

    /// Inserts ready tuples, with CHECK constraints and indexes.
    ///
    /// # Safety
    /// The relation has the columns of `trips.trip`.
    pub unsafe fn insert(&mut self, tuples: &[Tuple]) {
        if self.pages.is_some() && !self.executor.has_checks {
            let push = |tuple| self.push(|pages| pages.push_trip(tuple));
            return tuples.iter().for_each(push);
        }
        for chunk in tuples.chunks(TUPLES_PER_CALL) {
            self.heap_insert(chunk.iter().map(bytes_of));
        }
    }

    /// Inserts rows, with NOT NULL and CHECK constraints, indexes and TOAST; triggers, foreign keys among them, do not
    /// fire. Each row has a value for every column, and nothing else gives one: no default, no expression. Raises 42804
    /// where that is not so, and what INSERT raises.
    pub fn insert_rows<'v, R: AsRef<[Value<'v>]>>(&mut self, rows: &[R]) {
        let mut left = rows;
        while !left.is_empty() {
            let (chunk, rest) = left.split_at(rows_of_a_call(left));
            self.reserve(chunk.len());
            let entered = self.scratch.enter();
            self.executor.store_rows(chunk);
            self.executor.check(chunk.len());
            let mut tuples = Vec::new();
            match &mut self.pages {
                Some(pages) if self.executor.fit_pages(chunk.len()) => {
                    // What finds no room waits until the slots are empty: they are needed to append pages.
                    let pushed = self.executor.push_to_pages(chunk.len(), pages);
                    tuples = self.executor.copies(pushed..chunk.len());
                }
                _ => self.executor.insert(chunk.len()),
            }
            self.executor.clear(chunk.len());
            drop(entered);
            self.scratch.reset();
            self.require_grown();
            for tuple in tuples {
                self.push(|pages| pages.push(&tuple));
            }
            left = rest;
        }
    }

    /// Has the heap take tuples that were made for the relation.
    fn heap_insert<'t>(&mut self, tuples: impl ExactSizeIterator<Item = &'t [u8]>) {
        let count = tuples.len();
        self.reserve(count);
        self.scratch.lend(|| {
            self.executor.store(tuples);
            self.executor.check(count);
            self.executor.insert(count);
            self.executor.clear(count);
        });
        self.require_grown();
    }

    /// Leaves the disk what it is to be left, after the heap has taken rows.
    fn require_grown(&mut self) {
        if let Some(disk) = &mut self.disk {
            disk.require_grown(self.executor.relation);
        }
    }

    /// Has `push` add a tuple to the pages; where they have no room for it, they are appended first.
    #[inline]
    fn push(&mut self, push: impl Fn(&mut Pages) -> bool) {
        while let Some(pages) = &mut self.pages
            && !push(pages)
        {
            let count = pages.used().len();
            self.append(count);
        }
    }

    /// Puts the first `count` pages behind the others, or their tuples where VACUUM has found room for them.
    fn append(&mut self, count: usize) {
        if self.executor.relation.has_room() {
            return self.heap_insert_pages(count);
        }
        self.reserve(1);
        let Some(pages) = &mut self.pages else {
            return;
        };
        if let Some(disk) = &mut self.disk {
            disk.require((count * PAGE_BYTES) as u64);
        }
        let executor = &mut self.executor;
        let relation = executor.relation;
        let note = |first, pages: &[Page]| executor.note_pages(first, pages);
        let first = pages.append(relation, count, note);
        self.scratch.lend(|| {
            // SAFETY: the pages have just been put into the relation, as these blocks, and have been noted.
            unsafe { executor.index_pages(first, &pages.used()[..count]) };
        });
        pages.clear(count);
    }

    /// Has the heap take the tuples of the first `count` pages.
    fn heap_insert_pages(&mut self, count: usize) {
        let Some(mut pages) = self.pages.take() else {
            return;
        };
        for page in &pages.used()[..count] {
            self.heap_insert(page.tuples().map(|(_, tuple)| tuple));
        }
        pages.clear(count);
        self.pages = Some(pages);
    }

    /// Makes slots for so many tuples.
    fn reserve(&mut self, count: usize) {
        if self.executor.slots.len() < count {
            let _entered = self.state.enter();
            self.executor.add_slots(count);
        }
    }

    /// Inserts what waits and ends the insert; the rows can be seen by the next command of the transaction.
    pub fn finish(mut self) {
        let waiting = self.pages.as_ref().map_or(0, |pages| pages.used().len());
        if waiting > ENOUGH_PAGES {
            self.append(waiting - 1);
        }
        // The last page need not be full: its tuples go where there is room.
        let left = self.pages.as_ref().map_or(0, |pages| pages.used().len());
        self.heap_insert_pages(left);
        self.executor.finish();
    }
}

impl<'r> Executor<'r> {
    /// Allocates in the current memory context, which must live as long as this.
    fn begin(relation: &'r Relation) -> Executor<'r> {
        // SAFETY: the relation is open and outlives this value. A range table index of 0 says that no query
        // names the target: the executor then looks up no range table (ExecGetInsertedCols).
        let (state, target) = unsafe {
            let target = pg_sys::palloc0(std::mem::size_of::<pg_sys::ResultRelInfo>())
                .cast::<pg_sys::ResultRelInfo>();
            (*target).type_ = pg_sys::NodeTag::T_ResultRelInfo;
            pg_sys::InitResultRelInfo(target, relation.as_ptr(), 0, std::ptr::null_mut(), 0);
            pg_sys::ExecOpenIndices(target, false);
            (pg_sys::CreateExecutorState(), target)
        };
        // SAFETY: no arguments that could be wrong; both need the transaction that the caller is in.
        let (bulk, command) = unsafe {
            (
                pg_sys::GetBulkInsertState(),
                pg_sys::GetCurrentCommandId(true),
            )
        };
        // SAFETY: ExecOpenIndices has filled the target in.
        let (min_max, all_indexes) = unsafe { brin::take_from(target) };
        Executor {
            relation,
            slots: Vec::new(),
            tuples: Vec::new(),
            target,
            state,
            bulk,
            command,
            has_checks: relation.has_checks(),
            has_not_null: relation.has_not_null(),
            former: RowFormer::of(relation),
            min_max,
            all_indexes,
        }
    }

    /// Makes slots until there are `count`, in the current memory context as `begin`.
    fn add_slots(&mut self, count: usize) {
        let relation = self.relation;
        self.slots.resize_with(count, || new_slot(relation));
        // What the slots hold between two calls is nothing.
        self.tuples = vec![pg_sys::HeapTupleData::default(); count];
    }

    /// Puts tuples into the first slots.
    fn store<'t>(&mut self, tuples: impl Iterator<Item = &'t [u8]>) {
        let places = self.tuples.iter_mut().zip(&self.slots);
        for (bytes, (tuple, slot)) in tuples.zip(places) {
            *tuple = heap_tuple(self.relation, bytes);
            // SAFETY: the slot is one for heap tuples; tuple and bytes outlive the use of the slot's content, which is
            // cleared before the caller's call ends.
            unsafe { pg_sys::ExecStoreHeapTuple(tuple, *slot, false) };
        }
    }

    /// Puts tuples of the rows of `chunk` into the first slots, allocated in the current memory context.
    fn store_rows<'v, R: AsRef<[Value<'v>]>>(&mut self, chunk: &[R]) {
        for (place, row) in chunk.iter().enumerate() {
            let tuple = self.former.form(row.as_ref());
            // SAFETY: the slot is one for heap tuples, and becomes the owner of this one: so the heap need not copy it.
            unsafe { pg_sys::ExecStoreHeapTuple(tuple, self.slots[place], true) };
        }
    }

    /// Whether all tuples in the first slots may go to pages: none is longer than the heap would leave it.
    fn fit_pages(&self, count: usize) -> bool {
        let longest = match self.relation.has_toast() {
            true => TOAST_THRESHOLD,
            false => MAX_TUPLE_BYTES,
        };
        // SAFETY: each slot holds a tuple.
        let fits = |slot: &*mut pg_sys::TupleTableSlot| unsafe { tuple_in(*slot) }.len() <= longest;
        self.slots.iter().take(count).all(fits)
    }

    /// Adds the tuples in the first slots to pages until there is no room; gives how many these are.
    fn push_to_pages(&self, count: usize, pages: &mut Pages) -> usize {
        let slots = self.slots.iter().take(count);
        // SAFETY: each slot holds a tuple.
        slots
            .take_while(|slot| pages.push(unsafe { tuple_in(**slot) }))
            .count()
    }

    /// The tuples in some of the slots.
    fn copies(&self, places: Range<usize>) -> Vec<Box<[u8]>> {
        let slots = self.slots.get(places).unwrap_or_default();
        // SAFETY: each slot holds a tuple.
        slots
            .iter()
            .map(|slot| unsafe { tuple_in(*slot) }.into())
            .collect()
    }

    /// Has the heap take the tuples in the first slots, and tells the indexes.
    fn insert(&mut self, count: usize) {
        // SAFETY: each of the first `count` slots holds a tuple, which is the slot's own or else copied by the heap
        // before that changes its header.
        unsafe {
            pg_sys::heap_multi_insert(
                self.relation.as_ptr(),
                self.slots.as_mut_ptr(),
                count as i32,
                self.command,
                0,
                self.bulk,
            );
        }
        for index in &mut self.min_max {
            // SAFETY: each slot holds a tuple, and the heap has set where it is.
            let rows = self
                .slots
                .iter()
                .take(count)
                .map(|slot| unsafe { (tuple_in(*slot), (**slot).tts_tid) });
            index.note(rows);
            // SAFETY: these rows have just been inserted.
            unsafe { index.tell(self.relation.as_ptr()) };
        }
        if self.has_other_indexes() {
            for slot in self.slots.iter().take(count) {
                // SAFETY: target, executor and slot were made for this relation in `begin`; the slot's tuple is in the table.
                unsafe { insert_index_tuples(self.target, *slot, self.state) };
            }
            self.forget_expressions();
        }
    }

    fn check(&mut self, count: usize) {
        if !self.has_checks && !self.has_not_null {
            return;
        }
        for slot in self.slots.iter().take(count) {
            // SAFETY: target, executor and slot were made for this relation in `begin`.
            unsafe { pg_sys::ExecConstraints(self.target, *slot, self.state) };
        }
        self.forget_expressions();
    }

    /// Takes note of pages, of which the first is the block `first`, for the indexes that are told of few of their rows.
    fn note_pages(&mut self, first: u32, pages: &[Page]) {
        for index in &mut self.min_max {
            for (block, page) in (first..).zip(pages) {
                index.note(rows_of(block, page));
            }
        }
    }

    /// Tells the indexes of the tuples of pages, of which the first is the block `first`. Uses the first slot.
    ///
    /// # Safety
    /// The pages have just been put into the relation, and have been noted.
    unsafe fn index_pages(&mut self, first: u32, pages: &[Page]) {
        for index in &mut self.min_max {
            // SAFETY: the caller's promise.
            unsafe { index.tell(self.relation.as_ptr()) };
        }
        if let Some(&slot) = self.slots.first()
            && self.has_other_indexes()
        {
            let rows = (first..).zip(pages);
            for (bytes, place) in rows.flat_map(|(block, page)| rows_of(block, page)) {
                let mut tuple = heap_tuple(self.relation, bytes);
                tuple.t_self = place;
                // SAFETY: as in `insert`; the slot is cleared before the tuple goes.
                unsafe {
                    pg_sys::ExecStoreHeapTuple(&mut tuple, slot, false);
                    insert_index_tuples(self.target, slot, self.state);
                    pg_sys::ExecClearTuple(slot);
                }
            }
            self.forget_expressions();
        }
    }

    /// Whether there are indexes that must be told of every row.
    fn has_other_indexes(&self) -> bool {
        // SAFETY: ExecOpenIndices has filled the target in.
        unsafe { (*self.target).ri_NumIndices > 0 }
    }

    /// Empties the first slots, before their tuples' memory is reset.
    fn clear(&mut self, count: usize) {
        for slot in self.slots.iter().take(count) {
            // SAFETY: the slot was made in `begin`, and frees what it owns.
            unsafe { pg_sys::ExecClearTuple(*slot) };
        }
    }

    /// Frees what the expressions of constraints and indexes allocated.
    fn forget_expressions(&mut self) {
        // SAFETY: the executor state lives as long as `self`; its expression context is null or valid.
        unsafe {
            let context = (*self.state).es_per_tuple_exprcontext;
            if !context.is_null() {
                pg_sys::MemoryContextReset((*context).ecxt_per_tuple_memory);
            }
        }
    }

    fn finish(self) {
        // SAFETY: each of these was made in `begin` and is released once, here.
        unsafe {
            pg_sys::FreeBulkInsertState(self.bulk);
            for slot in &self.slots {
                pg_sys::ExecDropSingleTupleTableSlot(*slot);
            }
            (*self.target).ri_NumIndices = self.all_indexes;
            pg_sys::ExecCloseIndices(self.target);
            pg_sys::FreeExecutorState(self.state);
        }
    }
}

/// How many of these rows, at least one, one call of the heap takes.
fn rows_of_a_call<'v, R: AsRef<[Value<'v>]>>(rows: &[R]) -> usize {
    let mut bytes = 0;
    let fitting = rows.iter().take(TUPLES_PER_CALL).take_while(|row| {
        bytes += row.as_ref().iter().map(Value::bytes).sum::<usize>();
        bytes <= BYTES_PER_CALL
    });
    fitting.count().max(1)
}

/// A slot for heap tuples of a table, in the current memory context.
fn new_slot(relation: &Relation) -> *mut pg_sys::TupleTableSlot {
    // SAFETY: the descriptor belongs to the open relation, and the slots' operations are a static of the server.
    unsafe {
        pg_sys::MakeSingleTupleTableSlot(
            (*relation.as_ptr()).rd_att,
            &raw const pg_sys::TTSOpsHeapTuple,
        )
    }
}

/// A tuple as the server knows it. It is no longer valid than the bytes, which are aligned as a tuple's are.
fn heap_tuple(relation: &Relation, bytes: &[u8]) -> pg_sys::HeapTupleData {
    pg_sys::HeapTupleData {
        t_len: bytes.len() as u32,
        t_tableOid: relation.oid(),
        t_data: bytes.as_ptr().cast_mut().cast(),
        ..Default::default()
    }
}

/// The tuple in a slot.
///
/// # Safety
/// It is a slot of [`new_slot`], with a tuple, and neither changes while the result is used.
unsafe fn tuple_in<'t>(slot: *mut pg_sys::TupleTableSlot) -> &'t [u8] {
    // SAFETY: slots with these operations are of this type.
    unsafe {
        let tuple = (*slot.cast::<pg_sys::HeapTupleTableSlot>()).tuple;
        std::slice::from_raw_parts((*tuple).t_data.cast(), (*tuple).t_len as usize)
    }
}

/// The tuples of a page that is this block, and their places.
fn rows_of(block: u32, page: &Page) -> impl Iterator<Item = (&[u8], pg_sys::ItemPointerData)> {
    page.tuples()
        .map(move |(number, tuple)| (tuple, place(block, number)))
}

/// Where in a table a tuple is.
fn place(block: u32, number: u16) -> pg_sys::ItemPointerData {
    pg_sys::ItemPointerData {
        ip_blkid: pg_sys::BlockIdData {
            bi_hi: (block >> 16) as u16,
            bi_lo: block as u16,
        },
        ip_posid: number,
    }
}

/// ExecInsertIndexTuples, whose parameters differ between versions.
///
/// # Safety
/// As the server's function: the target's indexes are open and the slot holds an inserted tuple.
unsafe fn insert_index_tuples(
    target: *mut pg_sys::ResultRelInfo,
    slot: *mut pg_sys::TupleTableSlot,
    executor: *mut pg_sys::EState,
) {
    let none = std::ptr::null_mut();
    // SAFETY: the caller's promise; no conflict arbitration and no update, so the other parameters are empty.
    unsafe {
        #[cfg(feature = "pg15")]
        pg_sys::ExecInsertIndexTuples(target, slot, executor, false, false, none, none.cast());
        #[cfg(any(feature = "pg16", feature = "pg17", feature = "pg18"))]
        pg_sys::ExecInsertIndexTuples(
            target,
            slot,
            executor,
            false,
            false,
            none,
            none.cast(),
            false,
        );
    }
}
