//! What this runtime can do, as the features document of the specification (features.md,
//! features-linux.md). Made from the tables that planning uses.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use serde::Serialize;

use crate::plan::HookKind;
use crate::plan::{KINDS, MODE_FLAGS, MODES, OPTIONS, known_capabilities};

/// The lowest version of the specification whose configurations are taken.
pub const OCI_VERSION_MIN: &str = "1.0.0";
/// The highest one.
pub const OCI_VERSION_MAX: &str = "1.3.0";

/// Annotations of a configuration that change what happens on the host; a name that ends with a dot
/// stands for all that start with it.
const UNSAFE_ANNOTATIONS: &[&str] = &["bundle", "org.systemd.property."];

/// The document. Serialises as the specification has it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Features {
    oci_version_min: &'static str,
    oci_version_max: &'static str,
    hooks: Vec<&'static str>,
    mount_options: Vec<&'static str>,
    linux: Linux,
    annotations: BTreeMap<String, String>,
    potentially_unsafe_config_annotations: &'static [&'static str],
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Linux {
    namespaces: Vec<&'static str>,
    capabilities: Vec<String>,
    cgroup: Cgroup,
    seccomp: Seccomp,
    apparmor: Enabled,
    selinux: Enabled,
    intel_rdt: IntelRdt,
    memory_policy: MemoryPolicy,
    mount_extensions: MountExtensions,
    net_devices: Enabled,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Enabled {
    enabled: bool,
}

const ENABLED: Enabled = Enabled { enabled: true };

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Cgroup {
    v1: bool,
    v2: bool,
    systemd: bool,
    systemd_user: bool,
    rdma: bool,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Seccomp {
    enabled: bool,
    actions: &'static [&'static str],
    operators: &'static [&'static str],
    archs: Vec<&'static str>,
    known_flags: Vec<&'static str>,
    supported_flags: Vec<&'static str>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct IntelRdt {
    enabled: bool,
    schemata: bool,
    monitoring: bool,
}

#[derive(Clone, Debug, Serialize)]
struct MemoryPolicy {
    modes: Vec<&'static str>,
    flags: Vec<&'static str>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct MountExtensions {
    idmap: Enabled,
}

/// What depends on more than this crate.
#[derive(Clone, Debug, Default)]
pub struct Probed {
    /// Names and values of the runtime's own, such as its version.
    pub annotations: BTreeMap<String, String>,
    /// The flags of seccomp(2) that this kernel takes; `None` asks the seccomp crate, which asks the
    /// kernel.
    pub seccomp_flags: Option<Vec<&'static str>>,
}

/// The features document.
pub fn features(probed: Probed) -> Features {
    Features {
        oci_version_min: OCI_VERSION_MIN,
        oci_version_max: OCI_VERSION_MAX,
        hooks: HookKind::ALL.iter().map(|kind| kind.name()).collect(),
        mount_options: OPTIONS.iter().map(|(name, _)| *name).collect(),
        linux: Linux {
            namespaces: KINDS.iter().map(|(name, _)| *name).collect(),
            capabilities: known_capabilities(),
            cgroup: Cgroup {
                v1: true,
                v2: true,
                systemd: true,
                systemd_user: true,
                rdma: true,
            },
            seccomp: Seccomp {
                enabled: true,
                actions: seccomp::actions(),
                operators: seccomp::operators(),
                archs: seccomp::archs(),
                known_flags: seccomp::flags().to_vec(),
                supported_flags: probed
                    .seccomp_flags
                    .unwrap_or_else(seccomp::supported_flags),
            },
            apparmor: ENABLED,
            selinux: ENABLED,
            intel_rdt: IntelRdt {
                enabled: true,
                schemata: true,
                monitoring: true,
            },
            memory_policy: MemoryPolicy {
                modes: MODES.iter().map(|(name, ..)| *name).collect(),
                flags: MODE_FLAGS.iter().map(|(name, ..)| *name).collect(),
            },
            mount_extensions: MountExtensions { idmap: ENABLED },
            net_devices: ENABLED,
        },
        annotations: probed.annotations,
        potentially_unsafe_config_annotations: UNSAFE_ANNOTATIONS,
    }
}

#[cfg(test)]
mod tests;
