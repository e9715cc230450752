//! The systemd manager, where systemd runs: as root the system's instance, as an
//! ordinary user the user's.
#![allow(clippy::print_stderr)] // a skipped test says so

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use cgroups::{Cgroup, Error, Host, Layout, ManagerKind, Request, plan};
use oci_spec::runtime::LinuxResources;

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn host(test: &str) -> Option<(Host, bool)> {
    let host = Host::probe()
        .ok()
        .filter(|host| host.systemd && host.layout == Layout::V2);
    if host.is_none() {
        eprintln!("SKIPPED {test}: needs systemd and cgroup version 2");
    }
    let rootless = !nix::unistd::geteuid().is_root();
    host.map(|host| (host, rootless))
}

fn systemctl(rootless: bool, args: &[&str]) -> String {
    let user: &[&str] = if rootless { &["--user"] } else { &[] };
    let output = Command::new("systemctl")
        .args(user)
        .args(args)
        .output()
        .expect("systemctl");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn show(rootless: bool, unit: &str, property: &str) -> String {
    systemctl(rootless, &["show", "--value", "-p", property, unit])
}

fn shell(script: &str) -> Killed {
    let child = Command::new("/bin/sh")
        .args(["-c", script])
        .stdin(Stdio::null())
        .spawn();
    Killed(child.expect("a shell"))
}

fn pid(child: &Killed) -> i32 {
    i32::try_from(child.0.id()).expect("a pid")
}

fn resources(json: &str) -> LinuxResources {
    serde_json::from_str(json).expect("resources")
}

fn read(cgroup: &Cgroup, file: &str) -> String {
    let path = cgroup.paths().next().expect("a directory").join(file);
    fs::read_to_string(&path)
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()))
        .trim()
        .into()
}

#[test]
fn a_scope_lives_and_dies() {
    let Some((host, rootless)) = host("a_scope_lives_and_dies") else {
        return;
    };
    let name = format!("t{}", std::process::id());
    let path = format!("oxruntest-sub.slice:oxruntest:{name}");
    let annotations = HashMap::from([
        (
            "org.systemd.property.TimeoutStopSec".to_owned(),
            "7".to_owned(),
        ),
        (
            "org.systemd.property.Documentation".to_owned(),
            "['man:a(1)']".to_owned(),
        ),
    ]);
    let limits = resources(
        r#"{"memory": {"limit": 50000000, "swap": 80000000, "reservation": 10000000},
            "cpu": {"shares": 2048, "quota": 33333, "period": 100000},
            "pids": {"limit": 42}, "unified": {"memory.high": "40000000"}}"#,
    );
    let request = Request {
        manager: ManagerKind::Systemd,
        id: &name,
        cgroups_path: Some(Path::new(&path)),
        rootless,
        annotations: Some(&annotations),
        resources: Some(&limits),
        ..Request::default()
    };
    let plan = plan(&host, &request).unwrap();
    let unit = plan.unit().unwrap().name().to_owned();
    let mut cgroup = plan.create().unwrap();
    let entry = cgroup.entry().unwrap();
    assert!(entry.into.is_none() && entry.writes.is_empty());
    let mut child = shell("exec sleep 1000");
    cgroup.attach_unit(pid(&child)).unwrap();

    assert_eq!(cgroup.pids().unwrap(), [pid(&child)]);
    let own = fs::read_to_string(format!("/proc/{}/cgroup", pid(&child))).unwrap();
    assert!(
        own.trim()
            .ends_with(&format!("/oxruntest-sub.slice/{unit}")),
        "{own}"
    );
    for (property, value) in [
        ("MemoryMax", "50000000"),
        ("MemorySwapMax", "30000000"),
        ("MemoryLow", "10000000"),
        ("MemoryHigh", "40000000"),
        ("CPUWeight", "174"),
        ("CPUQuotaPerSecUSec", "340ms"),
        ("TasksMax", "42"),
        ("TimeoutStopUSec", "7s"),
        ("Documentation", "\"man:a(1)\""),
        ("Delegate", "yes"),
        ("CollectMode", "inactive"),
        ("DevicePolicy", "strict"),
    ] {
        assert_eq!(show(rootless, &unit, property), value, "{property}");
    }
    let check = |cgroup: &Cgroup| {
        assert_eq!(read(cgroup, "memory.high"), "39997440");
        assert_eq!(read(cgroup, "pids.max"), "42");
    };
    check(&cgroup);
    // What systemd keeps of 33333, and writes again.
    assert_eq!(read(&cgroup, "cpu.max"), "34000 100000");
    systemctl(rootless, &["daemon-reload"]);
    check(&cgroup);
    assert_eq!(read(&cgroup, "cpu.max"), "34000 100000");

    // A partial update touches nothing else, and systemd knows of it.
    let cgroup = Cgroup::open(&cgroup.record());
    cgroup
        .update(&resources(
            r#"{"pids": {"limit": 77}, "cpu": {"quota": -1}}"#,
        ))
        .unwrap();
    assert_eq!(show(rootless, &unit, "TasksMax"), "77");
    assert_eq!(show(rootless, &unit, "CPUQuotaPerSecUSec"), "infinity");
    systemctl(rootless, &["daemon-reload"]);
    assert_eq!(read(&cgroup, "pids.max"), "77");
    assert_eq!(read(&cgroup, "cpu.max"), "max 100000");
    assert_eq!(read(&cgroup, "memory.max"), "49999872");

    cgroup.freeze().unwrap();
    cgroup.thaw().unwrap();
    assert!(cgroup.stats().unwrap().pids.current >= 1);
    cgroup.kill(libc::SIGKILL).unwrap();
    child.0.wait().unwrap();
    cgroup.remove().unwrap();
    assert!(!cgroup.exists());
    let units = systemctl(
        rootless,
        &["list-units", "--all", "--plain", "--no-legend", &unit],
    );
    assert_eq!(units, "");
    cgroup.remove().unwrap();
}

#[test]
fn devices_stay_forbidden_after_a_reload() {
    let test = "devices_stay_forbidden_after_a_reload";
    let Some((host, false)) = host(test) else {
        eprintln!("SKIPPED {test}: needs root");
        return;
    };
    let name = format!("d{}", std::process::id());
    // /dev/kmsg (1:11) is forbidden, then allowed.
    let limits = resources(r#"{"devices": [{"allow": false, "access": "rwm"}]}"#);
    let request = Request {
        manager: ManagerKind::Systemd,
        id: &name,
        resources: Some(&limits),
        ..Request::default()
    };
    let mut cgroup = plan(&host, &request).unwrap().create().unwrap();
    let keep = shell("exec sleep 1000");
    cgroup.attach_unit(pid(&keep)).unwrap();
    let can_open = |path: &str| {
        let file = cgroup.paths().next().unwrap().join("cgroup.procs");
        let script = format!("echo 0 > {} && : < {path}", file.display());
        let status = Command::new("/bin/sh")
            .args(["-c", &script])
            .stderr(Stdio::null())
            .status();
        status.unwrap().success()
    };
    for _ in 0..2 {
        assert!(can_open("/dev/null") && !can_open("/dev/kmsg"));
        systemctl(false, &["daemon-reload"]);
    }
    let allow =
        r#"{"devices": [{"allow": true, "type": "c", "major": 1, "minor": 11, "access": "r"}]}"#;
    cgroup.update(&resources(allow)).unwrap();
    for _ in 0..2 {
        assert!(can_open("/dev/null") && can_open("/dev/kmsg"));
        systemctl(false, &["daemon-reload"]);
    }
    cgroup.kill(libc::SIGKILL).unwrap();
    drop(keep);
    cgroup.remove().unwrap();
}

#[test]
fn a_bad_property_fails_and_leaves_nothing() {
    let Some((host, rootless)) = host("a_bad_property_fails_and_leaves_nothing") else {
        return;
    };
    let name = format!("b{}", std::process::id());
    let key = "org.systemd.property.NoSuchProperty".to_owned();
    let annotations = HashMap::from([(key, "true".to_owned())]);
    let request = Request {
        manager: ManagerKind::Systemd,
        id: &name,
        rootless,
        annotations: Some(&annotations),
        ..Request::default()
    };
    let mut cgroup = plan(&host, &request).unwrap().create().unwrap();
    let child = shell("exec sleep 1000");
    let error = cgroup.attach_unit(pid(&child)).unwrap_err();
    assert!(
        matches!(error, Error::Systemd(_)) && error.to_string().contains("NoSuchProperty"),
        "{error}"
    );
    assert!(!cgroup.exists());
}
