//! The library in a long-lived program (`bin/inprocess.rs`), seen from outside.

use crate::contestant::Place;
use crate::launch::{Cost, Failure};
use crate::sample::Usage;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// The running program. It ends when this is dropped.
#[derive(Debug)]
pub struct InProcess {
    child: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl InProcess {
    /// Starts it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(program: &Path, root: &Path, place: &Place) -> Result<Self, Failure> {
        let mut child = Command::new(program)
            .arg(root)
            .arg(&place.bundle)
            .arg(&place.id)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|err| format!("{}: {err}", program.display()))?;
        let commands = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().ok_or("no pipe")?);
        Ok(Self {
            child,
            commands,
            answers,
        })
    }

    fn ask(&mut self, command: &str) -> Result<Vec<u64>, Failure> {
        let commands = self.commands.as_mut().ok_or("no pipe")?;
        writeln!(commands, "{command}").map_err(|err| err.to_string())?;
        let mut line = String::new();
        self.answers
            .read_line(&mut line)
            .map_err(|err| err.to_string())?;
        let numbers: Option<Vec<u64>> = line
            .split_whitespace()
            .map(|word| word.parse().ok())
            .collect();
        let numbers = numbers.filter(|numbers| !numbers.is_empty());
        numbers.ok_or_else(|| format!("the library's program answers {line:?}"))
    }

    /// Creates, starts, waits for and deletes a container.
    ///
    /// # Errors
    /// When the library does.
    pub fn cycle(&mut self) -> Result<Cost, Failure> {
        match *self.ask("cycle")? {
            [nanoseconds, cpu_us, faults] => Ok(Cost {
                wall: Duration::from_nanos(nanoseconds),
                usage: Usage { cpu_us, faults },
            }),
            ref other => Err(format!("the library's program answers {other:?}")),
        }
    }

    /// Bytes that `create` allocates before its clone.
    ///
    /// # Errors
    /// When the library fails.
    pub fn allocated(&mut self) -> Result<u64, Failure> {
        Ok(self.ask("allocated")?[0])
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        self.commands = None;
        // It ends at the end of its input.
        let _ = self.child.wait();
    }
}
