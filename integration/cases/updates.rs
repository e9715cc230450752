//! `update`: every flag and `--resources -`, read back from the cgroup's files.

use super::limits::{Files, has, shows};
use crate::case::{Case, case};
use crate::cgroup;
use crate::container::Container;
use crate::need::Need;
use crate::test::Test;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[
    case("limits/update", "update: every flag", update).limit(120),
    case(
        "limits/update-resources",
        "update --resources -",
        update_resources,
    ),
    case(
        "limits/below-use",
        "update: memory below its use",
        below_use,
    ),
    case("rootless/update", "update by a user", update)
        .rootless()
        .needs(&[Need::DelegatedCgroup])
        .limit(120),
];

struct Flags {
    flags: &'static [&'static str],
    v1: Files,
    v2: Files,
}

const fn flags(flags: &'static [&'static str], v1: Files, v2: Files) -> Flags {
    Flags { flags, v1, v2 }
}

const UPDATES: &[Flags] = &[
    flags(
        &["--memory", "100663296"],
        &[("memory.limit_in_bytes", "100663296")],
        &[("memory.max", "100663296")],
    ),
    flags(
        &["--memory-reservation", "33554432"],
        &[("memory.soft_limit_in_bytes", "33554432")],
        &[("memory.low", "33554432")],
    ),
    flags(
        &["--memory-swap", "134217728"],
        &[("memory.memsw.limit_in_bytes", "134217728")],
        &[("memory.swap.max", "33554432")],
    ),
    flags(
        &["--cpu-share", "2048"],
        &[("cpu.shares", "2048")],
        &[("cpu.weight", "174")],
    ),
    flags(
        &["--cpu-quota", "60000"],
        &[("cpu.cfs_quota_us", "60000")],
        &[("cpu.max", "60000 100000")],
    ),
    flags(
        &["--cpu-period", "200000"],
        &[("cpu.cfs_period_us", "200000")],
        &[("cpu.max", "60000 200000")],
    ),
    flags(
        &["--cpu-burst", "20000"],
        &[("cpu.cfs_burst_us", "20000")],
        &[("cpu.max.burst", "20000")],
    ),
    flags(
        &["--cpuset-cpus", "0"],
        &[("cpuset.cpus", "0")],
        &[("cpuset.cpus", "0")],
    ),
    flags(
        &["--cpuset-mems", "0"],
        &[("cpuset.mems", "0")],
        &[("cpuset.mems", "0")],
    ),
    flags(
        &["--pids-limit", "44"],
        &[("pids.max", "44")],
        &[("pids.max", "44")],
    ),
    flags(
        &["--pids-limit", "-1"],
        &[("pids.max", "max")],
        &[("pids.max", "max")],
    ),
    flags(
        &["--blkio-weight", "200"],
        &[("blkio.bfq.weight", "200")],
        &[("io.weight", "default 1920")],
    ),
    // Last: an idle group's weight is the kernel's to decide.
    flags(
        &["--cpu-idle", "1"],
        &[("cpu.idle", "1")],
        &[("cpu.idle", "1")],
    ),
];

/// Every flag changes its files, and nothing else.
fn update(t: &Test) {
    let probe = t.create(&t.bundle().idle());
    let c = t.start(&t.bundle().idle());
    let mut seen = 0;
    for update in UPDATES {
        let files = if cgroup::is_v2() {
            update.v2
        } else {
            update.v1
        };
        if !files.iter().all(|(file, _)| has(file, &probe)) {
            continue;
        }
        seen += 1;
        t.row(&update.flags.join(" "), || {
            let before = settings(&c);
            let id = [c.id.as_str()];
            let args = ["update"].iter().chain(update.flags).chain(&id);
            t.runtime.run(args).ok();
            shows(&c, files);
            for (file, text) in settings(&c) {
                // Idle and weight are one setting to the kernel; a controller may be new.
                let same = before.get(&file).is_none_or(|old| *old == text);
                let weight = files[0].0 == "cpu.idle" && file.starts_with("cpu.");
                let named = files.iter().any(|(name, _)| file.starts_with(name));
                let effective = file.contains("effective");
                assert!(
                    same || named || weight || effective,
                    "{file} changed to {text}"
                );
            }
        });
    }
    assert!(seen >= 6, "only {seen} of the flags have an effect here");
    assert_eq!(c.status(), "running");
    t.row("a bad value", || {
        let out = t.runtime.run(["update", "--memory", "lots", &c.id]);
        out.failure(&["memory"]);
    });
}

/// All settings of the container's cgroup: the files that can be written.
fn settings(c: &Container) -> BTreeMap<String, String> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut found = BTreeMap::new();
    for dir in cgroup::existing(&c.cgroup) {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let mode = entry.metadata().map_or(0, |meta| meta.permissions().mode());
            let counter = [
                "usage",
                "failcnt",
                "stat",
                "procs",
                "threads",
                "tasks",
                "peak",
                "pressure",
                "oom_control",
                "events",
            ];
            if mode & 0o600 != 0o600 || counter.iter().any(|part| name.contains(part)) {
                continue;
            }
            if let Ok(text) = fs::read_to_string(entry.path()) {
                found.insert(name, text);
            }
        }
    }
    found
}

fn update_resources(t: &Test) {
    let c = t.start(&t.bundle().idle());
    let resources = json!({
        "memory": {"limit": 100_663_296, "swap": 100_663_296, "checkBeforeUpdate": true},
        "cpu": {"shares": 2048, "quota": 60_000, "period": 200_000},
        "pids": {"limit": 44},
    });
    let call = t.runtime.call(["update", "--resources", "-", &c.id]);
    call.input(&resources.to_string()).run().ok();
    let files: Files = if cgroup::is_v2() {
        &[
            ("memory.max", "100663296"),
            ("memory.swap.max", "0"),
            ("cpu.weight", "174"),
            ("cpu.max", "60000 200000"),
            ("pids.max", "44"),
        ]
    } else {
        &[
            ("memory.limit_in_bytes", "100663296"),
            ("memory.memsw.limit_in_bytes", "100663296"),
            ("cpu.shares", "2048"),
            ("cpu.cfs_quota_us", "60000"),
            ("cpu.cfs_period_us", "200000"),
            ("pids.max", "44"),
        ]
    };
    let there: Vec<_> = files
        .iter()
        .filter(|(file, _)| {
            let controller = file.split('.').next().unwrap();
            cgroup::directory(controller, &c.cgroup).join(file).exists()
        })
        .collect();
    assert!(there.len() + 1 >= files.len(), "only {there:?}");
    for (file, expected) in there {
        let controller = file.split('.').next().unwrap();
        assert_eq!(
            cgroup::read(controller, &c.cgroup, file),
            *expected,
            "{file}"
        );
    }
}

/// Nobody is killed by surprise.
fn below_use(t: &Test) {
    let script = "x=0123456789abcdef; for i in $(seq 21); do x=$x$x; done; echo ready; \
                  trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done";
    let c = t.start(&t.bundle().sh(script));
    c.wait_output("ready");
    let (file, swap) = if cgroup::is_v2() {
        ("memory.max", "memory.swap.max")
    } else {
        ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
    };
    let limit = || cgroup::read("memory", &c.cgroup, file);
    // No way out to swap.
    let no_swap = [
        "update",
        "--memory",
        "200000000",
        "--memory-swap",
        "200000000",
        &c.id,
    ];
    if cgroup::directory("memory", &c.cgroup).join(swap).exists() {
        t.runtime.run(no_swap).ok();
    }
    let before = limit();
    let out = t.runtime.run([
        "update",
        "--memory",
        "4194304",
        "--memory-swap",
        "4194304",
        &c.id,
    ]);
    out.failure(&["linux.resources.memory"]);
    assert_eq!(limit(), before);
    assert_eq!(c.status(), "running");
    let call = t.runtime.call(["update", "--resources", "-", &c.id]);
    let checked = json!({"memory": {"limit": 4_194_304, "checkBeforeUpdate": true}});
    call.input(&checked.to_string())
        .run()
        .failure(&["linux.resources.memory"]);
    assert_eq!(c.status(), "running");
}
