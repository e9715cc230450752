//! Containers of an unprivileged user: with its own id alone, and with
//! subordinate ids that newuidmap(1) maps.

use crate::bundle::Bundle;
use crate::case::{Case, case};
use crate::need::Need;
use crate::test::{Test, UNPRIVILEGED};
use crate::traces::Traces;
use serde_json::json;
use std::fs;

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[
    case("rootless/own-id", "run by a user with one id", own_id).rootless(),
    case(
        "rootless/lifecycle",
        "create to delete by a user",
        lifecycle,
    )
    .rootless(),
    case("rootless/exec", "exec by a user", exec).rootless(),
    case("rootless/devices", "devices without mknod", devices).rootless(),
    case("rootless/refused", "what one id cannot have", refused).rootless(),
    case("rootless/detach", "run --detach by a user", detach).rootless(),
    case(
        "rootless/subordinate-ids",
        "newuidmap and newgidmap",
        subordinate,
    )
    .rootless()
    .needs(&[
        Need::Root,
        Need::Program("newuidmap"),
        Need::Program("newgidmap"),
    ]),
];

fn own_id(t: &Test) {
    let script = "id -u; id -g; cat /proc/self/uid_map; cat /proc/self/setgroups; hostname";
    let out = t.run(&t.bundle().sh(script)).success();
    let lines = out.lines();
    assert_eq!(lines[..2], ["0", "0"]);
    let map: Vec<_> = lines[2].split_whitespace().collect();
    let user = t
        .runtime
        .user
        .unwrap_or_else(|| nix::unistd::geteuid().as_raw());
    assert_eq!(map, ["0", &user.to_string(), "1"]);
    assert_eq!(lines[3..], ["deny", "oxrun"]);
}

fn lifecycle(t: &Test) {
    let before = t.traces();
    let mut c = t.create(&t.bundle().idle());
    assert_eq!(c.status(), "created");
    c.start();
    assert_eq!(c.status(), "running");
    c.kill("KILL").ok();
    c.wait_for("stopped");
    c.delete().ok();
    Traces::assert_none_since(&before, &t.runtime.root, &t.cgroup);
}

fn exec(t: &Test) {
    let c = t.start(&t.bundle().idle());
    let out = c.sh("id -u; cat /proc/self/uid_map; pwd").success();
    assert_eq!(out.lines()[0], "0");
    assert!(out.lines()[1].ends_with('1'), "{out}");
    assert_eq!(c.sh("exit 5").code(), 5);
}

/// The nodes are bind mounts of the host's: they work, and have the host's numbers.
fn devices(t: &Test) {
    let script =
        "echo x > /dev/null && head -c 3 /dev/zero | wc -c; stat -c %t:%T /dev/null /dev/full";
    let out = t.run(&t.bundle().sh(script)).success();
    assert_eq!(out.lines(), ["3", "1:3", "1:7"]);
}

fn refused(t: &Test) {
    for (row, field, value) in [
        ("another user", "/process/user", json!({"uid": 1, "gid": 0})),
        (
            "another group",
            "/process/user",
            json!({"uid": 0, "gid": 1}),
        ),
        (
            "additional groups",
            "/process/user",
            json!({"uid": 0, "gid": 0, "additionalGids": [1]}),
        ),
        (
            "id of somebody else",
            "/linux/uidMappings",
            json!([{"containerID": 0, "hostID": 0, "size": 1}]),
        ),
    ] {
        t.row(row, || {
            let before = t.traces();
            let out = t
                .run(&t.bundle().sh("echo ran").set(field, value))
                .failure(&[]);
            assert_eq!(out.text(), "");
            Traces::assert_none_since(&before, &t.runtime.root, &t.cgroup);
        });
    }
}

fn detach(t: &Test) {
    let bundle = t.bundle().idle();
    let c = t.guard(&bundle, t.run_call(&bundle, &["--detach"]).run().success());
    assert_eq!(c.status(), "running");
    let listed = t.runtime.run(["list", "--quiet"]).success();
    assert_eq!(listed.text(), "c1");
}

/// The case's own /etc, so that the user has subordinate ids.
fn subordinate(t: &Test) {
    let bundle = with_subordinate_ids(t);
    let script =
        "id -u; id -g; cat /proc/self/uid_map; chown 7:8 /tmp/file && stat -c %u:%g /tmp/file";
    let bundle = bundle
        .mount("/tmp", "tmpfs", "tmpfs", &["mode=1777"])
        .capabilities(&["CAP_CHOWN", "CAP_SETUID", "CAP_SETGID"])
        .sh(&format!("touch /tmp/file; {script}"));
    let out = t.run(&bundle).success();
    let lines: Vec<Vec<&str>> = out
        .lines()
        .iter()
        .map(|l| l.split_whitespace().collect())
        .collect();
    assert_eq!(lines[..2], [["0"], ["0"]]);
    assert_eq!(lines[2], ["0", &UNPRIVILEGED.to_string(), "1"]);
    assert_eq!(lines[3], ["1", "300000", "1000"]);
    assert_eq!(lines[4], ["7:8"]);
    t.row("another user", || {
        let user = json!({"uid": 5, "gid": 6, "additionalGids": [9]});
        let out = t.run(
            &bundle
                .clone()
                .set("/process/user", user)
                .sh("id -u; id -g; id -G"),
        );
        assert_eq!(out.success().lines(), ["5", "6", "6 9"]);
    });
}

fn with_subordinate_ids(t: &Test) -> Bundle {
    use nix::mount::{MsFlags, mount};
    let name = format!("case:x:{UNPRIVILEGED}:{UNPRIVILEGED}::/:/bin/sh\n");
    let passwd = fs::read_to_string("/etc/passwd").unwrap() + &name;
    let ranges = format!("{UNPRIVILEGED}:300000:1000\n");
    for (file, text) in [
        ("passwd", &passwd),
        ("subuid", &ranges),
        ("subgid", &ranges),
    ] {
        let path = t.path(&format!("etc-{file}"));
        fs::write(&path, text).unwrap();
        let target = format!("/etc/{file}");
        if !std::path::Path::new(&target).exists() {
            t.skip(&format!("needs {target}"));
        }
        // In the case's own mount namespace.
        mount(
            Some(&path),
            target.as_str(),
            None::<&str>,
            MsFlags::MS_BIND,
            None::<&str>,
        )
        .unwrap();
    }
    let map = json!([
        {"containerID": 0, "hostID": UNPRIVILEGED, "size": 1},
        {"containerID": 1, "hostID": 300_000, "size": 1000},
    ]);
    t.bundle()
        .set("/linux/uidMappings", map.clone())
        .set("/linux/gidMappings", map)
}
