//! Loading of `config.json` and process files.

#![forbid(unsafe_code)]

use std::io::Read;
use std::os::fd::BorrowedFd;
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use oci_spec::runtime::{Process, Spec};

use crate::error::{Error, ErrorKind, Result};

/// The longest configuration that is read.
const LONGEST: u64 = 16 << 20;

/// Reads the file at `path`.
///
/// # Errors
/// The file cannot be read, or has more than 16 MiB.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let file =
        std::fs::File::open(path).map_err(|error| Error::system(path.display(), "open", error))?;
    read_capped(&path.display().to_string(), file)
}

/// Reads `config.json` in a state directory.
pub(crate) fn read_at(directory: BorrowedFd<'_>) -> Result<Vec<u8>> {
    let name = "config.json";
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    let file = nix::fcntl::openat(directory, name, flags, Mode::empty())
        .map_err(|errno| Error::system(name, "openat", errno))?;
    read_capped(name, file.into())
}

fn read_capped(name: &str, file: std::fs::File) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(LONGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::system(name, "read", error))?;
    if bytes.len() as u64 > LONGEST {
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
    let spec =
        serde_json::from_slice(bytes).map_err(|error| Error::config("config.json", error))?;
    Ok((spec, Vec::new()))
}

/// The process in these bytes (`exec --process`), with warnings about what was left out.
///
/// # Errors
/// What is wrong, with the JSON path of the field.
pub fn load_process(bytes: &[u8]) -> Result<(Process, Vec<String>)> {
    let process = serde_json::from_slice(bytes).map_err(|error| Error::config("process", error))?;
    Ok((process, Vec::new()))
}
