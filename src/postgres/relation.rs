//! An open table, and what can be asked of it.

use std::ffi::CStr;

use pgrx::prelude::*;

/// A table, open and locked. Its lock stays until the transaction ends.
pub struct Relation {
    relation: pg_sys::Relation,
}

/// How strongly a table is locked: what PostgreSQL's manual calls by these names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockMode {
    /// ACCESS SHARE: what SELECT takes.
    AccessShare,
    /// ROW EXCLUSIVE: what INSERT takes.
    RowExclusive,
    /// SHARE UPDATE EXCLUSIVE: one at a time, beside readers and writers.
    ShareUpdateExclusive,
    /// SHARE: beside readers, while nobody writes.
    Share,
}

impl LockMode {
    fn number(self) -> pg_sys::LOCKMODE {
        match self {
            LockMode::AccessShare => pg_sys::AccessShareLock as pg_sys::LOCKMODE,
            LockMode::RowExclusive => pg_sys::RowExclusiveLock as pg_sys::LOCKMODE,
            LockMode::ShareUpdateExclusive => pg_sys::ShareUpdateExclusiveLock as pg_sys::LOCKMODE,
            LockMode::Share => pg_sys::ShareLock as pg_sys::LOCKMODE,
        }
    }
}

impl Relation {
    /// Opens `schema.name` and locks it; raises 3F000 or 42P01 where it does not exist, 55P03 after lock_timeout.
    pub fn open(schema: &CStr, name: &CStr, mode: LockMode) -> Relation {
        // SAFETY: the range variable is made by makeRangeVar of C strings that outlive the call.
        let relation = unsafe {
            let range =
                pg_sys::makeRangeVar(schema.as_ptr().cast_mut(), name.as_ptr().cast_mut(), -1);
            pg_sys::table_openrv(range, mode.number())
        };
        Relation { relation }
    }

    /// Opens `schema.name` and locks it; none where it does not exist. Unlike [`Relation::open`] it asks for no right on the schema.
    pub fn find(schema: &CStr, name: &CStr, mode: LockMode) -> Option<Relation> {
        let table = oid_of(schema, name)?;
        // SAFETY: try_table_open takes the OID of a table that is gone, too.
        let relation = unsafe { pg_sys::try_table_open(table, mode.number()) };
        // Only one that is there is made, for it is closed where it is dropped.
        (!relation.is_null()).then(|| Relation { relation })
    }

    /// Whether there is a `schema.name`. Asks for no right and takes no lock.
    pub fn exists(schema: &CStr, name: &CStr) -> bool {
        oid_of(schema, name).is_some()
    }

    /// Takes a further lock on the open table.
    pub fn lock(&self, mode: LockMode) {
        // SAFETY: the OID is that of an open relation.
        unsafe { pg_sys::LockRelationOid(self.oid(), mode.number()) };
    }

    /// Takes a further lock on the open table unless that would have to wait; whether it has got it.
    pub fn try_lock(&self, mode: LockMode) -> bool {
        // SAFETY: the OID is that of an open relation.
        unsafe { pg_sys::ConditionalLockRelationOid(self.oid(), mode.number()) }
    }

    /// Whether anybody waits for a lock because of one that this transaction has on the open table.
    pub fn has_waiters(&self, mode: LockMode) -> bool {
        // SAFETY: open until `drop`.
        unsafe { pg_sys::LockHasWaitersRelation(self.relation, mode.number()) }
    }

    /// Its OID.
    pub fn oid(&self) -> pg_sys::Oid {
        // SAFETY: open until `drop`.
        unsafe { (*self.relation).rd_id }
    }

    /// The role that owns it.
    pub fn owner(&self) -> pg_sys::Oid {
        // SAFETY: rd_rel is set while the relation is open.
        unsafe { (*(*self.relation).rd_rel).relowner }
    }

    /// Its name without the schema.
    pub fn name(&self) -> &CStr {
        // SAFETY: rd_rel is set while the relation is open, and relname is NUL-terminated.
        unsafe { CStr::from_ptr((*(*self.relation).rd_rel).relname.data.as_ptr()) }
    }

    /// Its name without the schema, quoted where SQL asks for that.
    pub fn quoted_name(&self) -> String {
        // SAFETY: the name is a C string, which the function copies where it has to be quoted; it lives as long as the relation.
        let quoted = unsafe { CStr::from_ptr(pg_sys::quote_identifier(self.name().as_ptr())) };
        quoted.to_string_lossy().into_owned()
    }

    /// The type of its rows.
    pub fn row_type(&self) -> pg_sys::Oid {
        // SAFETY: rd_rel is set while the relation is open.
        unsafe { (*(*self.relation).rd_rel).reltype }
    }

    /// What kind of relation it is: one of RELKIND_...
    pub(super) fn kind(&self) -> u8 {
        // SAFETY: rd_rel is set while the relation is open.
        unsafe { (*(*self.relation).rd_rel).relkind as u8 }
    }

    /// Whether its rows are in partitions.
    pub fn is_partitioned(&self) -> bool {
        self.kind() == pg_sys::RELKIND_PARTITIONED_TABLE
    }

    /// Whether it is an ordinary table that the heap stores: not partitioned, foreign, a view or another
    /// access method's.
    pub fn is_heap(&self) -> bool {
        // SAFETY: open until `drop`; the heap's routine is a static of the server.
        let is_of_heap = unsafe {
            std::ptr::eq(
                (*self.relation).rd_tableam,
                pg_sys::GetHeapamTableAmRoutine(),
            )
        };
        self.kind() == pg_sys::RELKIND_RELATION && is_of_heap
    }

    /// Whether its rows outlive sessions and crashes: it is neither temporary nor unlogged.
    pub fn is_permanent(&self) -> bool {
        // SAFETY: rd_rel is set while the relation is open.
        let persistence = unsafe { (*(*self.relation).rd_rel).relpersistence };
        persistence == pg_sys::RELPERSISTENCE_PERMANENT as std::ffi::c_char
    }

    /// How many blocks its file has at the moment.
    pub fn blocks(&self) -> u32 {
        // SAFETY: open until `drop`.
        unsafe {
            pg_sys::RelationGetNumberOfBlocksInFork(self.relation, pg_sys::ForkNumber::MAIN_FORKNUM)
        }
    }

    /// Its file, from the data directory, in which the server runs.
    pub fn path(&self) -> String {
        // SAFETY: the function takes an OID; it gives null for what has no file, which a table has.
        let path = unsafe {
            pgrx::direct_function_call::<String>(
                pg_sys::pg_relation_filepath,
                &[self.oid().into_datum()],
            )
        };
        path.unwrap_or_default()
    }

    /// Whether the free space map knows a page that an INSERT would fill by at least half.
    pub fn has_room(&self) -> bool {
        let page = pg_sys::BLCKSZ as usize;
        let never_filled = page * (100 - self.fill_factor()) / 100;
        // No page has more room than this.
        let wanted = (page / 2 + never_filled).min(page - page / 64);
        // SAFETY: open until `drop`.
        let block = unsafe { pg_sys::GetPageWithFreeSpace(self.relation, wanted) };
        block != pg_sys::InvalidBlockNumber
    }

    /// Whether it has a column whose long values may be compressed or kept elsewhere.
    pub fn has_toast(&self) -> bool {
        // SAFETY: the descriptor is valid while the relation is open, and has natts attributes.
        let columns = unsafe { pgrx::PgTupleDesc::from_pg_unchecked((*self.relation).rd_att) };
        let plain = pg_sys::TYPSTORAGE_PLAIN as std::ffi::c_char;
        columns.iter().any(|column| column.attstorage != plain)
    }

    /// How full an INSERT may make a page, in percent: 10 to 100.
    pub fn fill_factor(&self) -> usize {
        // SAFETY: rd_options is null, or for a table of the kind StdRdOptions.
        let options = unsafe {
            (*self.relation)
                .rd_options
                .cast::<pg_sys::StdRdOptions>()
                .as_ref()
        };
        let percent = options.map_or(pg_sys::HEAP_DEFAULT_FILLFACTOR as i32, |o| o.fillfactor);
        percent.clamp(10, 100) as usize
    }

    /// Counts rows that were inserted, for the statistics that autovacuum looks at.
    pub fn count_inserted(&self, rows: usize) {
        // SAFETY: open until `drop`.
        unsafe { pg_sys::pgstat_count_heap_insert(self.relation, rows as pg_sys::PgStat_Counter) };
    }

    /// Whether any trigger fires on INSERT that calls none of the functions `own`; a foreign key's and a disabled one
    /// count.
    pub fn has_foreign_insert_triggers(&self, own: &[pg_sys::Oid]) -> bool {
        // SAFETY: open until `drop`; trigdesc is null or valid for as long, with numtriggers triggers.
        let triggers = unsafe {
            match (*self.relation).trigdesc.as_ref() {
                Some(list) if list.numtriggers > 0 => {
                    std::slice::from_raw_parts(list.triggers, list.numtriggers as usize)
                }
                _ => &[],
            }
        };
        let on_insert =
            |trigger: &&pg_sys::Trigger| trigger.tgtype as u32 & pg_sys::TRIGGER_TYPE_INSERT != 0;
        triggers
            .iter()
            .filter(on_insert)
            .any(|trigger| !own.contains(&trigger.tgfoid))
    }

    /// Whether it has, or once had, tables that inherit from it.
    pub fn has_children(&self) -> bool {
        // SAFETY: rd_rel is set while the relation is open.
        unsafe { (*(*self.relation).rd_rel).relhassubclass }
    }

    /// Name and type of its columns in order, the dropped ones without a name.
    pub fn columns(&self) -> Vec<(String, pg_sys::Oid)> {
        // SAFETY: open until `drop`; a tuple descriptor has natts attributes.
        let attributes = unsafe { pgrx::PgTupleDesc::from_pg_unchecked((*self.relation).rd_att) };
        attributes
            .iter()
            .map(|attribute| {
                let name = if attribute.is_dropped() {
                    ""
                } else {
                    attribute.name()
                };
                (name.to_owned(), attribute.atttypid)
            })
            .collect()
    }

    /// Whether it has a CHECK constraint.
    pub fn has_checks(&self) -> bool {
        // SAFETY: open until `drop`; constr is null or valid for as long.
        unsafe {
            let constraints = (*(*self.relation).rd_att).constr;
            !constraints.is_null() && (*constraints).num_check > 0
        }
    }

    /// Whether it has a column that forbids null.
    pub fn has_not_null(&self) -> bool {
        // SAFETY: open until `drop`; constr is null or valid for as long.
        unsafe {
            let constraints = (*(*self.relation).rd_att).constr;
            !constraints.is_null() && (*constraints).has_not_null
        }
    }

    /// For the wrappers beside this one.
    pub(super) fn as_ptr(&self) -> pg_sys::Relation {
        self.relation
    }
}

/// The OID of `schema.name`, where there is one.
fn oid_of(schema: &CStr, name: &CStr) -> Option<pg_sys::Oid> {
    // SAFETY: C strings that outlive the calls; in a schema without an OID nothing is found.
    let oid = unsafe {
        let schema = pg_sys::get_namespace_oid(schema.as_ptr(), true);
        pg_sys::get_relname_relid(name.as_ptr(), schema)
    };
    (oid != pg_sys::InvalidOid).then_some(oid)
}

impl Drop for Relation {
    fn drop(&mut self) {
        // An error that unwinds has the server release what the transaction holds, this reference included.
        if !std::thread::panicking() {
            // SAFETY: open, and closed here only; NoLock keeps the lock to the end of the transaction.
            unsafe { pg_sys::table_close(self.relation, pg_sys::NoLock as pg_sys::LOCKMODE) };
        }
    }
}
