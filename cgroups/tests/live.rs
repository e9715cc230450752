//! Limits that change, what is counted, what is noticed: on real cgroups.

mod common;

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use cgroups::{Error, Layout, MemoryEvent};
use common::{Inside, Place, resources};
use nix::poll::{PollFd, PollTimeout, poll};

fn read(place: &Place, controller: &str, file: &str) -> String {
    let path = place.dir(controller).expect("a hierarchy").join(file);
    fs::read_to_string(&path)
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()))
        .trim()
        .into()
}

/// Memory and swap go up and down in one update, whichever has to go first.
#[test]
fn memory_limits_move_both_ways() {
    let Some(place) = Place::new("memory_limits_move_both_ways") else {
        return;
    };
    let cgroup = place.create(r#"{"memory": {"limit": 41943040, "swap": 83886080}}"#);
    let v2 = place.host.layout == Layout::V2;
    for (limit, total) in [
        (209_715_200i64, 419_430_400i64),
        (20_971_520, 31_457_280),
        (52_428_800, -1),
    ] {
        let json = format!(r#"{{"memory": {{"limit": {limit}, "swap": {total}}}}}"#);
        cgroup.update(&resources(&json)).unwrap();
        if v2 {
            assert_eq!(read(&place, "memory", "memory.max"), limit.to_string());
            let swap = if total < 0 {
                "max".to_owned()
            } else {
                (total - limit).to_string()
            };
            assert_eq!(read(&place, "memory", "memory.swap.max"), swap);
        } else {
            assert_eq!(
                read(&place, "memory", "memory.limit_in_bytes"),
                limit.to_string()
            );
            let total = if total < 0 {
                "9223372036854771712".to_owned()
            } else {
                total.to_string()
            };
            assert_eq!(read(&place, "memory", "memory.memsw.limit_in_bytes"), total);
        }
    }
    cgroup
        .update(&resources(r#"{"memory": {"limit": -1}}"#))
        .unwrap();
    cgroup.remove().unwrap();
}

#[test]
fn a_partial_update_touches_nothing_else() {
    let Some(place) = Place::new("a_partial_update_touches_nothing_else") else {
        return;
    };
    let cgroup = place.create(
        r#"{"cpu": {"quota": 30000, "period": 200000, "shares": 512}, "pids": {"limit": 30}}"#,
    );
    let v2 = place.host.layout == Layout::V2;
    let quota = |quota: &str, period: &str| match v2 {
        true => assert_eq!(read(&place, "cpu", "cpu.max"), format!("{quota} {period}")),
        false => {
            let quota = if quota == "max" { "-1" } else { quota };
            assert_eq!(read(&place, "cpu", "cpu.cfs_quota_us"), quota);
            assert_eq!(read(&place, "cpu", "cpu.cfs_period_us"), period);
        }
    };
    quota("30000", "200000");
    cgroup
        .update(&resources(r#"{"cpu": {"period": 100000}}"#))
        .unwrap();
    quota("30000", "100000");
    cgroup
        .update(&resources(r#"{"cpu": {"quota": -1}}"#))
        .unwrap();
    quota("max", "100000");
    cgroup
        .update(&resources(r#"{"pids": {"limit": -1}}"#))
        .unwrap();
    assert_eq!(read(&place, "pids", "pids.max"), "max");
    quota("max", "100000");
    cgroup.remove().unwrap();
}

/// 40 MiB are used when the limit is to be 10 MiB.
#[test]
fn lowering_memory_below_its_use_never_kills_unasked() {
    let Some(place) = Place::new("lowering_memory_below_its_use_never_kills_unasked") else {
        return;
    };
    let cgroup = place.create("{}");
    let script = "x=$(head -c 40000000 /dev/zero | tr '\\0' x); echo full; read y; echo ${#x}";
    let mut inside = Inside::start(&cgroup, script);
    inside.line("full");
    let error = cgroup
        .update(&resources(r#"{"memory": {"limit": 10485760}}"#))
        .unwrap_err();
    assert!(
        matches!(error, Error::MemoryInUse { .. } | Error::Write { .. }),
        "{error}"
    );
    let checked = r#"{"memory": {"limit": 20971520, "checkBeforeUpdate": true}}"#;
    assert!(matches!(
        cgroup.update(&resources(checked)).unwrap_err(),
        Error::MemoryInUse { .. }
    ));
    assert_eq!(inside.0.try_wait().unwrap(), None);
    assert_eq!(cgroup.oom_kills().unwrap(), 0);
    // Without the check the kernel decides: version 1 refuses, version 2 kills.
    let unchecked = r#"{"memory": {"limit": 10485760, "checkBeforeUpdate": false}}"#;
    let unchecked = cgroup.update(&resources(unchecked));
    if place.host.layout == Layout::V2 {
        unchecked.unwrap();
        assert!(cgroup.oom_kills().unwrap() > 0);
    } else {
        assert!(matches!(unchecked.unwrap_err(), Error::Write { .. }));
        assert_eq!(inside.0.try_wait().unwrap(), None);
    }
    cgroup.kill(libc::SIGKILL).unwrap();
    drop(inside);
    cgroup.remove().unwrap();
}

#[test]
fn running_out_of_memory_is_noticed() {
    let Some(place) = Place::new("running_out_of_memory_is_noticed") else {
        return;
    };
    let cgroup = place.create(r#"{"memory": {"limit": 10485760, "swap": 10485760}}"#);
    let mut events = cgroup.oom_events().unwrap();
    assert_eq!(events.read().unwrap(), MemoryEvent::None);
    let mut inside = Inside::start(
        &cgroup,
        "x=$(head -c 60000000 /dev/zero | tr '\\0' x); read y",
    );
    let mut ready = [PollFd::new(
        std::os::fd::AsFd::as_fd(&events),
        events.flags(),
    )];
    let timeout = PollTimeout::try_from(Duration::from_secs(10)).unwrap();
    assert_eq!(poll(&mut ready, timeout).unwrap(), 1);
    // The event may come before the victim is counted.
    let mut seen = events.read().unwrap();
    while seen == MemoryEvent::None {
        std::thread::yield_now();
        seen = events.read().unwrap();
    }
    assert!(matches!(seen, MemoryEvent::OutOfMemory(1..)), "{seen:?}");
    cgroup.kill(libc::SIGKILL).unwrap();
    assert!(inside.0.wait().unwrap().signal().is_some());
    assert!(cgroup.oom_kills().unwrap() >= 1);
    cgroup.remove().unwrap();
    assert_eq!(cgroup.oom_kills().unwrap(), 0);
}

#[test]
fn statistics_have_runcs_shape() {
    let Some(place) = Place::new("statistics_have_runcs_shape") else {
        return;
    };
    let cgroup = place.create(r#"{"memory": {"limit": 52428800}, "pids": {"limit": 20}}"#);
    let mut inside = Inside::start(
        &cgroup,
        "i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done; echo done; read y",
    );
    inside.line("done");
    let stats = cgroup.stats().unwrap();
    assert_eq!((stats.pids.current, stats.pids.limit), (1, 20));
    assert_eq!(stats.memory.usage.limit, 52_428_800);
    assert!(stats.memory.usage.usage > 0 && !stats.memory.raw.is_empty());
    assert!(
        stats.cpu.usage.total > 1_000_000,
        "{} ns",
        stats.cpu.usage.total
    );
    assert_eq!(
        stats.cpu.psi.is_some(),
        place.host.layout == Layout::V2 && fs::exists("/proc/pressure/cpu").unwrap()
    );
    let json = serde_json::to_value(&stats).unwrap();
    let keys: Vec<_> = json
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let expected = [
        "blkio",
        "cpu",
        "cpuset",
        "hugetlb",
        "intel_rdt",
        "memory",
        "network_interfaces",
        "pids",
    ];
    assert_eq!(keys, expected);
    drop(inside);
    cgroup.remove().unwrap();
    assert!(cgroup.stats().is_err());
}

/// A device that is forbidden, then allowed, then forbidden again.
#[test]
fn device_rules_hold_and_change() {
    let Some(place) = Place::new("device_rules_hold_and_change") else {
        return;
    };
    let cgroup = place.create("{}");
    // /dev/kmsg, which is not among the default devices.
    let opens = |path: &str| {
        let script = format!("if : < {path}; then echo yes; else echo no; fi 2>/dev/null");
        let mut inside = Inside::start(&cgroup, &script);
        let answer = inside.read_line();
        inside.0.wait().unwrap();
        answer == "yes"
    };
    let allow =
        r#"{"devices": [{"allow": true, "type": "c", "major": 1, "minor": 11, "access": "r"}]}"#;
    let everything = r#"{"devices": [{"allow": true, "access": "rwm"}]}"#;
    for (json, expected) in [
        (None, false),
        (Some(allow), true),
        (Some(r#"{"devices": []}"#), false),
        (Some(everything), true),
        (Some(r#"{"devices": []}"#), false),
    ] {
        if let Some(json) = json {
            cgroup.update(&resources(json)).unwrap();
        }
        assert_eq!(opens("/dev/kmsg"), expected, "{json:?}");
        assert!(opens("/dev/null"));
    }
    cgroup.remove().unwrap();
}

#[test]
fn two_hundred_at_once_leave_nothing() {
    let Some(place) = Place::new("two_hundred_at_once_leave_nothing") else {
        return;
    };
    let path = place.request().cgroups_path.unwrap().to_owned();
    std::thread::scope(|scope| {
        for number in 0..200 {
            let (place, path) = (&place, path.join(format!("n{number}")));
            scope.spawn(move || {
                let limits = resources(r#"{"memory": {"limit": 52428800}, "pids": {"limit": 20}}"#);
                let request = cgroups::Request {
                    cgroups_path: Some(&path),
                    resources: Some(&limits),
                    ..place.request()
                };
                let plan = cgroups::plan(&place.host, &request).unwrap();
                let cgroup = plan.create().unwrap();
                assert_eq!(
                    plan.paths().filter(|path| path.is_dir()).count(),
                    plan.groups().len()
                );
                cgroup.remove().unwrap();
                assert!(!cgroup.exists());
            });
        }
    });
    let left = fs::read_dir(place.dir("memory").unwrap())
        .unwrap()
        .flatten();
    assert_eq!(left.filter(|entry| entry.path().is_dir()).count(), 0);
}
