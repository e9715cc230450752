//! What `state.json` keeps.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::plan::Hook;

/// Version of the record. It grows when a field changes its meaning; fields may be added without.
pub(crate) const FORMAT: u32 = 1;

/// What every later command needs of a container. Where runc's `state.json` has the same thing, it
/// has the same name.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    /// [`FORMAT`]
    pub format: u32,
    pub id: String,
    pub oci_version: String,
    pub bundle: PathBuf,
    pub rootfs: PathBuf,
    /// RFC 3339, UTC.
    pub created: String,
    /// User id of who made it.
    pub owner: u32,
    pub init_process_pid: i32,
    /// When that process began, in clock ticks since the boot (proc_pid_stat(5), field 22): together
    /// with the number it names a process for good.
    pub init_process_start: u64,
    pub rootless: bool,
    pub cgroup: cgroups::Record,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intel_rdt: Option<crate::launch::resctrl::Record>,
    /// Whether the container has a PID namespace of its own, so that its first process takes all
    /// others with it.
    pub own_pid_namespace: bool,
    #[serde(default)]
    pub hooks: RecordedHooks,
    /// The steps that the process takes after the start, by their place in the plan, for the
    /// message when one fails.
    #[serde(default)]
    pub after_start: BTreeMap<u16, String>,
    #[serde(default, skip_serializing_if = "HashMap::is_empty")]
    pub annotations: HashMap<String, String>,
}

/// The hooks that are still to run when `create` is over.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct RecordedHooks {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub poststart: Vec<Hook>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub poststop: Vec<Hook>,
}
