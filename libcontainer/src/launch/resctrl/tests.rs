use std::fs;

use serde_json::json;

use super::stats::stats;
use super::*;

/// A tree with the files of a machine with two caches; what the kernel makes in new directories is
/// not there.
fn tree() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in [
        ("schemata", "    L3:0=7ff;1=7ff\n    MB:0= 100;1= 100\n"),
        ("tasks", ""),
        ("info/last_cmd_status", "ok\n"),
        ("info/L3/cbm_mask", "7ff\n"),
        ("info/L3/min_cbm_bits", "1\n"),
        ("info/L3/num_closids", "16\n"),
        ("info/MB/bandwidth_gran", "10\n"),
        ("info/MB/delay_linear", "1\n"),
        ("info/MB/min_bandwidth", "10\n"),
        ("info/MB/num_closids", "8\n"),
        (
            "info/L3_MON/mon_features",
            "llc_occupancy\nmbm_total_bytes\nmbm_local_bytes\n",
        ),
        ("gold/schemata", "L3:0=f;1=f\nMB:0=50;1=50\n"),
        ("gold/tasks", ""),
    ] {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    fs::create_dir(dir.path().join("gold/mon_groups")).unwrap();
    dir
}

fn rdt(value: serde_json::Value) -> LinuxIntelRdt {
    serde_json::from_value(value).unwrap()
}

fn contents(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn a_group_of_its_own_goes_with_the_container() {
    let dir = tree();
    let wish = rdt(json!({
        "l3CacheSchema": "L3:0=7f0;1=1f", "memBwSchema": "MB:0=20;1=70",
        "schemata": ["L2:0=f", "L2:1=f"],
    }));
    let group = create_at(dir.path(), "box", &wish).unwrap();
    let own = dir.path().join("box");
    assert_eq!(
        contents(&own.join("schemata")),
        "L3:0=7f0;1=1f\nMB:0=20;1=70\nL2:0=f\nL2:1=f\n"
    );
    add_process(&group, 42).unwrap();
    assert_eq!(contents(&own.join("tasks")), "42\n");
    remove(&group).unwrap();
    assert!(!own.exists());
    remove(&group).unwrap();
}

#[test]
fn nothing_asked_makes_the_group_and_writes_no_schema() {
    let dir = tree();
    create_at(dir.path(), "box", &rdt(json!({}))).unwrap();
    assert!(!dir.path().join("box/schemata").exists());
}

#[test]
fn a_directory_that_was_there_is_not_the_containers() {
    let dir = tree();
    let group = create_at(dir.path(), "gold", &rdt(json!({}))).unwrap();
    remove(&group).unwrap();
    assert!(dir.path().join("gold").exists());
}

#[test]
fn a_named_class_stays_even_where_it_was_made() {
    let dir = tree();
    let wish = rdt(json!({"closID": "silver", "memBwSchema": "MB:0=20"}));
    let group = create_at(dir.path(), "box", &wish).unwrap();
    assert_eq!(contents(&dir.path().join("silver/schemata")), "MB:0=20\n");
    remove(&group).unwrap();
    assert!(dir.path().join("silver").exists());
}

#[test]
fn a_named_class_without_a_schema_must_be_there() {
    let dir = tree();
    let group = create_at(dir.path(), "box", &rdt(json!({"closID": "gold"}))).unwrap();
    add_process(&group, 7).unwrap();
    assert_eq!(contents(&dir.path().join("gold/tasks")), "7\n");
    let error = create_at(dir.path(), "box", &rdt(json!({"closID": "lead"}))).unwrap_err();
    assert!(
        error.to_string().starts_with("linux.intelRdt.closID: "),
        "{error}"
    );
    assert!(!dir.path().join("lead").exists());
}

#[test]
fn the_root_is_the_default_class() {
    let dir = tree();
    let group = create_at(dir.path(), "box", &rdt(json!({"closID": "/"}))).unwrap();
    add_process(&group, 7).unwrap();
    assert_eq!(contents(&dir.path().join("tasks")), "7\n");
    remove(&group).unwrap();
    assert!(dir.path().exists());
}

#[test]
fn a_named_class_with_other_limits_is_refused_and_left_alone() {
    let dir = tree();
    let same = rdt(json!({"closID": "gold", "l3CacheSchema": "L3:0=00f"}));
    create_at(dir.path(), "box", &same).unwrap();
    let before = contents(&dir.path().join("gold/schemata"));
    let other = rdt(json!({"closID": "gold", "memBwSchema": "MB:0=60"}));
    let error = create_at(dir.path(), "box", &other).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("linux.intelRdt.memBwSchema: "),
        "{error}"
    );
    assert_eq!(contents(&dir.path().join("gold/schemata")), before);
}

#[test]
fn a_monitoring_group_goes_with_the_container_but_its_class_stays() {
    let dir = tree();
    let wish = rdt(json!({"closID": "gold", "enableMonitoring": true}));
    let group = create_at(dir.path(), "box", &wish).unwrap();
    add_process(&group, 9).unwrap();
    let monitoring = dir.path().join("gold/mon_groups/box");
    assert_eq!(contents(&monitoring.join("tasks")), "9\n");
    assert_eq!(contents(&dir.path().join("gold/tasks")), "9\n");
    remove(&group).unwrap();
    assert!(!monitoring.exists());
    assert!(dir.path().join("gold").exists());
}

#[test]
fn an_error_leaves_no_group_and_tells_what_the_kernel_said() {
    let dir = tree();
    fs::write(dir.path().join("info/last_cmd_status"), "out of RMIDs\n").unwrap();
    // No kernel here that makes mon_groups in the new class: the last step fails.
    let wish = rdt(json!({"memBwSchema": "MB:0=20", "enableMonitoring": true}));
    for wish in [wish.clone(), {
        let mut named = wish;
        named.set_clos_id(Some("silver".to_owned()));
        named
    }] {
        let error = create_at(dir.path(), "box", &wish).unwrap_err();
        assert!(
            error.to_string().ends_with("last_cmd_status: out of RMIDs"),
            "{error}"
        );
        assert_eq!(error.errno(), Some(nix::libc::ENOENT));
        assert!(!dir.path().join("box").exists());
        assert!(!dir.path().join("silver").exists());
    }
}

#[test]
fn bad_configurations_name_their_field() {
    let dir = tree();
    for (wish, field) in [
        (json!({"closID": "../x"}), "closID"),
        (json!({"closID": ".."}), "closID"),
        (json!({"closID": "info"}), "closID"),
        (json!({"memBwSchema": "L3:0=1"}), "memBwSchema"),
        (json!({"memBwSchema": "MB:0=1\nMB:1=1"}), "memBwSchema"),
        (
            json!({"schemata": ["L3:0=1", "L3:0=1\nMB:0=1"]}),
            "schemata[1]",
        ),
    ] {
        let error = create_at(dir.path(), "box", &rdt(wish)).unwrap_err();
        let start = format!("linux.intelRdt.{field}: ");
        assert!(error.to_string().starts_with(&start), "{error}");
    }
    let error = create_at(dir.path(), "info", &rdt(json!({}))).unwrap_err();
    assert!(error.to_string().starts_with("container id: "), "{error}");
}

#[test]
fn what_the_machine_lacks_is_refused() {
    let dir = tree();
    fs::remove_dir_all(dir.path().join("info/MB")).unwrap();
    let error = create_at(dir.path(), "box", &rdt(json!({"memBwSchema": "MB:0=9"}))).unwrap_err();
    assert!(error.to_string().contains("info/MB"), "{error}");
    assert!(!dir.path().join("box").exists());
}

#[test]
fn update_writes_what_is_given() {
    let dir = tree();
    let group = create_at(dir.path(), "box", &rdt(json!({}))).unwrap();
    update(&group, Some("L3:0=1"), Some("MB:0=30")).unwrap();
    assert_eq!(
        contents(&dir.path().join("box/schemata")),
        "L3:0=1\nMB:0=30\n"
    );
    assert!(update(&group, None, Some("0=30")).is_err());
}

#[test]
fn the_record_survives_the_state_file() {
    let dir = tree();
    let group = create_at(dir.path(), "gold", &rdt(json!({"enableMonitoring": true}))).unwrap();
    let text = serde_json::to_string(&group).unwrap();
    assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), group);
}

#[test]
fn stats_have_the_shape_of_runcs_events() {
    let dir = tree();
    let data = dir.path().join("gold/mon_data");
    for (cache, base) in [("mon_L3_00", 100), ("mon_L3_01", 200)] {
        fs::create_dir_all(data.join(cache)).unwrap();
        for (offset, name) in ["mbm_total_bytes", "mbm_local_bytes", "llc_occupancy"]
            .iter()
            .enumerate()
        {
            fs::write(data.join(cache).join(name), format!("{}\n", base + offset)).unwrap();
        }
    }
    let group = create_at(dir.path(), "box", &rdt(json!({"closID": "gold"}))).unwrap();
    let stats = serde_json::to_value(stats(&group).unwrap()).unwrap();
    assert_eq!(
        stats,
        json!({
            "l3_cache_info": {"cbm_mask": "7ff", "min_cbm_bits": 1, "num_closids": 16},
            "l3_cache_schema_root": "L3:0=7ff;1=7ff",
            "l3_cache_schema": "L3:0=f;1=f",
            "mem_bw_info": {
                "bandwidth_gran": 10, "delay_linear": 1, "min_bandwidth": 10, "num_closids": 8,
            },
            "mem_bw_schema_root": "MB:0= 100;1= 100",
            "mem_bw_schema": "MB:0=50;1=50",
            "mbm_stats": [
                {"mbm_total_bytes": 100, "mbm_local_bytes": 101},
                {"mbm_total_bytes": 200, "mbm_local_bytes": 201},
            ],
            "cmt_stats": [{"llc_occupancy": 102}, {"llc_occupancy": 202}],
        })
    );
}
