//! `linux.resources`, read back from the cgroup's files: every field that
//! the kernel has, on version 1 and 2, by both managers, of root and of ordinary users.

use super::check::prints;
use crate::bundle::Bundle;
use crate::case::{Case, case};
use crate::cgroup;
use crate::container::Container;
use crate::manager::{Manager, systemctl};
use crate::need::Need;
use crate::test::Test;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

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

/// A configuration and what the files show, and the same after an update with `changed`.
/// `{block}` stands for a block device of the machine, `{bfq}` for one that BFQ schedules.
struct Field {
    resources: &'static str,
    v1: Files,
    v2: Files,
    changed: &'static str,
    v1_changed: Files,
    v2_changed: Files,
}

const FIELDS: &[Field] = &[
    Field {
        resources: r#"{"memory": {"limit": 67108864}}"#,
        v1: &[("memory.limit_in_bytes", "67108864")],
        v2: &[("memory.max", "67108864")],
        changed: r#"{"memory": {"limit": 100663296}}"#,
        v1_changed: &[("memory.limit_in_bytes", "100663296")],
        v2_changed: &[("memory.max", "100663296")],
    },
    Field {
        resources: r#"{"memory": {"limit": -1}}"#,
        v1: &[("memory.limit_in_bytes", "9223372036854771712")],
        v2: &[("memory.max", "max")],
        changed: r#"{"memory": {"limit": 100663296}}"#,
        v1_changed: &[("memory.limit_in_bytes", "100663296")],
        v2_changed: &[("memory.max", "100663296")],
    },
    Field {
        resources: r#"{"memory": {"limit": 67108864, "reservation": 33554432}}"#,
        v1: &[("memory.soft_limit_in_bytes", "33554432")],
        v2: &[("memory.low", "33554432")],
        changed: r#"{"memory": {"reservation": 16777216}}"#,
        v1_changed: &[("memory.soft_limit_in_bytes", "16777216")],
        v2_changed: &[("memory.low", "16777216")],
    },
    Field {
        resources: r#"{"memory": {"limit": 67108864, "swap": 134217728}}"#,
        v1: &[("memory.memsw.limit_in_bytes", "134217728")],
        v2: &[("memory.swap.max", "67108864")],
        changed: r#"{"memory": {"swap": 100663296}}"#,
        v1_changed: &[("memory.memsw.limit_in_bytes", "100663296")],
        v2_changed: &[("memory.swap.max", "33554432")],
    },
    Field {
        resources: r#"{"memory": {"limit": 67108864, "swap": -1}}"#,
        v1: &[("memory.memsw.limit_in_bytes", "9223372036854771712")],
        v2: &[("memory.swap.max", "max")],
        changed: r#"{"memory": {"swap": 67108864}}"#,
        v1_changed: &[("memory.memsw.limit_in_bytes", "67108864")],
        v2_changed: &[("memory.swap.max", "0")],
    },
    Field {
        resources: r#"{"memory": {"kernelTCP": 67108864}}"#,
        v1: &[("memory.kmem.tcp.limit_in_bytes", "67108864")],
        v2: &[],
        changed: r#"{"memory": {"kernelTCP": 33554432}}"#,
        v1_changed: &[("memory.kmem.tcp.limit_in_bytes", "33554432")],
        v2_changed: &[],
    },
    Field {
        resources: r#"{"memory": {"swappiness": 11}}"#,
        v1: &[("memory.swappiness", "11")],
        v2: &[],
        changed: r#"{"memory": {"swappiness": 0}}"#,
        v1_changed: &[("memory.swappiness", "0")],
        v2_changed: &[],
    },
    Field {
        resources: r#"{"memory": {"disableOOMKiller": true}}"#,
        v1: &[("memory.oom_control", "oom_kill_disable 1")],
        v2: &[],
        changed: r#"{"memory": {"disableOOMKiller": false}}"#,
        v1_changed: &[("memory.oom_control", "oom_kill_disable 0")],
        v2_changed: &[],
    },
    Field {
        resources: r#"{"memory": {"limit": 67108864, "useHierarchy": true, "kernel": 33554432}}"#,
        v1: &[("memory.use_hierarchy", "1")],
        v2: &[],
        changed: r#"{"memory": {"limit": 100663296, "checkBeforeUpdate": true}}"#,
        v1_changed: &[("memory.limit_in_bytes", "100663296")],
        v2_changed: &[],
    },
    Field {
        resources: r#"{"cpu": {"shares": 512}}"#,
        v1: &[("cpu.shares", "512")],
        v2: &[("cpu.weight", "59")],
        changed: r#"{"cpu": {"shares": 2048}}"#,
        v1_changed: &[("cpu.shares", "2048")],
        v2_changed: &[("cpu.weight", "174")],
    },
    Field {
        resources: r#"{"cpu": {"quota": 50000, "period": 200000}}"#,
        v1: &[
            ("cpu.cfs_quota_us", "50000"),
            ("cpu.cfs_period_us", "200000"),
        ],
        v2: &[("cpu.max", "50000 200000")],
        changed: r#"{"cpu": {"period": 100000}}"#,
        v1_changed: &[
            ("cpu.cfs_quota_us", "50000"),
            ("cpu.cfs_period_us", "100000"),
        ],
        v2_changed: &[("cpu.max", "50000 100000")],
    },
    Field {
        resources: r#"{"cpu": {"quota": -1}}"#,
        v1: &[("cpu.cfs_quota_us", "-1")],
        v2: &[("cpu.max", "max 100000")],
        changed: r#"{"cpu": {"quota": 30000}}"#,
        v1_changed: &[("cpu.cfs_quota_us", "30000")],
        v2_changed: &[("cpu.max", "30000 100000")],
    },
    Field {
        resources: r#"{"cpu": {"quota": 50000, "burst": 10000}}"#,
        v1: &[("cpu.cfs_burst_us", "10000")],
        v2: &[("cpu.max.burst", "10000")],
        changed: r#"{"cpu": {"burst": 0}}"#,
        v1_changed: &[("cpu.cfs_burst_us", "0")],
        v2_changed: &[("cpu.max.burst", "0")],
    },
    Field {
        resources: r#"{"cpu": {"idle": 1}}"#,
        v1: &[("cpu.idle", "1")],
        v2: &[("cpu.idle", "1")],
        changed: r#"{"cpu": {"idle": 0}}"#,
        v1_changed: &[("cpu.idle", "0")],
        v2_changed: &[("cpu.idle", "0")],
    },
    Field {
        resources: r#"{"cpu": {"realtimePeriod": 500000, "realtimeRuntime": 5000}}"#,
        v1: &[
            ("cpu.rt_period_us", "500000"),
            ("cpu.rt_runtime_us", "5000"),
        ],
        v2: &[],
        changed: r#"{"cpu": {"realtimeRuntime": 2000}}"#,
        v1_changed: &[
            ("cpu.rt_period_us", "500000"),
            ("cpu.rt_runtime_us", "2000"),
        ],
        v2_changed: &[],
    },
    Field {
        resources: r#"{"cpu": {"cpus": "0", "mems": "0"}}"#,
        v1: &[("cpuset.cpus", "0"), ("cpuset.mems", "0")],
        v2: &[("cpuset.cpus", "0"), ("cpuset.mems", "0")],
        changed: r#"{"cpu": {"cpus": "0-1"}}"#,
        v1_changed: &[("cpuset.cpus", "0-1"), ("cpuset.mems", "0")],
        v2_changed: &[("cpuset.cpus", "0-1"), ("cpuset.mems", "0")],
    },
    Field {
        resources: r#"{"pids": {"limit": 20}}"#,
        v1: &[("pids.max", "20")],
        v2: &[("pids.max", "20")],
        changed: r#"{"pids": {"limit": 30}}"#,
        v1_changed: &[("pids.max", "30")],
        v2_changed: &[("pids.max", "30")],
    },
    Field {
        resources: r#"{"pids": {"limit": -1}}"#,
        v1: &[("pids.max", "max")],
        v2: &[("pids.max", "max")],
        changed: r#"{"pids": {"limit": 30}}"#,
        v1_changed: &[("pids.max", "30")],
        v2_changed: &[("pids.max", "30")],
    },
    Field {
        resources: r#"{"blockIO": {"weight": 100}}"#,
        v1: &[("blkio.bfq.weight", "100")],
        v2: &[("io.weight", "default 910")],
        changed: r#"{"blockIO": {"weight": 500}}"#,
        v1_changed: &[("blkio.bfq.weight", "500")],
        v2_changed: &[("io.weight", "default 4950")],
    },
    Field {
        resources: r#"{"blockIO": {"weight": 100}}"#,
        v1: &[],
        v2: &[("io.bfq.weight", "default 100")],
        changed: r#"{"blockIO": {"weight": 500}}"#,
        v1_changed: &[],
        v2_changed: &[("io.bfq.weight", "default 500")],
    },
    Field {
        resources: r#"{"blockIO": {"weightDevice": [{"bfq": 0, "weight": 300}]}}"#,
        v1: &[("blkio.bfq.weight_device", "{bfq} 300")],
        v2: &[("io.bfq.weight", "{bfq} 300")],
        changed: r#"{"blockIO": {"weightDevice": [{"bfq": 0, "weight": 400}]}}"#,
        v1_changed: &[("blkio.bfq.weight_device", "{bfq} 400")],
        v2_changed: &[("io.bfq.weight", "{bfq} 400")],
    },
    Field {
        resources: r#"{"blockIO": {"throttleReadBpsDevice": [{"block": 0, "rate": 1048576}]}}"#,
        v1: &[("blkio.throttle.read_bps_device", "{block} 1048576")],
        v2: &[(
            "io.max",
            "{block} rbps=1048576 wbps=max riops=max wiops=max",
        )],
        changed: r#"{"blockIO": {"throttleReadBpsDevice": [{"block": 0, "rate": 2097152}]}}"#,
        v1_changed: &[("blkio.throttle.read_bps_device", "{block} 2097152")],
        v2_changed: &[(
            "io.max",
            "{block} rbps=2097152 wbps=max riops=max wiops=max",
        )],
    },
    Field {
        resources: r#"{"blockIO": {"throttleWriteBpsDevice": [{"block": 0, "rate": 1048576}]}}"#,
        v1: &[("blkio.throttle.write_bps_device", "{block} 1048576")],
        v2: &[(
            "io.max",
            "{block} rbps=max wbps=1048576 riops=max wiops=max",
        )],
        changed: r#"{"blockIO": {"throttleWriteBpsDevice": [{"block": 0, "rate": 2097152}]}}"#,
        v1_changed: &[("blkio.throttle.write_bps_device", "{block} 2097152")],
        v2_changed: &[(
            "io.max",
            "{block} rbps=max wbps=2097152 riops=max wiops=max",
        )],
    },
    Field {
        resources: r#"{"blockIO": {"throttleReadIOPSDevice": [{"block": 0, "rate": 70}]}}"#,
        v1: &[("blkio.throttle.read_iops_device", "{block} 70")],
        v2: &[("io.max", "{block} rbps=max wbps=max riops=70 wiops=max")],
        changed: r#"{"blockIO": {"throttleReadIOPSDevice": [{"block": 0, "rate": 80}]}}"#,
        v1_changed: &[("blkio.throttle.read_iops_device", "{block} 80")],
        v2_changed: &[("io.max", "{block} rbps=max wbps=max riops=80 wiops=max")],
    },
    Field {
        resources: r#"{"blockIO": {"throttleWriteIOPSDevice": [{"block": 0, "rate": 70}]}}"#,
        v1: &[("blkio.throttle.write_iops_device", "{block} 70")],
        v2: &[("io.max", "{block} rbps=max wbps=max riops=max wiops=70")],
        changed: r#"{"blockIO": {"throttleWriteIOPSDevice": [{"block": 0, "rate": 80}]}}"#,
        v1_changed: &[("blkio.throttle.write_iops_device", "{block} 80")],
        v2_changed: &[("io.max", "{block} rbps=max wbps=max riops=max wiops=80")],
    },
    Field {
        resources: r#"{"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}]}"#,
        v1: &[
            ("hugetlb.2MB.limit_in_bytes", "4194304"),
            ("hugetlb.2MB.rsvd.limit_in_bytes", "4194304"),
        ],
        v2: &[
            ("hugetlb.2MB.max", "4194304"),
            ("hugetlb.2MB.rsvd.max", "4194304"),
        ],
        changed: r#"{"hugepageLimits": [{"pageSize": "2MB", "limit": 2097152}]}"#,
        v1_changed: &[
            ("hugetlb.2MB.limit_in_bytes", "2097152"),
            ("hugetlb.2MB.rsvd.limit_in_bytes", "2097152"),
        ],
        v2_changed: &[
            ("hugetlb.2MB.max", "2097152"),
            ("hugetlb.2MB.rsvd.max", "2097152"),
        ],
    },
    Field {
        resources: r#"{"network": {"classID": 1048577}}"#,
        v1: &[("net_cls.classid", "1048577")],
        v2: &[],
        changed: r#"{"network": {"classID": 1048578}}"#,
        v1_changed: &[("net_cls.classid", "1048578")],
        v2_changed: &[],
    },
    Field {
        resources: r#"{"network": {"priorities": [{"name": "lo", "priority": 3}]}}"#,
        v1: &[("net_prio.ifpriomap", "lo 3")],
        v2: &[],
        changed: r#"{"network": {"priorities": [{"name": "lo", "priority": 4}]}}"#,
        v1_changed: &[("net_prio.ifpriomap", "lo 4")],
        v2_changed: &[],
    },
    Field {
        resources: r#"{"rdma": {"rxe0": {"hcaHandles": 3, "hcaObjects": 100}}}"#,
        v1: &[("rdma.max", "rxe0 hca_handle=3 hca_object=100")],
        v2: &[("rdma.max", "rxe0 hca_handle=3 hca_object=100")],
        changed: r#"{"rdma": {"rxe0": {"hcaHandles": 4}}}"#,
        v1_changed: &[("rdma.max", "rxe0 hca_handle=4 hca_object=100")],
        v2_changed: &[("rdma.max", "rxe0 hca_handle=4 hca_object=100")],
    },
    Field {
        resources: r#"{"unified": {"memory.high": "33554432", "pids.max": "31"}}"#,
        v1: &[],
        v2: &[("memory.high", "33554432"), ("pids.max", "31")],
        changed: r#"{"unified": {"memory.high": "max", "memory.min": "4096"}}"#,
        v1_changed: &[],
        v2_changed: &[
            ("memory.high", "max"),
            ("pids.max", "31"),
            ("memory.min", "4096"),
        ],
    },
    Field {
        resources: r#"{"unified": {"io.max": "{block} rbps=1048576\n{block} wiops=70"}}"#,
        v1: &[],
        v2: &[("io.max", "{block} rbps=1048576 wbps=max riops=max wiops=70")],
        changed: r#"{"unified": {"io.max": "{block} rbps=max"}}"#,
        v1_changed: &[],
        v2_changed: &[("io.max", "{block} rbps=max wbps=max riops=max wiops=70")],
    },
];

impl Field {
    fn files(&self) -> (Files, Files) {
        if cgroup::is_v2() {
            (self.v2, self.v2_changed)
        } else {
            (self.v1, self.v1_changed)
        }
    }
}

/// The block devices that a row may name.
struct Devices {
    block: Option<String>,
    bfq: Option<String>,
}

impl Devices {
    /// Of the machine: the first with throttling, and the first with BFQ as its scheduler.
    fn find() -> Self {
        let mut paths: Vec<_> = fs::read_dir("/sys/block")
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .collect();
        paths.sort();
        let number =
            |path: &PathBuf| Some(fs::read_to_string(path.join("dev")).ok()?.trim().to_owned());
        let name = |path: &&PathBuf| {
            path.file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned()
        };
        let scheduler =
            |path: &&PathBuf| fs::read_to_string(path.join("queue/scheduler")).unwrap_or_default();
        Self {
            block: paths
                .iter()
                .find(|path| !name(path).starts_with(['l', 'z']))
                .and_then(number),
            bfq: paths
                .iter()
                .find(|path| scheduler(path).contains("[bfq]"))
                .and_then(number),
        }
    }

    /// The text with the devices in their places; `None` without one that it names.
    fn place(&self, text: &str) -> Option<String> {
        let mut text = text.to_owned();
        for (name, device) in [("block", &self.block), ("bfq", &self.bfq)] {
            let (member, word) = (format!("\"{name}\": 0"), format!("{{{name}}}"));
            if !text.contains(&member) && !text.contains(&word) {
                continue;
            }
            let device = device.as_deref()?;
            let (major, minor) = device.split_once(':')?;
            let numbers = format!("\"major\": {major}, \"minor\": {minor}");
            text = text.replace(&member, &numbers).replace(&word, device);
        }
        Some(text)
    }
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
    let exists = |file: &str| cgroup::directory("", "system.slice").join(file).exists();
    // Where BFQ has a file of its own, weights go there.
    if file == "io.weight" && exists("io.bfq.weight") {
        return false;
    }
    if controller == "rdma" && !fs::exists("/sys/class/infiniband/rxe0").unwrap() {
        return false;
    }
    let optional = [
        "memory.swap.max",
        "io.bfq.weight",
        "io.weight",
        "cpu.idle",
        "cpu.max.burst",
        "io.max",
    ];
    available.split_whitespace().any(|name| name == controller)
        && (!optional.contains(&file) || exists(file))
}

#[track_caller]
pub(super) fn shows(c: &Container, files: Files) {
    for (file, expected) in files {
        shows_line(c, file, expected);
    }
}

/// A file of more lines has the expected one among them.
#[track_caller]
fn shows_line(c: &Container, file: &str, expected: &str) {
    let controller = file.split('.').next().unwrap();
    let text = cgroup::read(controller, &c.cgroup, file);
    let mut lines = text.lines().map(str::trim_end);
    assert!(
        lines.any(|line| line == expected),
        "{file}: {text:?}, not {expected:?}"
    );
}

fn fields(t: &Test) {
    let devices = Devices::find();
    let probe = t.create(&t.bundle().idle());
    let realtime = allow_realtime(t);
    let mut seen = 0;
    for field in FIELDS {
        let (files, changed_files) = field.files();
        let there = !files.is_empty()
            && files
                .iter()
                .chain(changed_files)
                .all(|(file, _)| has(file, &probe));
        let there = there && (realtime || !field.resources.contains("realtime"));
        let placed = (devices.place(field.resources), devices.place(field.changed));
        let (true, (Some(resources), Some(changed))) = (there, placed) else {
            println!("not here: {}", field.resources);
            continue;
        };
        let holds = |c: &Container, files: Files| {
            for (file, expected) in files {
                shows_line(c, file, &devices.place(expected).unwrap());
            }
        };
        seen += 1;
        t.row(field.resources, || {
            let resources: Value = serde_json::from_str(&resources).expect("JSON");
            let mut c = t.create(&with_resources(t, resources));
            holds(&c, files);
            let call = t.runtime.call(["update", "--resources", "-", &c.id]);
            call.input(&changed).run().ok();
            holds(&c, changed_files);
            if Manager::under_test() == Manager::Systemd {
                // It must not find other values to write.
                drop(systemctl(&["daemon-reload"]));
                holds(&c, changed_files);
            }
            let unit = c.cgroup.rsplit('/').next().unwrap_or_default().to_owned();
            c.delete_force().ok();
            let left = cgroup::existing(&c.cgroup);
            assert!(left.is_empty(), "left behind: {left:?}");
            if Manager::under_test() == Manager::Systemd {
                let units = systemctl(&["list-units", "--all", "--plain", "--no-legend", &unit]);
                assert_eq!(units, "", "left behind");
            }
        });
    }
    assert!(seen >= 10, "only {seen} of the fields are to be had here");
}

/// Gives the cgroups above the containers time for real-time processes, which version 1
/// hands down by hand. Says whether there is any to give.
fn allow_realtime(t: &Test) -> bool {
    let Some(root) = cgroup::v1_root("cpu").filter(|_| !cgroup::is_v2()) else {
        return false;
    };
    let mut above = root;
    t.cgroup
        .split('/')
        .filter(|part| !part.is_empty())
        .all(|part| {
            above.push(part);
            fs::write(above.join("cpu.rt_runtime_us"), "100000").is_ok()
        })
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
