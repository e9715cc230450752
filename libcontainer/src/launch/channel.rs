//! The parent's end of the conversation with the child.

#![forbid(unsafe_code)]

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use crate::error::{Error, Result};
use crate::sync::{MESSAGE_LEN, Message};
use crate::sys;

/// Whom an error is about.
const WHOSE: &str = "the socket to the container's process";

/// The parent's socket.
#[derive(Debug)]
pub(crate) struct Channel(OwnedFd);

/// What the child said.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A message, with a descriptor where one came along.
    Message(Message, Option<OwnedFd>),
    /// The child has ended or executed its program: its end is closed.
    Closed,
}

impl Channel {
    /// The two ends: the parent's and the child's, which has the lower number.
    pub(crate) fn pair() -> Result<(Self, OwnedFd)> {
        let (child, parent) = socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::SOCK_CLOEXEC,
        )
        .map_err(|errno| Error::system(WHOSE, "socketpair", errno))?;
        Ok((Self(parent), child))
    }

    /// The descriptor.
    pub(crate) fn into_fd(self) -> OwnedFd {
        self.0
    }

    /// Says something; a child that is gone is noticed by the next [`Self::hear`].
    pub(crate) fn say(&self, message: Message) -> Result<()> {
        self.send(message, &[])
    }

    /// Says something with descriptors, see [`sys::socket::send`].
    pub(crate) fn send(&self, message: Message, descriptors: &[BorrowedFd<'_>]) -> Result<()> {
        match sys::socket::send(self.0.as_fd(), &message.encode(), descriptors) {
            Err(fault) if !matches!(fault.errno, libc::EPIPE | libc::ECONNRESET) => {
                Err(Error::fault(WHOSE, fault))
            }
            _ => Ok(()),
        }
    }

    /// Waits for what the child says next.
    pub(crate) fn hear(&self) -> Result<Heard> {
        let mut bytes = [0; MESSAGE_LEN];
        let mut descriptor = None;
        let received =
            sys::socket::receive(self.0.as_fd(), &mut bytes, |came| descriptor = Some(came));
        let length = match received {
            Err(fault) if fault.errno == libc::ECONNRESET => 0,
            received => received.map_err(|fault| Error::fault(WHOSE, fault))?,
        };
        match (length, Message::decode(&bytes)) {
            (0, _) => Ok(Heard::Closed),
            (MESSAGE_LEN, Some(message)) => Ok(Heard::Message(message, descriptor)),
            _ => Err(Error::system(WHOSE, "recvmsg", Errno::EPROTO)),
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
