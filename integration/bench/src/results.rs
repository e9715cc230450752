//! What one run of the benchmark in one place leaves: the JSON file.

use crate::sample::Series;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where and when.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Place {
    /// A name for tables.
    pub name: String,
    /// Version of the cgroups that the runtimes saw.
    pub layout: String,
    /// Who managed cgroups: `cgroupfs` or `systemd`.
    pub manager: String,
    /// Kernel release.
    pub kernel: String,
    /// Processors.
    pub cpus: usize,
    /// Day, in UTC.
    pub date: String,
    /// Rounds.
    pub rounds: u32,
}

/// One runtime's program.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Program {
    /// What it says of itself.
    pub version: String,
    /// Size of its file in bytes, without the shared libraries.
    pub bytes: u64,
}

/// Counts of one command.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Counts {
    /// The command.
    pub command: String,
    /// The runtime's name.
    pub runtime: String,
    /// System calls of all its processes, those of the container's program included.
    pub system_calls: u64,
    /// Processes and threads made.
    pub clones: u64,
    /// Programs executed.
    pub execs: u64,
    /// Peak memory of the largest process in KiB.
    pub peak_kib: u64,
    /// Page faults.
    pub faults: u64,
}

/// Memory of containers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Memory {
    /// The runtime's name.
    pub runtime: String,
    /// The smallest memory limit, in bytes, with which `run` succeeds; found in steps of 64 KiB.
    pub smallest_limit: Option<u64>,
    /// What is charged to a container that waits for `start`, in bytes.
    pub waiting: Option<u64>,
}

/// All of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Results {
    /// Where and when.
    pub place: Place,
    /// By name.
    pub programs: BTreeMap<String, Program>,
    /// Times.
    pub series: Vec<Series>,
    /// Counts.
    pub counts: Vec<Counts>,
    /// Memory.
    pub memory: Vec<Memory>,
    /// What a runtime could not do.
    pub failures: Vec<String>,
}

impl Results {
    /// The series of an operation by a runtime.
    #[must_use]
    pub fn find(&self, operation: &str, paused: bool, runtime: &str) -> Option<&Series> {
        self.series.iter().find(|series| {
            series.operation == operation && series.paused == paused && series.runtime == runtime
        })
    }

    /// The counts of a command by a runtime.
    #[must_use]
    pub fn counted(&self, command: &str, runtime: &str) -> Option<&Counts> {
        self.counts
            .iter()
            .find(|counts| counts.command == command && counts.runtime == runtime)
    }
}
