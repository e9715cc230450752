//! `linux.resources` on cgroup v1, read back from the cgroup's files.

use super::check::prints;
use crate::case::{Case, case};
use crate::cgroup;
use crate::need::Need;
use crate::test::Test;
use serde_json::json;

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[
    case("limits/memory", "config-linux.md resources.memory", memory)
        .needs(&[Need::CgroupV1("memory")]),
    case(
        "limits/memory-kills",
        "resources.memory.limit has an effect",
        memory_kills,
    )
    .needs(&[Need::CgroupV1("memory")]),
    case("limits/cpu", "config-linux.md resources.cpu", cpu).needs(&[Need::CgroupV1("cpu")]),
    case("limits/cpuset", "resources.cpu.cpus", cpuset).needs(&[Need::CgroupV1("cpuset")]),
    case("limits/pids", "config-linux.md resources.pids", pids).needs(&[Need::CgroupV1("pids")]),
    case(
        "limits/inside",
        "the cgroup as the container sees it",
        inside,
    )
    .needs(&[Need::CgroupV1("memory")]),
];

/// Creates a container with these resources and compares a file of its cgroup.
fn reads(t: &Test, label: &str, resource: &str, value: serde_json::Value, files: &[(&str, &str)]) {
    t.row(label, || {
        let bundle = t
            .bundle()
            .idle()
            .set(&format!("/linux/resources/{resource}"), value);
        let c = t.create(&bundle);
        for (file, expected) in files {
            let controller = file.split('.').next().unwrap();
            assert_eq!(
                cgroup::read(controller, &c.cgroup, file),
                *expected,
                "{file}"
            );
        }
    });
}

fn memory(t: &Test) {
    let limit = "memory.limit_in_bytes";
    reads(
        t,
        "limit",
        "memory",
        json!({"limit": 67_108_864}),
        &[(limit, "67108864")],
    );
    reads(
        t,
        "unlimited",
        "memory",
        json!({"limit": -1}),
        &[(limit, "9223372036854771712")],
    );
    reads(
        t,
        "reservation",
        "memory",
        json!({"limit": 67_108_864, "reservation": 33_554_432}),
        &[("memory.soft_limit_in_bytes", "33554432")],
    );
    reads(
        t,
        "swap",
        "memory",
        json!({"limit": 67_108_864, "swap": 134_217_728}),
        &[
            (limit, "67108864"),
            ("memory.memsw.limit_in_bytes", "134217728"),
        ],
    );
    reads(
        t,
        "swappiness",
        "memory",
        json!({"swappiness": 11}),
        &[("memory.swappiness", "11")],
    );
    t.row("disableOOMKiller", || {
        let bundle = t
            .bundle()
            .idle()
            .set("/linux/resources/memory/disableOOMKiller", true);
        let c = t.create(&bundle);
        let text = cgroup::read("memory", &c.cgroup, "memory.oom_control");
        assert!(text.contains("oom_kill_disable 1"), "{text}");
    });
}

fn memory_kills(t: &Test) {
    let bundle = t.bundle().set("/linux/resources/memory/limit", 16_777_216);
    let script = "x=0123456789abcdef; while :; do x=$x$x; done";
    let out = t.run(&bundle.sh(script));
    assert_eq!(out.code(), 137, "{out}");
}

fn cpu(t: &Test) {
    let both = [
        ("cpu.cfs_quota_us", "50000"),
        ("cpu.cfs_period_us", "100000"),
    ];
    reads(
        t,
        "quota",
        "cpu",
        json!({"quota": 50_000, "period": 100_000}),
        &both,
    );
    reads(
        t,
        "shares",
        "cpu",
        json!({"shares": 512}),
        &[("cpu.shares", "512")],
    );
    reads(
        t,
        "no quota",
        "cpu",
        json!({"quota": -1}),
        &[("cpu.cfs_quota_us", "-1")],
    );
}

fn cpuset(t: &Test) {
    let files = [("cpuset.cpus", "0"), ("cpuset.mems", "0")];
    reads(t, "files", "cpu", json!({"cpus": "0", "mems": "0"}), &files);
    t.row("seen by the program", || {
        let bundle = t.bundle().set("/linux/resources/cpu/cpus", "0");
        prints(t, &bundle.sh("nproc"), "1");
    });
}

fn pids(t: &Test) {
    reads(
        t,
        "limit",
        "pids",
        json!({"limit": 20}),
        &[("pids.max", "20")],
    );
    reads(
        t,
        "unlimited",
        "pids",
        json!({"limit": -1}),
        &[("pids.max", "max")],
    );
    t.row("has an effect", || {
        let bundle = t.bundle().set("/linux/resources/pids/limit", 5);
        let script = "for i in 1 2 3 4 5 6 7 8; do sleep 5 & done; echo all";
        t.run(&bundle.sh(script))
            .failure(&["resource temporarily unavailable"]);
    });
}

fn inside(t: &Test) {
    let bundle = t.bundle().set("/linux/resources/memory/limit", 67_108_864);
    t.row("limit", || {
        let file = "/sys/fs/cgroup/memory/memory.limit_in_bytes";
        prints(t, &bundle.clone().args(["cat", file]), "67108864");
    });
    t.row("read-only", || {
        let script = "echo -1 > /sys/fs/cgroup/memory/memory.limit_in_bytes";
        t.run(&bundle.clone().sh(script)).failure(&["read-only"]);
    });
    t.row("with a cgroup namespace", || {
        let bundle = bundle.clone().namespace("cgroup", None);
        prints(
            t,
            &bundle.sh("grep :memory: /proc/self/cgroup | cut -d: -f3"),
            "/",
        );
    });
}
