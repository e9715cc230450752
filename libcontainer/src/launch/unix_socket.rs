//! Sockets of the `AF_UNIX` family by path: connecting to one however long its path is, and sending
//! a descriptor over it.

#![forbid(unsafe_code)]

use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, connect as connect_to,
    sendmsg, setsockopt, socket, sockopt,
};
use nix::sys::stat::Mode;
use nix::sys::time::TimeVal;

/// How long connecting and sending may take: a peer that does not accept, or does not read, must
/// not hold up the caller for ever.
const TIMEOUT_SECONDS: i64 = 10;

/// A socket of this type, connected to the one at `path`. Every later send on it fails with
/// `EAGAIN` after ten seconds, as does connecting.
pub(super) fn connect(path: &Path, kind: SockType) -> nix::Result<OwnedFd> {
    // A path that does not fit into sockaddr_un is reached through a descriptor of the socket's
    // file. It must live until connect(2) has followed the link.
    let (address, _file) = match UnixAddr::new(path) {
        Err(Errno::ENAMETOOLONG) => {
            let file = open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?;
            (UnixAddr::new(&descriptor_path(file.as_fd()))?, Some(file))
        }
        address => (address?, None),
    };
    connect_address(&address, kind)
}

/// As [`connect`], to a name in the abstract namespace (unix(7)), given without its null byte.
pub(super) fn connect_abstract(name: &[u8], kind: SockType) -> nix::Result<OwnedFd> {
    connect_address(&UnixAddr::new_abstract(name)?, kind)
}

fn connect_address(address: &UnixAddr, kind: SockType) -> nix::Result<OwnedFd> {
    let socket = socket(AddressFamily::Unix, kind, SockFlag::SOCK_CLOEXEC, None)?;
    let timeout = TimeVal::new(TIMEOUT_SECONDS, 0);
    setsockopt(&socket, sockopt::SendTimeout, &timeout)?;
    retry(|| connect_to(socket.as_raw_fd(), address))?;
    Ok(socket)
}

/// Sends all of `payload`, with `descriptor` beside its first byte. A peer that is gone is an
/// `EPIPE`, never a signal.
pub(super) fn send_with_descriptor(
    socket: BorrowedFd<'_>,
    payload: &[u8],
    descriptor: BorrowedFd<'_>,
) -> nix::Result<()> {
    let descriptors = [descriptor.as_raw_fd()];
    let rights = [ControlMessage::ScmRights(&descriptors)];
    let mut sent = send(socket, payload, &rights)?;
    while let Some(rest) = payload.get(sent..).filter(|rest| !rest.is_empty()) {
        sent += send(socket, rest, &[])?;
    }
    Ok(())
}

fn send(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    control: &[ControlMessage<'_>],
) -> nix::Result<usize> {
    let bytes = [IoSlice::new(bytes)];
    retry(|| {
        sendmsg::<()>(
            socket.as_raw_fd(),
            &bytes,
            control,
            MsgFlags::MSG_NOSIGNAL,
            None,
        )
    })
}

/// The link in procfs that leads to the file of a descriptor of this thread.
pub(super) fn descriptor_path(descriptor: BorrowedFd<'_>) -> PathBuf {
    format!("/proc/thread-self/fd/{}", descriptor.as_raw_fd()).into()
}

/// Repeats a call that a signal handler of the embedding program interrupted.
pub(super) fn retry<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}

/// The address of the socket to bind at `name` in an open directory, whatever the length of that
/// directory's path.
pub(super) fn address_in(directory: BorrowedFd<'_>, name: &str) -> nix::Result<UnixAddr> {
    UnixAddr::new(&descriptor_path(directory).join(name))
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::IoSliceMut;
    use std::os::unix::net::{UnixListener, UnixStream};

    use nix::sys::socket::{ControlMessageOwned, recvmsg};

    use super::*;

    /// The first message of a connection with its descriptors, as an independent receiver sees it.
    pub(in crate::launch) fn receive(peer: &UnixStream) -> (Vec<u8>, Vec<std::fs::File>) {
        let mut bytes = vec![0; 65536];
        let mut space = nix::cmsg_space!([std::os::fd::RawFd; 4]);
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let message = recvmsg::<()>(
            peer.as_raw_fd(),
            &mut parts,
            Some(&mut space),
            MsgFlags::MSG_CMSG_CLOEXEC,
        )
        .unwrap();
        let mut files = Vec::new();
        for control in message.cmsgs().unwrap() {
            let ControlMessageOwned::ScmRights(numbers) = control else {
                panic!("unexpected control message {control:?}");
            };
            for number in numbers {
                let path = format!("/proc/thread-self/fd/{number}");
                files.push(std::fs::File::open(path).unwrap());
                nix::unistd::close(number).unwrap();
            }
        }
        let length = message.bytes;
        bytes.truncate(length);
        (bytes, files)
    }

    #[test]
    fn connects_to_a_path_longer_than_an_address() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("d".repeat(120));
        std::fs::create_dir(&deep).unwrap();
        let handle = std::fs::File::open(&deep).unwrap();
        let address = address_in(handle.as_fd(), &"s".repeat(60)).unwrap();
        let listener = socket(
            AddressFamily::Unix,
            SockType::Stream,
            SockFlag::SOCK_CLOEXEC,
            None,
        )
        .unwrap();
        nix::sys::socket::bind(listener.as_raw_fd(), &address).unwrap();
        let backlog = nix::sys::socket::Backlog::new(1).unwrap();
        nix::sys::socket::listen(&listener, backlog).unwrap();
        let listener = UnixListener::from(listener);

        let socket = connect(&deep.join("s".repeat(60)), SockType::Stream).unwrap();

        let (mut peer, _) = listener.accept().unwrap();
        send_with_descriptor(socket.as_fd(), b"hello", handle.as_fd()).unwrap();
        drop(socket);
        let mut text = String::new();
        std::io::Read::read_to_string(&mut peer, &mut text).unwrap();
        assert_eq!(text, "hello");
    }

    #[test]
    fn a_peer_that_is_gone_is_an_error() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        let result = send_with_descriptor(ours.as_fd(), b"x", ours.as_fd());
        assert_eq!(result, Err(Errno::EPIPE));
    }

    #[test]
    fn a_missing_socket_is_enoent_however_long_its_path() {
        for length in [10, 300] {
            let path = format!("/{}", "n/".repeat(length));
            assert_eq!(
                connect(Path::new(&path), SockType::Stream).err(),
                Some(Errno::ENOENT)
            );
        }
    }
}
