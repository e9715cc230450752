//! Runs programs with a time limit.

use crate::output::Output;
use crate::sys;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A started program. Killed when it is dropped while it still runs.
#[derive(Debug)]
pub struct Running {
    child: Child,
    pidfd: OwnedFd,
    since: Instant,
}

impl Running {
    /// Starts the program.
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    pub fn spawn(command: &mut Command) -> Self {
        let since = Instant::now();
        let child = command
            .spawn()
            .unwrap_or_else(|err| panic!("cannot start {command:?}: {err}"));
        let pidfd = sys::pidfd_open(child.id()).expect("a pidfd of an own child");
        Self {
            child,
            pidfd,
            since,
        }
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends the program a signal.
    ///
    /// # Panics
    /// When the signal cannot be sent.
    pub fn signal(&self, signal: libc::c_int) {
        sys::pidfd_send_signal(self.pidfd.as_fd(), signal).expect("signal to an own child");
    }

    /// Whether it has ended within the time.
    #[must_use]
    pub fn ended_within(&self, limit: Duration) -> bool {
        sys::readable(&self.pidfd, limit)
    }

    /// Waits for the end; kills the program after `limit`, and says `None` then.
    ///
    /// # Panics
    /// When the child cannot be waited for.
    pub fn wait(mut self, limit: Duration) -> (Option<ExitStatus>, Duration) {
        let in_time = self.ended_within(limit);
        if !in_time {
            self.child.kill().expect("kill an own child");
        }
        let status = self.child.wait().expect("wait for an own child");
        (in_time.then_some(status), self.since.elapsed())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // After `wait` these find nothing to do.
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}

/// Runs a program to its end and returns what it has written.
///
/// Output goes to files below `dir`, not to pipes: a detached container keeps
/// its standard output open, and reading a pipe to its end would wait for it.
///
/// # Panics
/// When the program cannot be started, or runs longer than `limit`.
#[track_caller]
pub fn run(command: &mut Command, dir: &Path, limit: Duration) -> Output {
    let (stdout, stderr) = output_files(dir);
    command.stdout(File::create(&stdout).expect("create a file for stdout"));
    command.stderr(File::create(&stderr).expect("create a file for stderr"));
    let running = Running::spawn(command);
    let (status, elapsed) = running.wait(limit);
    let output = Output::from_files(status, elapsed, stdout, stderr);
    assert!(
        status.is_some(),
        "{command:?} did not end within {limit:?}; so far: {output}"
    );
    output
}

/// New names for the output of one call.
#[must_use]
pub fn output_files(dir: &Path) -> (std::path::PathBuf, std::path::PathBuf) {
    use std::sync::atomic::{AtomicU32, Ordering};
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let number = CALLS.fetch_add(1, Ordering::Relaxed);
    (
        dir.join(format!("{number}.out")),
        dir.join(format!("{number}.err")),
    )
}

/// A command with an empty standard input.
#[must_use]
pub fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    command
}
