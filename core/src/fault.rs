//! Places where a test can make an ingest fail.
//!
//! All of it is nothing without the feature `fault_points`, which no build that is installed for use has.

use crate::Error;

/// A place that every ingest, or every merge of runs, comes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// The reader thread is about to read a block.
    Read,
    /// A parser thread is about to parse a block.
    Parse,
    /// A thread that makes a tree is about to give a row of it.
    Tree,
    /// The backend is about to look up a name that is new.
    Name,
    /// The backend has taken the trips of a batch.
    Insert,
    /// Images of pages are in WAL, the pages are not in the table yet.
    Append,
    /// The backend is about to write rows of a tree.
    Run,
    /// The backend is about to remove runs that were merged into another.
    Merge,
    /// The trips are in; the ledger does not know the ingest yet.
    Ledger,
    /// All is written, and the status worker has told all but the end.
    End,
    /// The transaction is about to commit.
    Commit,
    /// A part of an upload has been kept.
    Upload,
}

#[cfg(not(feature = "fault_points"))]
mod off {
    use super::{Error, Point};

    /// Goes on.
    ///
    /// # Errors
    /// None.
    #[inline(always)]
    pub fn reach(_point: Point) -> Result<(), Error> {
        Ok(())
    }
}

#[cfg(not(feature = "fault_points"))]
pub use off::reach;

#[cfg(feature = "fault_points")]
pub use on::{arm, reach};

#[cfg(feature = "fault_points")]
mod on {
    use std::sync::Mutex;

    use rustix::process::{Signal, getpid, kill_process};

    use super::{Error, Point};
    use crate::threads::lock;

    /// What happens at a point.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Action {
        Error,
        Panic,
        Kill,
    }

    /// What is to happen.
    struct Fault {
        point: Point,
        action: Action,
        /// How often the point is passed before.
        passes: u32,
    }

    static ARMED: Mutex<Option<Fault>> = Mutex::new(None);

    const POINTS: [(&str, Point); 12] = [
        ("read", Point::Read),
        ("parse", Point::Parse),
        ("tree", Point::Tree),
        ("name", Point::Name),
        ("insert", Point::Insert),
        ("append", Point::Append),
        ("run", Point::Run),
        ("merge", Point::Merge),
        ("ledger", Point::Ledger),
        ("end", Point::End),
        ("commit", Point::Commit),
        ("upload", Point::Upload),
    ];

    /// Takes `point:action` or `point:action:passes`, or nothing, which takes back what was armed before: `error`, `panic` or
    /// `kill` happens when `point` is reached, after so many passes. Whether these are words that are known.
    pub fn arm(text: &str) -> bool {
        *lock(&ARMED) = None;
        if text.is_empty() {
            return true;
        }
        let mut words = text.split(':');
        let mut word = || words.next().unwrap_or_default();
        let (point, action, passes) = (word(), word(), word());
        let point = POINTS.iter().find(|(name, _)| *name == point);
        let action = match action {
            "error" => Some(Action::Error),
            "panic" => Some(Action::Panic),
            "kill" => Some(Action::Kill),
            _ => None,
        };
        let passes = match passes {
            "" => Some(0),
            passes => passes.parse().ok(),
        };
        let (Some((_, point)), Some(action), Some(passes)) = (point, action, passes) else {
            return false;
        };
        *lock(&ARMED) = Some(Fault {
            point: *point,
            action,
            passes,
        });
        true
    }

    /// Goes on, unless something is armed for this point. That happens once.
    ///
    /// # Errors
    /// XX000 where an error was armed.
    // A panic is what a test asked for.
    #[allow(clippy::panic)]
    pub fn reach(point: Point) -> Result<(), Error> {
        let action = {
            let mut armed = lock(&ARMED);
            match armed.as_mut() {
                Some(fault) if fault.point == point && fault.passes > 0 => {
                    fault.passes -= 1;
                    None
                }
                Some(fault) if fault.point == point => armed.take().map(|fault| fault.action),
                _ => None,
            }
        };
        match action {
            None => Ok(()),
            Some(Action::Error) => Err(Error::Internal {
                what: format!("fault point {point:?}"),
            }),
            Some(Action::Panic) => panic!("fault point {point:?}"),
            Some(Action::Kill) => {
                let _ = kill_process(getpid(), Signal::KILL);
                // The signal may take a moment to come.
                loop {
                    std::thread::park();
                }
            }
        }
    }
}
