//! What the harness promises the machine.

use crate::case::{Case, case};
use crate::test::Test;
use std::fs;
use std::io::ErrorKind;

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[case(
    "harness/host-is-read-only",
    "a runtime cannot harm the host's files",
    read_only,
)];

/// Only makes new names, so that a failure of the guard does no harm either.
fn read_only(t: &Test) {
    for dir in [
        "/", "/etc", "/usr", "/var", "/root", "/home", "/tmp", "/opt",
    ] {
        t.row(dir, || {
            let probe = format!("{dir}/oxrun-test-probe-{}", std::process::id());
            let result = fs::create_dir(&probe);
            drop(fs::remove_dir(&probe));
            let err = result.expect_err("the host can be written");
            assert_eq!(err.kind(), ErrorKind::ReadOnlyFilesystem, "{err}");
        });
    }
    fs::write(t.path("own"), "").expect("the case's own directory can be written");
}
