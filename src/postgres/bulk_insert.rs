//! Inserting many rows at a time, as COPY does it, into an ordinary table: ready heap tuples, or values.

use pgrx::prelude::*;

use super::brin::{self, MinMax};
use super::memory::Context;
use super::relation::Relation;
use super::value::Value;

/// Tuples that one call of the heap takes: COPY's number.
const TUPLES_PER_CALL: usize = 1000;

/// Bytes of values that one call takes, unless a row alone has more.
const BYTES_PER_CALL: usize = 256 * 1024;

/// An insert into one table that goes on until `finish`. Without `finish` the transaction must abort: the
/// server then releases what this holds.
pub struct BulkInsert<'r> {
    executor: Executor<'r>,
    /// What one call allocates; emptied after each.
    scratch: Context,
    /// Holds all that the server allocated for the executor.
    state: Context,
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
    has_not_null: bool,
    /// Types of the columns.
    types: Vec<pg_sys::Oid>,
    /// A row's columns while its tuple is formed.
    values: Vec<pg_sys::Datum>,
    nulls: Vec<bool>,
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
            state,
        }
    }

    /// Inserts tuples in their order, with CHECK constraints and indexes.
    ///
    /// # Safety
    /// The first `length` bytes of each image are a whole heap tuple of the relation's columns, with no null
    /// where one is forbidden.
    pub unsafe fn insert<const WORDS: usize>(&mut self, images: &[[u64; WORDS]], length: usize) {
        for chunk in images.chunks(TUPLES_PER_CALL) {
            self.reserve(chunk.len());
            self.scratch.lend(|| {
                self.executor.store_images(chunk, length);
                if self.executor.has_checks {
                    self.executor.check(chunk.len());
                }
                self.executor.insert(chunk.len());
                self.executor.index_images(chunk);
            });
        }
    }

    /// Inserts rows in their order, with NOT NULL and CHECK constraints, indexes and TOAST; triggers, foreign keys
    /// among them, do not fire. Each row has a value for every column, and nothing else gives one: no default, no
    /// expression. Raises 42804 where that is not so, and what INSERT raises.
    pub fn insert_rows<'v, R: AsRef<[Value<'v>]>>(&mut self, rows: &[R]) {
        let mut left = rows;
        while !left.is_empty() {
            let (chunk, rest) = left.split_at(rows_of_a_call(left));
            self.reserve(chunk.len());
            self.scratch.lend(|| {
                self.executor.store_rows(chunk);
                if self.executor.has_checks || self.executor.has_not_null {
                    self.executor.check(chunk.len());
                }
                self.executor.insert(chunk.len());
                self.executor.index_rows(chunk.len());
                self.executor.clear(chunk.len());
            });
            left = rest;
        }
    }

    /// Makes slots for so many tuples.
    fn reserve(&mut self, count: usize) {
        if self.executor.slots.len() < count {
            let _entered = self.state.enter();
            self.executor.add_slots(count);
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
            types: relation.columns().into_iter().map(|(_, oid)| oid).collect(),
            values: Vec::new(),
            nulls: Vec::new(),
            min_max,
            all_indexes,
        }
    }

    /// Makes slots until there are `count`, in the current memory context as `begin`.
    fn add_slots(&mut self, count: usize) {
        // SAFETY: the descriptor belongs to the open relation, and the slots' operations are a static of the server.
        let slot = || unsafe {
            pg_sys::MakeSingleTupleTableSlot(
                (*self.relation.as_ptr()).rd_att,
                &raw const pg_sys::TTSOpsHeapTuple,
            )
        };
        self.slots.resize_with(count, slot);
        // What the slots hold between two calls is a copy of the old ones' content.
        self.tuples = vec![pg_sys::HeapTupleData::default(); count];
    }

    /// Puts the tuples of `chunk` into the first slots.
    fn store_images<const WORDS: usize>(&mut self, chunk: &[[u64; WORDS]], length: usize) {
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

    /// Puts tuples of the rows of `chunk` into the first slots, allocated in the current memory context.
    fn store_rows<'v, R: AsRef<[Value<'v>]>>(&mut self, chunk: &[R]) {
        for (place, row) in chunk.iter().enumerate() {
            let tuple = self.form(row.as_ref());
            // SAFETY: the slot is one for heap tuples, and becomes the owner of this one: so the heap need not copy it.
            unsafe { pg_sys::ExecStoreHeapTuple(tuple, self.slots[place], true) };
        }
    }

    fn form(&mut self, row: &[Value<'_>]) -> pg_sys::HeapTuple {
        let fits = |(value, oid): (&Value<'_>, &pg_sys::Oid)| value.is_of(*oid);
        if row.len() != self.types.len() || !row.iter().zip(&self.types).all(fits) {
            super::raise(
                PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH,
                format!(
                    "table \"{}\" has not the columns that are inserted",
                    self.relation.name().to_string_lossy()
                ),
            );
        }
        self.values.clear();
        self.nulls.clear();
        for datum in row.iter().map(Value::datum) {
            self.values.push(datum.unwrap_or(pg_sys::Datum::null()));
            self.nulls.push(datum.is_none());
        }
        // SAFETY: both arrays have one element for each column of the open relation, of the column's type.
        unsafe {
            pg_sys::heap_form_tuple(
                (*self.relation.as_ptr()).rd_att,
                self.values.as_mut_ptr(),
                self.nulls.as_mut_ptr(),
            )
        }
    }

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
    }

    fn check(&mut self, count: usize) {
        for slot in self.slots.iter().take(count) {
            // SAFETY: target, executor and slot were made for this relation in `begin`.
            unsafe { pg_sys::ExecConstraints(self.target, *slot, self.state) };
        }
        self.forget_expressions();
    }

    /// Tells the indexes of the images in the first slots.
    fn index_images<const WORDS: usize>(&mut self, chunk: &[[u64; WORDS]]) {
        for index in &self.min_max {
            let rows = chunk.iter().zip(self.slots.iter().copied());
            // SAFETY: the slots hold the tuples of the chunk's images, as `store_images` put them there.
            unsafe { index.insert(self.relation.as_ptr(), rows) };
        }
        self.index(chunk.len());
    }

    /// Tells all indexes of the rows in the first slots, which have no images.
    fn index_rows(&mut self, count: usize) {
        // SAFETY: the target's arrays hold them all, those of `min_max` last.
        let others =
            unsafe { std::mem::replace(&mut (*self.target).ri_NumIndices, self.all_indexes) };
        self.index(count);
        // SAFETY: as before.
        unsafe { (*self.target).ri_NumIndices = others };
    }

    fn index(&mut self, count: usize) {
        // SAFETY: ExecOpenIndices has filled the target in.
        if unsafe { (*self.target).ri_NumIndices == 0 } {
            return;
        }
        for slot in self.slots.iter().take(count) {
            // SAFETY: as in `check`; heap_multi_insert has set where in the table each slot's tuple is.
            unsafe { insert_index_tuples(self.target, *slot, self.state) };
        }
        self.forget_expressions();
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
