//! Intel Resource Director Technology: cache and memory bandwidth of a container through the
//! `resctrl` file system (config-linux.md, "IntelRdt"; the kernel's Documentation/filesystems/resctrl.rst).
//!
//! A class of service (CLOS) is a directory: `schemata` holds what it may use, `tasks` which threads
//! belong to it, `mon_groups` has directories that only count.
//!
//! The file system is the one mounted at its usual place or, failing that, the first in mountinfo.
//! [`create_at`] takes another tree: it must hold `info` and `schemata`, and what a kernel would
//! make in a new directory is made by writing to it. Nothing but the library's caller selects it.

#![forbid(unsafe_code)]

mod root;
mod schemata;
pub(crate) mod stats;

use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind as IoErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use oci_spec::runtime::LinuxIntelRdt;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// Names in a CLOS directory that the kernel uses itself.
const RESERVED: [&str; 4] = ["info", "mon_groups", "mon_data", "."];

/// The groups of a container, as they are kept in its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    /// The `resctrl` file system.
    root: PathBuf,
    /// Directory of the class of service.
    clos: PathBuf,
    /// Whether that was made for the container alone, and goes with it.
    owned: bool,
    /// Directory of the container's monitoring group, which always goes with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    monitoring: Option<PathBuf>,
}

/// Whether the configuration keeps to the specification, as far as that shows without a file system.
pub(crate) fn validate(rdt: &LinuxIntelRdt) -> Result<()> {
    if let Some(name) = clos_id(rdt)
        && name != "/"
    {
        check_name("linux.intelRdt.closID", name)?;
    }
    let bandwidth = text(rdt.mem_bw_schema().as_ref());
    if let Some(line) = bandwidth.filter(|line| !line.starts_with("MB:") || line.contains('\n')) {
        let problem = format!("{line:?}: one line that starts with MB: is allowed");
        return Err(Error::config("linux.intelRdt.memBwSchema", problem));
    }
    for (index, line) in lines(rdt).iter().enumerate() {
        if line.contains('\n') {
            let field = format!("linux.intelRdt.schemata[{index}]");
            return Err(Error::config(
                &field,
                format!("{line:?}: more than one line"),
            ));
        }
    }
    Ok(())
}

/// Makes or finds the group that the configuration asks for, in the mounted file system, and writes
/// what it may use. `id` is the container's. On an error nothing stays.
pub(crate) fn create(id: &str, rdt: &LinuxIntelRdt) -> Result<Record> {
    create_at(&root::find()?, id, rdt)
}

/// As [`create`], in the tree at `root`.
pub(crate) fn create_at(root: &Path, id: &str, rdt: &LinuxIntelRdt) -> Result<Record> {
    validate(rdt)?;
    root::check(root)?;
    check_support(root, rdt)?;
    let (clos, existed) = open_clos(root, id, rdt)?;
    let record = Record {
        root: root.to_path_buf(),
        clos,
        owned: clos_id(rdt).is_none() && !existed,
        monitoring: None,
    };
    fill(record, existed, id, rdt)
}

/// Takes a process into the groups. All that it clones later is in them, its other threads are not.
pub(crate) fn add_process(record: &Record, pid: i32) -> Result<()> {
    // A monitoring group takes only what its class has.
    for directory in [Some(&record.clos), record.monitoring.as_ref()]
        .into_iter()
        .flatten()
    {
        write(&record.root, &directory.join("tasks"), &[&pid.to_string()])?;
    }
    Ok(())
}

/// Writes a changed schema of the third level cache, of the memory bandwidth, or both.
pub(crate) fn update(record: &Record, l3: Option<&str>, bandwidth: Option<&str>) -> Result<()> {
    check_line("l3-cache-schema", "L3", l3)?;
    check_line("mem-bw-schema", "MB:", bandwidth)?;
    let parts: Vec<&str> = [l3, bandwidth].into_iter().flatten().collect();
    write_schemata(record, &parts)
}

fn check_line(option: &str, start: &str, line: Option<&str>) -> Result<()> {
    match line.filter(|line| !line.starts_with(start) || line.contains('\n')) {
        Some(line) => Err(Error::config(
            option,
            format!("{line:?}: one line that starts with {start} is allowed"),
        )),
        None => Ok(()),
    }
}

/// Removes what was made for the container. What is gone already is no error.
pub(crate) fn remove(record: &Record) -> Result<()> {
    let owned = record.owned.then_some(&record.clos);
    for directory in [record.monitoring.as_ref(), owned].into_iter().flatten() {
        remove_directory(directory)
            .map_err(|error| Error::system(directory.display(), "rmdir", error))?;
    }
    Ok(())
}

fn remove_directory(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir(path) {
        Err(error) if error.kind() == IoErrorKind::NotFound => Ok(()),
        // Not a resctrl file system, where the files go with their directory.
        Err(error) if error.kind() == IoErrorKind::DirectoryNotEmpty => {
            std::fs::remove_dir_all(path)
        }
        result => result,
    }
}

/// Writes the schemata and makes the monitoring group; takes the record's directories back where one
/// of them fails.
fn fill(mut record: Record, existed: bool, id: &str, rdt: &LinuxIntelRdt) -> Result<Record> {
    let result = fill_schemata(&record, existed, rdt).and_then(|()| {
        if *rdt.enable_monitoring() == Some(true) {
            let directory = record.clos.join("mon_groups").join(id);
            make_directory(&record.root, &directory)?;
            record.monitoring = Some(directory);
        }
        Ok(())
    });
    match result {
        Ok(()) => Ok(record),
        Err(error) => {
            // The first error is the one to tell.
            let _ = remove(&record);
            // A class named by the configuration stays once it is whole; this one is not.
            if !existed {
                let _ = remove_directory(&record.clos);
            }
            Err(error)
        }
    }
}

fn fill_schemata(record: &Record, existed: bool, rdt: &LinuxIntelRdt) -> Result<()> {
    let l3 = text(rdt.l3_cache_schema().as_ref());
    let bandwidth = text(rdt.mem_bw_schema().as_ref());
    let named = clos_id(rdt).is_some();
    let joined = lines(rdt).join("\n");
    let list = (!joined.is_empty()).then_some(joined.as_str());
    if named && existed {
        compare(record, "l3CacheSchema", l3)?;
        compare(record, "memBwSchema", bandwidth)?;
        return write_schemata(record, &list.into_iter().collect::<Vec<_>>());
    }
    let parts: Vec<&str> = [l3, bandwidth, list].into_iter().flatten().collect();
    write_schemata(record, &parts)
}

fn compare(record: &Record, field: &str, wanted: Option<&str>) -> Result<()> {
    let Some(wanted) = wanted else {
        return Ok(());
    };
    let path = record.clos.join("schemata");
    let present = read(&path)?;
    if schemata::covers(&present, wanted) {
        return Ok(());
    }
    Err(Error::config(
        &format!("linux.intelRdt.{field}"),
        format!(
            "{wanted:?} differs from {}: {:?}",
            path.display(),
            present.trim()
        ),
    ))
}

/// One write a part: the kernel refuses a resource that comes twice in the same write.
fn write_schemata(record: &Record, parts: &[&str]) -> Result<()> {
    if parts.is_empty() {
        return Ok(());
    }
    write(&record.root, &record.clos.join("schemata"), parts)
}

/// The directory of the class and whether it was there.
fn open_clos(root: &Path, id: &str, rdt: &LinuxIntelRdt) -> Result<(PathBuf, bool)> {
    let (name, field) = match clos_id(rdt) {
        Some("/") => return Ok((root.to_path_buf(), true)),
        Some(name) => (name, "linux.intelRdt.closID"),
        None => (id, "container id"),
    };
    check_name(field, name)?;
    let path = root.join(name);
    let asks = !lines(rdt).is_empty()
        || text(rdt.l3_cache_schema().as_ref()).is_some()
        || text(rdt.mem_bw_schema().as_ref()).is_some();
    if clos_id(rdt).is_some() && !asks {
        return match path.is_dir() {
            true => Ok((path, true)),
            false => Err(Error::config(
                field,
                format!(
                    "{}: no such class, and no schema to make one",
                    path.display()
                ),
            )),
        };
    }
    let existed = !make_directory(root, &path)?;
    Ok((path, existed))
}

/// Whether the directory is new.
fn make_directory(root: &Path, path: &Path) -> Result<bool> {
    match DirBuilder::new().mode(0o755).create(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == IoErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(with_status(
            root,
            Error::system(path.display(), "mkdir", error),
        )),
    }
}

fn check_name(field: &str, name: &str) -> Result<()> {
    if RESERVED.contains(&name) || name == ".." || name.contains(['/', '\n', '\0']) {
        let problem =
            format!("{name:?}: must be the name of a directory, and none of resctrl's own");
        return Err(Error::config(field, problem));
    }
    Ok(())
}

/// Refuses a schema for which the machine has nothing.
fn check_support(root: &Path, rdt: &LinuxIntelRdt) -> Result<()> {
    let has = |name: &str| root.join("info").join(name).is_dir();
    if text(rdt.l3_cache_schema().as_ref()).is_some() && !has("L3") && !has("L3CODE") {
        let problem = "this machine cannot partition the third level cache (no info/L3)";
        return Err(Error::config("linux.intelRdt.l3CacheSchema", problem));
    }
    if text(rdt.mem_bw_schema().as_ref()).is_some() && !has("MB") {
        let problem = "this machine cannot partition memory bandwidth (no info/MB)";
        return Err(Error::config("linux.intelRdt.memBwSchema", problem));
    }
    Ok(())
}

/// `closID`, where an empty one is none.
fn clos_id(rdt: &LinuxIntelRdt) -> Option<&str> {
    text(rdt.clos_id().as_ref())
}

fn text(value: Option<&String>) -> Option<&str> {
    value.map(String::as_str).filter(|value| !value.is_empty())
}

fn lines(rdt: &LinuxIntelRdt) -> &[String] {
    rdt.schemata().as_deref().unwrap_or_default()
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| Error::system(path.display(), "read", error))
}

/// Writes lines to a file of resctrl, each with a call of its own.
fn write(root: &Path, path: &Path, parts: &[&str]) -> Result<()> {
    let failed = |call: &str, error: std::io::Error| {
        with_status(root, Error::system(path.display(), call, error))
    };
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|error| failed("open", error))?;
    for part in parts {
        file.write_all(format!("{part}\n").as_bytes())
            .map_err(|error| failed(&format!("write {part:?}"), error))?;
    }
    Ok(())
}

/// Adds the kernel's own words on why the last command failed.
fn with_status(root: &Path, error: Error) -> Error {
    let status = std::fs::read_to_string(root.join("info/last_cmd_status")).unwrap_or_default();
    match status.trim() {
        "" | "ok" => error,
        status => {
            let message = format!("{error}, last_cmd_status: {status}");
            let described = Error::new(ErrorKind::System, message);
            match error.errno() {
                Some(errno) => described.with_errno(errno),
                None => described,
            }
        }
    }
}

#[cfg(test)]
mod tests;
