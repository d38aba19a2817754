//! Inserting ready heap tuples many at a time, as COPY does it, into an ordinary table.

use pgrx::prelude::*;

use super::brin::{self, MinMax};
use super::memory::Context;
use super::relation::Relation;

/// Tuples that one call of the heap takes: COPY's number.
const TUPLES_PER_CALL: usize = 1000;

/// An insert into one table that goes on until `finish`. Without `finish` the transaction must abort: the
/// server then releases what this holds.
pub struct BulkInsert<'r> {
    executor: Executor<'r>,
    /// What one call allocates; emptied after each.
    scratch: Context,
    /// Holds all that the server allocated for the executor.
    _state: Context,
}

/// What the server's executor has of the insert.
struct Executor<'r> {
    relation: &'r Relation,
    slots: Vec<*mut pg_sys::TupleTableSlot>,
    tuples: Vec<pg_sys::HeapTupleData>,
    target: *mut pg_sys::ResultRelInfo,
    state: *mut pg_sys::EState,
    bulk: pg_sys::BulkInsertState,
    command: pg_sys::CommandId,
    has_checks: bool,
    /// Indexes that need not be told of every row.
    min_max: Vec<MinMax>,
    /// How many indexes the target has with those.
    all_indexes: i32,
}

impl<'r> BulkInsert<'r> {
    /// Prepares to insert into `relation`, which must be [`Relation::is_heap`] and locked ROW EXCLUSIVE.
    pub fn begin(relation: &'r Relation) -> BulkInsert<'r> {
        let scratch = Context::new(c"trips_ext bulk insert call");
        let state = Context::new(c"trips_ext bulk insert");
        let executor = {
            let _entered = state.enter();
            Executor::begin(relation)
        };
        BulkInsert {
            executor,
            scratch,
            _state: state,
        }
    }

    /// Inserts tuples in their order, with CHECK constraints and indexes. Polls no interrupts.
    ///
    /// # Safety
    /// The first `length` bytes of each image are a whole heap tuple of the relation's columns, with no null
    /// where one is forbidden.
    pub unsafe fn insert<const WORDS: usize>(&mut self, images: &[[u64; WORDS]], length: usize) {
        for chunk in images.chunks(TUPLES_PER_CALL) {
            self.scratch.lend(|| {
                self.executor.store(chunk, length);
                self.executor.check(chunk.len());
                self.executor.insert(chunk.len());
                self.executor.index(chunk);
            });
        }
    }

    /// Ends the insert; the tuples can be seen by the next command of the transaction.
    pub fn finish(self) {
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
        // SAFETY: the descriptor belongs to the open relation, and the slots' operations are a static of the server.
        let slot = || unsafe {
            pg_sys::MakeSingleTupleTableSlot(
                (*relation.as_ptr()).rd_att,
                &raw const pg_sys::TTSOpsHeapTuple,
            )
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
            slots: std::iter::repeat_with(slot).take(TUPLES_PER_CALL).collect(),
            tuples: vec![pg_sys::HeapTupleData::default(); TUPLES_PER_CALL],
            target,
            state,
            bulk,
            command,
            has_checks: relation.has_checks(),
            min_max,
            all_indexes,
        }
    }

    /// Puts the tuples of `chunk` into the first slots.
    fn store<const WORDS: usize>(&mut self, chunk: &[[u64; WORDS]], length: usize) {
        let table = self.relation.oid();
        let places = self.tuples.iter_mut().zip(&self.slots);
        for (image, (tuple, slot)) in chunk.iter().zip(places) {
            tuple.t_len = length as u32;
            tuple.t_tableOid = table;
            tuple.t_data = image.as_ptr().cast_mut().cast();
            // SAFETY: the slot is one for heap tuples; tuple and image outlive the use of the slot's content, which
            // the next `store` or `finish` replaces without looking at it.
            unsafe { pg_sys::ExecStoreHeapTuple(tuple, *slot, false) };
        }
    }

    fn insert(&mut self, count: usize) {
        // SAFETY: `store` has put a tuple into each of the first `count` slots; the heap copies them before it
        // changes their headers.
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
    }

    fn check(&mut self, count: usize) {
        if !self.has_checks {
            return;
        }
        for slot in self.slots.iter().take(count) {
            // SAFETY: target, executor and slot were made for this relation in `begin`.
            unsafe { pg_sys::ExecConstraints(self.target, *slot, self.state) };
        }
        self.forget_expressions();
    }

    fn index<const WORDS: usize>(&mut self, chunk: &[[u64; WORDS]]) {
        let slots = self.slots.iter().copied();
        for index in &self.min_max {
            // SAFETY: the slots hold the tuples of the chunk's images, as `store` put them there.
            unsafe { index.insert(self.relation.as_ptr(), chunk.iter().zip(slots.clone())) };
        }
        // SAFETY: ExecOpenIndices has filled the target in.
        if unsafe { (*self.target).ri_NumIndices == 0 } {
            return;
        }
        for slot in slots.take(chunk.len()) {
            // SAFETY: as in `check`; heap_multi_insert has set where in the table each slot's tuple is.
            unsafe { insert_index_tuples(self.target, slot, self.state) };
        }
        self.forget_expressions();
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
