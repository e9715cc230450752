//! Real cgroups for tests: under one name of the test's own, removed in any case.
#![allow(dead_code, clippy::print_stderr)] // each test uses a part; a skipped test says so

use std::io::{BufRead as _, BufReader};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use cgroups::{Cgroup, Entry, Host, ManagerKind, Plan, Request, plan};
use oci_spec::runtime::LinuxResources;

/// A place in every hierarchy that is gone when this is dropped.
pub(crate) struct Place {
    pub(crate) host: Host,
    path: PathBuf,
}

impl Place {
    /// None, said on standard error, where the test cannot run.
    pub(crate) fn new(test: &str) -> Option<Place> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if !nix::unistd::geteuid().is_root() {
            eprintln!("SKIPPED {test}: needs root to make cgroups");
            return None;
        }
        let host = match Host::probe() {
            Ok(host) => host,
            Err(error) => {
                eprintln!("SKIPPED {test}: {error}");
                return None;
            }
        };
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = format!("/oxrun-cgroups-test-{}-{count}/c", std::process::id());
        Some(Place {
            host,
            path: path.into(),
        })
    }

    pub(crate) fn request(&self) -> Request<'_> {
        Request {
            manager: ManagerKind::Cgroupfs,
            id: "test",
            cgroups_path: Some(&self.path),
            ..Request::default()
        }
    }

    pub(crate) fn plan(&self, resources: &LinuxResources) -> Plan {
        let request = Request {
            resources: Some(resources),
            ..self.request()
        };
        plan(&self.host, &request).expect("a plan")
    }

    pub(crate) fn create(&self, json: &str) -> Cgroup {
        self.plan(&resources(json)).create().expect("a cgroup")
    }

    /// The directory in the hierarchy with a controller.
    pub(crate) fn dir(&self, controller: &str) -> Option<PathBuf> {
        let has = |names: &[String]| names.iter().any(|name| name == controller);
        let hierarchy = match self
            .host
            .v1
            .iter()
            .find(|hierarchy| has(&hierarchy.controllers))
        {
            Some(hierarchy) => hierarchy,
            None => self.host.v2.as_ref().filter(|_| self.host.v1.is_empty())?,
        };
        Some(
            hierarchy
                .mount_point
                .join(self.path.strip_prefix("/").expect("absolute")),
        )
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for hierarchy in self.host.v1.iter().chain(&self.host.v2) {
            let path = hierarchy
                .mount_point
                .join(self.path.strip_prefix("/").expect("absolute"));
            remove(path.parent().expect("a parent"));
        }
    }
}

/// Removes a test's cgroups, children first; processes are the test's to end.
fn remove(path: &Path) {
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    let _ = std::fs::remove_dir(path);
}

pub(crate) fn resources(json: &str) -> LinuxResources {
    serde_json::from_str(json).expect("resources")
}

/// A process inside a cgroup, killed when dropped.
pub(crate) struct Inside(pub(crate) Child);

impl Inside {
    /// Starts a shell command that enters by the entry's descriptors. On version 2
    /// it writes to cgroup.procs, for want of clone3 in the standard library.
    pub(crate) fn start(cgroup: &Cgroup, script: &str) -> Inside {
        Inside::enter(cgroup.entry_by_write().expect("an entry"), script)
    }

    /// The shell itself writes `0` to each of the entry's files, and is inside when
    /// this returns.
    pub(crate) fn enter(entry: Entry, script: &str) -> Inside {
        const ENTER: &str = r#"for file; do echo 0 > "$file" || exit 1; done; echo inside"#;
        let me = std::process::id();
        let files = entry
            .writes
            .iter()
            .map(|fd| format!("/proc/{me}/fd/{}", fd.as_raw_fd()));
        let mut child = Command::new("/bin/sh")
            .args(["-c", &format!("{ENTER}\n{script}"), "sh"])
            .args(files)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("a pipe");
        BufReader::with_capacity(1, stdout)
            .read_line(&mut line)
            .expect("a line");
        assert_eq!(line, "inside\n");
        Inside(child)
    }

    /// Waits for a line of its output.
    pub(crate) fn line(&mut self, expected: &str) {
        assert_eq!(self.read_line(), expected);
    }

    pub(crate) fn read_line(&mut self) -> String {
        let mut line = String::new();
        let stdout = self.0.stdout.as_mut().expect("a pipe");
        BufReader::with_capacity(1, stdout)
            .read_line(&mut line)
            .expect("a line");
        line.trim_end().to_owned()
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).expect("a pid")
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
