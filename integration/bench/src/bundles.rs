//! The bundles that the containers are made from.

use crate::contestant::{PAYLOAD, Place};
use crate::view::Layout;
use integration::bundle::Bundle;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Docker's default seccomp profile as Docker hands it to the runtime.
const DOCKER_SECCOMP: &str = include_str!("../../../seccomp/tests/profiles/docker.json");

const DOCKER_CAPABILITIES: &[&str] = &[
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

const DOCKER_MASKED: &[&str] = &[
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];

/// Which configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Config {
    /// What `runc spec` writes.
    Default,
    /// With Docker's default seccomp profile, capabilities and masked paths.
    Docker,
}

/// Makes bundles that share one root file system.
#[derive(Debug)]
pub struct Maker {
    dir: PathBuf,
    base: Bundle,
    cgroup: String,
    systemd: bool,
}

impl Maker {
    /// Everything goes below `dir`; the containers' cgroups below `cgroup`.
    ///
    /// # Panics
    /// When a file cannot be made.
    #[must_use]
    pub fn new(dir: &Path, payload: &Path, layout: Layout, cgroup: &str, systemd: bool) -> Self {
        let base = Bundle::new(dir.join("base"), String::new(), &dir.join("busybox"));
        fs::copy(payload, base.inside(PAYLOAD)).expect("copy the payload");
        let base = base.set("/hostname", "bench");
        // As `runc spec` does on version 2.
        let base = match layout {
            Layout::V1 => base,
            Layout::V2 => base.namespace("cgroup", None),
        };
        Self {
            dir: dir.to_owned(),
            base,
            cgroup: cgroup.to_owned(),
            systemd,
        }
    }

    /// A bundle for one container of this name.
    ///
    /// # Panics
    /// When a file cannot be made.
    #[must_use]
    pub fn make(
        &self,
        name: &str,
        config: Config,
        program: &[&str],
        edit: impl FnOnce(Bundle) -> Bundle,
    ) -> Place {
        let mut bundle = self.base.clone();
        bundle.dir = self.dir.join("bundles").join(name);
        fs::create_dir_all(&bundle.dir).expect("create the bundle");
        let rootfs = self.base.dir.join("rootfs");
        let cgroup = format!("{}/{name}", self.cgroup);
        let cgroups_path = if self.systemd {
            format!("system.slice:oxrun-bench:{name}")
        } else {
            cgroup.clone()
        };
        let bundle = bundle
            .args(program)
            .set("/root/path", rootfs.to_str().expect("a path in UTF-8"))
            .set("/linux/cgroupsPath", cgroups_path);
        let bundle = match config {
            Config::Default => bundle,
            Config::Docker => docker(bundle),
        };
        let bundle = edit(bundle);
        bundle.write();
        Place {
            pid_file: bundle.dir.join("pid"),
            bundle: bundle.dir,
            rootfs,
            id: name.to_owned(),
            cgroup,
            program: program.iter().map(|&word| word.to_owned()).collect(),
        }
    }
}

/// What the Docker engine changes of the default.
fn docker(bundle: Bundle) -> Bundle {
    let seccomp: Value = serde_json::from_str(DOCKER_SECCOMP).expect("the profile");
    bundle
        .capabilities(DOCKER_CAPABILITIES)
        .set("/process/noNewPrivileges", false)
        .set("/root/readonly", false)
        .set("/linux/seccomp", seccomp)
        .set("/linux/maskedPaths", json!(DOCKER_MASKED))
}
