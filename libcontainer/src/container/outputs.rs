//! What callers asked to be told in files.

#![forbid(unsafe_code)]

use std::fs::{File, rename};
use std::io::Write;
use std::path::Path;

use crate::error::{Error, Result};

/// Writes a process number as engines read it: digits without a newline, in a file that is there
/// whole or not at all.
pub(super) fn write_pid_file(path: &Path, pid: i32) -> Result<()> {
    let failed = |call, error| Error::system(format!("pid file {}", path.display()), call, error);
    let name = path
        .file_name()
        .ok_or_else(|| failed("open", std::io::Error::from_raw_os_error(libc::EISDIR)))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    let new = path.with_file_name(hidden);
    let mut file = File::create(&new).map_err(|error| failed("create", error))?;
    file.write_all(pid.to_string().as_bytes())
        .map_err(|error| failed("write", error))?;
    rename(&new, path).map_err(|error| failed("rename", error))
}
