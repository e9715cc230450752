//! create, start, state, kill, delete, list, ps: what engines parse.

use crate::case::{Case, case};
use crate::test::Test;

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[case("lifecycle/whole", "runtime.md lifecycle", whole)];

fn whole(t: &Test) {
    let out = t.run(&t.bundle().sh("hostname; echo $$")).success();
    assert_eq!(out.lines(), ["oxrun", "1"]);
    let mut c = t.create(&t.bundle().idle());
    assert_eq!(c.status(), "created");
    c.start();
    assert_eq!(c.status(), "running");
    c.kill("TERM").ok();
    c.wait_for("stopped");
    c.delete().ok();
}
