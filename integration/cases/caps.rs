//! The five capability sets, read back from /proc/self/status.

use super::check::prints;
use crate::case::{Case, case};
use crate::test::Test;
use serde_json::{Value, json};

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[
    case("caps/sets", "config.md process.capabilities", sets),
    case("caps/user", "capabilities of a user other than root", user),
    case(
        "caps/unknown",
        "config.md process.capabilities: unknown ones are not an error",
        unknown,
    ),
];

const SHOW: [&str; 3] = ["grep", "^Cap", "/proc/self/status"];

fn status(inheritable: u64, permitted: u64, effective: u64, bounding: u64, ambient: u64) -> String {
    format!(
        "CapInh:\t{inheritable:016x}\nCapPrm:\t{permitted:016x}\nCapEff:\t{effective:016x}\n\
         CapBnd:\t{bounding:016x}\nCapAmb:\t{ambient:016x}"
    )
}

/// CAP_CHOWN is 0, CAP_KILL 5, CAP_NET_BIND_SERVICE 10.
const CHOWN: u64 = 1;
const KILL: u64 = 1 << 5;
const BIND: u64 = 1 << 10;

fn sets(t: &Test) {
    let (all, two) = (
        json!(["CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE"]),
        json!(["CAP_CHOWN", "CAP_KILL"]),
    );
    let every = CHOWN | KILL | BIND;
    for (label, value, expected) in [
        ("none", json!({}), status(0, 0, 0, 0, 0)),
        (
            "no inheritable ones",
            json!({"bounding": all, "permitted": all, "effective": all}),
            status(0, every, every, every, 0),
        ),
        (
            "without new privileges",
            json!({"bounding": all, "permitted": two, "effective": []}),
            status(0, CHOWN | KILL, CHOWN | KILL, every, 0),
        ),
        (
            "all five",
            json!({"bounding": all, "permitted": all, "effective": all,
                   "inheritable": two, "ambient": ["CAP_KILL"]}),
            status(CHOWN | KILL, every, every, every, KILL),
        ),
    ] {
        t.row(label, || {
            let bundle = t.bundle().set("/process/capabilities", value).args(SHOW);
            prints(t, &bundle, &expected);
        });
    }
    t.row("executing as root fills from the bounding set", || {
        let value = json!({"bounding": all, "permitted": two, "effective": []});
        let bundle = t.bundle().set("/process/noNewPrivileges", false);
        let bundle = bundle.set("/process/capabilities", value).args(SHOW);
        prints(t, &bundle, &status(0, every, every, every, 0));
    });
    t.row("field missing", || {
        let bundle = t.bundle().remove("/process/capabilities").args(SHOW);
        let out = t.run(&bundle).success();
        assert!(out.text().contains("CapAmb:\t0000000000000000"), "{out}");
    });
}

fn user(t: &Test) {
    let kill = json!(["CAP_KILL"]);
    let both = json!(["CAP_KILL", "CAP_CHOWN"]);
    let rows: [(&str, Value, String); 2] = [
        (
            "lost without ambient ones",
            json!({"bounding": both, "permitted": both, "effective": both}),
            status(0, 0, 0, CHOWN | KILL, 0),
        ),
        (
            "kept by ambient ones",
            json!({"bounding": both, "permitted": both, "effective": both,
                   "inheritable": kill, "ambient": kill}),
            status(KILL, KILL, KILL, CHOWN | KILL, KILL),
        ),
    ];
    for (label, value, expected) in rows {
        t.row(label, || {
            let bundle = t.bundle().set("/process/user/uid", 1000);
            prints(
                t,
                &bundle.set("/process/capabilities", value).args(SHOW),
                &expected,
            );
        });
    }
}

fn unknown(t: &Test) {
    let set = json!(["CAP_KILL", "CAP_NO_SUCH"]);
    let value = json!({"bounding": set, "permitted": set, "effective": set});
    let bundle = t.bundle().set("/process/capabilities", value).args(SHOW);
    let out = t.run(&bundle).success();
    assert_eq!(out.text(), status(0, KILL, KILL, KILL, 0));
    assert!(
        out.stderr.contains("CAP_NO_SUCH"),
        "a warning names it: {out}"
    );
}
