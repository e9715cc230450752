//! `hostname` and `domainname`.

use super::check::{prints, refused};
use crate::case::{Case, case};
use crate::test::Test;
use std::fs;

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[
    case("hostname/set", "config.md hostname", hostname),
    case("hostname/domain", "config.md domainname", domainname),
    case(
        "hostname/needs-namespace",
        "config.md hostname: needs a new UTS namespace",
        needs_namespace,
    ),
];

fn host(file: &str) -> String {
    fs::read_to_string(format!("/proc/sys/kernel/{file}"))
        .unwrap()
        .trim()
        .to_owned()
}

fn hostname(t: &Test) {
    let before = host("hostname");
    let longest = "x".repeat(64);
    for name in ["box", "a.b-c", longest.as_str()] {
        t.row(name, || {
            prints(
                t,
                &t.bundle().set("/hostname", name).args(["hostname"]),
                name,
            )
        });
    }
    t.row("too long", || {
        refused(
            t,
            t.bundle().set("/hostname", "x".repeat(65)),
            &["hostname"],
        );
    });
    t.row("not set", || {
        prints(
            t,
            &t.bundle().remove("/hostname").args(["hostname"]),
            &before,
        )
    });
    assert_eq!(host("hostname"), before);
}

fn domainname(t: &Test) {
    let before = host("domainname");
    let bundle = t.bundle().set("/domainname", "example.test");
    t.row("set", || {
        prints(
            t,
            &bundle.args(["cat", "/proc/sys/kernel/domainname"]),
            "example.test",
        );
    });
    assert_eq!(host("domainname"), before);
}

fn needs_namespace(t: &Test) {
    let before = (host("hostname"), host("domainname"));
    for field in ["hostname", "domainname"] {
        t.row(field, || {
            let bundle = t.bundle().without_namespace("uts").remove("/hostname");
            refused(t, bundle.set(&format!("/{field}"), "changed"), &["uts"]);
        });
    }
    assert_eq!((host("hostname"), host("domainname")), before);
}
