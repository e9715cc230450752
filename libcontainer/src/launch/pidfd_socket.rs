//! Hands the caller a process file descriptor of the container's process (`--pidfd-socket`).

#![forbid(unsafe_code)]

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::sys::socket::SockType;

use super::unix_socket;
use crate::error::{Error, Result};

/// For which process the descriptor stands; the message's text, which runc's receivers read as the
/// descriptor's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The container's first process (`create`, `run`).
    Container,
    /// A further process (`exec`).
    Exec,
}

impl Origin {
    fn name(self) -> &'static [u8] {
        match self {
            Self::Container => b"standard",
            Self::Exec => b"setns",
        }
    }
}

/// Connects to the stream socket at `path` and sends it `pidfd` by `SCM_RIGHTS` (unix(7)).
pub(crate) fn send(path: &Path, origin: Origin, pidfd: BorrowedFd<'_>) -> Result<()> {
    let failed =
        |call| move |errno| Error::system(format!("pidfd socket {}", path.display()), call, errno);
    let socket = unix_socket::connect(path, SockType::Stream).map_err(failed("connect"))?;
    unix_socket::send_with_descriptor(socket.as_fd(), origin.name(), pidfd)
        .map_err(failed("sendmsg"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::launch::unix_socket::tests::receive;

    #[test]
    fn the_receiver_gets_the_descriptor_under_the_name_that_runc_gives_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pidfd.sock");
        let listener = UnixListener::bind(&path).unwrap();
        for (origin, name) in [(Origin::Container, "standard"), (Origin::Exec, "setns")] {
            let marker = tempfile::tempfile().unwrap();
            send(&path, origin, marker.as_fd()).unwrap();
            let (peer, _) = listener.accept().unwrap();
            let (text, descriptors) = receive(&peer);
            assert_eq!(text, name.as_bytes());
            let inode = |fd: BorrowedFd<'_>| nix::sys::stat::fstat(fd).unwrap().st_ino;
            assert_eq!(descriptors.len(), 1);
            assert_eq!(inode(descriptors[0].as_fd()), inode(marker.as_fd()));
        }
    }

    #[test]
    fn a_missing_socket_is_named() {
        let error = send(
            Path::new("/nowhere"),
            Origin::Exec,
            std::io::stdin().as_fd(),
        )
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "pidfd socket /nowhere: connect: no such file or directory"
        );
    }
}
