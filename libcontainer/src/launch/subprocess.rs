//! Runs a program of the host to its end, with its output captured.
//!
//! The standard library's `Command` would pass the host program's descriptors on; this one passes
//! only 0 to 2.

#![forbid(unsafe_code)]

use std::ffi::CStr;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::unix_socket::retry;
use crate::plan::cstrings::{CStringArray, c_string};
use crate::plan::render;
use crate::sys::{self, Call, Fault, descriptor, file, process, signal};

/// How much of each output is kept; the rest is read and dropped.
const KEPT: usize = 64 * 1024;
/// The first descriptor that is none of the standard ones.
const FIRST_OTHER: RawFd = 3;
/// Exit code of a child that could not execute the program.
const NOT_EXECUTED: i32 = 127;

/// What is run.
#[derive(Debug)]
pub(super) struct Program<'a> {
    pub(super) path: &'a CStr,
    pub(super) argv: &'a CStringArray,
    pub(super) envp: &'a CStringArray,
    /// Working directory; `None` for the caller's.
    pub(super) cwd: Option<&'a CStr>,
    /// What it reads from its standard input.
    pub(super) input: &'a [u8],
    /// When it is killed.
    pub(super) timeout: Option<Duration>,
}

/// How it ended, with what it wrote.
#[derive(Debug)]
pub(super) struct Outcome {
    /// As wait(2) has it.
    pub(super) status: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Outcome {
    /// The end in words: `exit status 1`, `killed by signal 9 (killed)`.
    pub(super) fn describe(&self) -> String {
        let code = (self.status >> 8) & 0xff;
        match self.status & 0x7f {
            0 => format!("exit status {code}"),
            number => format!("killed by {}", render::signal(number)),
        }
    }
}

/// Why there is no outcome.
#[derive(Debug)]
pub(super) enum Failure {
    /// A call failed in the parent, or in the child before the program ran.
    Call(&'static str, Errno),
    /// The time was over; the program has been killed.
    TimedOut,
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Call(fault.call.name(), Errno::from_raw(fault.errno))
    }
}

/// Runs the program and waits for its end, not for the end of what it leaves behind, although that
/// may still hold the outputs.
pub(super) fn run(program: &Program<'_>) -> Result<Outcome, Failure> {
    let deadline = program
        .timeout
        .and_then(|timeout| Instant::now().checked_add(timeout));
    let input = input(program.input)?;
    let (stdout, child_stdout) = output()?;
    let (stderr, child_stderr) = output()?;
    let (fault, child_fault) = output()?;
    let stdio = [input.as_fd(), child_stdout.as_fd(), child_stderr.as_fd()];
    let child = Child(process::clone(0, None, || {
        let fault = execute(program, &stdio);
        report(child_fault.as_fd(), fault)
    })?);
    drop((child_stdout, child_stderr, child_fault));
    let mut outputs = [Output::new(stdout), Output::new(stderr)];
    child.wait(&mut outputs, deadline)?;
    let status = child.reap()?;
    outputs.iter_mut().for_each(Output::read);
    if let Some(fault) = reported(fault) {
        return Err(fault.into());
    }
    let [stdout, stderr] = outputs.map(|output| output.text());
    Ok(Outcome {
        status,
        stdout,
        stderr,
    })
}

/// The process, killed with what it has started, and reaped, when it is dropped too early.
struct Child(process::Cloned);

impl Child {
    fn wait(&self, outputs: &mut [Output; 2], deadline: Option<Instant>) -> Result<(), Failure> {
        loop {
            let left = match deadline {
                Some(deadline) => remaining(deadline).ok_or(Failure::TimedOut)?,
                None => PollTimeout::NONE,
            };
            let [first, second] = &*outputs;
            let entries = [Some(self.0.pidfd.as_fd()), first.open(), second.open()];
            let mut polled: Vec<PollFd<'_>> = entries
                .into_iter()
                .flatten()
                .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
                .collect();
            retry(|| poll(&mut polled, left)).map_err(|errno| Failure::Call("poll", errno))?;
            let ended = polled
                .first()
                .is_some_and(|entry| entry.any().unwrap_or(true));
            outputs.iter_mut().for_each(Output::read);
            if ended {
                return Ok(());
            }
        }
    }

    fn reap(self) -> Result<i32, Failure> {
        let status = process::wait(self.0.pidfd.as_fd())?;
        std::mem::forget(self);
        Ok(status)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if process::kill_with_group(&self.0).is_ok() {
            // There is nobody left to tell.
            let _ = process::wait(self.0.pidfd.as_fd());
        }
    }
}

/// What is left of the time, at least a millisecond, so that waiting does not become spinning.
fn remaining(deadline: Instant) -> Option<PollTimeout> {
    let left = deadline
        .checked_duration_since(Instant::now())
        .filter(|left| !left.is_zero())?;
    let milliseconds = left.as_millis().clamp(1, 60_000);
    PollTimeout::try_from(i32::try_from(milliseconds).unwrap_or(60_000)).ok()
}

/// The reading end of a pipe and what has come out of it.
struct Output {
    pipe: Option<File>,
    bytes: Vec<u8>,
}

impl Output {
    fn new(pipe: OwnedFd) -> Self {
        Self {
            pipe: Some(pipe.into()),
            bytes: Vec::new(),
        }
    }

    fn open(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// Takes what is there, at most a pipe's worth.
    fn read(&mut self) {
        let mut chunk = [0; KEPT];
        let Some(pipe) = &mut self.pipe else { return };
        match pipe.read(&mut chunk) {
            Ok(0) => self.pipe = None,
            Ok(length) => {
                let room = KEPT.saturating_sub(self.bytes.len()).min(length);
                self.bytes
                    .extend_from_slice(chunk.get(..room).unwrap_or_default());
            }
            Err(error) => match error.kind() {
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted => {}
                _ => self.pipe = None,
            },
        }
    }

    fn text(self) -> String {
        String::from_utf8_lossy(&self.bytes).trim_end().to_owned()
    }
}

/// A file with the input, so that neither side ever waits for the other.
fn input(bytes: &[u8]) -> Result<OwnedFd, Failure> {
    let mut file = File::from(descriptor::memory_file(c"stdin")?);
    file.write_all(bytes).map_err(failed("write"))?;
    file.rewind().map_err(failed("lseek"))?;
    above_stdio(file.into())
}

/// A pipe: our end, which never blocks, and the child's.
fn output() -> Result<(OwnedFd, OwnedFd), Failure> {
    let (read, write) = descriptor::pipe()?;
    fcntl(&read, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))
        .map_err(|errno| Failure::Call("fcntl", errno))?;
    Ok((read, above_stdio(write)?))
}

/// The descriptor under a number that the child does not overwrite while it sets up 0 to 2. A host
/// program may run with those closed.
fn above_stdio(fd: OwnedFd) -> Result<OwnedFd, Failure> {
    if fd.as_raw_fd() >= FIRST_OTHER {
        return Ok(fd);
    }
    // The standard library duplicates to 3 and above.
    match fd.try_clone() {
        Ok(copy) if copy.as_raw_fd() >= FIRST_OTHER => Ok(copy),
        Ok(_) => Err(Failure::Call("dup", Errno::EBADF)),
        Err(error) => Err(failed("dup")(error)),
    }
}

fn failed(call: &'static str) -> impl Fn(std::io::Error) -> Failure {
    move |error| {
        Failure::Call(
            call,
            Errno::from_raw(error.raw_os_error().unwrap_or_default()),
        )
    }
}

/// The child's way to the program; async-signal-safe. Returns only where it failed.
fn execute(program: &Program<'_>, stdio: &[BorrowedFd<'_>; 3]) -> Fault {
    match prepare(program, stdio) {
        Ok(()) => process::execute(program.path, program.argv, program.envp),
        Err(fault) => fault,
    }
}

fn prepare(program: &Program<'_>, stdio: &[BorrowedFd<'_>; 3]) -> sys::Result<()> {
    signal::reset_all()?;
    process::new_process_group()?;
    if let Some(cwd) = program.cwd {
        file::enter_path(cwd)?;
    }
    for (fd, target) in stdio.iter().zip(0..) {
        descriptor::duplicate_onto(*fd, target)?;
    }
    match descriptor::close_range_on_exec(FIRST_OTHER.cast_unsigned()) {
        Err(fault) if fault.is_missing() => close_listed_on_exec(),
        result => result,
    }
}

/// What close_range(2) does, for kernels before 5.11.
fn close_listed_on_exec() -> sys::Result<()> {
    let flags = nix::libc::O_RDONLY | nix::libc::O_DIRECTORY | nix::libc::O_CLOEXEC;
    let list = file::open(descriptor::CWD, c"/proc/self/fd", flags, 0)?;
    descriptor::for_each_entry::<1024>(list.as_fd(), |name, _| {
        let number = name
            .to_str()
            .ok()
            .and_then(|name| name.parse::<RawFd>().ok());
        match number.filter(|number| *number >= FIRST_OTHER) {
            Some(number) => descriptor::close_on_exec(number),
            None => Ok(()),
        }
    })
}

/// Tells the parent why there is no program; returns the child's exit code. Async-signal-safe.
fn report(to: BorrowedFd<'_>, fault: Fault) -> i32 {
    let mut message = [0; 6];
    message[..2].copy_from_slice(&(fault.call as u16).to_ne_bytes());
    message[2..].copy_from_slice(&fault.errno.to_ne_bytes());
    // Nothing can be done where the parent is gone.
    let _ = file::write_all(to, &message);
    NOT_EXECUTED
}

fn reported(from: OwnedFd) -> Option<Fault> {
    let mut message = [0; 6];
    File::from(from).read_exact(&mut message).ok()?;
    let [a, b, c, d, e, f] = message;
    let call = Call::from_u16(u16::from_ne_bytes([a, b]))?;
    Some(Fault::new(call, i32::from_ne_bytes([c, d, e, f])))
}

/// C strings for a program's arguments or environment; the index of one with a zero byte inside
/// where there is such.
pub(super) fn c_strings<'a>(
    texts: impl IntoIterator<Item = &'a str>,
) -> Result<CStringArray, usize> {
    let strings: Result<Vec<Box<CStr>>, usize> = texts
        .into_iter()
        .enumerate()
        .map(|(index, text)| c_string(text).map_err(|_| index))
        .collect();
    strings.map(CStringArray::new)
}
