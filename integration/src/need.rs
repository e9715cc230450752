//! What a case may need of the machine.

use crate::manager::Manager;
use crate::{cgroup, sys};
use std::path::Path;

/// A requirement; a case whose needs are not met is skipped loudly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The suite runs as root.
    Root,
    /// This cgroup v1 controller is mounted.
    CgroupV1(&'static str),
    /// The root of the cgroup file system is cgroup2.
    CgroupV2,
    /// Version 2, and a cgroup in which the caller may make others.
    DelegatedCgroup,
    /// A program in PATH.
    Program(&'static str),
    /// A file or directory of the host.
    Path(&'static str),
    /// Another process's capability set holds this capability, by number.
    Capability(&'static str, u32),
    /// A kernel at least this new.
    Kernel(u32, u32),
    /// At least so many CPUs.
    Cpus(usize),
    /// A machine of this architecture, as `uname -m` has it.
    Machine(&'static str),
    /// The suite's program is static, so that it also runs inside containers.
    StaticGuest,
}

impl Need {
    /// Why this need is not met here, or `None` when it is.
    #[must_use]
    pub fn unmet(&self) -> Option<String> {
        let (met, reason) = match *self {
            Self::Root => (sys::is_root(), "needs root".to_owned()),
            Self::CgroupV1(controller) => (
                cgroup::v1_root(controller).is_some(),
                format!("needs the cgroup v1 controller {controller}"),
            ),
            Self::CgroupV2 => (cgroup::is_v2(), "needs cgroup v2".to_owned()),
            Self::DelegatedCgroup => (
                cgroup::is_v2() && !sys::is_root() && Manager::under_test().base().is_some(),
                "needs cgroup v2 and an ordinary user's own cgroup".to_owned(),
            ),
            Self::Program(name) => (find_program(name), format!("needs the program {name}")),
            Self::Path(path) => (Path::new(path).exists(), format!("needs {path}")),
            Self::Capability(name, number) => (
                sys::has_capability(number),
                format!("needs the capability {name}"),
            ),
            Self::Kernel(major, minor) => (
                sys::kernel_version() >= (major, minor),
                format!("needs Linux {major}.{minor} or newer"),
            ),
            Self::Cpus(number) => (
                std::thread::available_parallelism().is_ok_and(|n| n.get() >= number),
                format!("needs {number} CPUs"),
            ),
            Self::Machine(name) => (
                std::env::consts::ARCH == name,
                format!("needs a machine of {name}"),
            ),
            Self::StaticGuest => (
                sys::is_static(),
                "needs a statically linked test program".to_owned(),
            ),
        };
        (!met).then_some(reason)
    }
}

/// Whether PATH, or one of the administrator's directories, holds the program.
fn find_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|dir| dir.join(name).is_file())
}
