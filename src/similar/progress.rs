//! What the caller of a grouping that takes long is told meanwhile.

use std::time::{Duration, Instant};

use pgrx::prelude::*;

use crate::postgres::message;

/// Between two NOTICEs.
const INTERVAL: Duration = Duration::from_secs(5);

/// Trips that are read between two looks at the clock.
const LOOK: u64 = 1 << 16;

/// How far a grouping has come.
pub struct Progress {
    read: u64,
    grouped: u64,
    last_notice: Instant,
}

impl Progress {
    /// At the beginning.
    pub fn new() -> Progress {
        Progress {
            read: 0,
            grouped: 0,
            last_notice: Instant::now(),
        }
    }

    /// So many trips more have been read.
    pub fn read(&mut self, trips: u64) {
        self.read += trips;
        if self.read.is_multiple_of(LOOK) {
            self.tell();
        }
    }

    /// What has been read will be read again.
    pub fn read_again(&mut self) {
        self.read = 0;
    }

    /// So many trips have been grouped. Looks after interrupts, where a cancel leaves as a panic, and the clock.
    pub fn tick(&mut self, grouped: u64) {
        check_for_interrupts!();
        self.grouped = grouped;
        self.tell();
    }

    fn tell(&mut self) {
        if self.last_notice.elapsed() >= INTERVAL {
            self.last_notice = Instant::now();
            let grouped = match self.grouped {
                0 => String::new(),
                grouped => format!(", {grouped} of them grouped"),
            };
            message::notice(format!("similar trips: {} trips read{grouped}", self.read));
        }
    }
}
