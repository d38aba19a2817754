//! Threads that can be stopped from wherever their owner must leave.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::Error;

/// Stops a group of threads and waits until they are gone.
#[derive(Debug, Default)]
pub struct Control {
    /// Dropped to say stop: it disconnects what every thread listens on.
    stop: Mutex<Option<Sender<()>>>,
    live: Mutex<usize>,
    ended: Condvar,
}

impl Control {
    /// A group without threads yet, and what its threads listen on: it is disconnected when they are to stop.
    pub(crate) fn new() -> (Arc<Control>, Receiver<()>) {
        let (stop, stopped) = bounded(0);
        let control = Control {
            stop: Mutex::new(Some(stop)),
            ..Control::default()
        };
        (Arc::new(control), stopped)
    }

    /// Tells the threads to stop; they do after the piece of work in hand.
    pub fn stop(&self) {
        lock(&self.stop).take();
    }

    /// Waits until no thread lives.
    pub fn wait(&self) {
        let mut live = lock(&self.live);
        while *live > 0 {
            live = self
                .ended
                .wait(live)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Starts a thread of the group.
    ///
    /// # Errors
    /// 53000 where the system has no thread left.
    pub(crate) fn spawn<T: Send + 'static>(
        self: &Arc<Control>,
        name: String,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<JoinHandle<T>, Error> {
        let live = Live::new(self);
        Builder::new()
            .name(name)
            .spawn(move || {
                let _live = live;
                work()
            })
            .map_err(|error| Error::NoThread {
                what: error.to_string(),
            })
    }
}

/// A thread that runs panicked while it held no lock that guards more than one value: what it left is whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The error of a thread that panicked.
pub(crate) fn panicked(which: &str) -> Error {
    Error::Internal {
        what: format!("the {which} thread panicked"),
    }
}

/// Counts a thread as live until it ends, also by a panic.
struct Live(Arc<Control>);

impl Live {
    fn new(control: &Arc<Control>) -> Live {
        *lock(&control.live) += 1;
        Live(Arc::clone(control))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        *lock(&self.0.live) -= 1;
        self.0.ended.notify_all();
    }
}
