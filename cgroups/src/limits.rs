//! Resource limits as an ordered list of writes: pure, so that it can be shown,
//! compared and fuzzed without a cgroup file system.
//!
//! The settings are those of "Control groups" in config-linux.md; the files are
//! those of the kernel's `admin-guide/cgroup-v1` and `admin-guide/cgroup-v2`.

pub mod convert;
pub mod cpulist;
mod v1;
mod v2;

use std::borrow::Cow;
use std::fmt;

use oci_spec::runtime::LinuxResources;
use serde::Serialize;

use crate::error::Error;
use crate::path;

/// What to do when the kernel refuses a write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Refused {
    /// It is an error.
    Fail,
    /// A file that does not exist is passed over: without it the kernel does
    /// what the value asks for anyway, or has no such thing to limit.
    SkipIfAbsent,
    /// Write it once more after the rest of the controller's writes. The kernel
    /// keeps pairs of values consistent at every step (memory and
    /// memory+swap, quota and burst): whether the first or the second of a pair
    /// must go first depends on the values that are there.
    Again,
    /// Where the file does not exist, this one takes the value instead.
    Instead {
        /// The other file.
        file: Cow<'static, str>,
        /// The value in the other file's unit.
        value: String,
    },
}

/// One value for one control file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Write {
    /// The controller by its kernel name.
    pub controller: Cow<'static, str>,
    /// The file in the cgroup's directory.
    pub file: Cow<'static, str>,
    /// What is written, in the file's unit.
    pub value: String,
    /// The JSON path of the setting that asks for it.
    pub field: Cow<'static, str>,
    /// What to do when the kernel refuses it.
    pub refused: Refused,
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} <- {}", self.file, self.value)
    }
}

/// What the cgroup holds when the limits are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Present {
    /// It was just made: every value is the kernel's default.
    #[default]
    Fresh,
    /// It is in use, with these values. A value that could not be read is `None`.
    Used {
        /// The first field of `cpu.max` (version 2).
        cpu_quota: Option<String>,
        /// `memory.max` in bytes, -1 for no limit (version 2).
        memory_max: Option<i64>,
    },
}

/// The writes for a version 1 cgroup, in order. Device rules are not among them.
///
/// # Errors
/// [`Error::Invalid`] for a value that the specification or the kernel does not
/// have, and for `unified`, which has no meaning there.
pub fn v1(resources: &LinuxResources, present: &Present) -> Result<Vec<Write>, Error> {
    v1::writes(resources, present)
}

/// The writes for a version 2 cgroup, in order. Device rules are not among them.
///
/// # Errors
/// [`Error::Invalid`] for a value that the specification or the kernel does not have.
pub fn v2(resources: &LinuxResources, present: &Present) -> Result<Vec<Write>, Error> {
    v2::writes(resources, present)
}

/// Collects writes; the methods name what happens when the kernel refuses.
#[derive(Default)]
struct Writes(Vec<Write>);

impl Writes {
    fn push(
        &mut self,
        controller: &'static str,
        file: impl Into<Cow<'static, str>>,
        value: impl ToString,
        field: impl Into<Cow<'static, str>>,
        refused: Refused,
    ) {
        self.0.push(Write {
            controller: controller.into(),
            file: file.into(),
            value: value.to_string(),
            field: field.into(),
            refused,
        });
    }
}

/// An optional number where 0 stands for "not set", as engines send it.
fn set<T: Default + PartialEq>(value: Option<T>) -> Option<T> {
    value.filter(|value| *value != T::default())
}

/// Checks a size in bytes, where -1 stands for "no limit".
fn bytes(field: &str, value: Option<i64>) -> Result<Option<i64>, Error> {
    match set(value) {
        Some(..-1) => {
            let text = value.unwrap_or_default().to_string();
            Err(Error::invalid(
                field,
                text,
                "must be a number of bytes, or -1 for no limit",
            ))
        }
        value => Ok(value),
    }
}

/// Checks a huge page size such as `2MB`.
fn page_size<'a>(field: &str, size: &'a str) -> Result<&'a str, Error> {
    path::component(field, size)?;
    let digits = size.bytes().take_while(u8::is_ascii_digit).count();
    match (digits, size.get(digits..)) {
        (1.., Some("KB" | "MB" | "GB")) => Ok(size),
        _ => Err(Error::invalid(
            field,
            size,
            "must be a number followed by KB, MB or GB",
        )),
    }
}

/// Checks the name of a device or interface that is written as the first word of a line.
fn word<'a>(field: &str, name: &'a str) -> Result<&'a str, Error> {
    if name.contains(' ') {
        return Err(Error::invalid(field, name, "must not contain a blank"));
    }
    path::component(field, name)
}

/// `MAJOR:MINOR` of a block device.
fn device(field: &str, major: i64, minor: i64) -> Result<String, Error> {
    match (u32::try_from(major), u32::try_from(minor)) {
        (Ok(major), Ok(minor)) => Ok(format!("{major}:{minor}")),
        _ => Err(Error::invalid(
            field,
            format!("{major}:{minor}"),
            "device numbers must be between 0 and 4294967295",
        )),
    }
}

/// rdma.max has the same form on both versions.
fn rdma(resources: &LinuxResources, writes: &mut Writes) -> Result<(), Error> {
    let mut entries: Vec<_> = resources.rdma().iter().flatten().collect();
    entries.sort_by_key(|(name, _)| name.as_str());
    for (name, limit) in entries {
        let mut value = word("linux.resources.rdma", name)?.to_owned();
        if let Some(handles) = limit.hca_handles() {
            value.push_str(&format!(" hca_handle={handles}"));
        }
        if let Some(objects) = limit.hca_objects() {
            value.push_str(&format!(" hca_object={objects}"));
        }
        if value.len() > name.len() {
            let field = format!("linux.resources.rdma.{name}");
            writes.push("rdma", "rdma.max", value, field, Refused::Fail);
        }
    }
    Ok(())
}

/// pids.max: -1 (or less) for no limit; 0 is a limit.
fn pids(resources: &LinuxResources, writes: &mut Writes) {
    if let Some(pids) = resources.pids() {
        let value = match pids.limit() {
            limit if limit < 0 => "max".to_owned(),
            limit => limit.to_string(),
        };
        writes.push(
            "pids",
            "pids.max",
            value,
            "linux.resources.pids.limit",
            Refused::Fail,
        );
    }
}

/// cpuset.cpus and cpuset.mems.
///
/// A version 1 hierarchy may be mounted with `noprefix`, as Android does.
fn cpuset(resources: &LinuxResources, writes: &mut Writes, v1: bool) -> Result<(), Error> {
    let Some(cpu) = resources.cpu() else {
        return Ok(());
    };
    for (value, file, short, field) in [
        (
            cpu.cpus(),
            "cpuset.cpus",
            "cpus",
            "linux.resources.cpu.cpus",
        ),
        (
            cpu.mems(),
            "cpuset.mems",
            "mems",
            "linux.resources.cpu.mems",
        ),
    ] {
        let Some(value) = value.as_deref().filter(|value| !value.is_empty()) else {
            continue;
        };
        cpulist::parse(field, value)?;
        let refused = match v1 {
            true => Refused::Instead {
                file: short.into(),
                value: value.to_owned(),
            },
            false => Refused::Fail,
        };
        writes.push("cpuset", file, value, field, refused);
    }
    Ok(())
}

/// Checks `cpu.idle`, which is 0 or 1 on both versions.
fn idle(value: i64) -> Result<i64, Error> {
    match value {
        0 | 1 => Ok(value),
        _ => Err(Error::invalid(
            "linux.resources.cpu.idle",
            value.to_string(),
            "must be 0 or 1",
        )),
    }
}

/// The limits of huge pages; the reservation limit goes first, because reserving
/// is what fails early instead of killing late.
fn hugetlb(
    resources: &LinuxResources,
    writes: &mut Writes,
    suffix: &str,
    rsvd_suffix: &str,
) -> Result<(), Error> {
    const FIELD: &str = "linux.resources.hugepageLimits";
    for limit in resources.hugepage_limits().iter().flatten() {
        let size = page_size(FIELD, limit.page_size())?;
        let bytes = limit.limit();
        let value = match bytes {
            ..0 if suffix == "max" => "max".to_owned(),
            _ => bytes.to_string(),
        };
        let rsvd = format!("hugetlb.{size}.{rsvd_suffix}");
        writes.push("hugetlb", rsvd, &value, FIELD, Refused::SkipIfAbsent);
        writes.push(
            "hugetlb",
            format!("hugetlb.{size}.{suffix}"),
            value,
            FIELD,
            Refused::Fail,
        );
    }
    Ok(())
}

/// What version 2 cannot apply beside another setting, as a sentence for people: an idle
/// cgroup has no weight.
pub fn passed_over(resources: &LinuxResources) -> Option<&'static str> {
    let unified = |file: &str| resources.unified().as_ref().and_then(|all| all.get(file));
    let cpu = resources.cpu().as_ref();
    let idle = match unified("cpu.idle") {
        Some(value) => value.trim() == "1",
        None => cpu.and_then(|cpu| cpu.idle()) == Some(1),
    };
    let weight =
        unified("cpu.weight").is_some() || cpu.is_some_and(|cpu| set(cpu.shares()).is_some());
    (idle && weight).then_some(
        "linux.resources.cpu: unable to apply both cpu.weight and cpu.idle, since an idle cgroup has \
         no weight: cpu.weight is passed over",
    )
}

/// Which of memory's limits are below its use, when the configuration wants to be told
/// (`checkBeforeUpdate`). `usage` is in bytes.
///
/// # Errors
/// [`Error::MemoryInUse`].
pub fn check_memory(resources: &LinuxResources, usage: u64) -> Result<(), Error> {
    let Some(memory) = resources.memory() else {
        return Ok(());
    };
    if memory.check_before_update() != Some(true) {
        return Ok(());
    }
    for (limit, field, what) in [
        (memory.swap(), "linux.resources.memory.swap", "memory+swap"),
        (memory.limit(), "linux.resources.memory.limit", "memory"),
    ] {
        if let Some(limit) = limit.and_then(|limit| u64::try_from(limit).ok())
            && limit > 0
            && limit <= usage
        {
            return Err(Error::MemoryInUse {
                field,
                what,
                limit,
                usage,
            });
        }
    }
    Ok(())
}
