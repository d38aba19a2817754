//! The threads that work for this session, as its end must find them.

use std::cell::RefCell;
use std::sync::Arc;

use trips_core::threads::Control;

thread_local! {
    static RUNNING: RefCell<Vec<Arc<Control>>> = const { RefCell::new(Vec::new()) };
}

/// While it lives, [`stop`] knows the group of threads.
pub struct Registered(Arc<Control>);

/// Makes a group of threads known to [`stop`].
pub fn register(control: Arc<Control>) -> Registered {
    RUNNING.with_borrow_mut(|running| running.push(Arc::clone(&control)));
    Registered(control)
}

impl Drop for Registered {
    fn drop(&mut self) {
        RUNNING.with_borrow_mut(|running| running.retain(|other| !Arc::ptr_eq(other, &self.0)));
    }
}

/// Stops the threads that are running and waits until they are gone.
pub fn stop() {
    let running = RUNNING.take();
    for control in &running {
        control.stop();
    }
    for control in &running {
        control.wait();
    }
}
