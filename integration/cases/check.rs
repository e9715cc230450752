//! Shorthand for rows that compare what a container prints.

use crate::bundle::Bundle;
use crate::mountinfo::{self, Mount};
use crate::test::Test;

/// Runs the bundle, which must succeed and print `expected`.
#[track_caller]
pub(super) fn prints(t: &Test, bundle: &Bundle, expected: &str) {
    let out = t.run(bundle).success();
    assert_eq!(out.text(), expected, "{out}");
}

/// Runs the bundle, which must fail before its program prints `ran`.
#[track_caller]
pub(super) fn refused(t: &Test, bundle: Bundle, phrases: &[&str]) {
    let out = t.run(&bundle.sh("echo ran")).failure(phrases);
    assert!(!out.stdout.contains("ran"), "{out}");
}

/// The mounts as a container of this bundle sees them.
#[track_caller]
pub(super) fn mounts(t: &Test, bundle: Bundle) -> Vec<Mount> {
    let out = t.run(&bundle.args(["cat", "/proc/self/mountinfo"]));
    mountinfo::parse(&out.success().stdout)
}
