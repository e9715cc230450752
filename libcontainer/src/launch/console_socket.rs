//! The socket to which a container's terminal is handed over (`--console-socket`).

#![forbid(unsafe_code)]

use std::os::fd::OwnedFd;
use std::path::Path;

use nix::sys::socket::SockType;

use super::unix_socket;
use crate::error::{Error, Result};

/// A connection to the stream socket at `path`, over which the container's process sends the master
/// of its terminal. A receiver that does not accept within ten seconds is an error.
pub(crate) fn connect(path: &Path) -> Result<OwnedFd> {
    unix_socket::connect(path, SockType::Stream).map_err(|errno| {
        Error::system(
            format!("console socket {}", path.display()),
            "connect",
            errno,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_names_the_path_and_the_call() {
        let error = connect(Path::new("/nowhere/console.sock")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "console socket /nowhere/console.sock: connect: no such file or directory"
        );
        assert_eq!(error.errno(), Some(nix::libc::ENOENT));
    }

    #[test]
    fn connects_to_a_listener() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("console.sock");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let _socket = connect(&path).unwrap();
        listener.accept().unwrap();
    }
}
