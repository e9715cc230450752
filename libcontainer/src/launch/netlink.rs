//! As much of rtnetlink(7) as moving a network device takes.
//!
//! Own code in place of a crate: those that there are (netlink-packet-route, neli) decode every
//! attribute of a device, so that one of a newer kernel can make the whole answer unreadable, and an
//! address cannot be given back as it was. Here attributes are bytes, of which two are looked into.

#![forbid(unsafe_code)]

use std::cell::Cell;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, connect, recv, send,
    socket,
};

use super::unix_socket::retry;

/// `RTM_*` (linux/rtnetlink.h).
pub(super) const RTM_NEWLINK: u16 = 16;
pub(super) const RTM_GETLINK: u16 = 18;
pub(super) const RTM_SETLINK: u16 = 19;
pub(super) const RTM_NEWADDR: u16 = 20;
pub(super) const RTM_GETADDR: u16 = 22;

/// `NLM_F_*` (linux/netlink.h).
pub(super) const NLM_F_CREATE_EXCL: u16 = 0x600;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_DUMP_INTR: u16 = 0x10;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;

const HEADER: usize = 16;
const ATTRIBUTE_HEADER: usize = 4;
/// `NLA_TYPE_MASK`: the upper two bits of an attribute's type are flags.
const TYPE_MASK: u16 = 0x3fff;
/// The kernel answers while the request is sent; longer than this it never takes.
const TIMEOUT_MS: u16 = 5_000;
/// The kernel's answers are at most 32 KiB.
const BUFFER: usize = 64 * 1024;
/// How often a list is asked for again that changed while the kernel wrote it.
const ATTEMPTS: usize = 8;

/// A socket to the kernel's networking of one network namespace.
#[derive(Debug)]
pub(super) struct Netlink {
    socket: OwnedFd,
    sequence: Cell<u32>,
}

/// A request, or the content of an answer: the fixed part, then attributes.
#[derive(Clone, Debug, Default)]
pub(super) struct Message {
    pub(super) kind: u16,
    pub(super) body: Vec<u8>,
}

impl Message {
    /// A request with the fixed part `body`, whose length is a multiple of four.
    pub(super) fn new(kind: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            kind,
            body: body.into(),
        }
    }

    /// Adds an attribute. One that is longer than a length can say is left out; none here is.
    pub(super) fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        if let Ok(length) = u16::try_from(ATTRIBUTE_HEADER + value.len()) {
            self.body.extend_from_slice(&length.to_ne_bytes());
            self.body.extend_from_slice(&kind.to_ne_bytes());
            self.body.extend_from_slice(value);
            self.body.resize(self.body.len().next_multiple_of(4), 0);
        }
        self
    }

    /// The attributes after a fixed part of this length.
    pub(super) fn attributes(&self, fixed: usize) -> impl Iterator<Item = (u16, &[u8])> {
        let mut rest = self.body.get(fixed..).unwrap_or_default();
        std::iter::from_fn(move || {
            let length = usize::from(u16_at(rest, 0)?);
            let kind = u16_at(rest, 2)? & TYPE_MASK;
            let value = rest.get(ATTRIBUTE_HEADER..length)?;
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
            Some((kind, value))
        })
    }

    /// The number at this place of the fixed part.
    pub(super) fn u32_at(&self, at: usize) -> Option<u32> {
        u32_at(&self.body, at)
    }
}

impl Netlink {
    /// Of the calling thread's namespace.
    pub(super) fn here() -> nix::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            flags,
            SockProtocol::NetlinkRoute,
        )?;
        // Connected to the kernel, it takes no message from another process.
        connect(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        Ok(Self {
            socket,
            sequence: Cell::new(0),
        })
    }

    /// Of another namespace. The thread, which is in the namespace `own`, is there only while the
    /// socket is made.
    pub(super) fn inside(namespace: BorrowedFd<'_>, own: &File) -> nix::Result<Self> {
        let flags = CloneFlags::CLONE_NEWNET;
        // Joining the namespace that it is in shows, before it matters, that the thread may come
        // back: the same privileges are asked for.
        setns(own, flags)?;
        setns(namespace, flags)?;
        let netlink = Self::here();
        setns(own, flags)?;
        netlink
    }

    /// Has the kernel do something; the answer is the object, where one was asked for.
    pub(super) fn call(&self, request: &Message, flags: u16) -> nix::Result<Vec<Message>> {
        let (answers, _) = self.exchange(request, flags | NLM_F_ACK)?;
        Ok(answers)
    }

    /// A list of objects.
    pub(super) fn list(&self, request: &Message) -> nix::Result<Vec<Message>> {
        for _ in 0..ATTEMPTS {
            let (answers, interrupted) = self.exchange(request, NLM_F_DUMP)?;
            if !interrupted {
                return Ok(answers);
            }
        }
        Err(Errno::EBUSY)
    }

    /// Sends a request and collects the answers to it; also, whether a list is inconsistent.
    fn exchange(&self, request: &Message, flags: u16) -> nix::Result<(Vec<Message>, bool)> {
        let sequence = self.sequence.get().wrapping_add(1);
        self.sequence.set(sequence);
        let length = u32::try_from(HEADER + request.body.len()).map_err(|_| Errno::EMSGSIZE)?;
        let mut bytes = Vec::with_capacity(HEADER + request.body.len());
        bytes.extend_from_slice(&length.to_ne_bytes());
        bytes.extend_from_slice(&request.kind.to_ne_bytes());
        bytes.extend_from_slice(&(flags | NLM_F_REQUEST).to_ne_bytes());
        bytes.extend_from_slice(&sequence.to_ne_bytes());
        bytes.extend_from_slice(&0u32.to_ne_bytes());
        bytes.extend_from_slice(&request.body);
        retry(|| send(self.socket.as_raw_fd(), &bytes, MsgFlags::empty()))?;
        let mut answers = Answers {
            sequence,
            ..Answers::default()
        };
        while !answers.complete {
            answers.take(&self.receive()?)?;
        }
        Ok((answers.messages, answers.interrupted))
    }

    fn receive(&self) -> nix::Result<Vec<u8>> {
        let mut ready = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        if retry(|| poll(&mut ready, TIMEOUT_MS))? == 0 {
            return Err(Errno::ETIMEDOUT);
        }
        let mut bytes = vec![0; BUFFER];
        let length = retry(|| recv(self.socket.as_raw_fd(), &mut bytes, MsgFlags::MSG_TRUNC))?;
        if length > bytes.len() {
            return Err(Errno::EMSGSIZE);
        }
        bytes.truncate(length);
        Ok(bytes)
    }
}

#[derive(Default)]
struct Answers {
    sequence: u32,
    messages: Vec<Message>,
    complete: bool,
    interrupted: bool,
}

impl Answers {
    /// Takes the messages of a datagram. Those that answer an earlier request are passed over.
    fn take(&mut self, mut bytes: &[u8]) -> nix::Result<()> {
        while let Some(length) = u32_at(bytes, 0) {
            let length = usize::try_from(length).map_err(|_| Errno::EBADMSG)?;
            let message = bytes.get(..length).ok_or(Errno::EBADMSG)?;
            let body = message.get(HEADER..).ok_or(Errno::EBADMSG)?;
            let kind = u16_at(message, 4).ok_or(Errno::EBADMSG)?;
            let flags = u16_at(message, 6).ok_or(Errno::EBADMSG)?;
            if u32_at(message, 8) == Some(self.sequence) {
                self.interrupted |= flags & NLM_F_DUMP_INTR != 0;
                self.message(kind, body)?;
            }
            bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(())
    }

    fn message(&mut self, kind: u16, body: &[u8]) -> nix::Result<()> {
        match kind {
            NLMSG_ERROR => {
                let code = u32_at(body, 0).ok_or(Errno::EBADMSG)?.cast_signed();
                self.complete = true;
                if code != 0 {
                    return Err(Errno::from_raw(code.wrapping_neg()));
                }
            }
            NLMSG_DONE => self.complete = true,
            _ => self.messages.push(Message::new(kind, body)),
        }
        Ok(())
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_ne_bytes(bytes.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_survive_and_are_padded() {
        let message = Message::new(1, [0; 16])
            .attribute(3, b"lo\0")
            .attribute(0x8005, &[1, 2, 3, 4]);
        assert_eq!(message.body.len(), 16 + 8 + 8);
        let found: Vec<_> = message.attributes(16).collect();
        assert_eq!(found, [(3, &b"lo\0"[..]), (5, &[1, 2, 3, 4][..])]);
    }

    #[test]
    fn malformed_bytes_end_the_reading() {
        for body in [
            &[][..],
            &[1],
            &[0, 0, 0, 0],
            &[3, 0, 1, 0],
            &[9, 0, 1, 0, 7],
        ] {
            let message = Message {
                kind: 0,
                body: body.to_vec(),
            };
            assert_eq!(message.attributes(0).count(), 0, "{body:?}");
        }
        let mut answers = Answers::default();
        assert_eq!(
            answers.take(&[255, 0, 0, 0, 2, 0, 0, 0]),
            Err(Errno::EBADMSG)
        );
        assert_eq!(answers.take(&[0, 0, 0, 0]), Err(Errno::EBADMSG));
    }

    #[test]
    fn the_kernel_lists_the_loopback_device_and_refuses_nonsense() {
        let netlink = Netlink::here().unwrap();
        let links = netlink.list(&Message::new(RTM_GETLINK, [0; 16])).unwrap();
        let has_lo = |link: &Message| {
            link.attributes(16)
                .any(|(kind, value)| kind == 3 && value == b"lo\0")
        };
        assert!(links.iter().any(has_lo));
        let request = Message::new(RTM_GETLINK, [0; 16]).attribute(3, b"no-such-dev\0");
        assert_eq!(netlink.call(&request, 0).err(), Some(Errno::ENODEV));
    }
}
