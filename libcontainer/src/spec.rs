//! Loading of `config.json` and process files.

#![forbid(unsafe_code)]

mod document;
mod lenient;
mod locate;

use std::os::fd::AsFd;
use std::path::Path;

use oci_spec::runtime::{Process, Spec};
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::document::{ConfigDocument, ProcessDocument};
use crate::error::{Error, ErrorKind, Result};
use crate::sys;

/// The longest configuration that is read.
const LONGEST: usize = 16 << 20;
/// Most are shorter.
const USUAL: usize = 8 << 10;

/// Reads the regular file at `path`.
///
/// # Errors
/// The file cannot be read, or has more than 16 MiB.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let file =
        std::fs::File::open(path).map_err(|error| Error::system(path.display(), "open", error))?;
    let name = &path.display().to_string();
    // A regular file gives less than was asked for at its end, most file systems' at no other place.
    let may_end = |bytes: &[u8]| bytes.trim_ascii_end().ends_with(b"}");
    let bytes = sys::file::read_to_end(file.as_fd(), USUAL, LONGEST + 1, may_end)
        .map_err(|fault| Error::fault(name, fault))?;
    if bytes.len() > LONGEST {
        return Err(Error::new(
            ErrorKind::InvalidConfig,
            format!("{name}: has more than {LONGEST} bytes"),
        ));
    }
    Ok(bytes)
}

/// The configuration in these bytes, with warnings about what was left out.
///
/// # Errors
/// What is wrong, with the JSON path of the field.
pub fn load(bytes: &[u8]) -> Result<(Spec, Vec<String>)> {
    typed::<ConfigDocument, _>(bytes, "", lenient::spec)
}

/// The process in these bytes (`exec --process`), with warnings about what was left out.
///
/// # Errors
/// What is wrong, with the JSON path of the field.
pub fn load_process(bytes: &[u8]) -> Result<(Process, Vec<String>)> {
    typed::<ProcessDocument, _>(bytes, "process", lenient::process)
}

/// What is right at once costs one pass. Only what is not is looked at again, without what the
/// specification lets a runtime pass over.
fn typed<D: DeserializeOwned, T: From<D>>(
    bytes: &[u8],
    root: &str,
    tolerate: fn(&mut Value) -> Vec<String>,
) -> Result<(T, Vec<String>)> {
    let first = match serde_json::from_slice::<D>(bytes) {
        Ok(document) => return Ok((document.into(), Vec::new())),
        Err(error) => error,
    };
    let Ok(mut value) = serde_json::from_slice::<Value>(bytes) else {
        return Err(syntax(root, &first));
    };
    let warnings = tolerate(&mut value);
    let pruned = serde_json::to_vec(&value).map_err(|error| syntax(root, &error))?;
    match serde_json::from_slice::<D>(&pruned) {
        Ok(document) => Ok((document.into(), warnings)),
        Err(error) => Err(locate::error(root, &pruned, &error)),
    }
}

fn syntax(root: &str, error: &serde_json::Error) -> Error {
    let name = if root.is_empty() { "config.json" } else { root };
    Error::config(name, format_args!("is no JSON: {error}"))
}

#[cfg(test)]
mod tests;
