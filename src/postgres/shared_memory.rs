//! A value that two processes of the server share.

use std::marker::PhantomData;
use std::ops::Deref;

use pgrx::prelude::*;

/// A type that can live in shared memory.
///
/// # Safety
/// All-zero bytes are a valid value, all its parts may be used by several processes at once (atomics),
/// and it holds no pointer, reference or anything to drop.
pub unsafe trait Shareable: Sync {}

/// A dynamic shared memory segment that holds one `T`; it lives until the last process lets go of it.
pub struct Segment<T: Shareable> {
    segment: *mut pg_sys::dsm_segment,
    value: PhantomData<T>,
}

impl<T: Shareable> Segment<T> {
    /// Makes a segment with a zeroed value; none when the server has no segment left.
    pub fn create() -> Option<Segment<T>> {
        // SAFETY: a segment of that size is mapped writable by dsm_create at an address that is aligned to
        // MAXALIGN at least; it is zeroed before anybody else can know its handle. The mapping is pinned: it
        // stays through the end of the transaction, until `drop`.
        unsafe {
            let segment = pg_sys::dsm_create(
                std::mem::size_of::<T>(),
                pg_sys::DSM_CREATE_NULL_IF_MAXSEGMENTS as i32,
            );
            if segment.is_null() {
                return None;
            }
            pg_sys::dsm_pin_mapping(segment);
            std::ptr::write_bytes(pg_sys::dsm_segment_address(segment).cast::<T>(), 0, 1);
            Some(Segment {
                segment,
                value: PhantomData,
            })
        }
    }

    /// Maps the segment that another process made as `Segment<T>`; none when that process is gone.
    ///
    /// # Safety
    /// `handle` is the handle of a `Segment<T>` with this same `T`.
    pub unsafe fn attach(handle: u32) -> Option<Segment<T>> {
        // SAFETY: dsm_attach gives null for a handle that no longer exists, and maps it otherwise; that it holds a
        // `T` is the caller's promise.
        unsafe {
            let segment = pg_sys::dsm_attach(handle);
            if segment.is_null() {
                return None;
            }
            pg_sys::dsm_pin_mapping(segment);
            Some(Segment {
                segment,
                value: PhantomData,
            })
        }
    }

    /// Keeps the segment alive when nobody maps it, until [`Segment::unpin`].
    pub fn pin(&self) {
        // SAFETY: `segment` is mapped until `drop`, and pinned by nobody else: segments are not passed on.
        unsafe { pg_sys::dsm_pin_segment(self.segment) };
    }

    /// Takes back [`Segment::pin`]; to be called once, in whatever process.
    pub fn unpin(&self) {
        // SAFETY: the handle is that of a live segment, which this value maps.
        unsafe { pg_sys::dsm_unpin_segment(self.handle()) };
    }

    /// By which another process finds the segment.
    pub fn handle(&self) -> u32 {
        // SAFETY: `segment` is mapped until `drop`.
        unsafe { pg_sys::dsm_segment_handle(self.segment) }
    }
}

impl<T: Shareable> Deref for Segment<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the mapping lives until `drop`, was zeroed before its first use, and `Shareable` promises that
        // zeroes are a valid `T` whose parts may be used by several processes at once.
        unsafe { &*pg_sys::dsm_segment_address(self.segment).cast::<T>() }
    }
}

impl<T: Shareable> Drop for Segment<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own and pinned, so nobody else has unmapped it.
        unsafe { pg_sys::dsm_detach(self.segment) };
    }
}
