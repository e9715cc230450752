//! What containers need and are charged.

use crate::bundles::{Config, Maker};
use crate::contestant::{Contestant, PAYLOAD, Place, Verb};
use crate::launch::{Failure, Launcher};
use crate::results::Memory;
use integration::cgroup;
use std::fs;

const STEP: u64 = 64 << 10;
const MOST: u64 = 64 << 20;

/// Whether there is a memory controller.
#[must_use]
pub fn is_there() -> bool {
    if cgroup::is_v2() {
        let file = "/sys/fs/cgroup/cgroup.controllers";
        fs::read_to_string(file)
            .is_ok_and(|text| text.split_whitespace().any(|word| word == "memory"))
    } else {
        cgroup::v1_root("memory").is_some()
    }
}

/// Measures a runtime.
#[must_use]
pub fn measure(contestant: &Contestant, launcher: &Launcher, maker: &Maker) -> Memory {
    Memory {
        runtime: contestant.name.clone(),
        smallest_limit: smallest_limit(contestant, launcher, maker),
        waiting: waiting(contestant, launcher, maker)
            .inspect_err(|failure| eprintln!("bench: {}: {failure}", contestant.name))
            .ok(),
    }
}

/// Halves the range of limits until it is one step.
fn smallest_limit(contestant: &Contestant, launcher: &Launcher, maker: &Maker) -> Option<u64> {
    let starts = |steps: u64| starts(contestant, launcher, maker, steps * STEP);
    let (mut fails, mut works) = (0, MOST / STEP);
    if !starts(works) {
        return None;
    }
    while works - fails > 1 {
        let middle = u64::midpoint(fails, works);
        if starts(middle) {
            works = middle;
        } else {
            fails = middle;
        }
    }
    Some(works * STEP)
}

fn starts(contestant: &Contestant, launcher: &Launcher, maker: &Maker, limit: u64) -> bool {
    let name = format!("{}-limit-{limit}", contestant.name);
    let place = maker.make(&name, Config::Default, &[PAYLOAD], |bundle| {
        bundle.set("/linux/resources/memory/limit", limit)
    });
    let result = launcher.run(&contestant.words(Verb::Run, &place));
    if result.is_err() {
        remove_rest(contestant, launcher, &place);
    }
    result.is_ok()
}

/// Some runtimes leave a container that could not start; its name is not used again.
fn remove_rest(contestant: &Contestant, launcher: &Launcher, place: &Place) {
    let mut words = contestant.words(Verb::Delete, place);
    let at = words.len() - 1;
    words.insert(at, "--force".into());
    drop(launcher.run(&words));
}

/// The memory of a container between create and start.
fn waiting(contestant: &Contestant, launcher: &Launcher, maker: &Maker) -> Result<u64, Failure> {
    let name = format!("{}-memory", contestant.name);
    let place = maker.make(&name, Config::Default, &[PAYLOAD], |bundle| bundle);
    let run = |verb| launcher.run(&contestant.words(verb, &place));
    run(Verb::Create)?;
    let file = if cgroup::is_v2() {
        "memory.current"
    } else {
        "memory.usage_in_bytes"
    };
    let text = cgroup::read("memory", &place.cgroup, file);
    run(Verb::Start)?;
    Launcher::wait(crate::arena::read_pid(&place)?)?;
    run(Verb::Delete)?;
    text.parse().map_err(|err| format!("{file}: {err}"))
}
