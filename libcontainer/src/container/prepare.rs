//! From a bundle to a plan: everything that happens before anything is made.

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use oci_spec::runtime::{LinuxNamespaceType, Spec};

use super::create::{Create, ManagerKind};
use super::terminal::is_wanted;
use crate::error::{Error, ErrorKind, Result, cgroup_error};
use crate::launch::{notify_socket, probe};
use crate::plan::{self, Plan};
use crate::procfs::Proc;
use crate::spec;
use crate::store::Config;
use crate::sys;

/// What making a container starts from.
#[derive(Debug)]
pub(super) struct Prepared {
    /// Absolute path of the bundle.
    pub(super) bundle: PathBuf,
    /// The configuration as it was read, for the state directory.
    pub(super) config: Config,
    pub(super) spec: Arc<Spec>,
    pub(super) rootless: bool,
    /// The caller's effective user.
    pub(super) euid: u32,
    pub(super) proc: Proc,
    pub(super) plan: Plan,
    pub(super) cgroup: cgroups::Plan,
}

impl Prepared {
    pub(super) fn new(create: &Create) -> Result<Self> {
        crate::store::check_id(&create.id)?;
        let bundle = absolute(&create.bundle)?;
        let (config, mut spec, warnings) = configuration(create, &bundle)?;
        if create.notify_socket.is_some() {
            notify_socket::add_to(
                Arc::make_mut(&mut spec),
                &absolute(&create.state_directory())?,
            );
        }
        let proc = Proc::open()?;
        let capabilities = probe::capabilities()?;
        let host = cgroups::Host::probe_for(wanted_of_host(create, &spec, capabilities))
            .map_err(cgroup_error)?;
        let process = spec.process().as_ref();
        let facts = probe::facts(&proc, host, capabilities, &spec, process, create.no_pivot)?;
        check_preserved(create.process.preserve_fds, facts.listen_fds)?;
        let rootless = create
            .rootless
            .unwrap_or(facts.euid != 0 || facts.in_user_namespace);
        let cgroup = cgroups::plan(&facts.cgroups, &cgroup_request(create, &spec, rootless))
            .map_err(cgroup_error)?;
        let options = plan::CreateOptions {
            id: create.id.clone(),
            bundle: bundle.clone(),
            no_pivot: create.no_pivot,
            new_keyring: !create.no_new_keyring,
            preserve_fds: create.process.preserve_fds,
            terminal_socket: is_wanted(spec.process().as_ref()),
            cgroup: &cgroup,
        };
        let mut plan = plan::create(&spec, &facts, &options)?;
        if let Some(size) = create.process.window_size {
            plan.resize_terminal(size);
        }
        plan.warnings.splice(0..0, warnings);
        Ok(Self {
            bundle,
            config,
            spec,
            rootless,
            euid: facts.euid,
            proc,
            plan,
            cgroup,
        })
    }

    /// Absolute path of the root file system.
    pub(super) fn rootfs(&self) -> PathBuf {
        self.plan.rootfs.clone().unwrap_or_default()
    }
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| Error::system(path.display(), "getcwd", error))
}

/// The bytes for the state directory, the configuration, and warnings.
type Configuration = (Config, Arc<Spec>, Vec<String>);

fn configuration(create: &Create, bundle: &Path) -> Result<Configuration> {
    if let Some(given) = &create.spec {
        let config = given.bytes.clone();
        let config = config.map_err(|error| Error::new(ErrorKind::InvalidConfig, error))?;
        return Ok((config.to_vec().into(), Arc::clone(&given.spec), Vec::new()));
    }
    let config = spec::read(&bundle.join("config.json"))?;
    let (spec, warnings) = spec::load(&config)?;
    Ok((config.into(), Arc::new(spec), warnings))
}

/// The caller's own cgroup matters to a path that is relative to it, and to a caller who may not mount
/// the container's.
fn wanted_of_host(create: &Create, spec: &Spec, capabilities: u64) -> cgroups::Wanted {
    let path = spec
        .linux()
        .as_ref()
        .and_then(|linux| linux.cgroups_path().as_deref());
    let systemd = create.manager == ManagerKind::Systemd;
    let is_absolute =
        create.manager == ManagerKind::Cgroupfs && path.is_some_and(Path::is_absolute);
    cgroups::Wanted {
        own: !is_absolute || !probe::may_mount(capabilities),
        systemd,
    }
}

fn cgroup_request<'a>(create: &'a Create, spec: &'a Spec, rootless: bool) -> cgroups::Request<'a> {
    let linux = spec.linux().as_ref();
    cgroups::Request {
        manager: create.manager.into(),
        id: &create.id,
        cgroups_path: linux.and_then(|linux| linux.cgroups_path().as_deref()),
        rootless,
        annotations: spec.annotations().as_ref(),
        resources: linux.and_then(|linux| linux.resources().as_ref()),
        owner_uid: cgroup_owner(spec).filter(|_| !rootless),
    }
}

/// Who is to own the container's cgroup on version 2, as the host numbers users: the user
/// of its process, where the container can write to its own tree and sees nothing above it.
fn cgroup_owner(spec: &Spec) -> Option<u32> {
    let linux = spec.linux().as_ref()?;
    let namespaces = linux.namespaces().as_deref().unwrap_or_default();
    let of = |kind| namespaces.iter().find(|namespace| namespace.typ() == kind);
    of(LinuxNamespaceType::Cgroup).filter(|namespace| namespace.path().is_none())?;
    let mounts = spec.mounts().as_deref().unwrap_or_default();
    let tree = mounts.iter().rfind(|mount| {
        mount.typ().as_deref() == Some("cgroup")
            && mount.destination() == Path::new("/sys/fs/cgroup")
    })?;
    if tree.options().iter().flatten().any(|option| option == "ro") {
        return None;
    }
    let user = spec
        .process()
        .as_ref()
        .map_or(0, |process| process.user().uid());
    if of(LinuxNamespaceType::User).is_none() {
        return Some(user);
    }
    // A user namespace that is joined has its map elsewhere; nobody is named then.
    linux.uid_mappings().iter().flatten().find_map(|map| {
        let offset = user.checked_sub(map.container_id())?;
        (offset < map.size()).then(|| map.host_id().checked_add(offset))?
    })
}

impl From<ManagerKind> for cgroups::ManagerKind {
    fn from(kind: ManagerKind) -> Self {
        match kind {
            ManagerKind::Cgroupfs => Self::Cgroupfs,
            ManagerKind::Systemd => Self::Systemd,
            ManagerKind::Disabled => Self::Disabled,
        }
    }
}

/// Descriptors that are to be passed on must be there: others would take their place.
fn check_preserved(preserve: u32, listen: u32) -> Result<()> {
    for number in 3..3u32.saturating_add(preserve).saturating_add(listen) {
        if !sys::descriptor::is_open(number) {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                format!("file descriptor {number} is to be preserved but not open"),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn owner(namespaces: &[&str], options: &[&str], uid: u32) -> Option<u32> {
        let namespaces: Vec<_> = namespaces
            .iter()
            .map(|kind| json!({"type": kind}))
            .collect();
        let spec = json!({
            "ociVersion": "1.2.0", "root": {"path": "rootfs"},
            "process": {"cwd": "/", "args": ["x"], "user": {"uid": uid, "gid": 0}},
            "mounts": [{"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": options}],
            "linux": {"namespaces": namespaces, "uidMappings": [
                {"containerID": 0, "hostID": 200_000, "size": 10},
                {"containerID": 1000, "hostID": 300_000, "size": 1}]},
        });
        cgroup_owner(&serde_json::from_value(spec).unwrap())
    }

    #[test]
    fn a_cgroup_is_given_to_who_can_write_to_it() {
        let own = ["cgroup", "user"];
        assert_eq!(owner(&own, &["nosuid"], 0), Some(200_000));
        assert_eq!(owner(&own, &[], 1000), Some(300_000));
        assert_eq!(owner(&own, &[], 1001), None);
        assert_eq!(owner(&["cgroup"], &[], 7), Some(7));
        assert_eq!(owner(&own, &["ro"], 0), None);
        assert_eq!(owner(&["user"], &[], 0), None);
    }
}
