//! `linux.intelRdt` in a tree with the files of a resctrl file system: only oxrun can be told of one.

use crate::case::{Case, case};
use crate::runtime::Kind;
use crate::test::Test;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[
    case(
        "resctrl/life",
        "config-linux.md intelRdt: a class of its own",
        life,
    ),
    case(
        "resctrl/named-class",
        "config-linux.md intelRdt: closID",
        named,
    ),
    case(
        "resctrl/update",
        "update --l3-cache-schema, --mem-bw-schema",
        update,
    ),
    case("resctrl/events", "events --stats: intel_rdt", events),
    case(
        "resctrl/refused",
        "config-linux.md intelRdt: errors",
        refused,
    ),
];

/// A machine with two caches.
fn tree(t: &Test) -> PathBuf {
    if t.runtime.kind != Kind::Oxrun {
        t.skip("it looks for a mounted resctrl file system only");
    }
    let root = t.new_dir("resctrl");
    for (path, text) in [
        ("schemata", "    L3:0=7ff;1=7ff\n    MB:0=100;1=100\n"),
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
            "llc_occupancy\nmbm_total_bytes\n",
        ),
        ("gold/schemata", "L3:0=f;1=f\nMB:0=50;1=50\n"),
        ("gold/tasks", ""),
        ("gold/mon_data/mon_L3_00/llc_occupancy", "4096\n"),
        ("gold/mon_data/mon_L3_00/mbm_total_bytes", "7\n"),
    ] {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

fn option(root: &Path) -> [&str; 2] {
    ["--resctrl", root.to_str().unwrap()]
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

const SCHEMAS: &str = "L3:0=7f0;1=1f\nMB:0=20;1=70\n";

fn own_class() -> Value {
    json!({"l3CacheSchema": "L3:0=7f0;1=1f", "memBwSchema": "MB:0=20;1=70"})
}

fn life(t: &Test) {
    let root = tree(t);
    let bundle = t.bundle().idle().set("/linux/intelRdt", own_class());
    let mut container = t.create_with(&bundle, &option(&root));
    let class = root.join(&bundle.id);
    assert_eq!(read(&class.join("schemata")), SCHEMAS);
    assert_eq!(read(&class.join("tasks")), format!("{}\n", container.pid()));
    t.row("exec", || {
        container.start();
        let file = t.path("exec.pid");
        let options = ["--detach", "--pid-file", file.to_str().unwrap()];
        container.exec(&options, ["sleep", "1000"]).ok();
        let tasks = read(&class.join("tasks"));
        assert!(tasks.lines().any(|line| line == read(&file)), "{tasks}");
    });
    container.delete_force().ok();
    assert!(!class.exists());
}

fn named(t: &Test) {
    let root = tree(t);
    let rdt = json!({"closID": "gold", "enableMonitoring": true});
    let bundle = t.bundle().idle().set("/linux/intelRdt", rdt);
    fs::create_dir(root.join("gold/mon_groups")).unwrap();
    let mut container = t.create_with(&bundle, &option(&root));
    let group = root.join("gold/mon_groups").join(&bundle.id);
    let pid = format!("{}\n", container.pid());
    assert_eq!(read(&root.join("gold/tasks")), pid);
    assert_eq!(read(&group.join("tasks")), pid);
    container.delete_force().ok();
    assert!(root.join("gold").exists() && !group.exists());
}

fn update(t: &Test) {
    let root = tree(t);
    let bundle = t.bundle().idle().set("/linux/intelRdt", own_class());
    let container = t.create_with(&bundle, &option(&root));
    let schemata = root.join(&bundle.id).join("schemata");
    let update = |options: &[&str]| {
        let words = [&["update"], options, &[container.id.as_str()]].concat();
        t.runtime.run(words)
    };
    // In place of the kernel, which takes lines one by one, the file is written from its start.
    for (options, expected) in [
        (&["--l3-cache-schema", "L3:0=f;1=f"][..], "L3:0=f;1=f\n"),
        (&["--mem-bw-schema", "MB:0=10;1=10"], "MB:0=10;1=10\n"),
    ] {
        t.row(&options.join(" "), || {
            fs::write(&schemata, "").unwrap();
            update(options).ok();
            assert_eq!(read(&schemata), expected);
        });
    }
    for options in [
        ["--l3-cache-schema", "MB:0=1"],
        ["--mem-bw-schema", "L3:0=1"],
    ] {
        t.row(&options.join(" "), || {
            let name = options[0].trim_start_matches('-');
            drop(update(&options).failure(&[name]));
        });
    }
    t.row("a container without", || {
        let bundle = t.bundle().idle();
        let _container = t.create(&bundle);
        let out = t
            .runtime
            .run(["update", "--l3-cache-schema", "L3:0=f", &bundle.id]);
        drop(out.failure(&["linux.intelRdt"]));
    });
}

fn events(t: &Test) {
    let root = tree(t);
    let bundle = t
        .bundle()
        .idle()
        .set("/linux/intelRdt", json!({"closID": "gold"}));
    let container = t.create_with(&bundle, &option(&root));
    let figures = t
        .runtime
        .run(["events", "--stats", &container.id])
        .success()
        .json();
    let rdt = &figures["data"]["intel_rdt"];
    assert_eq!(rdt["l3_cache_info"]["cbm_mask"], "7ff", "{figures}");
    assert_eq!(rdt["l3_cache_schema"], "L3:0=f;1=f");
    assert_eq!(rdt["l3_cache_schema_root"], "L3:0=7ff;1=7ff");
    assert_eq!(rdt["mem_bw_schema"], "MB:0=50;1=50");
    assert_eq!(rdt["cmt_stats"], json!([{"llc_occupancy": 4096}]));
    assert_eq!(rdt["mbm_stats"][0]["mbm_total_bytes"], 7);
    // What every container has is where it was.
    assert!(figures["data"]["pids"]["current"].is_u64(), "{figures}");
    let plain = t.create(&t.bundle().idle());
    let figures = t
        .runtime
        .run(["events", "--stats", &plain.id])
        .success()
        .json();
    assert_eq!(figures["data"]["intel_rdt"], json!({}), "as runc has it");
}

fn refused(t: &Test) {
    let root = tree(t);
    for (row, rdt, field) in [
        (
            "class name",
            json!({"closID": "../x"}),
            "linux.intelRdt.closID",
        ),
        (
            "class that is not there",
            json!({"closID": "silver"}),
            "linux.intelRdt.closID",
        ),
        (
            "bandwidth",
            json!({"memBwSchema": "L3:0=f"}),
            "linux.intelRdt.memBwSchema",
        ),
        (
            "class with another schema",
            json!({"closID": "gold", "l3CacheSchema": "L3:0=1;1=1"}),
            "linux.intelRdt.l3CacheSchema",
        ),
    ] {
        t.row(row, || {
            // The first makes the directories above the containers' cgroups.
            t.run(&t.bundle().args(["true"])).ok();
            let bundle = t.bundle().idle().set("/linux/intelRdt", rdt);
            let before = t.traces();
            drop(
                t.create_call(&bundle, &option(&root))
                    .run()
                    .failure(&[field]),
            );
            crate::traces::Traces::assert_none_since(&before, &t.runtime.root, &t.cgroup);
            assert!(!root.join(&bundle.id).exists());
        });
    }
}
