//! A memory context of the server, with the care that unwinding asks for.

use std::ffi::CStr;
use std::marker::PhantomData;

use pgrx::prelude::*;

/// A memory context; what was allocated in it goes with it.
pub struct Context(pg_sys::MemoryContext);

impl Context {
    /// A child of the current context.
    pub fn new(name: &'static CStr) -> Context {
        // SAFETY: the parent is valid, and the name lives as long as the program.
        Context(unsafe {
            pg_sys::AllocSetContextCreateInternal(
                pg_sys::CurrentMemoryContext,
                name.as_ptr(),
                pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
            )
        })
    }

    /// Makes it the current one until the guard is dropped, by unwinding too.
    pub fn enter(&self) -> Entered<'_> {
        // SAFETY: the context is valid until `drop`, which the guard's borrow forbids.
        let before = unsafe { pg_sys::MemoryContextSwitchTo(self.0) };
        Entered {
            before,
            context: PhantomData,
        }
    }

    /// Runs `work`, and frees what the server allocated for it. Nothing that `work` gives may be of that.
    pub fn lend<T>(&self, work: impl FnOnce() -> T) -> T {
        let entered = self.enter();
        let result = work();
        drop(entered);
        self.reset();
        result
    }

    /// Frees what was allocated in it.
    pub fn reset(&self) {
        // SAFETY: the context is valid until `drop`; that nothing in it is used any more is what callers see to.
        unsafe { pg_sys::MemoryContextReset(self.0) };
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: valid, its own, and not the current one: no `Entered` can be alive.
        unsafe { pg_sys::MemoryContextDelete(self.0) };
    }
}

/// While it lives, its context is the current one.
pub struct Entered<'c> {
    before: pg_sys::MemoryContext,
    context: PhantomData<&'c Context>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        // SAFETY: the context that was current before outlives the call that entered this one.
        unsafe { pg_sys::MemoryContextSwitchTo(self.before) };
    }
}

/// Makes the context that lives as long as the transaction the current one.
pub fn enter_transaction() -> Entered<'static> {
    // SAFETY: inside a transaction, which is the only place where extension code allocates, the context is valid.
    let before = unsafe { pg_sys::MemoryContextSwitchTo(pg_sys::TopTransactionContext) };
    Entered {
        before,
        context: PhantomData,
    }
}

/// Makes the context that lives as long as the process the current one.
pub fn enter_process() -> Entered<'static> {
    // SAFETY: the context is valid from the start of the process to its end.
    let before = unsafe { pg_sys::MemoryContextSwitchTo(pg_sys::TopMemoryContext) };
    Entered {
        before,
        context: PhantomData,
    }
}
