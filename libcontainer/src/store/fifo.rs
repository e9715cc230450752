//! The FIFO that starts a created container's program, and tells whether it really ran.
//!
//! The waiting process holds the FIFO open for reading and writing, close-on-exec, and reads one
//! byte. `start` writes that byte and then waits until nobody reads the FIFO any more: the process
//! has executed its program or died. What it left in the FIFO, if anything, is why it failed.

#![forbid(unsafe_code)]

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{Mode, SFlag, mknodat};
use nix::unistd::{read, write};

use super::Directory;
use crate::error::{Error, ErrorKind, Result};
use crate::sync::{Failure, MESSAGE_LEN, Message};

const FIFO: &str = "exec.fifo";

/// The byte that starts the program.
const START: u8 = b'0';

/// What became of the process.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Started {
    /// It runs its program.
    Runs,
    /// A step after the start failed.
    Failed(Failure),
    /// It ended before it took the byte.
    Ended,
}

/// The FIFO of a container.
#[derive(Debug)]
pub(crate) struct StartFifo;

impl StartFifo {
    /// Makes the FIFO and opens it for the process that waits.
    pub(crate) fn create(directory: &Directory) -> Result<OwnedFd> {
        let mode = Mode::from_bits_truncate(0o600);
        mknodat(directory.as_fd(), FIFO, SFlag::S_IFIFO, mode, 0)
            .map_err(|errno| directory.failed(FIFO, "mknod", errno))?;
        let flags = OFlag::O_RDWR | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
        openat(directory.as_fd(), FIFO, flags, Mode::empty())
            .map_err(|errno| directory.failed(FIFO, "open", errno))
    }

    /// Whether the container waits to be started.
    pub(crate) fn is_there(directory: impl AsFd) -> bool {
        let flags = nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW;
        nix::sys::stat::fstatat(directory, FIFO, flags).is_ok()
    }

    /// Starts the program and waits until it runs or has failed.
    pub(crate) fn start(directory: &Directory) -> Result<Started> {
        let failed = |call, errno| directory.failed(FIFO, call, errno);
        let open = |flags| {
            let flags = flags | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
            openat(directory.as_fd(), FIFO, flags, Mode::empty())
        };
        let writer = match open(OFlag::O_WRONLY) {
            Ok(writer) => writer,
            Err(Errno::ENXIO) => return Ok(Started::Ended),
            Err(Errno::ENOENT) => return Err(not_created()),
            Err(errno) => return Err(failed("open", errno)),
        };
        match write(&writer, &[START]) {
            Ok(_) => {}
            Err(Errno::EPIPE) => return Ok(Started::Ended),
            Err(errno) => return Err(failed("write", errno)),
        }
        wait_until_unread(&writer).map_err(|errno| failed("poll", errno))?;
        let reader = open(OFlag::O_RDONLY).map_err(|errno| failed("open", errno))?;
        directory.unlink(FIFO)?;
        let mut left = [0; MESSAGE_LEN];
        match read(&reader, &mut left) {
            Ok(0) | Err(Errno::EAGAIN) => Ok(Started::Runs),
            Ok(MESSAGE_LEN) => match Message::decode(&left) {
                Some(Message::Failed(failure)) => Ok(Started::Failed(failure)),
                _ => Ok(Started::Ended),
            },
            Ok(_) => Ok(Started::Ended),
            Err(errno) => Err(failed("read", errno)),
        }
    }
}

fn not_created() -> Error {
    Error::new(
        ErrorKind::WrongState,
        "cannot start a container that is not created",
    )
}

/// A FIFO's writer sees `POLLERR` once no reader is left (pipe(7)).
fn wait_until_unread(writer: &OwnedFd) -> nix::Result<()> {
    loop {
        let mut polled = [PollFd::new(writer.as_fd(), PollFlags::empty())];
        match poll(&mut polled, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
        if polled[0]
            .revents()
            .is_some_and(|events| events.contains(PollFlags::POLLERR))
        {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> (tempfile::TempDir, Directory) {
        let root = tempfile::tempdir().expect("a temporary directory");
        let directory = Directory::create(root.path(), "c").expect("a new container directory");
        (root, directory)
    }

    #[test]
    fn a_reader_that_goes_away_silently_has_executed() {
        let (_root, directory) = directory();
        let init = StartFifo::create(&directory).expect("the waiting end");
        let waits = std::thread::spawn(move || {
            let mut byte = [0];
            read(&init, &mut byte)
        });
        assert_eq!(
            StartFifo::start(&directory).expect("started"),
            Started::Runs
        );
        assert_eq!(waits.join().expect("no panic"), Ok(1));
        assert!(!StartFifo::is_there(&directory));
    }

    #[test]
    fn a_failure_is_read_from_the_fifo() {
        let (_root, directory) = directory();
        let init = StartFifo::create(&directory).expect("the waiting end");
        let failure = Failure {
            step: 3,
            call: 4,
            errno: 2,
            detail: 0,
        };
        std::thread::spawn(move || {
            let mut byte = [0];
            read(&init, &mut byte).expect("the byte");
            write(&init, &Message::Failed(failure).encode()).expect("the failure");
        });
        assert_eq!(
            StartFifo::start(&directory).expect("started"),
            Started::Failed(failure)
        );
    }

    #[test]
    fn a_dead_process_cannot_be_started() {
        let (_root, directory) = directory();
        drop(StartFifo::create(&directory).expect("a FIFO"));
        assert_eq!(
            StartFifo::start(&directory).expect("an answer"),
            Started::Ended
        );
    }
}
