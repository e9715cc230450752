//! What a case is: a name, the feature it shows, what it needs, its time limit.

use crate::manager::Manager;
use crate::need::Need;
use crate::rootfs;
use crate::sys;
use crate::test::Test;
use std::time::Duration;

/// A registered case. Built in constant tables with [`case`] and the methods below.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// `topic/what-it-shows`; also names the case's cgroup and directory.
    pub name: &'static str,
    /// The section of the runtime specification or the command that it covers.
    pub covers: &'static str,
    /// What the machine must offer; otherwise the case is skipped with the reason.
    pub needs: &'static [Need],
    /// Runs alone, for cases that other cases would disturb.
    pub serial: bool,
    /// Runs the runtime as an unprivileged user.
    pub rootless: bool,
    /// After this time the case and all its processes are killed.
    pub limit: Duration,
    /// The case itself.
    pub body: fn(&Test),
}

/// A case that needs root and nothing else, with a limit of 60 seconds.
pub const fn case(name: &'static str, covers: &'static str, body: fn(&Test)) -> Case {
    let limit = Duration::from_secs(60);
    Case {
        name,
        covers,
        needs: &[],
        serial: false,
        rootless: false,
        limit,
        body,
    }
}

impl Case {
    /// Adds what the machine must offer.
    #[must_use]
    pub const fn needs(mut self, needs: &'static [Need]) -> Self {
        self.needs = needs;
        self
    }

    /// Keeps other cases from running at the same time.
    #[must_use]
    pub const fn serial(mut self) -> Self {
        self.serial = true;
        self
    }

    /// Runs the runtime as an unprivileged user: the caller, or when that is
    /// root, a user with an id of its own.
    #[must_use]
    pub const fn rootless(mut self) -> Self {
        self.rootless = true;
        self
    }

    /// Sets the time limit in seconds.
    #[must_use]
    pub const fn limit(mut self, seconds: u64) -> Self {
        self.limit = Duration::from_secs(seconds);
        self
    }

    /// The first unmet need, as a reason to skip.
    #[must_use]
    pub fn unmet(&self) -> Option<String> {
        let root = if self.rootless {
            None
        } else {
            Need::Root.unmet()
        };
        let other_user = self.rootless && sys::is_root();
        let systemd = (other_user && Manager::under_test() == Manager::Systemd)
            .then(|| "needs a user who has a systemd of their own".to_owned());
        root.or(systemd)
            .or_else(rootfs::unmet)
            .or_else(|| self.needs.iter().find_map(Need::unmet))
    }
}
