//! The program's heap: a part of the program itself, which is there before it is asked for.
//!
//! A command of the runtime lives for milliseconds. It touches some hundred pages, which would be as
//! many page faults; the C library asks five times where its heap may be; and what is given back while
//! a container's process shares the pages makes the kernel copy them. So what a short command allocates
//! lies in order behind the program's variables, where one call brings all of it ([`TOUCHED`]), and
//! stays there. What a longer one allocates beyond comes from the C library, and is given back.

// Then the allocator is the one that watches the child.
#![cfg_attr(feature = "abort-on-child-allocation", allow(dead_code))]

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::alloc::System;

/// What `run` allocates on cgroup v1 with nine hierarchies, and with room to spare on v2 (bytes).
const OWN: usize = 112 << 10;
/// As malloc(3) aligns everything. Crates count on it where they ask for bytes: nix puts control
/// messages of sendmsg(2) there.
const ALIGNMENT: usize = 16;
/// What the C library gets: its own start and some hundred KiB of allocator, which asks for 132 KiB at
/// once. Without more of it that takes from the kernel (mmap(2)).
const LIBRARY: usize = 1 << 20;
/// How much the C library's start touches of its part.
const LIBRARY_START: usize = 8 << 10;

/// What sbrk(2) returns for "no".
const FAILED: usize = usize::MAX;

/// How much of the heap, from [`start`] on, a command that enters a container touches.
pub(crate) const TOUCHED: usize = OWN + LIBRARY_START;
/// How much another one does, but for what the C library's start touches.
pub(crate) const TOUCHED_BY_SHORT: usize = 24 << 10;

/// The two parts, one behind the other.
#[repr(align(4096))]
struct Room(UnsafeCell<[u8; OWN + LIBRARY]>);

// SAFETY: no two callers get the same part of it.
unsafe impl Sync for Room {}

/// `link/heap.ld` puts it behind all other variables.
// SAFETY: zero at first and written to, as all of `.bss` is; nothing else is in this section.
#[unsafe(link_section = ".bss.heap")]
static ROOM: Room = Room(UnsafeCell::new([0; OWN + LIBRARY]));
/// Where in the room the program's part is free.
static OWN_END: AtomicUsize = AtomicUsize::new(0);
/// Where in the room the C library's part ends.
static LIBRARY_END: AtomicUsize = AtomicUsize::new(OWN);

/// Where the heap begins.
pub(crate) fn start() -> usize {
    ROOM.0.get() as usize
}

fn at(offset: usize) -> *mut u8 {
    ROOM.0.get().cast::<u8>().wrapping_add(offset)
}

/// Where in the program's part it is, if it is there.
fn own_offset(memory: *mut u8) -> Option<usize> {
    let offset = (memory as usize).wrapping_sub(start());
    (offset < OWN).then_some(offset)
}

/// Moves the end of the program's part from `old` to `new`, if it is there.
fn move_end(old: usize, new: usize) -> bool {
    new <= OWN && OWN_END.compare_exchange(old, new, AcqRel, Relaxed).is_ok()
}

/// What the C library calls for more memory, or to return some (sbrk(2)), in place of its own. It is
/// the allocator that does, with its lock held.
// SAFETY: the C library's own is left out by the linker, since nothing else of that file is used.
#[unsafe(no_mangle)]
extern "C" fn __sbrk(increment: isize) -> *mut c_void {
    let end = LIBRARY_END.load(Relaxed);
    match end.checked_add_signed(increment) {
        Some(next) if (OWN..=OWN + LIBRARY).contains(&next) => {
            LIBRARY_END.store(next, Relaxed);
            at(end).cast()
        }
        _ => core::ptr::without_provenance_mut(FAILED),
    }
}

/// Where the C library gets the memory that belongs to its first thread, before it is ready: at the
/// beginning of the program's part, which every command touches.
// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn _dl_early_allocate(size: usize) -> *mut c_void {
    let all = size.next_multiple_of(ALIGNMENT);
    let begin = OWN_END.load(Relaxed);
    if move_end(begin, begin.saturating_add(all)) {
        at(begin).cast()
    } else {
        core::ptr::null_mut()
    }
}

struct Heap;

#[cfg(not(feature = "abort-on-child-allocation"))]
#[global_allocator]
static HEAP: Heap = Heap;

// SAFETY: parts of the room are handed out one behind the other, each to one caller, and only the last
// one can be given back; the system's allocator does the rest.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let mut end = OWN_END.load(Relaxed);
        loop {
            // The room's own alignment is that of a page; larger ones are not for short commands.
            let begin = end.next_multiple_of(layout.align().max(ALIGNMENT));
            let next = begin.saturating_add(layout.size());
            if next > OWN || layout.align() > 4096 {
                // SAFETY: the caller's promises are the same.
                return unsafe { System.alloc(layout) };
            }
            match OWN_END.compare_exchange_weak(end, next, AcqRel, Relaxed) {
                Ok(_) => return at(begin),
                Err(now) => end = now,
            }
        }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        match own_offset(memory) {
            // Only the last one can be used again. The others stay.
            Some(offset) => {
                move_end(offset + layout.size(), offset);
            }
            // SAFETY: the caller's promises are the same.
            None => unsafe { System.dealloc(memory, layout) },
        }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(offset) = own_offset(memory) else {
            // SAFETY: the caller's promises are the same.
            return unsafe { System.realloc(memory, layout, size) };
        };
        if move_end(offset + layout.size(), offset.saturating_add(size)) || size <= layout.size() {
            return memory;
        }
        // SAFETY: the new size is the caller's; both places are as large as what is copied, and they are
        // two.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !moved.is_null() {
                core::ptr::copy_nonoverlapping(memory, moved, layout.size());
            }
            moved
        }
    }
}
