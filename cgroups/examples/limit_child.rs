//! Runs a command with limits: `limit_child MEMORY_BYTES PIDS COMMAND [ARGUMENT]…`
//!
//! The child enters by itself, through the descriptors of the entry, before it
//! becomes the command; a runtime does the same between clone3(2) and execve(2).
#![allow(clippy::print_stderr, clippy::exit)] // it is a program

use std::os::fd::AsRawFd as _;
use std::process::Command;

use cgroups::{Host, Request, plan};
use oci_spec::runtime::{LinuxMemoryBuilder, LinuxPidsBuilder, LinuxResourcesBuilder};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [memory, pids, command @ ..] = arguments.as_slice() else {
        return Err("usage: limit_child MEMORY_BYTES PIDS COMMAND [ARGUMENT]…".into());
    };
    let resources = LinuxResourcesBuilder::default()
        .memory(
            LinuxMemoryBuilder::default()
                .limit(memory.parse::<i64>()?)
                .build()?,
        )
        .pids(
            LinuxPidsBuilder::default()
                .limit(pids.parse::<i64>()?)
                .build()?,
        )
        .build()?;
    let id = format!("limit-child-{}", std::process::id());
    let request = Request {
        id: &id,
        resources: Some(&resources),
        ..Request::default()
    };

    let plan = plan(&Host::probe()?, &request)?;
    eprint!("{plan}");
    let cgroup = plan.create()?;
    // By writes alone: the standard library has no clone3(2).
    let entry = cgroup.entry_by_write()?;
    let me = std::process::id();
    let files = entry
        .writes
        .iter()
        .map(|fd| format!("/proc/{me}/fd/{}", fd.as_raw_fd()));
    let status = Command::new("/bin/sh")
        .args([
            "-c",
            r#"until [ "$1" = -- ]; do echo 0 > "$1"; shift; done; shift; exec "$@""#,
            "sh",
        ])
        .args(files)
        .arg("--")
        .args(command)
        .status();
    let stats = cgroup.stats();
    cgroup.kill(9)?;
    cgroup.remove()?;
    eprintln!("most memory used: {} bytes", stats?.memory.usage.max);
    std::process::exit(status?.code().unwrap_or(1));
}
