//! What callers asked to be told in files.

#![forbid(unsafe_code)]

use std::fs::{File, remove_file, rename};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A file for a process number as engines read it: digits without a newline, in a file that is there
/// whole or not at all.
#[derive(Debug)]
pub(super) struct PidFile<'a> {
    path: &'a Path,
    /// Beside it, while it is not whole.
    new: PathBuf,
    file: File,
    is_whole: bool,
}

impl<'a> PidFile<'a> {
    /// Makes the file, so that a place where that is impossible is found before a process is there.
    pub(super) fn prepare(path: &'a Path) -> Result<Self> {
        let failed = |call, error| failed(path, call, error);
        let name = path
            .file_name()
            .ok_or_else(|| failed("open", std::io::Error::from_raw_os_error(libc::EISDIR)))?;
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        let new = path.with_file_name(hidden);
        let file = File::create(&new).map_err(|error| failed("create", error))?;
        Ok(Self {
            path,
            new,
            file,
            is_whole: false,
        })
    }

    /// Writes the number, and shows the file.
    pub(super) fn publish(mut self, pid: i32) -> Result<()> {
        let failed = |call, error| failed(self.path, call, error);
        self.file
            .write_all(pid.to_string().as_bytes())
            .map_err(|error| failed("write", error))?;
        rename(&self.new, self.path).map_err(|error| failed("rename", error))?;
        self.is_whole = true;
        Ok(())
    }
}

impl Drop for PidFile<'_> {
    fn drop(&mut self) {
        if !self.is_whole {
            let _ = remove_file(&self.new);
        }
    }
}

fn failed(path: &Path, call: &'static str, error: std::io::Error) -> Error {
    Error::system(format!("pid file {}", path.display()), call, error)
}
