//! An ordinary user without any cgroup of their own. Run as one.
#![allow(clippy::print_stderr)] // a skipped test says so

use std::path::Path;

use cgroups::{Error, Host, Request, plan};
use oci_spec::runtime::LinuxResources;

#[test]
fn without_permission_only_limits_are_an_error() {
    if nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED without_permission_only_limits_are_an_error: needs an ordinary user");
        return;
    }
    let host = Host::probe().unwrap();
    let request = Request {
        id: "rootless",
        rootless: true,
        ..Request::default()
    };
    let cgroup = plan(&host, &request).unwrap().create().unwrap();
    assert_eq!(cgroup.paths().count(), 0);
    let entry = cgroup.entry().unwrap();
    assert!(entry.into.is_none() && entry.writes.is_empty());
    assert!(cgroup.freeze().is_err() && cgroup.stats().is_err());
    cgroup.remove().unwrap();

    let limits: LinuxResources = serde_json::from_str(r#"{"pids": {"limit": 5}}"#).unwrap();
    let limited = Request {
        resources: Some(&limits),
        ..request
    };
    match plan(&host, &limited).unwrap().create().unwrap_err() {
        Error::NoController {
            field, controller, ..
        } => {
            assert_eq!(
                (field.as_str(), controller.as_str()),
                ("linux.resources.pids.limit", "pids")
            );
        }
        other => panic!("{other}"),
    }
    let path = Some(Path::new("/oxrun-rootless"));
    let placed = Request {
        cgroups_path: path,
        ..request
    };
    assert!(
        plan(&host, &placed)
            .unwrap()
            .create()
            .unwrap_err()
            .is_permission()
    );
}
