//! Starts programs and takes their time.

use crate::sample::Usage;
use crate::sys::{self, Ended};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Time limit of any command.
pub const LIMIT: Duration = Duration::from_secs(30);

/// Why something could not be measured, for a person.
pub type Failure = String;

/// A program with its arguments.
pub type Words = Vec<OsString>;

/// Time and use of one or several commands.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// From start to end.
    pub wall: Duration,
    /// What the processes used.
    pub usage: Usage,
}

impl std::ops::AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.wall += other.wall;
        self.usage.cpu_us += other.usage.cpu_us;
        self.usage.faults += other.usage.faults;
    }
}

/// Starts commands in a known environment, with their errors in a file.
#[derive(Debug, Clone)]
pub struct Launcher {
    errors: PathBuf,
}

impl Launcher {
    /// The file goes into `dir`.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self {
            errors: dir.join("errors"),
        }
    }

    /// The same with its own file for errors, for use beside the first.
    #[must_use]
    pub fn beside(&self, name: &str) -> Self {
        Self {
            errors: self.errors.with_extension(name),
        }
    }

    /// A command without arguments of its own; standard output goes nowhere.
    ///
    /// # Errors
    /// When the file for errors cannot be made.
    pub fn command(&self, words: &Words) -> io::Result<Command> {
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&self.errors)?);
        Ok(command)
    }

    /// Runs a command, which must succeed.
    ///
    /// # Errors
    /// When it cannot be started, fails, or runs too long.
    pub fn run(&self, words: &Words) -> Result<Cost, Failure> {
        let failed = |err: &dyn std::fmt::Display| format!("{}: {err}", shown(words));
        let mut command = self.command(words).map_err(|err| failed(&err))?;
        let since = Instant::now();
        let child = command.spawn().map_err(|err| failed(&err))?;
        let pid = child.id().cast_signed();
        let ended = sys::wait(pid, LIMIT).inspect_err(|_| kill(pid));
        let wall = since.elapsed();
        let Ended { status, usage } = ended.map_err(|err| failed(&err))?;
        if status == 0 {
            return Ok(Cost { wall, usage });
        }
        let said = fs::read_to_string(&self.errors).unwrap_or_default();
        Err(failed(&format!("status {status}: {}", said.trim())))
    }

    /// Waits for the end of a process that a command has left to us.
    ///
    /// # Errors
    /// When it is not ours or runs too long.
    pub fn wait(pid: i32) -> Result<Cost, Failure> {
        let since = Instant::now();
        let ended = sys::wait(pid, LIMIT).map_err(|err| format!("waiting for {pid}: {err}"))?;
        Ok(Cost {
            wall: since.elapsed(),
            usage: ended.usage,
        })
    }
}

/// Kills a child of ours.
fn kill(pid: i32) {
    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGKILL);
}

/// A command for a person.
#[must_use]
pub fn shown(words: &Words) -> String {
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

/// Makes words of anything that is a string or path.
#[macro_export]
macro_rules! words {
    ($($word:expr),* $(,)?) => { vec![$(std::ffi::OsString::from(&$word)),*] };
}
