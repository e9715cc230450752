//! The host that tests plan for, and configurations made from runc's default one.

use serde_json::Value;

use super::super::*;
use crate::facts::Facts;
use crate::spec;

/// What `runc spec` of version 1.1 writes.
pub(super) const DEFAULT: &str = include_str!("runc-default.json");

/// A version 1 host, as root.
pub(super) fn facts() -> Facts {
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
        may_change_root: true,
        last_capability: 40,
        apparmor: true,
        selinux: false,
        online_cpus: vec![0x0f].into(),
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

/// A version 2 host, as root.
pub(super) fn unified() -> Facts {
    let mut facts = facts();
    facts.cgroups.layout = cgroups::Layout::V2;
    facts.cgroups.v1.clear();
    facts.cgroups.v2 = Some(cgroups::Hierarchy {
        mount_point: "/sys/fs/cgroup".into(),
        root: "/".into(),
        controllers: Vec::new(),
        own: "/user.slice".into(),
    });
    facts
}

/// A version 2 host, as user 1000.
pub(super) fn rootless() -> Facts {
    let mut facts = unified();
    (facts.euid, facts.egid) = (1000, 100);
    facts.cgroups.euid = 1000;
    (facts.may_mount, facts.may_change_root) = (false, false);
    facts
}

/// The default configuration with changes (RFC 7396).
pub(super) fn patched(patch: &str) -> String {
    let mut config: Value = serde_json::from_str(DEFAULT).expect("the default is JSON");
    merge(&mut config, serde_json::from_str(patch).expect(patch));
    config.to_string()
}

fn merge(target: &mut Value, patch: Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (name, value) in patch {
                if value.is_null() {
                    target.remove(&name);
                } else {
                    merge(target.entry(name).or_insert(Value::Null), value);
                }
            }
        }
        (target, patch) => *target = patch,
    }
}

/// Plans a configuration.
pub(super) fn plan_of(config: &str, facts: &Facts) -> crate::Result<Plan> {
    plan_with(config, facts, false)
}

pub(super) fn plan_with(config: &str, facts: &Facts, no_pivot: bool) -> crate::Result<Plan> {
    let (spec, warnings) = spec::load(config.as_bytes())?;
    let linux = spec.linux().as_ref();
    let request = cgroups::Request {
        id: "box",
        cgroups_path: linux.and_then(|linux| linux.cgroups_path().as_deref()),
        rootless: facts.euid != 0,
        ..cgroups::Request::default()
    };
    let cgroup = cgroups::plan(&facts.cgroups, &request)
        .map_err(|error| crate::Error::config("linux.cgroupsPath", error))?;
    let options = CreateOptions {
        id: "box".into(),
        bundle: "/bundle".into(),
        terminal_socket: true,
        no_pivot,
        new_keyring: true,
        preserve_fds: 0,
        cgroup: &cgroup,
    };
    let mut plan = create(&spec, facts, &options)?;
    plan.warnings.splice(0..0, warnings);
    Ok(plan)
}

/// Plans a further process in a container.
pub(super) fn exec_of(config: &str, process: &str, facts: &Facts) -> crate::Result<Plan> {
    let (spec, _) = spec::load(config.as_bytes())?;
    let (process, _) = spec::load_process(process.as_bytes())?;
    let options = ExecOptions {
        id: "box".into(),
        rootfs: "/bundle/rootfs".into(),
        terminal_socket: true,
        new_keyring: true,
        preserve_fds: 0,
    };
    exec(&spec, &process, facts, &options)
}

/// The plan as a person reads it, with what is beside the steps.
pub(super) fn text(plan: &Plan) -> String {
    let mut text = render::text(plan);
    let candidates: Vec<_> = plan
        .image
        .candidates
        .iter()
        .map(|path| path.to_string_lossy())
        .collect();
    text += &format!("candidates: {}\n", candidates.join(" "));
    text += &format!("environment: {:?}\n", plan.image.envp);
    for hook in &plan.runtime_hooks {
        text += &format!("hook: {hook:?}\n");
    }
    if let Some(limits) = &plan.parent_limits {
        text += &format!("parent: {limits:?}\n");
    }
    if let Some(maps) = &plan.id_maps {
        text += &format!(
            "id maps: helpers {}, deny setgroups {}\n",
            maps.with_helpers, maps.deny_setgroups
        );
    }
    for warning in &plan.warnings {
        text += &format!("warning: {warning}\n");
    }
    text
}

/// The message of a configuration that cannot be planned.
pub(super) fn refused(config: &str, facts: &Facts) -> String {
    match plan_of(config, facts) {
        Ok(plan) => panic!("{config}\nwas planned:\n{}", text(&plan)),
        Err(error) => error.to_string(),
    }
}
