//! From a bundle to a plan: everything that happens before anything is made.

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use oci_spec::runtime::Spec;

use super::create::{Create, ManagerKind};
use super::terminal::is_wanted;
use crate::error::{Error, ErrorKind, Result, cgroup_error};
use crate::launch::{notify_socket, probe};
use crate::plan::{self, Plan};
use crate::procfs::Proc;
use crate::spec;
use crate::sys;

/// What making a container starts from.
#[derive(Debug)]
pub(super) struct Prepared {
    /// Absolute path of the bundle.
    pub(super) bundle: PathBuf,
    /// The configuration as it was read, for the state directory.
    pub(super) config: Arc<[u8]>,
    pub(super) spec: Arc<Spec>,
    pub(super) rootless: bool,
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
        let host = cgroups::Host::probe().map_err(cgroup_error)?;
        let facts = probe::facts(&proc, host, &spec, spec.process().as_ref(), create.no_pivot)?;
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
type Configuration = (Arc<[u8]>, Arc<Spec>, Vec<String>);

fn configuration(create: &Create, bundle: &Path) -> Result<Configuration> {
    if let Some(given) = &create.spec {
        let config = given.bytes.clone();
        let config = config.map_err(|error| Error::new(ErrorKind::InvalidConfig, error))?;
        return Ok((config, Arc::clone(&given.spec), Vec::new()));
    }
    let config = spec::read(&bundle.join("config.json"))?;
    let (spec, warnings) = spec::load(&config)?;
    Ok((config.into(), Arc::new(spec), warnings))
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
        ..Default::default()
    }
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
