//! `linux.resources`, read back from the cgroup's files: every field that
//! the kernel has, on version 1 and 2, by both managers, of root and of ordinary users.

use super::check::prints;
use crate::bundle::Bundle;
use crate::case::{Case, case};
use crate::cgroup;
use crate::container::Container;
use crate::manager::Manager;
use crate::need::Need;
use crate::test::Test;
use serde_json::{Value, json};
use std::fs;

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[
    case("limits/fields", "config-linux.md resources", fields).limit(240),
    case(
        "limits/kills",
        "resources.memory.limit has an effect",
        kills,
    ),
    case("limits/pids", "resources.pids.limit has an effect", pids),
    case("limits/cpuset", "resources.cpu.cpus", cpuset).needs(&[Need::CgroupV1("cpuset")]),
    case(
        "limits/inside",
        "the cgroup as the container sees it",
        inside,
    ),
    case("rootless/limits", "resources of a user", fields)
        .rootless()
        .needs(&[Need::DelegatedCgroup])
        .limit(120),
];

/// Files and what they show.
pub(super) type Files = &'static [(&'static str, &'static str)];

/// `{block}` stands for a block device of the machine.
struct Field {
    resources: &'static str,
    v1: Files,
    v2: Files,
}

const fn field(resources: &'static str, v1: Files, v2: Files) -> Field {
    Field { resources, v1, v2 }
}

const FIELDS: &[Field] = &[
    field(
        r#"{"memory": {"limit": 67108864}}"#,
        &[("memory.limit_in_bytes", "67108864")],
        &[("memory.max", "67108864")],
    ),
    field(
        r#"{"memory": {"limit": -1}}"#,
        &[("memory.limit_in_bytes", "9223372036854771712")],
        &[("memory.max", "max")],
    ),
    field(
        r#"{"memory": {"limit": 67108864, "reservation": 33554432}}"#,
        &[("memory.soft_limit_in_bytes", "33554432")],
        &[("memory.low", "33554432")],
    ),
    field(
        r#"{"memory": {"limit": 67108864, "swap": 134217728}}"#,
        &[("memory.memsw.limit_in_bytes", "134217728")],
        &[("memory.swap.max", "67108864")],
    ),
    field(
        r#"{"memory": {"swappiness": 11}}"#,
        &[("memory.swappiness", "11")],
        &[],
    ),
    field(
        r#"{"memory": {"disableOOMKiller": true}}"#,
        &[("memory.oom_control", "oom_kill_disable 1")],
        &[],
    ),
    field(
        r#"{"cpu": {"shares": 512}}"#,
        &[("cpu.shares", "512")],
        &[("cpu.weight", "59")],
    ),
    field(
        r#"{"cpu": {"quota": 50000, "period": 200000}}"#,
        &[
            ("cpu.cfs_quota_us", "50000"),
            ("cpu.cfs_period_us", "200000"),
        ],
        &[("cpu.max", "50000 200000")],
    ),
    field(
        r#"{"cpu": {"quota": -1}}"#,
        &[("cpu.cfs_quota_us", "-1")],
        &[("cpu.max", "max 100000")],
    ),
    field(
        r#"{"cpu": {"quota": 50000, "burst": 10000}}"#,
        &[("cpu.cfs_burst_us", "10000")],
        &[("cpu.max.burst", "10000")],
    ),
    field(
        r#"{"cpu": {"idle": 1}}"#,
        &[("cpu.idle", "1")],
        &[("cpu.idle", "1")],
    ),
    field(
        r#"{"cpu": {"cpus": "0", "mems": "0"}}"#,
        &[("cpuset.cpus", "0"), ("cpuset.mems", "0")],
        &[("cpuset.cpus", "0"), ("cpuset.mems", "0")],
    ),
    field(
        r#"{"pids": {"limit": 20}}"#,
        &[("pids.max", "20")],
        &[("pids.max", "20")],
    ),
    field(
        r#"{"pids": {"limit": -1}}"#,
        &[("pids.max", "max")],
        &[("pids.max", "max")],
    ),
    field(
        r#"{"blockIO": {"weight": 100}}"#,
        &[("blkio.bfq.weight", "100")],
        &[("io.weight", "default 910")],
    ),
    field(
        r#"{"blockIO": {"throttleReadBpsDevice": [{"block": 0, "rate": 1048576}],
            "throttleWriteIOPSDevice": [{"block": 0, "rate": 70}]}}"#,
        &[
            ("blkio.throttle.read_bps_device", "{block} 1048576"),
            ("blkio.throttle.write_iops_device", "{block} 70"),
        ],
        &[("io.max", "{block} rbps=1048576 wbps=max riops=max wiops=70")],
    ),
    field(
        r#"{"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}]}"#,
        &[("hugetlb.2MB.limit_in_bytes", "4194304")],
        &[
            ("hugetlb.2MB.max", "4194304"),
            ("hugetlb.2MB.rsvd.max", "4194304"),
        ],
    ),
    field(
        r#"{"network": {"classID": 1048577}}"#,
        &[("net_cls.classid", "1048577")],
        &[],
    ),
    field(
        r#"{"unified": {"memory.high": "33554432", "pids.max": "31"}}"#,
        &[],
        &[("memory.high", "33554432"), ("pids.max", "31")],
    ),
];

fn expected(field: &Field) -> Files {
    if cgroup::is_v2() { field.v2 } else { field.v1 }
}

/// A block device with throttling, `major:minor`.
fn block_device() -> Option<String> {
    let entries = fs::read_dir("/sys/block").ok()?.flatten();
    let mut names: Vec<_> = entries
        .filter(|entry| !entry.file_name().to_string_lossy().starts_with(['l', 'z']))
        .map(|entry| entry.path().join("dev"))
        .collect();
    names.sort();
    let text = fs::read_to_string(names.first()?).ok()?;
    Some(text.trim().to_owned())
}

/// The field with the device in its place; `None` without one.
fn placed(text: &str, device: Option<&str>) -> Option<String> {
    if !text.contains("block\": 0") && !text.contains("{block}") {
        return Some(text.to_owned());
    }
    let device = device?;
    let (major, minor) = device.split_once(':')?;
    let numbers = format!("\"major\": {major}, \"minor\": {minor}");
    Some(
        text.replace("\"block\": 0", &numbers)
            .replace("{block}", device),
    )
}

/// Whether the kernel has a file, for the cgroups of this caller.
pub(super) fn has(file: &str, probe: &Container) -> bool {
    let controller = file.split('.').next().unwrap_or_default();
    if !cgroup::is_v2() {
        return cgroup::v1_root(controller).is_some()
            && cgroup::directory(controller, &probe.cgroup)
                .join(file)
                .exists();
    }
    if controller == "hugetlb" && !fs::exists("/sys/kernel/mm/hugepages/hugepages-2048kB").unwrap()
    {
        return false;
    }
    let base = Manager::under_test().base().unwrap_or_default();
    let file_of_base = cgroup::directory("", &base).join("cgroup.controllers");
    let available = fs::read_to_string(file_of_base).unwrap_or_default();
    let optional = [
        "memory.swap.max",
        "io.weight",
        "cpu.idle",
        "cpu.max.burst",
        "io.max",
    ];
    available.split_whitespace().any(|name| name == controller)
        && (!optional.contains(&file) || cgroup::directory("", "system.slice").join(file).exists())
}

#[track_caller]
pub(super) fn shows(c: &Container, files: Files, device: Option<&str>) {
    for (file, expected) in files {
        let controller = file.split('.').next().unwrap();
        let text = cgroup::read(controller, &c.cgroup, file);
        let expected = placed(expected, device).unwrap();
        let shown = text.lines().next().unwrap_or_default();
        assert_eq!(shown, expected, "{file}");
    }
}

fn fields(t: &Test) {
    let device = block_device();
    let device = device.as_deref();
    let probe = t.create(&t.bundle().idle());
    let mut seen = 0;
    for field in FIELDS {
        let files = expected(field);
        let there = !files.is_empty() && files.iter().all(|(file, _)| has(file, &probe));
        let Some(resources) = placed(field.resources, device).filter(|_| there) else {
            continue;
        };
        seen += 1;
        t.row(field.resources, || {
            let resources: Value = serde_json::from_str(&resources).expect("JSON");
            let bundle = with_resources(t, resources);
            let mut c = t.create(&bundle);
            shows(&c, files, device);
            c.delete_force().ok();
            let left = cgroup::existing(&c.cgroup);
            assert!(left.is_empty(), "left behind: {left:?}");
        });
    }
    assert!(seen >= 8, "only {seen} of the fields are to be had here");
}

/// The default device rules stay.
fn with_resources(t: &Test, resources: Value) -> Bundle {
    let Value::Object(members) = resources else {
        panic!("resources are an object");
    };
    members
        .into_iter()
        .fold(t.bundle().idle(), |bundle, (name, value)| {
            bundle.set(&format!("/linux/resources/{name}"), value)
        })
}

fn kills(t: &Test) {
    let bundle = t.bundle().set(
        "/linux/resources/memory",
        json!({"limit": 16_777_216, "swap": 16_777_216}),
    );
    let script = "x=0123456789abcdef; while :; do x=$x$x; done";
    let out = t.run(&bundle.sh(script));
    assert_eq!(out.code(), 137, "{out}");
}

fn pids(t: &Test) {
    let bundle = t.bundle().set("/linux/resources/pids/limit", 5);
    let script = "for i in 1 2 3 4 5 6 7 8; do sleep 5 & done; echo all";
    t.run(&bundle.sh(script))
        .failure(&["resource temporarily unavailable"]);
}

fn cpuset(t: &Test) {
    let bundle = t.bundle().set("/linux/resources/cpu/cpus", "0");
    prints(t, &bundle.sh("nproc"), "1");
}

fn inside(t: &Test) {
    let bundle = t.bundle().set("/linux/resources/memory/limit", 67_108_864);
    let file = if cgroup::is_v2() {
        "/sys/fs/cgroup/memory.max"
    } else {
        "/sys/fs/cgroup/memory/memory.limit_in_bytes"
    };
    let own = bundle.clone().namespace("cgroup", None);
    // Without a namespace version 2 shows the whole tree.
    let plain = if cgroup::is_v2() { own.clone() } else { bundle };
    t.row("limit", || {
        prints(t, &plain.clone().args(["cat", file]), "67108864");
    });
    t.row("read-only", || {
        let script = format!("echo 1 > {file}");
        t.run(&plain.clone().sh(&script)).failure(&["read-only"]);
    });
    t.row("with a cgroup namespace", || {
        let script = "grep -E ':memory:|^0::' /proc/self/cgroup | head -n 1 | cut -d: -f3";
        prints(t, &own.sh(script), "/");
    });
}
