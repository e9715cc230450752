//! The tables from resources to writes: against what Debian's runc left in the
//! control files for the same configuration (`recorded/`), and one case for each
//! field that runc's hosts had no file for.

use std::collections::HashMap;

use cgroups::devices::rules::AccessList;
use cgroups::limits::{self, Present, Refused, Write};
use oci_spec::runtime::LinuxResources;
use serde::Deserialize;

#[derive(Deserialize)]
struct Recorded {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    resources: serde_json::Value,
    files: HashMap<String, String>,
}

fn resources(json: &str) -> LinuxResources {
    serde_json::from_str(json).expect("resources")
}

/// What the kernel shows after a value was written to a fresh cgroup's file.
fn shown(file: &str, value: &str) -> String {
    let unlimited = file.starts_with("memory.") && value == "-1";
    match (file, value.split_once(' ')) {
        _ if unlimited => "9223372036854771712".to_owned(),
        ("memory.oom_control", _) => format!("oom_kill_disable {value}\nunder_oom 0\noom_kill 0"),
        ("cpu.max", None) => format!("{value} 100000"),
        _ => value.to_owned(),
    }
}

/// The value of a file in a cgroup where nothing was written.
fn untouched(file: &str) -> &'static str {
    match file {
        "memory.memsw.limit_in_bytes" => "9223372036854771712",
        "cpu.cfs_period_us" => "100000",
        "cpu.cfs_quota_us" => "-1",
        "cpuset.mems" => "0",
        "memory.swap.max" => "max",
        file => panic!("{file} should have been written"),
    }
}

fn written<'a>(writes: &'a [Write], file: &str) -> Option<&'a str> {
    writes.iter().rev().find_map(|write| match &write.refused {
        _ if write.file == file => Some(write.value.as_str()),
        Refused::Instead { file: other, value } if other == file => Some(value.as_str()),
        _ => None,
    })
}

#[test]
fn version_1_writes_what_runc_wrote() {
    let recorded: Recorded = serde_json::from_str(include_str!("recorded/v1.json")).unwrap();
    assert!(recorded.cases.len() > 20);
    for case in recorded.cases {
        let text = case.resources.to_string();
        let resources = resources(&text);
        let writes = limits::v1(&resources, &Present::Fresh).unwrap();
        for (file, value) in case.files {
            if file == "devices.list" {
                let rules = resources.devices().as_deref().unwrap();
                let mut ours = AccessList::from_spec(rules).unwrap();
                // runc leaves out the console, which crun allows.
                ours.exceptions
                    .retain(|devices, _| devices.to_string() != "c 5:1");
                assert_eq!(Some(ours), AccessList::parse_v1(&value), "{text}");
                continue;
            }
            let ours = written(&writes, &file).map(|value| shown(&file, value));
            assert_eq!(
                ours.as_deref().unwrap_or_else(|| untouched(&file)),
                value,
                "{text} {file}"
            );
        }
    }
}

#[test]
fn version_2_writes_what_runc_wrote() {
    let recorded: Recorded = serde_json::from_str(include_str!("recorded/v2.json")).unwrap();
    assert!(recorded.cases.len() > 12);
    for case in recorded.cases {
        let text = case.resources.to_string();
        let writes = limits::v2(&resources(&text), &Present::Fresh).unwrap();
        for (file, value) in case.files {
            match file.as_str() {
                // Recorded before runc took the new formula (1.3.2).
                "cpu.weight" => assert_eq!(written(&writes, &file), Some("100")),
                // One write for each key; the kernel puts them together.
                "io.max" => {
                    for write in &writes {
                        let key = write.value.split_once(' ').unwrap().1;
                        assert!(value.contains(key), "{key} in {value}");
                    }
                    assert_eq!(writes.len(), 2);
                }
                _ => {
                    let ours = written(&writes, &file).map(|value| shown(&file, value));
                    let ours = ours.as_deref().unwrap_or_else(|| untouched(&file));
                    assert_eq!(ours, value, "{text} {file}");
                }
            }
        }
    }
}

fn v1(json: &str, present: &Present) -> Vec<String> {
    let writes = limits::v1(&resources(json), present).unwrap();
    writes.iter().map(ToString::to_string).collect()
}

fn v2(json: &str, present: &Present) -> Vec<String> {
    let writes = limits::v2(&resources(json), present).unwrap();
    writes.iter().map(ToString::to_string).collect()
}

#[test]
fn fields_that_runcs_hosts_had_no_file_for() {
    let fresh = &Present::Fresh;
    for (json, expected) in [
        (
            r#"{"memory": {"useHierarchy": true}}"#,
            vec!["memory.use_hierarchy <- 1"],
        ),
        (
            r#"{"memory": {"useHierarchy": false, "disableOOMKiller": false}}"#,
            vec![],
        ),
        (
            r#"{"memory": {"kernelTCP": 5}}"#,
            vec!["memory.kmem.tcp.limit_in_bytes <- 5"],
        ),
        (
            r#"{"cpu": {"realtimeRuntime": 5, "realtimePeriod": 10}}"#,
            vec!["cpu.rt_period_us <- 10", "cpu.rt_runtime_us <- 5"],
        ),
        (
            r#"{"cpu": {"idle": 1, "burst": 7}}"#,
            vec!["cpu.idle <- 1", "cpu.cfs_burst_us <- 7"],
        ),
        (
            r#"{"blockIO": {"leafWeight": 20}}"#,
            vec!["blkio.leaf_weight <- 20"],
        ),
        (
            r#"{"blockIO": {"weightDevice": [{"major": 8, "minor": 0, "weight": 30, "leafWeight": 40}]}}"#,
            vec![
                "blkio.weight_device <- 8:0 30",
                "blkio.leaf_weight_device <- 8:0 40",
            ],
        ),
        (
            r#"{"hugepageLimits": [{"pageSize": "2MB", "limit": 9}]}"#,
            vec![
                "hugetlb.2MB.rsvd.limit_in_bytes <- 9",
                "hugetlb.2MB.limit_in_bytes <- 9",
            ],
        ),
        (
            r#"{"network": {"classID": 16}}"#,
            vec!["net_cls.classid <- 16"],
        ),
        (
            r#"{"network": {"priorities": [{"name": "eth0", "priority": 3}]}}"#,
            vec!["net_prio.ifpriomap <- eth0 3"],
        ),
        (
            r#"{"rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 4}, "a": {"hcaObjects": 1}}}"#,
            vec![
                "rdma.max <- a hca_object=1",
                "rdma.max <- mlx5_1 hca_handle=3 hca_object=4",
            ],
        ),
        (r#"{"pids": {"limit": 0}}"#, vec!["pids.max <- 0"]),
        // 0 is how engines say "not set".
        (
            r#"{"memory": {"limit": 0, "swap": 0}, "cpu": {"shares": 0, "quota": 0}}"#,
            vec![],
        ),
    ] {
        assert_eq!(v1(json, fresh), expected, "{json}");
    }
    for (json, expected) in [
        (
            r#"{"cpu": {"shares": 2, "idle": 0}}"#,
            vec!["cpu.weight <- 1", "cpu.idle <- 0"],
        ),
        (
            r#"{"cpu": {"quota": 5000, "burst": 7}}"#,
            vec!["cpu.max <- 5000", "cpu.max.burst <- 7"],
        ),
        (
            r#"{"cpu": {"cpus": "0-1", "mems": "0"}}"#,
            vec!["cpuset.cpus <- 0-1", "cpuset.mems <- 0"],
        ),
        (
            r#"{"blockIO": {"weightDevice": [{"major": 8, "minor": 0, "weight": 100}]}}"#,
            vec!["io.bfq.weight <- 8:0 100"],
        ),
        (
            r#"{"hugepageLimits": [{"pageSize": "1GB", "limit": -1}]}"#,
            vec!["hugetlb.1GB.rsvd.max <- max", "hugetlb.1GB.max <- max"],
        ),
        (
            r#"{"rdma": {"a": {"hcaHandles": 1}}}"#,
            vec!["rdma.max <- a hca_handle=1"],
        ),
        (
            r#"{"unified": {"misc.max": "sev 1\nsev_es 2"}}"#,
            vec!["misc.max <- sev 1", "misc.max <- sev_es 2"],
        ),
        // Of version 1 only.
        (
            r#"{"memory": {"swappiness": 3, "disableOOMKiller": true}}"#,
            vec![],
        ),
    ] {
        assert_eq!(v2(json, fresh), expected, "{json}");
    }
    let weight = r#"{"blockIO": {"weight": 100}}"#;
    let writes = limits::v2(&resources(weight), fresh).unwrap();
    assert_eq!(written(&writes, "io.weight"), Some("default 910"));
}

#[test]
fn updates_keep_what_they_do_not_name() {
    let used = Present::Used {
        cpu_quota: Some("5000".into()),
        memory_max: Some(1000),
    };
    assert_eq!(
        v2(r#"{"cpu": {"period": 50000}}"#, &used),
        ["cpu.max <- 5000 50000"]
    );
    assert_eq!(
        v2(r#"{"cpu": {"quota": 7000}}"#, &used),
        ["cpu.max <- 7000"]
    );
    assert_eq!(
        v2(r#"{"cpu": {"shares": 1024}}"#, &used),
        ["cpu.weight <- 100"]
    );
    assert_eq!(
        v2(r#"{"memory": {"swap": 3000}}"#, &used),
        ["memory.swap.max <- 2000"]
    );
    assert_eq!(
        v2(r#"{"memory": {"limit": 500}}"#, &used),
        ["memory.max <- 500"]
    );
    assert_eq!(
        v1(r#"{"memory": {"disableOOMKiller": false}}"#, &used),
        ["memory.oom_control <- 0"]
    );
}

#[test]
fn bad_values_are_named() {
    for (json, field) in [
        (
            r#"{"memory": {"limit": 100, "swap": 50}}"#,
            "linux.resources.memory.swap",
        ),
        (
            r#"{"memory": {"limit": -2}}"#,
            "linux.resources.memory.limit",
        ),
        (r#"{"cpu": {"cpus": "3-1"}}"#, "linux.resources.cpu.cpus"),
        (r#"{"cpu": {"idle": 2}}"#, "linux.resources.cpu.idle"),
        (
            r#"{"hugepageLimits": [{"pageSize": "../2MB", "limit": 1}]}"#,
            "linux.resources.hugepageLimits",
        ),
        (
            r#"{"hugepageLimits": [{"pageSize": "2mb", "limit": 1}]}"#,
            "linux.resources.hugepageLimits",
        ),
        (
            r#"{"rdma": {"a b": {"hcaHandles": 1}}}"#,
            "linux.resources.rdma",
        ),
        (
            r#"{"blockIO": {"weightDevice": [{"major": -1, "minor": 0, "weight": 1}]}}"#,
            "linux.resources.blockIO.weightDevice",
        ),
    ] {
        for result in [
            limits::v1(&resources(json), &Present::Fresh),
            limits::v2(&resources(json), &Present::Fresh),
        ] {
            let error = result.expect_err(json).to_string();
            assert!(error.starts_with(&format!("{field}: ")), "{json}: {error}");
        }
    }
    for key in [
        "../x.y",
        "memory",
        ".max",
        "memory.",
        "cgroup.procs",
        "a/b.c",
        "",
    ] {
        let json = serde_json::json!({"unified": {key: "1"}}).to_string();
        assert!(
            limits::v2(&resources(&json), &Present::Fresh).is_err(),
            "{key:?}"
        );
    }
    let swappiness = resources(r#"{"memory": {"swappiness": 101}}"#);
    assert!(limits::v1(&swappiness, &Present::Fresh).is_err());
    let unified = resources(r#"{"unified": {"a.b": "1"}}"#);
    assert!(limits::v1(&unified, &Present::Fresh).is_err());
    let shares = resources(r#"{"cpu": {"shares": 1}}"#);
    assert!(limits::v1(&shares, &Present::Fresh).is_err());
}

#[test]
fn the_check_before_an_update_says_what_is_used() {
    let checked = resources(r#"{"memory": {"limit": 100, "checkBeforeUpdate": true}}"#);
    assert!(limits::check_memory(&checked, 100).is_err());
    assert!(limits::check_memory(&checked, 99).is_ok());
    let unchecked = resources(r#"{"memory": {"limit": 100}}"#);
    assert!(limits::check_memory(&unchecked, 1000).is_ok());
}
