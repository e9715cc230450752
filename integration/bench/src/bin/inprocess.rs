//! A long-lived program that makes containers with the library:
//! `inprocess ROOT BUNDLE ID`, with commands on standard input.
//!
//! - `cycle`: create, start, wait, delete; answers nanoseconds, CPU microseconds, page faults.
//! - `allocated`: answers the bytes that `create` allocates before its clone. The container's
//!   first process is a copy of this one as it was at the clone, and allocates nothing:
//!   the counter is read from its memory.

#![allow(clippy::print_stdout)] // answers

use libcontainer::{Container, Create};
use nix::sys::resource::{Usage, UsageWho, getrusage};
use std::alloc::{GlobalAlloc, Layout, System};
use std::error::Error;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

struct Counting;

static ALLOCATED: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is passed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATED.fetch_add(size.saturating_sub(layout.size()) as u64, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

type Answer = Result<String, Box<dyn Error>>;

fn main() -> Result<(), Box<dyn Error>> {
    libcontainer::seal()?;
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [root, bundle, id] = words.as_slice() else {
        return Err("usage: inprocess ROOT BUNDLE ID".into());
    };
    for line in std::io::stdin().lines() {
        let create = Create::new(root, id, bundle);
        match line?.as_str() {
            "cycle" => println!("{}", cycle(create)?),
            "allocated" => println!("{}", allocated(create)?),
            other => return Err(format!("unknown command {other}").into()),
        }
    }
    Ok(())
}

fn cycle(create: Create) -> Answer {
    let before = used()?;
    let since = Instant::now();
    let container = create.create()?;
    finish(container)?;
    let nanoseconds = since.elapsed().as_nanos();
    let after = used()?;
    Ok(format!(
        "{nanoseconds} {} {}",
        after.0 - before.0,
        after.1 - before.1
    ))
}

fn finish(container: Container) -> libcontainer::Result<()> {
    container.start()?;
    container.wait()?;
    container.delete(false)?;
    Ok(())
}

fn allocated(create: Create) -> Answer {
    let before = ALLOCATED.load(Ordering::Relaxed);
    let container = create.create()?;
    let pid = container.state()?.pid;
    let mut bytes = [0; 8];
    let address = std::ptr::from_ref(&ALLOCATED).addr() as u64;
    File::open(format!("/proc/{pid}/mem"))?.read_exact_at(&mut bytes, address)?;
    finish(container)?;
    Ok((u64::from_ne_bytes(bytes) - before).to_string())
}

/// CPU time in microseconds and page faults so far, of this process and its children.
fn used() -> nix::Result<(i64, i64)> {
    let sum = |usage: Usage| {
        let (user, system) = (usage.user_time(), usage.system_time());
        let micros =
            (user.tv_sec() + system.tv_sec()) * 1_000_000 + user.tv_usec() + system.tv_usec();
        (
            micros,
            usage.minor_page_faults() + usage.major_page_faults(),
        )
    };
    let own = sum(getrusage(UsageWho::RUSAGE_SELF)?);
    let children = sum(getrusage(UsageWho::RUSAGE_CHILDREN)?);
    Ok((own.0 + children.0, own.1 + children.1))
}
