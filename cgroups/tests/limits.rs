//! What the tables from resources to writes keep, refuse and check; their rows are in `table`.

use cgroups::limits::{self, Present};
use oci_spec::runtime::LinuxResources;

fn resources(json: &str) -> LinuxResources {
    serde_json::from_str(json).expect("resources")
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

#[test]
fn an_idle_cgroup_is_given_no_weight() {
    let files = |json: &str| -> Vec<String> {
        let writes = limits::v2(&resources(json), &Present::Fresh).unwrap();
        writes.iter().map(|write| write.to_string()).collect()
    };
    for both in [
        r#"{"cpu": {"idle": 1, "shares": 200}}"#,
        r#"{"unified": {"cpu.idle": "1", "cpu.weight": "8"}}"#,
        r#"{"cpu": {"shares": 200}, "unified": {"cpu.idle": " 1"}}"#,
    ] {
        let said = limits::passed_over(&resources(both)).unwrap();
        assert!(said.contains("unable to apply both"), "{said}");
        let files = files(both);
        assert!(
            files.len() == 1 && files[0].starts_with("cpu.idle"),
            "{files:?}"
        );
    }
    // The kernel takes no weight before the cgroup is not idle any more.
    let one = r#"{"cpu": {"idle": 0, "shares": 1024}}"#;
    assert_eq!(files(one)[0], "cpu.idle <- 0");
    assert_eq!(files(one).len(), 2);
    for json in [
        one,
        r#"{"cpu": {"idle": 1, "shares": 0}}"#,
        r#"{"cpu": {"idle": 1, "shares": 200}, "unified": {"cpu.idle": "0"}}"#,
    ] {
        assert_eq!(limits::passed_over(&resources(json)), None, "{json}");
    }
}
