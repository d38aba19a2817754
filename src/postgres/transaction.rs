//! Learning how a transaction ended.

use pgrx::prelude::*;
use pgrx::{
    PgSubXactCallbackEvent, PgXactCallbackEvent, SubXactCallbackReceipt, register_subxact_callback,
    register_xact_callback,
};

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// What it did can be seen.
    Committed,
    /// What it did is gone.
    RolledBack,
}

/// The subtransaction that is current; savepoints and exception blocks make new ones, numbered upwards.
pub fn current_subtransaction() -> pg_sys::SubTransactionId {
    // SAFETY: no arguments; called inside a transaction only.
    unsafe { pg_sys::GetCurrentSubTransactionId() }
}

/// Whether all statements of the transaction see what was committed when it began, and no more.
pub fn keeps_snapshot() -> bool {
    // SAFETY: read by the one thread that writes it.
    unsafe { pg_sys::XactIsoLevel >= pg_sys::XACT_REPEATABLE_READ as i32 }
}

/// Calls `ended` once when the current transaction has ended. It must not raise an error: it is too late for one.
pub fn on_end(ended: fn(End)) {
    register_xact_callback(PgXactCallbackEvent::Commit, move || ended(End::Committed));
    register_xact_callback(PgXactCallbackEvent::Abort, move || ended(End::RolledBack));
}

/// Calls `check` once when the current transaction is about to commit, or to be prepared; an error that it raises rolls the
/// transaction back.
pub fn before_commit(check: fn()) {
    register_xact_callback(PgXactCallbackEvent::PreCommit, check);
    register_xact_callback(PgXactCallbackEvent::PrePrepare, check);
}

/// Calls `rolled_back` with its number whenever a subtransaction is rolled back, until the receipt is
/// given back to `unregister_callback`.
pub fn on_subtransaction_rollback(
    rolled_back: fn(pg_sys::SubTransactionId),
) -> SubXactCallbackReceipt {
    register_subxact_callback(
        PgSubXactCallbackEvent::AbortSub,
        move |subtransaction, _| {
            rolled_back(subtransaction);
        },
    )
}
