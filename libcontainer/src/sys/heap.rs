//! For tests and the feature `abort-on-child-allocation`: an allocator that ends the child of a clone
//! which uses the heap, where another thread may hold the heap's locks for ever.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, Ordering};

use super::{descriptor, file, process};

/// Exit code of a child that used the heap.
const EXIT_USED: i32 = 99;

struct Watched;

static FORBIDDEN: AtomicBool = AtomicBool::new(false);

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// From here on the calling process may not use the heap. For the child of a clone.
pub(crate) fn forbid() {
    FORBIDDEN.store(true, Ordering::Relaxed);
}

/// The child that shared this memory is gone.
#[cfg(feature = "abort-on-child-allocation")]
pub(crate) fn permit() {
    FORBIDDEN.store(false, Ordering::Relaxed);
}

fn check() {
    if FORBIDDEN.load(Ordering::Relaxed) {
        let _ = file::write(
            descriptor::inherited(2).unwrap_or(descriptor::CWD),
            b"the heap was used in the child\n",
        );
        process::exit(EXIT_USED);
    }
}

// SAFETY: the system's allocator does all of it.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        check();
        // SAFETY: the caller's promises are the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        check();
        // SAFETY: the caller's promises are the same.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_child_that_uses_the_heap_ends() {
        let child = process::clone(0, None, || {
            forbid();
            i32::from(*std::hint::black_box(Box::new(7_u8)))
        });
        let status = process::wait(child.unwrap().pidfd.as_fd()).unwrap();
        assert_eq!(status >> 8, EXIT_USED);
    }
}
