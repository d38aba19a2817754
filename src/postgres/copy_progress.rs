//! What `pg_stat_progress_copy` shows.

use pgrx::prelude::*;

use super::relation::Relation;

/// While it lives, the view shows this session as one that copies a file into a table. An error ends that, too.
pub struct CopyProgress;

impl CopyProgress {
    /// Shows the load of a file of so many bytes into `table`.
    pub fn begin(table: &Relation, bytes: u64) -> CopyProgress {
        let kind = pg_sys::ProgressCommandType::PROGRESS_COMMAND_COPY;
        // SAFETY: the functions write to this session's own entry in shared memory.
        unsafe {
            pg_sys::pgstat_progress_start_command(kind, table.oid());
        }
        set(
            pg_sys::PROGRESS_COPY_COMMAND,
            pg_sys::PROGRESS_COPY_COMMAND_FROM.into(),
        );
        set(
            pg_sys::PROGRESS_COPY_TYPE,
            pg_sys::PROGRESS_COPY_TYPE_FILE.into(),
        );
        set(pg_sys::PROGRESS_COPY_BYTES_TOTAL, bytes as i64);
        CopyProgress
    }

    /// Bytes that are dealt with, rows that are inserted and rows that are left out.
    pub fn show(&self, bytes: u64, rows: u64, left_out: u64) {
        set(pg_sys::PROGRESS_COPY_BYTES_PROCESSED, bytes as i64);
        set(pg_sys::PROGRESS_COPY_TUPLES_PROCESSED, rows as i64);
        set(pg_sys::PROGRESS_COPY_TUPLES_EXCLUDED, left_out as i64);
    }
}

fn set(what: u32, value: i64) {
    // SAFETY: writes to this session's own entry in shared memory; the number is one of COPY's.
    unsafe { pg_sys::pgstat_progress_update_param(what as i32, value) };
}

impl Drop for CopyProgress {
    fn drop(&mut self) {
        // SAFETY: ends what `begin` began; where the server has ended it already, it does nothing.
        unsafe { pg_sys::pgstat_progress_end_command() };
    }
}
