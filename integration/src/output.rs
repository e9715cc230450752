//! What a call of the runtime has printed and how it ended.

use serde_json::Value;
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// Result of one call.
#[derive(Debug, Clone)]
pub struct Output {
    /// `None` when it was killed for taking too long.
    pub status: Option<ExitStatus>,
    /// Text on standard output when the call ended.
    pub stdout: String,
    /// Text on standard error when the call ended.
    pub stderr: String,
    /// Time from start to end.
    pub elapsed: Duration,
    stdout_file: PathBuf,
}

impl Output {
    /// Reads both files.
    pub(crate) fn from_files(
        status: Option<ExitStatus>,
        elapsed: Duration,
        stdout: PathBuf,
        stderr: PathBuf,
    ) -> Self {
        let text = |path| String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into();
        Self {
            status,
            stdout: text(&stdout),
            stderr: text(&stderr),
            elapsed,
            stdout_file: stdout,
        }
    }

    /// The exit code, or 128 plus the signal that ended the call.
    #[must_use]
    pub fn code(&self) -> i32 {
        let status = self.status.expect("a call that ended");
        status
            .code()
            .unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
    }

    /// Whether the exit code is 0.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }

    /// Passes the output on when the exit code is 0.
    ///
    /// # Panics
    /// Otherwise.
    #[track_caller]
    #[must_use]
    pub fn success(self) -> Self {
        assert!(self.succeeded(), "the call failed: {self}");
        self
    }

    /// Asserts success where nothing of the output is wanted.
    ///
    /// # Panics
    /// When the exit code is not 0.
    #[track_caller]
    pub fn ok(&self) {
        assert!(self.succeeded(), "the call failed: {self}");
    }

    /// Passes the output on when the call failed and its last line on standard
    /// error holds one of `phrases` (any, when the list is empty).
    ///
    /// # Panics
    /// Otherwise.
    #[track_caller]
    pub fn failure(self, phrases: &[&str]) -> Self {
        assert!(!self.succeeded(), "the call succeeded: {self}");
        let last = self.last_error().to_lowercase();
        let held = phrases.is_empty() || phrases.iter().any(|p| last.contains(&p.to_lowercase()));
        assert!(
            held,
            "the last line of stderr holds none of {phrases:?}: {self}"
        );
        self
    }

    /// The last line of standard error.
    #[must_use]
    pub fn last_error(&self) -> &str {
        self.stderr
            .lines()
            .rfind(|line| !line.trim().is_empty())
            .unwrap_or("")
    }

    /// Standard output without white space around it.
    #[must_use]
    pub fn text(&self) -> &str {
        self.stdout.trim()
    }

    /// The lines of standard output.
    #[must_use]
    pub fn lines(&self) -> Vec<&str> {
        self.stdout
            .lines()
            .map(|line| line.trim_end_matches('\r'))
            .collect()
    }

    /// Standard output as JSON.
    ///
    /// # Panics
    /// When it is not JSON.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|err| panic!("stdout is not JSON: {err}: {self}"))
    }

    /// What standard output holds by now: a detached container goes on writing.
    #[must_use]
    pub fn stdout_now(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.stdout_file).unwrap_or_default()).into()
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self
            .status
            .map_or("killed".to_owned(), |status| status.to_string());
        let cut = |text: &str| text.chars().take(1500).collect::<String>();
        write!(
            f,
            "{status}\nstdout: {}\nstderr: {}",
            cut(&self.stdout),
            cut(&self.stderr)
        )
    }
}
