//! What `state.json` keeps: the record, and as its last field the configuration, byte for byte.
//!
//! The record is the first line but for its last brace, so that it is read without a look at the
//! configuration, which most commands do not need.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::io::BufRead;
use std::ops::Range;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

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
}

/// What stands between a record and its configuration.
const BEFORE_CONFIG: &[u8] = b"\n,\"config\":";

/// Why a text is no record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// It ends before the configuration.
    CutOff,
    /// What a parser says of it.
    Wrong(String),
}

impl Record {
    /// The file's text. `config` is JSON.
    pub(crate) fn with_config(&self, config: &[u8]) -> serde_json::Result<Vec<u8>> {
        let mut text = serde_json::to_vec(self)?;
        let brace = text.pop();
        text.extend_from_slice(BEFORE_CONFIG);
        text.extend_from_slice(config);
        text.extend(brace);
        Ok(text)
    }

    /// The record of such a text, and where in it the configuration is.
    pub(crate) fn parse(text: &mut [u8]) -> Result<(Self, Range<usize>), Problem> {
        let line = (&*text).skip_until(b'\n').unwrap_or_default();
        let config = line.saturating_sub(1) + BEFORE_CONFIG.len()..text.len().saturating_sub(1);
        let (record, rest) = text.split_at_mut(line);
        let is_whole = rest.starts_with(&BEFORE_CONFIG[1..]) && rest.ends_with(b"}");
        let Some(line_break) = record.last_mut().filter(|_| is_whole) else {
            return Err(Problem::CutOff);
        };
        *line_break = b'}';
        let record: Self =
            serde_json::from_slice(record).map_err(|error| Problem::Wrong(error.to_string()))?;
        if record.format != FORMAT {
            let format = record.format;
            let text = format!("format {format}: this program reads {FORMAT}");
            return Err(Problem::Wrong(text));
        }
        Ok((record, config))
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
    use super::*;

    fn record(format: u32) -> Record {
        let cgroup = cgroups::Record {
            manager: cgroups::ManagerKind::Disabled,
            layout: cgroups::Layout::V1,
            members: Vec::new(),
            unit: None,
            rootless: false,
        };
        Record {
            format,
            id: "c".to_owned(),
            oci_version: "1.3.0".to_owned(),
            bundle: "/b".into(),
            rootfs: "/b/rootfs".into(),
            created: "2026-11-26T20:00:00Z".to_owned(),
            owner: 0,
            init_process_pid: 1,
            init_process_start: 1,
            rootless: false,
            cgroup,
            intel_rdt: None,
            own_pid_namespace: true,
            hooks: RecordedHooks::default(),
            after_start: BTreeMap::new(),
            annotations: BTreeMap::from([("lines".to_owned(), "one\ntwo".to_owned())]),
        }
    }

    #[test]
    fn the_text_is_json_and_holds_the_configuration_as_it_was() {
        for config in ["{}", "{ \"a\" : 1.0,\n\"a\":[2\n] }\n"] {
            let text = record(FORMAT).with_config(config.as_bytes()).unwrap();
            let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
            assert_eq!(
                json.get("config"),
                serde_json::from_str(config).ok().as_ref()
            );
            assert_eq!(json.get("id"), Some(&"c".into()));
            let mut text = text;
            let (read, place) = Record::parse(&mut text).unwrap();
            assert_eq!(read.annotations["lines"], "one\ntwo");
            assert_eq!(text.get(place), Some(config.as_bytes()));
        }
    }

    #[test]
    fn fields_may_be_added_but_not_another_format() {
        let text = record(FORMAT).with_config(b"{}").unwrap();
        let added = String::from_utf8(text).unwrap();
        let mut added = added.replacen('{', "{\"new\": 1, ", 1).into_bytes();
        assert_eq!(Record::parse(&mut added).unwrap().0.id, "c");
        let mut other = record(FORMAT + 1).with_config(b"{}").unwrap();
        let problem = Problem::Wrong("format 3: this program reads 2".to_owned());
        assert_eq!(Record::parse(&mut other).unwrap_err(), problem);
    }

    #[test]
    fn what_ends_early_is_no_record() {
        let text = record(FORMAT).with_config(b"[1]").unwrap();
        for length in 0..text.len() {
            let mut part = text.get(..length).unwrap().to_vec();
            assert_eq!(
                Record::parse(&mut part).unwrap_err(),
                Problem::CutOff,
                "{length}"
            );
        }
    }
}
