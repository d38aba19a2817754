//! Large pages of the operating system for memory that will be filled and then read in no order: the processor finds its
//! way to fewer pages.

use std::mem::MaybeUninit;

/// The size of a large page where pages have 4 KiB, in bytes.
const LARGE_PAGE: usize = 2 << 20;

/// Asks for large pages in `memory`, but for its beginning: what is filled no further is no larger for it. Where the
/// system has none to give, nothing changes.
pub fn ask_for<T>(memory: &mut [MaybeUninit<T>]) {
    let range = memory.as_mut_ptr_range();
    let begin = range.start.addr().next_multiple_of(LARGE_PAGE);
    let skipped = begin - range.start.addr() + LARGE_PAGE;
    let length = size_of_val(memory).saturating_sub(skipped) / LARGE_PAGE * LARGE_PAGE;
    if length > 0 {
        // SAFETY: the bytes belong to `memory`, which is at least `skipped + length` long; the advice changes none of them.
        unsafe {
            let begin = range.start.cast::<libc::c_void>().byte_add(skipped);
            libc::madvise(begin, length, libc::MADV_HUGEPAGE);
        }
    }
}
