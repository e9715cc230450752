//! The state that hooks read from their standard input (runtime.md, "State").

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::{Container, Status};
use crate::error::{Error, ErrorKind, Result};
use crate::store::Record;

/// The specification's state, without what runc adds to it for people.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HookState<'a> {
    pub(crate) oci_version: &'a str,
    pub(crate) id: &'a str,
    pub(crate) status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pid: Option<i32>,
    pub(crate) bundle: &'a Path,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: &'a BTreeMap<String, String>,
}

impl HookState<'_> {
    /// As JSON.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|error| Error::new(ErrorKind::System, error.to_string()))
    }
}

impl Container {
    pub(crate) fn hook_state(&self, status: Status) -> Result<Vec<u8>> {
        recorded(&self.record, status)
    }
}

/// The state of the container that the record describes.
pub(crate) fn recorded(record: &Record, status: Status) -> Result<Vec<u8>> {
    HookState {
        oci_version: &record.oci_version,
        id: &record.id,
        status,
        pid: (status != Status::Stopped).then_some(record.init_process_pid),
        bundle: &record.bundle,
        annotations: &record.annotations,
    }
    .to_json()
}
