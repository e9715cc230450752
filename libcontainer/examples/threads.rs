//! Makes containers from many threads of one process at once:
//! `cargo run --example threads -- BUNDLE ROOT [CONTAINERS [THREADS]]`.
//!
//! Other threads use the heap all the time, so that a container's process that wanted it would soon
//! find its lock held for ever.

#![allow(clippy::print_stdout)] // to show what happens

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use libcontainer::{Create, Exit, Result, spec};
use oci_spec::runtime::Spec;

fn main() -> Result<()> {
    libcontainer::seal()?;
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize, default| {
        let word = words.get(index).and_then(|word| word.parse().ok());
        word.unwrap_or(default)
    };
    let [bundle, root, ..] = words.as_slice() else {
        panic!("usage: threads BUNDLE ROOT [CONTAINERS [THREADS]]");
    };
    let (containers, threads) = (number(2, 50), number(3, 8));
    let (next, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (spec, _) = spec::load(&spec::read(&Path::new(bundle).join("config.json"))?)?;
    let open_before = open_files();
    std::thread::scope(|scope| {
        let busy = || {
            while !over.load(Ordering::Relaxed) {
                std::hint::black_box(vec![0_u8; 4096]);
                std::thread::yield_now();
            }
        };
        scope.spawn(busy);
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    loop {
                        let turn = next.fetch_add(1, Ordering::Relaxed);
                        if turn >= containers {
                            return Ok(());
                        }
                        life(
                            Path::new(root),
                            Path::new(bundle),
                            &spec,
                            &format!("t{turn}"),
                        )?;
                    }
                })
            })
            .collect();
        let joined: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        over.store(true, Ordering::Relaxed);
        joined
            .into_iter()
            .try_for_each(|result| result.expect("a thread"))
    })?;
    println!("{containers} containers from {threads} threads");
    assert_eq!(open_files(), open_before, "no descriptor is left open");
    Ok(())
}

/// Create, start, wait, delete, in a cgroup of its own.
fn life(root: &Path, bundle: &Path, spec: &Spec, id: &str) -> Result<()> {
    let mut spec = spec.clone();
    if let Some(linux) = spec.linux_mut()
        && let Some(path) = linux.cgroups_path().clone()
    {
        let own = format!("{}-{id}", path.display());
        linux.set_cgroups_path(Some(own.into()));
    }
    let container = Create::new(root, id, bundle).spec(spec).create()?;
    container.start()?;
    assert_eq!(container.wait()?, Some(Exit::Code(0)), "{id}");
    let warnings = container.delete(false)?;
    assert!(warnings.is_empty(), "{warnings:?}");
    Ok(())
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}
