//! Hosts that the targets plan for.

#![allow(dead_code)] // no target needs all of it

use cgroups::{Hierarchy, Host, Layout};
use libcontainer::facts::Facts;
use libcontainer::plan::{self, CreateOptions, ExecOptions, Plan};
use oci_spec::runtime::Spec;

fn hierarchy(mount_point: &str, controllers: &[&str]) -> Hierarchy {
    Hierarchy {
        mount_point: mount_point.into(),
        root: "/".into(),
        controllers: controllers.iter().map(|name| (*name).to_owned()).collect(),
        own: "/".into(),
    }
}

/// Root on a version 1 host, an ordinary user on a version 2 host.
pub fn hosts() -> [Facts; 2] {
    let root = Facts {
        euid: 0,
        egid: 0,
        in_user_namespace: false,
        may_mount: true,
        may_change_root: true,
        last_capability: 40,
        apparmor: true,
        selinux: true,
        online_cpus: vec![0xff].into(),
        listen_fds: 1,
        cgroups: Host {
            layout: Layout::V1,
            v1: vec![hierarchy("/sys/fs/cgroup/cpu,cpuacct", &["cpu", "cpuacct"])],
            v2: None,
            systemd: false,
            euid: 0,
        },
        kernel_mounts: Vec::new(),
        own_namespaces: Vec::new(),
    };
    let user = Facts {
        euid: 1000,
        egid: 1000,
        may_mount: false,
        may_change_root: false,
        cgroups: Host {
            layout: Layout::V2,
            v1: Vec::new(),
            v2: Some(hierarchy("/sys/fs/cgroup", &[])),
            systemd: false,
            euid: 1000,
        },
        ..root.clone()
    };
    [root, user]
}

pub fn create(spec: &Spec, facts: &Facts) -> Option<Plan> {
    let request = cgroups::Request {
        id: "box",
        rootless: true,
        ..cgroups::Request::default()
    };
    let cgroup = cgroups::plan(&facts.cgroups, &request).ok()?;
    let options = CreateOptions {
        id: "box".into(),
        bundle: "/bundle".into(),
        terminal_socket: true,
        no_pivot: false,
        new_keyring: true,
        preserve_fds: 0,
        cgroup: &cgroup,
    };
    plan::create(spec, facts, &options).ok()
}

pub fn exec_options() -> ExecOptions {
    ExecOptions {
        id: "box".into(),
        rootfs: "/bundle/rootfs".into(),
        terminal_socket: true,
        new_keyring: true,
        preserve_fds: 0,
    }
}
