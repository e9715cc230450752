//! A program with many threads that embeds the library.

use crate::case::{Case, case};
use crate::exec;
use crate::runtime::Kind;
use crate::test::Test;
use crate::traces::Traces;
use std::path::PathBuf;
use std::time::Duration;

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[case(
    "embed/threads",
    "50 containers from 8 threads of one process",
    threads,
)];

/// The library's example, which is built with the runtime.
fn program() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    let places = own.ancestors().skip(1).take(2);
    let mut found = places.map(|place| place.join("examples/threads"));
    found.find(|path| path.is_file())
}

fn threads(t: &Test) {
    if t.runtime.kind != Kind::Oxrun {
        t.skip("it is no library");
    }
    let Some(program) = program() else {
        t.skip("the example threads is not built");
    };
    let bundle = t.bundle().args(["true"]);
    // The first makes the directories above the containers' cgroups.
    t.run(&bundle).ok();
    let before = t.traces();
    let mut command = exec::command(program);
    command
        .args([&bundle.dir, &t.runtime.root])
        .args(["50", "8"]);
    let out = exec::run(&mut command, &t.dir, Duration::from_secs(50)).success();
    assert_eq!(out.text(), "50 containers from 8 threads");
    Traces::assert_none_since(&before, &t.runtime.root, &t.cgroup);
}
