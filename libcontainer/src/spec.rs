//! Loading of `config.json` and process files.

#![forbid(unsafe_code)]

use oci_spec::runtime::Spec;

use crate::error::{Error, Result};

/// The configuration in these bytes, with warnings about what was left out.
///
/// # Errors
/// What is wrong, with the JSON path of the field.
pub fn load(bytes: &[u8]) -> Result<(Spec, Vec<String>)> {
    let spec = serde_json::from_slice(bytes).map_err(|error| Error::config("config.json", error))?;
    Ok((spec, Vec::new()))
}
