//! The master of a terminal that stays with this program.

#![forbid(unsafe_code)]

use std::os::fd::{BorrowedFd, OwnedFd};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::sys::termios::{OutputFlags, SetArg, tcgetattr, tcsetattr};
use oci_spec::runtime::Process as ProcessSpec;

use super::options::Terminal;
use crate::error::{Error, Result};
use crate::launch::Console;
use crate::sys;

/// Whether a process wants a terminal.
pub(super) fn is_wanted(process: Option<&ProcessSpec>) -> bool {
    process.is_some_and(|process| process.terminal().unwrap_or(false))
}

/// Where the child sends its terminal's master, and where that is received when it stays here.
pub(super) fn destination(terminal: &mut Terminal) -> Result<(Console, Option<OwnedFd>)> {
    match std::mem::take(terminal) {
        Terminal::Socket(path) => Ok((Console::Path(path), None)),
        Terminal::Keep => {
            let (receiver, sender) = pair()?;
            Ok((Console::Socket(sender), Some(receiver)))
        }
    }
}

/// A socket pair in the place of a console socket: where to receive, and where the child sends.
fn pair() -> Result<(OwnedFd, OwnedFd)> {
    socketpair(
        AddressFamily::Unix,
        SockType::Stream,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .map_err(|errno| failed("socketpair", errno))
}

/// The master that the child has sent.
pub(super) fn receive(socket: BorrowedFd<'_>) -> Result<OwnedFd> {
    let mut name = [0; 4096];
    let mut master = None;
    sys::socket::receive(socket, &mut name, |came| master = Some(came))
        .map_err(|fault| Error::fault("process.terminal", fault))?;
    let master = master.ok_or_else(|| failed("recvmsg", nix::errno::Errno::ENOTTY))?;
    keep_line_ends(&master)?;
    Ok(master)
}

/// What the program writes arrives as it was written: the caller's own terminal, if there is one,
/// knows how its lines end.
fn keep_line_ends(master: &OwnedFd) -> Result<()> {
    let mut settings = tcgetattr(master).map_err(|errno| failed("tcgetattr", errno))?;
    settings.output_flags.remove(OutputFlags::ONLCR);
    tcsetattr(master, SetArg::TCSANOW, &settings).map_err(|errno| failed("tcsetattr", errno))
}

fn failed(call: &str, errno: nix::errno::Errno) -> Error {
    Error::system("process.terminal", call, errno)
}
