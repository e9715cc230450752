//! The program: where it is, its environment, its execution.

use core::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};

use super::state::Child;
use crate::path::{self, How, text};
use crate::sys::{Call, Fault, Result, descriptor, file, process};

/// How much of a `passwd` file is read: it may be endless.
const PASSWD_LIMIT: usize = 1 << 20;
const HOME: &[u8] = b"HOME=";
const LISTEN_PID: &[u8] = b"LISTEN_PID=";

impl Child<'_> {
    /// Finds the first candidate that may be executed. Of what was found instead, the refusal says
    /// more than the absence.
    ///
    /// A program that is named by its path is executed at once where nothing comes between: what is
    /// wrong with it is then asked only where that has failed.
    pub(super) fn find_program(&mut self) -> Result<()> {
        let comes_between =
            self.gate.is_some() || self.is_announced || self.has_hooks || self.seccomp.is_some();
        if self.image.candidates.len() == 1 && !comes_between {
            self.unseen_program = Some(self.index);
            return Ok(());
        }
        self.look_at_candidates()
    }

    fn look_at_candidates(&mut self) -> Result<()> {
        let mut reason = Fault::new(Call::ProgramNotFound, libc::ENOENT);
        for (index, candidate) in self.image.candidates.iter().enumerate() {
            match examine(candidate) {
                Ok(()) => {
                    self.program = Some(index);
                    return Ok(());
                }
                Err(fault) if fault.call == Call::ProgramNotFound => {}
                Err(fault) => reason = fault.about(u32::try_from(index).unwrap_or(u32::MAX)),
            }
        }
        Err(reason)
    }

    /// Executes the program. Returns only where that failed.
    pub(super) fn execute(&mut self) -> Result<()> {
        let index = self.program.unwrap_or(0);
        let Some(program) = self.image.candidates.get(index) else {
            return Err(Fault::new(Call::ProgramNotFound, libc::ENOENT));
        };
        let fault = process::execute(program, &self.image.argv, &self.image.envp);
        if let Some(step) = self.unseen_program {
            let executes = core::mem::replace(&mut self.index, step);
            self.look_at_candidates()?;
            self.index = executes;
        }
        Err(fault.about(u32::try_from(index).unwrap_or(u32::MAX)))
    }

    /// Fills in `HOME=` from the container's `/etc/passwd`, with `/` where that does not know.
    pub(super) fn set_home(&mut self, uid: u32) -> Result<()> {
        let Some(index) = self.image.home else {
            return Ok(());
        };
        let proc = self.proc()?;
        let mut home = text::PathText::new();
        if read_home(self.root()?, proc, uid, &mut home).is_err() || home.as_bytes().is_empty() {
            home.truncate(0);
            home.push(b"/")?;
        }
        self.fill_entry(index, HOME, home.as_bytes())
    }

    /// Fills in `LISTEN_PID=` with the process's own number.
    pub(super) fn set_listen_pid(&mut self) -> Result<()> {
        let Some(index) = self.image.listen_pid else {
            return Ok(());
        };
        let mut digits = [0; 20];
        let number = text::decimal(u64::from(process::id().unsigned_abs()), &mut digits);
        self.fill_entry(index, LISTEN_PID, number)
    }

    /// Writes `NAME=VALUE` to a reserved entry of the environment.
    fn fill_entry(&mut self, index: usize, name: &[u8], value: &[u8]) -> Result<()> {
        let too_long = Fault::new(Call::PathTooLong, libc::ENAMETOOLONG);
        let entry = self.image.envp.bytes_mut(index).ok_or(too_long)?;
        let end = name.len() + value.len();
        // The zero at the end has to fit too.
        if end >= entry.len() {
            return Err(too_long);
        }
        entry.fill(0);
        let (start, rest) = entry.split_at_mut_checked(name.len()).ok_or(too_long)?;
        start.copy_from_slice(name);
        rest.get_mut(..value.len())
            .ok_or(too_long)?
            .copy_from_slice(value);
        Ok(())
    }
}

/// Whether a candidate may be executed, and why not.
fn examine(candidate: &CStr) -> Result<()> {
    let status = match file::status_at(descriptor::CWD, candidate, 0) {
        Ok(status) => status,
        Err(fault) if matches!(fault.errno, libc::ENOENT | libc::ENOTDIR) => {
            return Err(Fault::new(Call::ProgramNotFound, libc::ENOENT));
        }
        Err(fault) if fault.errno == libc::EACCES => {
            return Err(Fault::new(Call::ProgramNotExecutable, libc::EACCES));
        }
        Err(fault) => return Err(fault),
    };
    if status.is_directory() {
        return Err(Fault::new(Call::ProgramIsDirectory, libc::EISDIR));
    }
    match file::may_execute(candidate) {
        Err(fault) if fault.errno == libc::EACCES => {
            Err(Fault::new(Call::ProgramNotExecutable, libc::EACCES))
        }
        other => other,
    }
}

/// Reads the home directory of a user from `etc/passwd` inside the root.
fn read_home(
    root: BorrowedFd<'_>,
    proc: BorrowedFd<'_>,
    uid: u32,
    home: &mut text::PathText,
) -> Result<()> {
    let found = path::resolve(root, c"etc/passwd", How::default())?;
    if file::status(found.as_fd())?.kind() != libc::S_IFREG {
        return Ok(());
    }
    let passwd = path::reopen(proc, found.as_fd(), libc::O_RDONLY)?;
    let mut lines = Lines::default();
    let mut block = [0; 4096];
    let mut total = 0;
    while total < PASSWD_LIMIT {
        let length = file::read(passwd.as_fd(), &mut block)?;
        let bytes = block.get(..length).unwrap_or_default();
        let end = if length == 0 { b"\n" } else { bytes };
        for byte in end {
            if *byte != b'\n' {
                lines.push(*byte);
            } else if lines.take(uid, home)? {
                return Ok(());
            }
        }
        if length == 0 {
            break;
        }
        total += length;
    }
    Ok(())
}

/// The line of a `passwd` file that is being read. One that is longer than the room is no user.
struct Lines {
    line: [u8; 4096],
    length: usize,
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            line: [0; 4096],
            length: 0,
        }
    }
}

impl Lines {
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.line.get_mut(self.length) {
            *place = byte;
        }
        self.length = self.length.saturating_add(1);
    }

    /// Takes the line; says whether it is the user's, whose home directory is then in `home`.
    fn take(&mut self, uid: u32, home: &mut text::PathText) -> Result<bool> {
        let line = self.line.get(..self.length).unwrap_or_default();
        self.length = 0;
        // name:password:uid:gid:comment:home:shell
        let mut fields = line.split(|byte| *byte == b':');
        let number = fields
            .nth(2)
            .and_then(|digits| core::str::from_utf8(digits).ok());
        if number.and_then(|digits| digits.parse::<u32>().ok()) != Some(uid) {
            return Ok(false);
        }
        if let Some(directory) = fields.nth(2)
            && !directory.contains(&0)
        {
            home.push(directory)?;
        }
        Ok(true)
    }
}
