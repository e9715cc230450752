//! Plans of whole configurations, without root and without a host.

use super::*;
use crate::facts::Facts;
use crate::spec;

/// A version 1 host like a developer's machine, as root.
pub(crate) fn facts() -> Facts {
    let hierarchy = |mount: &str, controllers: &[&str]| cgroups::Hierarchy {
        mount_point: format!("/sys/fs/cgroup/{mount}").into(),
        root: "/".into(),
        controllers: controllers.iter().map(|name| (*name).to_owned()).collect(),
        own: "/".into(),
    };
    Facts {
        euid: 0,
        egid: 0,
        in_user_namespace: false,
        may_mount: true,
        last_capability: 40,
        apparmor: false,
        selinux: false,
        online_cpus: vec![0x0f],
        listen_fds: 0,
        cgroups: cgroups::Host {
            layout: cgroups::Layout::V1,
            v1: vec![
                hierarchy("memory", &["memory"]),
                hierarchy("cpu,cpuacct", &["cpu", "cpuacct"]),
                hierarchy("systemd", &["name=systemd"]),
            ],
            v2: None,
            systemd: false,
            euid: 0,
        },
        kernel_mounts: vec!["/proc".into(), "/sys".into()],
        own_namespaces: Vec::new(),
    }
}

pub(crate) fn plan_of(config: &str, facts: &Facts) -> crate::Result<Plan> {
    let (spec, warnings) = spec::load(config.as_bytes())?;
    let linux = spec.linux().as_ref();
    let cgroup = cgroups::plan(
        &facts.cgroups,
        &cgroups::Request {
            id: "box",
            cgroups_path: linux.and_then(|l| l.cgroups_path().as_deref()),
            rootless: facts.euid != 0,
            ..Default::default()
        },
    )
    .map_err(|error| crate::error::Error::config("linux.cgroupsPath", error))?;
    let options = CreateOptions {
        id: "box".into(),
        bundle: "/bundle".into(),
        terminal_socket: true,
        no_pivot: false,
        new_keyring: true,
        preserve_fds: 0,
        cgroup: &cgroup,
    };
    let mut plan = create(&spec, facts, &options)?;
    plan.warnings.splice(0..0, warnings);
    Ok(plan)
}

/// The plan as a person reads it, with what is beside the steps.
pub(crate) fn text(plan: &Plan) -> String {
    let mut text = render::text(plan);
    if let Some(limits) = &plan.parent_limits {
        text += &format!("parent: {limits:?}\n");
    }
    for warning in &plan.warnings {
        text += &format!("warning: {warning}\n");
    }
    text
}

#[test]
fn runc_default() {
    let plan = plan_of(include_str!("tests/runc-default.json"), &facts()).expect("a plan");
    insta::assert_snapshot!(text(&plan));
}
