//! What is measured.

use crate::bundles::Config;

/// One operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `run` of a program that ends at once.
    Run(Config),
    /// `create`, `start`, wait for the end, `delete`.
    Cycle(Config),
    /// `exec` of that program in a container that waits.
    Exec(Config),
    /// `state` of it.
    State(Config),
    /// A signal to it.
    Kill,
    /// `run` on a host with many more mounts.
    Crowded,
    /// A hundred containers by eight callers at once.
    Parallel,
}

use Operation::{Crowded, Cycle, Exec, Kill, Parallel, Run, State};

/// All of them, in the order of tables.
pub const ALL: &[Operation] = &[
    Run(Config::Default),
    Cycle(Config::Default),
    Exec(Config::Default),
    State(Config::Default),
    Kill,
    Run(Config::Docker),
    Cycle(Config::Docker),
    Exec(Config::Docker),
    State(Config::Docker),
    Crowded,
    Parallel,
];

impl Operation {
    /// The name in results and tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Run(Config::Default) => "run",
            Run(Config::Docker) => "run, Docker's configuration",
            Cycle(Config::Default) => "create+start+delete",
            Cycle(Config::Docker) => "create+start+delete, Docker's configuration",
            Exec(Config::Default) => "exec",
            Exec(Config::Docker) => "exec, Docker's configuration",
            State(Config::Default) => "state",
            State(Config::Docker) => "state, Docker's configuration",
            Kill => "kill",
            Crowded => "run, 1,000 more mounts",
            Parallel => "100 containers by 8 callers",
        }
    }

    /// The container that must be there: its configuration.
    #[must_use]
    pub fn needs(self) -> Option<Config> {
        match self {
            Exec(config) | State(config) => Some(config),
            Kill => Some(Config::Default),
            _ => None,
        }
    }

    /// The configuration, which the floor program and the library have no choice of.
    #[must_use]
    pub fn config(self) -> Config {
        match self {
            Run(config) | Cycle(config) | Exec(config) | State(config) => config,
            _ => Config::Default,
        }
    }

    /// Whether it is measured with pauses as well.
    #[must_use]
    pub fn has_pauses(self) -> bool {
        !matches!(self, Kill | Crowded | Parallel)
    }

    /// It is measured in every round that this divides.
    #[must_use]
    pub fn every(self) -> u32 {
        if self == Parallel { 4 } else { 1 }
    }
}
