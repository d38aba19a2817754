//! What the loading session tells its status worker. The session writes, the worker reads; all of it is
//! atomics, so neither needs a lock and either may end at any moment.

use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use crate::postgres::latch;
use crate::postgres::shared_memory::Shareable;

/// Text of at most `N` bytes; what is longer is cut.
#[repr(C)]
pub struct Text<const N: usize> {
    length: AtomicU32,
    bytes: [AtomicU8; N],
}

impl<const N: usize> Text<N> {
    /// Replaces the text. The worker must not read at the same time: a later store with `Release` tells it to.
    pub fn set(&self, text: &str) {
        let mut length = text.len().min(N);
        while !text.is_char_boundary(length) {
            length -= 1;
        }
        for (to, from) in self.bytes.iter().zip(text.as_bytes()) {
            to.store(*from, Ordering::Relaxed);
        }
        self.length.store(length as u32, Ordering::Relaxed);
    }

    /// The text.
    pub fn get(&self) -> String {
        let length = self.length.load(Ordering::Relaxed) as usize;
        let bytes: Vec<u8> = self
            .bytes
            .iter()
            .take(length)
            .map(|byte| byte.load(Ordering::Relaxed))
            .collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Where a load is. The number of the state is what the shared word holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum State {
    /// There has been no load yet.
    None = 0,
    /// Opening the file, asking the ledger.
    Checking = 1,
    /// Rows are being loaded.
    Loading = 2,
    /// All rows are in; nothing more is to be said unless they are rolled back.
    Finished = 3,
    /// The file was known; nothing more is to be said.
    Skipped = 4,
    /// The load failed; the fields of the error are set.
    Failed = 5,
}

impl State {
    fn from_number(number: u32) -> State {
        [
            State::Checking,
            State::Loading,
            State::Finished,
            State::Skipped,
            State::Failed,
        ]
        .into_iter()
        .find(|state| *state as u32 == number)
        .unwrap_or(State::None)
    }

    /// Whether the load is over.
    pub fn is_final(self) -> bool {
        matches!(self, State::Finished | State::Skipped | State::Failed)
    }
}

/// What became of the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Transaction {
    /// It goes on.
    Open = 0,
    /// It is committed.
    Committed = 1,
    /// It is rolled back, and its loads with it.
    RolledBack = 2,
}

/// The shared words.
#[repr(C)]
pub struct Shared {
    /// Database that the worker connects to.
    pub database: AtomicU32,
    /// Role that it connects as.
    pub role: AtomicU32,
    /// Channel that it notifies.
    pub channel: Text<64>,
    /// 1 while the segment is pinned: the session makes it so, that a load which fails at once is told of, too;
    /// whoever makes it 0 unpins.
    pub pinned: AtomicU32,
    /// How the worker wakes the session ([`crate::postgres::latch`]).
    pub session: AtomicUsize,
    /// How the session wakes the worker; 0 until the worker runs.
    pub worker: AtomicUsize,

    transaction: AtomicU32,
    /// How many of the transaction's finished loads are not rolled back.
    pub kept: AtomicU32,

    /// The number of the current load in the transaction, from 1, and where it is; the fields below are its.
    load: AtomicU64,
    /// The last load whose end the worker knows.
    pub acknowledged: AtomicU32,
    /// Number of the ingest.
    pub ingest: AtomicI64,
    /// How many events the worker has pushed of it.
    pub events: AtomicU32,
    /// Role that loads it.
    pub loader: AtomicU32,
    /// 1 if a background worker loads it.
    pub is_job: AtomicU32,
    /// Path of the file.
    pub file: Text<2048>,
    /// When it began, microseconds since 2000-01-01 UTC.
    pub started_at: AtomicI64,
    /// Size of the file.
    pub bytes_total: AtomicU64,
    /// Bytes dealt with.
    pub bytes_done: AtomicU64,
    /// Rows inserted.
    pub rows: AtomicU64,
    /// Rows rejected.
    pub rejected: AtomicU64,
    /// SQLSTATE of the error.
    pub error_sqlstate: Text<5>,
    /// Message of the error.
    pub error_message: Text<1024>,
    /// Line of the error; 0 is none.
    pub error_line: AtomicU64,
    /// Column of the error; empty is none.
    pub error_column: Text<64>,
}

// SAFETY: every part is an atomic integer, for which zero is a valid value; no pointers, nothing to drop.
unsafe impl Shareable for Shared {}

impl Shared {
    /// The number of the current load and where it is, read at once.
    pub fn load(&self) -> (u32, State) {
        let word = self.load.load(Ordering::Acquire);
        ((word >> 32) as u32, State::from_number(word as u32))
    }

    /// Publishes the number of the load, where it is, and all that was written before.
    pub fn set_load(&self, number: u32, state: State) {
        let word = u64::from(number) << 32 | u64::from(state as u32);
        self.load.store(word, Ordering::Release);
    }

    /// Publishes where the current load is, and all that was written before.
    pub fn set_state(&self, state: State) {
        self.set_load(self.load().0, state);
    }

    /// Has the worker look at what was published.
    pub fn wake_worker(&self) {
        latch::wake(self.worker.load(Ordering::Acquire));
    }

    /// Has the session look at what the worker knows.
    pub fn wake_session(&self) {
        latch::wake(self.session.load(Ordering::Relaxed));
    }

    /// What became of the transaction.
    pub fn transaction(&self) -> Transaction {
        match self.transaction.load(Ordering::Acquire) {
            number if number == Transaction::Committed as u32 => Transaction::Committed,
            number if number == Transaction::RolledBack as u32 => Transaction::RolledBack,
            _ => Transaction::Open,
        }
    }

    /// Publishes the end of the transaction.
    pub fn set_transaction(&self, transaction: Transaction) {
        self.transaction
            .store(transaction as u32, Ordering::Release);
    }
}
