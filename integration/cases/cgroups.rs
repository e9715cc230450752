//! What containers leave in cgroups and unit lists, device rules, figures and events.

use super::check::refused;
use crate::bundle::Bundle;
use crate::case::{Case, case};
use crate::cgroup;
use crate::container::{Container, wait_until};
use crate::manager::{Manager, systemctl};
use crate::need::Need;
use crate::test::Test;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[
    case(
        "cgroups/devices",
        "device rules, before and after update and daemon-reload",
        devices,
    ),
    case("cgroups/many", "200 containers leave nothing", many)
        .serial()
        .limit(400),
    case("cgroups/stats", "events --stats has runc's keys", stats).needs(&[Need::Program("runc")]),
    case("cgroups/oom", "events: out of memory", oom),
    case(
        "cgroups/no-controller",
        "a controller that is missing is named",
        no_controller,
    ),
    case(
        "cgroups/delegated",
        "a writable tree belongs to the container's user",
        delegated,
    )
    .needs(&[Need::CgroupV2]),
    case(
        "cgroups/unit",
        "systemd: properties, annotations, failed units",
        unit,
    ),
];

/// A device that no default rule allows and that this process can open: its rule
/// without `allow` and `access`, and a container that has it as `/dev/probed`.
fn with_device(t: &Test) -> (Bundle, Value) {
    use std::os::linux::fs::MetadataExt as _;
    use std::os::unix::fs::FileTypeExt as _;
    for path in ["/dev/vda", "/dev/ubda", "/dev/sda", "/dev/fuse"] {
        let opened = fs::File::options().read(true).write(true).open(path);
        let Ok(meta) = opened.and_then(|file| file.metadata()) else {
            continue;
        };
        let kind = if meta.file_type().is_block_device() {
            "b"
        } else {
            "c"
        };
        let (major, minor) = (
            nix::sys::stat::major(meta.st_rdev()),
            nix::sys::stat::minor(meta.st_rdev()),
        );
        let rule = json!({"type": kind, "major": major, "minor": minor});
        let mut device = rule.clone();
        device["path"] = "/dev/probed".into();
        device["fileMode"] = 0o600.into();
        return (t.bundle().idle().push("/linux/devices", device), rule);
    }
    t.skip("needs a device that can be opened");
}

fn devices(t: &Test) {
    let (bundle, device) = with_device(t);
    let c = t.start(&bundle);
    let opened = || c.sh(": < /dev/probed");
    let reads = || opened().succeeded();
    let writes = || c.sh(": >> /dev/probed").succeeded();
    let update = |devices: Value| {
        let call = t.runtime.call(["update", "--resources", "-", &c.id]);
        call.input(&json!({"devices": devices}).to_string())
            .run()
            .ok();
    };
    let holds = |when: &str, read: bool, write: bool| {
        for reload in [false, true] {
            if reload && Manager::under_test() == Manager::Systemd {
                drop(systemctl(&["daemon-reload"]));
            }
            assert_eq!(
                (reads(), writes()),
                (read, write),
                "{when}, reloaded: {reload}: {}",
                opened()
            );
            c.sh("head -c 1 /dev/zero > /dev/null").ok();
        }
    };
    let rule = |allow: bool, access: &str| {
        let mut rule = device.clone();
        rule["allow"] = allow.into();
        rule["access"] = access.into();
        rule
    };
    holds("at first", false, false);
    update(json!([{"allow": false, "access": "rwm"}, rule(true, "r")]));
    holds("reading allowed", true, false);
    update(json!([{"allow": false, "access": "rwm"}, rule(true, "rw")]));
    holds("both allowed", true, true);
    t.runtime.run(["update", "--pids-limit", "100", &c.id]).ok();
    holds("after another update", true, true);
    update(json!([{"allow": false, "access": "rwm"}]));
    holds("denied again", false, false);
    update(json!([{"allow": true, "access": "rwm"}, rule(false, "w")]));
    holds("all but writing", true, false);
}

/// The names of systemd's scopes and slices of this case.
fn units(t: &Test) -> BTreeSet<String> {
    if Manager::under_test() != Manager::Systemd {
        return BTreeSet::new();
    }
    let list = systemctl(&[
        "list-units",
        "--all",
        "--plain",
        "--no-legend",
        "--type=scope,slice",
    ]);
    let name = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let of_case = t.cgroup.rsplit('/').next().unwrap_or_default();
    let stem = of_case.trim_end_matches(".slice");
    list.lines()
        .filter_map(name)
        .filter(|name| name.contains(stem))
        .collect()
}

fn many(t: &Test) {
    // What is above the containers' cgroups stays.
    drop(t.create(&t.bundle().idle()));
    let (tree, list) = (cgroup::existing(&t.cgroup), units(t));
    let bundles: Vec<Bundle> = (0..200).map(|_| t.bundle().idle()).collect();
    for bundle in &bundles {
        bundle.write();
    }
    let runtime = &t.runtime;
    let failed: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = bundles
            .chunks(bundles.len() / 8)
            .map(|chunk| {
                scope.spawn(move || {
                    let mut failed = Vec::new();
                    for bundle in chunk {
                        let dir = bundle.dir.to_str().unwrap();
                        for args in [
                            &["create", "--bundle", dir, &bundle.id][..],
                            &["start", &bundle.id],
                            &["delete", "--force", &bundle.id],
                        ] {
                            let out = runtime.run(args);
                            if !out.succeeded() {
                                failed.push(format!("{args:?}: {out}"));
                            }
                        }
                    }
                    failed
                })
            })
            .collect();
        let results = workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap());
        results.collect()
    });
    assert!(failed.is_empty(), "{} failed: {}", failed.len(), failed[0]);
    assert_eq!(cgroup::existing(&t.cgroup), tree);
    let gone = || units(t) == list;
    wait_until("systemd to forget the units", gone);
}

/// The keys of an object and of those in it, with what they hold; of a list, those of its
/// first entry.
fn keys(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let path = format!("{path}/{name}");
                keys(member, &path, found);
                found.insert(path);
            }
        }
        Value::Array(entries) => {
            if let Some(first) = entries.first() {
                keys(first, &format!("{path}/*"), found);
            }
        }
        Value::Null => {}
        Value::Bool(_) => drop(found.insert(format!("{path}: a truth value"))),
        Value::Number(_) => drop(found.insert(format!("{path}: a number"))),
        Value::String(_) => drop(found.insert(format!("{path}: a text"))),
    }
}

/// Waits until the container is what it stays: a shell and its `sleep`.
fn settle(c: &Container) {
    wait_until("two processes", || {
        let event = c.runtime.run(["events", "--stats", &c.id]).success().json();
        event["data"]["pids"]["current"] == 2
    });
}

/// Two containers alike, by this runtime and by runc.
fn stats(t: &Test) {
    let limits = json!({"limit": 67_108_864, "reservation": 33_554_432});
    let bundle = || {
        t.bundle()
            .idle()
            .set("/linux/resources/memory", limits.clone())
            .set("/linux/resources/pids/limit", 50)
    };
    let c = t.start(&bundle());
    settle(&c);
    let ours = t.runtime.run(["events", "--stats", &c.id]).success().json();

    let mut peer = t.runtime.clone();
    // The newest first: the VM has a second one, which knows of pressure.
    peer.program = [
        "/usr/local/sbin/runc-sid",
        "/usr/sbin/runc",
        "/usr/bin/runc",
    ]
    .iter()
    .map(Path::new)
    .find(|path| path.exists())
    .expect("runc")
    .to_owned();
    peer.root = t.new_dir("runc");
    let other = bundle();
    other.write();
    let dir = other.dir.to_str().unwrap();
    let made = peer.run(["create", "--bundle", dir, &other.id]).success();
    let theirs = Container::new(&peer, &other.id, other.dir.clone(), "", made);
    theirs.start();
    settle(&theirs);
    let their = peer.run(["events", "--stats", &other.id]).success().json();

    let (mut own, mut wanted) = (BTreeSet::new(), BTreeSet::new());
    keys(&ours, "", &mut own);
    keys(&their, "", &mut wanted);
    // Raw kernel counters, and figures that are left out when they are zero: the first
    // of the two containers reads its program from the disk, the second does not.
    let by_use = |key: &&String| {
        let parts = ["/raw/", "/data/blkio/", "/memory/cache"];
        !key.contains("/psi") && parts.iter().any(|part| key.contains(part))
    };
    let pressure = cgroup::is_v2() && Path::new("/proc/pressure/cpu").exists();
    for controller in ["cpu", "memory", "blkio"] {
        let has = own.contains(&format!("/data/{controller}/psi/some/total: a number"));
        assert_eq!(has, pressure, "pressure of {controller}: {ours}");
    }
    let missing: Vec<_> = wanted.difference(&own).filter(|key| !by_use(key)).collect();
    assert!(
        missing.is_empty(),
        "runc has also {missing:?}\nours: {ours}\nrunc's: {their}"
    );
    let number = |event: &Value, path: &str| event["data"].pointer(path).and_then(Value::as_u64);
    for path in [
        "/memory/usage/limit",
        "/memory/swap/limit",
        "/pids/limit",
        "/memory/kernel/limit",
    ] {
        assert_eq!(
            number(&ours, path),
            number(&their, path),
            "{path}\nours: {ours}\nrunc's: {their}"
        );
    }
    for path in ["/memory/usage/usage", "/cpu/usage/total"] {
        let (ours, theirs) = (number(&ours, path).unwrap(), number(&their, path).unwrap());
        // The same program has used about as much; a wrong unit would be far off.
        assert!(
            ours > theirs / 50 && theirs > ours / 50,
            "{path}: {ours}, runc's {theirs}"
        );
    }
    let file = if cgroup::is_v2() {
        "memory.current"
    } else {
        "memory.usage_in_bytes"
    };
    let kernel: u64 = cgroup::read("memory", &c.cgroup, file).parse().unwrap();
    let usage = number(&ours, "/memory/usage/usage").unwrap();
    assert!(
        usage.abs_diff(kernel) < 2_097_152,
        "{usage}, the kernel's {kernel}"
    );
}

/// `events` prints statistics at the interval, one line when memory runs out, and
/// ends with the container.
fn oom(t: &Test) {
    let memory = json!({"limit": 33_554_432, "swap": 33_554_432});
    // A child is killed, the container goes on.
    let script = "trap 'exit 0' TERM; while [ ! -e /tmp/go ]; do sleep 0.1; done; \
                  sh -c 'x=0123456789abcdef; while :; do x=$x$x; done'; echo killed; \
                  while :; do sleep 1000 & wait $!; done";
    let bundle = t
        .bundle()
        .mount("/tmp", "tmpfs", "tmpfs", &[])
        .sh(script)
        .set("/linux/resources/memory", memory);
    let c = t.start(&bundle);
    let (events, out, _) = t
        .runtime
        .call(["events", "--interval", "200ms", &c.id])
        .spawn();
    let lines = |kind: &str| {
        let text = fs::read_to_string(&out).unwrap_or_default();
        let kinds = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        kinds
            .filter(|event| event["type"] == kind && event["id"] == c.id.as_str())
            .count()
    };
    wait_until("two statistics", || lines("stats") >= 2);
    assert_eq!(lines("oom"), 0);
    c.sh("touch /tmp/go").ok();
    c.wait_output("killed");
    wait_until("the event", || lines("oom") >= 1);
    c.kill("KILL").ok();
    assert!(
        events.ended_within(Duration::from_secs(5)),
        "events goes on"
    );
}

fn no_controller(t: &Test) {
    if cgroup::is_v2() {
        let bundle = t
            .bundle()
            .set("/linux/resources/unified", json!({"nosuch.max": "1"}));
        refused(t, bundle, &["nosuch"]);
    } else if cgroup::v1_root("net_cls").is_none() {
        let bundle = t
            .bundle()
            .set("/linux/resources/network", json!({"classID": 1}));
        refused(t, bundle, &["net_cls"]);
    } else {
        t.skip("this kernel has every controller");
    }
}

/// cgroups(7), "Cgroup delegation": the directory and the kernel's list of files, and no other.
fn delegated(t: &Test) {
    use std::os::unix::fs::MetadataExt as _;
    const FIRST: u32 = 200_000;
    let with = |options: &[&str]| {
        let bundle = t.bundle().idle().user_namespace(FIRST, 65536);
        let bundle = bundle
            .namespace("cgroup", None)
            .without_mount("/sys/fs/cgroup");
        bundle.mount("/sys/fs/cgroup", "cgroup", "cgroup", options)
    };
    let owner = |c: &Container, file: &str| {
        let path = cgroup::directory("", &c.cgroup).join(file);
        fs::metadata(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
            .uid()
    };
    let c = t.start(&with(&["rw", "nosuid", "noexec", "nodev"]));
    for file in [
        "",
        "cgroup.procs",
        "cgroup.threads",
        "cgroup.subtree_control",
    ] {
        assert_eq!(owner(&c, file), FIRST, "{file}");
    }
    for file in ["memory.max", "pids.max", "cgroup.freeze"] {
        assert_eq!(owner(&c, file), 0, "{file}");
    }
    // It is theirs: a cgroup below, a process in it; the limit on all of it is not.
    c.sh("mkdir /sys/fs/cgroup/below && echo 0 > /sys/fs/cgroup/below/cgroup.procs")
        .ok();
    c.sh("rmdir /sys/fs/cgroup/below").ok();
    c.sh("echo max > /sys/fs/cgroup/pids.max")
        .failure(&["permission denied", "can't create"]);
    let c = t.start(&with(&["ro", "nosuid", "noexec", "nodev"]));
    assert_eq!((owner(&c, ""), owner(&c, "cgroup.procs")), (0, 0));
}

/// The scope as systemd sees it.
fn unit(t: &Test) {
    if Manager::under_test() != Manager::Systemd {
        t.skip("needs the systemd manager");
    }
    let resources = json!({
        "memory": {"limit": 67_108_864}, "cpu": {"shares": 2048, "quota": 50_000, "period": 100_000},
        "pids": {"limit": 42},
    });
    let bundle = t
        .bundle()
        .idle()
        .set("/linux/resources/memory", resources["memory"].clone())
        .set("/linux/resources/cpu", resources["cpu"].clone())
        .set("/linux/resources/pids", resources["pids"].clone())
        .set(
            "/annotations",
            json!({"org.systemd.property.TimeoutStopSec": "7",
            "org.systemd.property.CollectMode": "'inactive-or-failed'"}),
        );
    let mut c = t.start(&bundle);
    let name = c.cgroup.rsplit('/').next().unwrap().to_owned();
    let show = |property: &str| systemctl(&["show", "--value", "-p", property, &name]);
    for (property, value) in [
        ("MemoryMax", "67108864"),
        ("CPUWeight", "174"),
        ("CPUQuotaPerSecUSec", "500ms"),
        ("TasksMax", "42"),
        ("TimeoutStopUSec", "7s"),
        ("Delegate", "yes"),
        ("DevicePolicy", "strict"),
    ] {
        assert_eq!(show(property), value, "{property}");
    }
    t.runtime
        .run([
            "update",
            "--memory",
            "100663296",
            "--pids-limit",
            "43",
            &c.id,
        ])
        .ok();
    assert_eq!(
        (show("MemoryMax"), show("TasksMax")),
        ("100663296".into(), "43".into())
    );
    drop(systemctl(&["daemon-reload"]));
    assert_eq!(cgroup::read("memory", &c.cgroup, "memory.max"), "100663296");
    assert_eq!(cgroup::read("pids", &c.cgroup, "pids.max"), "43");
    t.row("a scope that failed is forgotten", || {
        let memory = json!({"limit": 16_777_216, "swap": 16_777_216});
        let script = "x=0123456789abcdef; while :; do x=$x$x; done";
        let bundle = t.bundle().sh(script).set("/linux/resources/memory", memory);
        let before = units(t);
        assert_eq!(t.run(&bundle).code(), 137);
        wait_until("the scope to go", || units(t) == before);
    });
    c.delete_force().ok();
    assert!(!systemctl(&["list-units", "--all", "--plain", "--no-legend", &name]).contains(&name));
}
