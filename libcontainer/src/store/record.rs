//! What `state.json` keeps.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::plan::Hook;

/// Version of the record. It grows when a field changes its meaning; fields may be added without.
pub(crate) const FORMAT: u32 = 2;

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
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The configuration, byte for byte as it was at `create`: later changes to the bundle have no
    /// effect.
    pub config: Box<RawValue>,
}

impl Record {
    /// The record in these bytes.
    ///
    /// # Errors
    /// What is wrong with them; that they end too early is told apart ([`serde_json::Error::is_eof`]).
    pub(crate) fn parse(bytes: &[u8]) -> serde_json::Result<Self> {
        let record: Self = serde_json::from_slice(bytes)?;
        if record.format != FORMAT {
            let format = record.format;
            let text = format!("format {format}: this program reads {FORMAT}");
            return Err(serde::de::Error::custom(text));
        }
        Ok(record)
    }
}

/// The hooks that are still to run when `create` is over.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct RecordedHooks {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub poststart: Vec<Hook>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub poststop: Vec<Hook>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(format: u32) -> Vec<u8> {
        let cgroup = cgroups::Record {
            manager: cgroups::ManagerKind::Disabled,
            layout: cgroups::Layout::V1,
            members: Vec::new(),
            unit: None,
            rootless: false,
        };
        let record = json!({
            "format": format, "id": "c", "oci_version": "1.3.0", "bundle": "/b", "rootfs": "/b/rootfs",
            "created": "2026-11-26T20:00:00Z", "owner": 0, "init_process_pid": 1,
            "init_process_start": 1, "rootless": false, "own_pid_namespace": true,
            "cgroup": cgroup, "a field of a later version": 1, "config": {},
        });
        serde_json::to_vec(&record).unwrap()
    }

    #[test]
    fn fields_may_be_added_but_not_another_format() {
        assert_eq!(Record::parse(&record(FORMAT)).unwrap().id, "c");
        let error = Record::parse(&record(FORMAT + 1)).unwrap_err();
        assert_eq!(error.to_string(), "format 3: this program reads 2");
    }
}
