//! The running pipeline's threads, as the end of a session must find them.

use std::cell::RefCell;
use std::sync::Arc;

use trips_core::ingest::pipeline::Control;

thread_local! {
    static RUNNING: RefCell<Option<Arc<Control>>> = const { RefCell::new(None) };
}

/// While it lives, [`stop`] knows the pipeline.
pub struct Registered;

/// Makes the pipeline known to [`stop`].
pub fn register(control: Arc<Control>) -> Registered {
    RUNNING.set(Some(control));
    Registered
}

impl Drop for Registered {
    fn drop(&mut self) {
        RUNNING.take();
    }
}

/// Stops the threads of the running pipeline, if there is one, and waits until they are gone.
pub fn stop() {
    if let Some(control) = RUNNING.take() {
        control.stop();
        control.wait();
    }
}
