//! What the global options ask for.

#![forbid(unsafe_code)]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use libcontainer::ManagerKind;
use nix::unistd::Uid;

use crate::args::{Matches, UsageError, flags, value::Rootless};
use crate::failure::Failure;

/// The options before the command, with defaults in place.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Directory of the containers' states.
    pub(crate) root: PathBuf,
    /// Who manages cgroups.
    pub(crate) manager: ManagerKind,
    /// Whether cgroup permission errors are ignored; `None`: found out.
    pub(crate) rootless: Option<bool>,
    /// Whether `root` is the default below `XDG_RUNTIME_DIR`, which this program has to make.
    private_root: bool,
}

impl Settings {
    /// Reads the options and, where they do not tell the root, the environment.
    pub(crate) fn new(global: &Matches) -> Result<Self, Failure> {
        let given = global.path(&flags::ROOT);
        let private = given.is_none().then(runtime_directory).flatten();
        let private_root = private.is_some();
        let root = given
            .or(private)
            .unwrap_or_else(|| PathBuf::from("/run/oxrun"));
        Ok(Self {
            root,
            manager: manager(global)?,
            rootless: match global.rootless(&flags::ROOTLESS)? {
                Some(Rootless::Yes) => Some(true),
                Some(Rootless::No) => Some(false),
                Some(Rootless::Auto) | None => None,
            },
            private_root,
        })
    }

    /// Makes the default root below `XDG_RUNTIME_DIR`. The sticky bit keeps it from being cleaned up
    /// there (XDG Base Directory Specification). The library makes every other root.
    pub(crate) fn make_private_root(&self) -> Result<(), Failure> {
        if !self.private_root {
            return Ok(());
        }
        make_sticky(&self.root).map_err(|source| Failure::File {
            path: self.root.clone(),
            source,
        })
    }
}

fn make_sticky(path: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o1700))
}

fn manager(global: &Matches) -> Result<ManagerKind, UsageError> {
    let named = global.text(&flags::CGROUP_MANAGER);
    let systemd = global.is_set(&flags::SYSTEMD_CGROUP);
    match named.as_deref() {
        Some("disabled") => Ok(ManagerKind::Disabled),
        Some("systemd") => Ok(ManagerKind::Systemd),
        None if systemd => Ok(ManagerKind::Systemd),
        // Podman sends both for `disabled`; only `cgroupfs` contradicts.
        Some(_) if systemd => Err(UsageError::Conflict {
            one: "--cgroup-manager=cgroupfs",
            other: "--systemd-cgroup",
        }),
        _ => Ok(ManagerKind::Cgroupfs),
    }
}

/// `$XDG_RUNTIME_DIR/oxrun` for a caller who is not root, or is so only in a user namespace, as runc.
fn runtime_directory() -> Option<PathBuf> {
    let directory = PathBuf::from(std::env::var_os("XDG_RUNTIME_DIR")?);
    let private = directory.is_absolute() && (!Uid::effective().is_root() || root_of_namespace());
    private.then(|| directory.join("oxrun"))
}

/// Root in a user namespace of someone who is not called root, as far as the environment says:
/// Podman keeps `USER` from the runtime when it starts a container, as it does not when it creates one.
fn root_of_namespace() -> bool {
    let mapped = std::fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| {
        let mut fields = map.split_ascii_whitespace();
        !(fields.next() == Some("0")
            && fields.next() == Some("0")
            && fields.next() == Some("4294967295"))
    });
    mapped && std::env::var_os("USER").is_none_or(|user| user != "root")
}
