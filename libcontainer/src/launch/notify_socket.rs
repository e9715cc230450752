//! Readiness notification for containers (sd_notify(3)).
//!
//! The container gets a datagram socket of its own in place of the caller's `NOTIFY_SOCKET`, which
//! is never shown to it: a message of the container must not speak for the runtime's unit. Of what
//! arrives only `READY=1` is passed on, with the number of the process that systemd is to watch.
//!
//! `create` makes the directory ([`prepare`]) and mounts it into the container ([`add_to`]); the
//! process that waits, `start` or `run`, binds the socket in it ([`NotifySocket::bind`]).

#![forbid(unsafe_code)]

use std::fs::{DirBuilder, File, Permissions};
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, bind, recv, sendmsg, socket};
use oci_spec::runtime::{Mount, Spec};

use super::unix_socket::{self, retry};
use crate::error::{Error, Result};

const DIRECTORY: &str = "notify";
const SOCKET: &str = "notify.sock";

/// Where the directory with the socket is mounted in the container. The place is runc's.
const CONTAINER_DIRECTORY: &str = "/run/notify";

/// What tells the container's program where the socket is.
const CONTAINER_ENV: &str = "NOTIFY_SOCKET=/run/notify/notify.sock";

/// How the directory is mounted: the container may only write to the socket.
const MOUNT_OPTIONS: [&str; 5] = ["bind", "nosuid", "noexec", "nodev", "ro"];

/// How long systemd may take to confirm that it has read what was sent to it. What answers later,
/// or does not know barriers, is not an error.
const BARRIER_TIMEOUT_MS: u16 = 30_000;

/// How many messages are read at once: the container can send without end.
const MESSAGES_AT_ONCE: usize = 16;

/// Adds the mount and the variable to a configuration.
pub(crate) fn add_to(spec: &mut Spec, state_dir: &Path) {
    let mut mount = Mount::default();
    mount
        .set_destination(CONTAINER_DIRECTORY.into())
        .set_source(Some(state_dir.join(DIRECTORY)))
        .set_typ(None)
        .set_options(Some(MOUNT_OPTIONS.map(str::to_owned).into()));
    let mut mounts = spec.mounts().clone().unwrap_or_default();
    mounts.push(mount);
    spec.set_mounts(Some(mounts));
    if let Some(process) = spec.process_mut() {
        let mut env = process.env().clone().unwrap_or_default();
        env.push(CONTAINER_ENV.to_owned());
        process.set_env(Some(env));
    }
}

/// Makes the directory for the socket in a container's state directory.
pub(crate) fn prepare(state_dir: &Path) -> Result<()> {
    let path = state_dir.join(DIRECTORY);
    DirBuilder::new()
        .mode(0o755)
        .create(&path)
        .map_err(|error| Error::system(path.display(), "mkdir", error))
}

/// A container's socket for sd_notify(3) and a connection to the caller's.
#[derive(Debug)]
pub struct NotifySocket {
    container: OwnedFd,
    host: OwnedFd,
}

impl NotifySocket {
    /// Binds the container's socket in the directory that [`prepare`] made and connects to `host`,
    /// the value of the caller's `NOTIFY_SOCKET`: a path or, after `@`, an abstract name.
    ///
    /// Must come before the program is started, or its message finds nobody.
    pub(crate) fn bind(state_dir: &Path, host: &Path) -> Result<Self> {
        Ok(Self {
            host: connect_to_host(host)?,
            container: bind_in(&state_dir.join(DIRECTORY))?,
        })
    }

    /// As [`Self::bind`], if the container was made with such a socket.
    pub(crate) fn bind_prepared(state_dir: &Path, host: &Path) -> Result<Option<Self>> {
        match state_dir.join(DIRECTORY).is_dir() {
            true => Self::bind(state_dir, host).map(Some),
            false => Ok(None),
        }
    }

    /// Reads what the container has sent, without waiting. Where that holds `READY=1`, passes it on
    /// with `MAINPID=main_pid` and returns true. To be called when [`AsFd::as_fd`] is readable.
    pub fn forward(&self, main_pid: i32) -> Result<bool> {
        let mut message = [0; 4096];
        for _ in 0..MESSAGES_AT_ONCE {
            let flags = MsgFlags::MSG_DONTWAIT;
            let length = match retry(|| recv(self.container.as_raw_fd(), &mut message, flags)) {
                Ok(length) => length,
                Err(Errno::EAGAIN) => return Ok(false),
                Err(errno) => return Err(Error::system("notify socket", "recv", errno)),
            };
            if says_ready(message.get(..length).unwrap_or_default()) {
                let text = format!("READY=1\nMAINPID={main_pid}\n");
                self.tell_host(text.as_bytes())?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Waits until the container is ready and that has been passed on, or until its process has
    /// ended, which is no error. Returns whether it was ready.
    ///
    /// For a caller that ends afterwards: it stays until systemd has read the messages (at most 30
    /// seconds), as systemd needs the sender to know the unit that is meant.
    pub fn wait_ready(&self, pidfd: BorrowedFd<'_>, main_pid: i32) -> Result<bool> {
        loop {
            let mut ready = [
                PollFd::new(self.container.as_fd(), PollFlags::POLLIN),
                PollFd::new(pidfd, PollFlags::POLLIN),
            ];
            retry(|| poll(&mut ready, PollTimeout::NONE))
                .map_err(|errno| Error::system("notify socket", "poll", errno))?;
            if self.forward(main_pid)? {
                self.barrier()?;
                return Ok(true);
            }
            let [container, process] = &ready;
            let happened = |fd: &PollFd<'_>| fd.any().unwrap_or(true);
            if happened(process) && !happened(container) {
                return Ok(false);
            }
        }
    }

    /// Asks systemd to close a pipe once it has come so far in its messages, and waits for that
    /// (sd_notify_barrier(3)).
    fn barrier(&self) -> Result<()> {
        let failed = |call| move |errno| Error::system("notify socket barrier", call, errno);
        let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC).map_err(failed("pipe2"))?;
        unix_socket::send_with_descriptor(self.host.as_fd(), b"BARRIER=1", write.as_fd())
            .map_err(failed("sendmsg"))?;
        drop(write);
        let mut closed = [PollFd::new(read.as_fd(), PollFlags::POLLIN)];
        retry(|| poll(&mut closed, BARRIER_TIMEOUT_MS)).map_err(failed("poll"))?;
        Ok(())
    }

    fn tell_host(&self, text: &[u8]) -> Result<()> {
        let parts = [IoSlice::new(text)];
        let flags = MsgFlags::MSG_NOSIGNAL;
        retry(|| sendmsg::<()>(self.host.as_raw_fd(), &parts, &[], flags, None))
            .map_err(|errno| Error::system("NOTIFY_SOCKET", "sendmsg", errno))?;
        Ok(())
    }
}

impl AsFd for NotifySocket {
    /// Readable when the container has sent something.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.container.as_fd()
    }
}

fn connect_to_host(host: &Path) -> Result<OwnedFd> {
    let kind = SockType::Datagram;
    match host.as_os_str().as_bytes() {
        [b'@', name @ ..] => unix_socket::connect_abstract(name, kind),
        _ => unix_socket::connect(host, kind),
    }
    .map_err(|errno| {
        Error::system(
            format!("NOTIFY_SOCKET {}", host.display()),
            "connect",
            errno,
        )
    })
}

fn bind_in(directory: &Path) -> Result<OwnedFd> {
    let path = directory.join(SOCKET);
    let failed = |call| {
        let path = &path;
        move |errno: Errno| Error::system(path.display(), call, errno)
    };
    // A start that failed may have left its socket behind.
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::system(path.display(), "unlink", error));
        }
        _ => {}
    }
    let handle =
        File::open(directory).map_err(|error| Error::system(directory.display(), "open", error))?;
    let address = unix_socket::address_in(handle.as_fd(), SOCKET).map_err(failed("bind"))?;
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket =
        socket(AddressFamily::Unix, SockType::Datagram, flags, None).map_err(failed("socket"))?;
    bind(socket.as_raw_fd(), &address).map_err(failed("bind"))?;
    // Any user of the container may send: who that is, is the container's affair.
    std::fs::set_permissions(&path, Permissions::from_mode(0o777))
        .map_err(|error| Error::system(path.display(), "chmod", error))?;
    Ok(socket)
}

fn says_ready(message: &[u8]) -> bool {
    message
        .split(|byte| *byte == b'\n')
        .any(|line| line == b"READY=1")
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use super::*;

    struct Scene {
        _dir: tempfile::TempDir,
        systemd: UnixDatagram,
        socket: NotifySocket,
        container: UnixDatagram,
    }

    fn scene() -> Scene {
        let dir = tempfile::tempdir().unwrap();
        let host = dir.path().join("systemd.sock");
        let systemd = UnixDatagram::bind(&host).unwrap();
        let timeout = Some(Duration::from_secs(5));
        systemd.set_read_timeout(timeout).unwrap();
        prepare(dir.path()).unwrap();
        let socket = NotifySocket::bind(dir.path(), &host).unwrap();
        let container = UnixDatagram::unbound().unwrap();
        container
            .connect(dir.path().join("notify/notify.sock"))
            .unwrap();
        Scene {
            _dir: dir,
            systemd,
            socket,
            container,
        }
    }

    fn received(socket: &UnixDatagram) -> String {
        let mut text = [0; 100];
        let length = socket.recv(&mut text).unwrap();
        String::from_utf8_lossy(&text[..length]).into_owned()
    }

    #[test]
    fn only_readiness_reaches_the_host() {
        let scene = scene();
        for text in [
            "STATUS=x",
            "MAINPID=1",
            "FDSTORE=1",
            "XREADY=1",
            "READY=1x",
            "",
        ] {
            scene.container.send(text.as_bytes()).unwrap();
        }
        assert!(!scene.socket.forward(42).unwrap());
        scene
            .container
            .send(b"STATUS=up\nMAINPID=1\nREADY=1")
            .unwrap();
        assert!(scene.socket.forward(42).unwrap());
        assert_eq!(received(&scene.systemd), "READY=1\nMAINPID=42\n");
        scene.systemd.set_nonblocking(true).unwrap();
        assert!(scene.systemd.recv(&mut [0; 10]).is_err());
    }

    #[test]
    fn a_second_start_finds_the_first_ones_socket() {
        let dir = tempfile::tempdir().unwrap();
        let host = dir.path().join("systemd.sock");
        let _systemd = UnixDatagram::bind(&host).unwrap();
        prepare(dir.path()).unwrap();
        drop(NotifySocket::bind(dir.path(), &host).unwrap());
        NotifySocket::bind(dir.path(), &host).unwrap();
        let mode = std::fs::metadata(dir.path().join("notify/notify.sock"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o777);
    }

    #[test]
    fn waits_until_systemd_has_read_the_messages() {
        let scene = scene();
        let (process, _alive) = nix::unistd::pipe().unwrap();
        scene.container.send(b"READY=1").unwrap();
        let reads_barrier = AtomicBool::new(false);
        std::thread::scope(|threads| {
            threads.spawn(|| {
                assert_eq!(received(&scene.systemd), "READY=1\nMAINPID=7\n");
                #[expect(clippy::disallowed_methods, reason = "the peer is to answer late")]
                std::thread::sleep(Duration::from_millis(50));
                reads_barrier.store(true, Ordering::SeqCst);
                // Not reading control data makes the kernel drop, and so close, the pipe.
                assert_eq!(received(&scene.systemd), "BARRIER=1");
            });
            assert!(scene.socket.wait_ready(process.as_fd(), 7).unwrap());
            assert!(reads_barrier.load(Ordering::SeqCst));
        });
    }

    #[test]
    fn a_process_that_ends_before_it_is_ready_ends_the_wait() {
        let scene = scene();
        let (process, alive) = nix::unistd::pipe().unwrap();
        scene.container.send(b"STATUS=starting").unwrap();
        drop(alive);
        assert!(!scene.socket.wait_ready(process.as_fd(), 7).unwrap());
    }

    #[test]
    fn readiness_sent_just_before_the_end_still_counts() {
        let scene = scene();
        let (process, alive) = nix::unistd::pipe().unwrap();
        scene.container.send(b"READY=1").unwrap();
        drop(alive);
        std::thread::scope(|threads| {
            threads.spawn(|| {
                received(&scene.systemd);
                received(&scene.systemd);
            });
            assert!(scene.socket.wait_ready(process.as_fd(), 7).unwrap());
        });
    }

    #[test]
    fn the_host_socket_may_be_abstract() {
        let name = format!("oxrun-notify-{}", std::process::id());
        let address =
            <std::os::unix::net::SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(&name)
                .unwrap();
        let systemd = UnixDatagram::bind_addr(&address).unwrap();
        let host = connect_to_host(Path::new(&format!("@{name}"))).unwrap();
        nix::unistd::write(&host, b"hi").unwrap();
        assert_eq!(received(&systemd), "hi");
    }

    #[test]
    fn a_host_socket_that_is_not_there_is_named() {
        let error = connect_to_host(Path::new("/nowhere/notify")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "NOTIFY_SOCKET /nowhere/notify: connect: no such file or directory"
        );
    }
}
