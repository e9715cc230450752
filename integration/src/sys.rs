//! The few system calls that neither the standard library nor nix offers, and
//! questions about the machine. All unsafe code of the harness is here and in `guest`.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::ffi::CString;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

/// A descriptor that becomes readable when the process ends.
///
/// # Errors
/// As pidfd_open(2).
pub fn pidfd_open(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: no pointers are passed.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    adopt(fd)
}

/// Sends a signal through a pidfd.
///
/// # Errors
/// As pidfd_send_signal(2).
pub fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: libc::c_int) -> io::Result<()> {
    let null = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a null siginfo is allowed and no other pointer is passed.
    let rc = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            null,
            0,
        )
    };
    Errno::result(rc).map(drop).map_err(io::Error::from)
}

/// Takes ownership of a descriptor number that a system call has returned.
fn adopt(fd: libc::c_long) -> io::Result<OwnedFd> {
    let fd = Errno::result(fd)?;
    let fd = RawFd::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: the kernel has just returned this new descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Takes ownership of a descriptor received in a message.
#[must_use]
pub fn adopt_received(fd: RawFd) -> OwnedFd {
    // SAFETY: SCM_RIGHTS installs a new descriptor that nobody else knows.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Waits until the descriptor is readable or hung up; false after `limit`.
///
/// # Panics
/// When poll(2) fails.
pub fn wait_readable(fd: BorrowedFd<'_>, limit: Duration) -> bool {
    let end = Instant::now() + limit;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
        match poll(&mut fds, timeout) {
            Ok(0) => return false,
            Ok(_) => return true,
            Err(Errno::EINTR) => {}
            Err(errno) => panic!("poll: {errno}"),
        }
    }
}

/// What a child does between fork and exec.
#[derive(Debug, Clone, Default)]
pub struct ChildSetup {
    /// Starts a session and makes standard input its controlling terminal.
    pub controlling_terminal: bool,
    /// Descriptors that the child keeps, each under the number given.
    pub pass: Vec<(RawFd, RawFd)>,
    /// Signals that the child ignores, as under nohup(1).
    pub ignore: Vec<libc::c_int>,
    /// Makes the child die when the thread that started it dies.
    pub die_with_parent: bool,
    /// Becomes the reaper of the processes that the child leaves behind.
    pub umask: Option<libc::mode_t>,
}

/// Makes `command` do what `setup` says before it executes its program.
pub fn set_up_child(command: &mut Command, setup: ChildSetup) {
    // SAFETY: the closure makes only async-signal-safe system calls; the lists
    // were allocated before the fork.
    unsafe {
        command.pre_exec(move || child_setup(&setup));
    }
}

/// Runs in the child.
fn child_setup(setup: &ChildSetup) -> io::Result<()> {
    if setup.die_with_parent {
        nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
    }
    if setup.controlling_terminal {
        nix::unistd::setsid()?;
        // SAFETY: TIOCSCTTY takes an integer.
        Errno::result(unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) })?;
    }
    // First out of the way of each other, then to the numbers wanted. The list
    // is short: no allocation is allowed here.
    const ASIDE: RawFd = 400;
    for (aside, &(from, _)) in (ASIDE..).zip(&setup.pass) {
        // SAFETY: dup2 takes integers; the child owns its table.
        Errno::result(unsafe { libc::dup2(from, aside) })?;
    }
    for (aside, &(_, to)) in (ASIDE..).zip(&setup.pass) {
        // SAFETY: as above.
        Errno::result(unsafe { libc::dup2(aside, to) })?;
        // SAFETY: as above.
        Errno::result(unsafe { libc::close(aside) })?;
    }
    for &signal in &setup.ignore {
        // SAFETY: SIG_IGN is a valid disposition for these signals.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    if let Some(mask) = setup.umask {
        // SAFETY: umask takes an integer and always succeeds.
        unsafe { libc::umask(mask) };
    }
    Ok(())
}

nix::ioctl_write_ptr_bad!(
    /// TIOCSWINSZ.
    tiocswinsz, libc::TIOCSWINSZ, libc::winsize
);
nix::ioctl_read_bad!(
    /// TIOCGWINSZ.
    tiocgwinsz, libc::TIOCGWINSZ, libc::winsize
);

/// Sets the size of a terminal.
///
/// # Errors
/// As the ioctl.
pub fn set_window_size(fd: BorrowedFd<'_>, rows: u16, columns: u16) -> io::Result<()> {
    let size = libc::winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: `size` lives across the call.
    unsafe { tiocswinsz(fd.as_raw_fd(), &raw const size) }?;
    Ok(())
}

/// The size of a terminal: rows and columns.
///
/// # Errors
/// As the ioctl.
pub fn window_size(fd: BorrowedFd<'_>) -> io::Result<(u16, u16)> {
    let mut size = libc::winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: `size` is valid for writing.
    unsafe { tiocgwinsz(fd.as_raw_fd(), &raw mut size) }?;
    Ok((size.ws_row, size.ws_col))
}

/// Receives a seccomp notification into `buffer`; returns the request type's bytes.
///
/// # Errors
/// As the ioctl SECCOMP_IOCTL_NOTIF_RECV.
pub fn seccomp_receive(fd: BorrowedFd<'_>) -> io::Result<libc::seccomp_notif> {
    const SECCOMP_IOCTL_NOTIF_RECV: libc::c_ulong = 0xc050_2100;
    // SAFETY: seccomp_notif is plain data for which zero is valid; the kernel
    // demands a zeroed buffer.
    let mut request: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    // SAFETY: `request` is valid for writing for the ioctl's size.
    let rc = unsafe {
        libc::ioctl(
            fd.as_raw_fd(),
            SECCOMP_IOCTL_NOTIF_RECV as _,
            &raw mut request,
        )
    };
    Errno::result(rc)?;
    Ok(request)
}

/// Answers a seccomp notification with a return value, or an error number, or
/// lets the call go on.
///
/// # Errors
/// As the ioctl SECCOMP_IOCTL_NOTIF_SEND.
pub fn seccomp_answer(fd: BorrowedFd<'_>, answer: libc::seccomp_notif_resp) -> io::Result<()> {
    const SECCOMP_IOCTL_NOTIF_SEND: libc::c_ulong = 0xc018_2101;
    let mut answer = answer;
    // SAFETY: `answer` is valid for reading and writing for the ioctl's size.
    let rc = unsafe {
        libc::ioctl(
            fd.as_raw_fd(),
            SECCOMP_IOCTL_NOTIF_SEND as _,
            &raw mut answer,
        )
    };
    Errno::result(rc)?;
    Ok(())
}

/// The scheduling attributes of the calling thread: policy, flags, nice and priority.
///
/// # Errors
/// As sched_getattr(2).
pub fn scheduler() -> io::Result<[u64; 7]> {
    let mut attr = [0_u32; 14];
    // SAFETY: the buffer holds 56 bytes, the size that is passed.
    let rc = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, attr.as_mut_ptr(), 56_u32, 0) };
    Errno::result(rc)?;
    let wide = |i: usize| u64::from(attr[i]) | u64::from(attr[i + 1]) << 32;
    let narrow = |i: usize| u64::from(attr[i]);
    Ok([
        narrow(1),
        wide(2),
        narrow(4),
        narrow(5),
        wide(6),
        wide(8),
        wide(10),
    ])
}

/// The I/O priority of the calling process: class and level.
///
/// # Errors
/// As ioprio_get(2).
pub fn io_priority() -> io::Result<(i64, i64)> {
    // SAFETY: no pointers are passed.
    let value = unsafe { libc::syscall(libc::SYS_ioprio_get, 1, 0) };
    let value = Errno::result(value)?;
    Ok((value >> 13, value & 0x1fff))
}

/// The memory policy of the calling thread: mode with flags, and nodes 0 to 63.
///
/// # Errors
/// As get_mempolicy(2).
pub fn memory_policy() -> io::Result<(i32, u64)> {
    let mut mode = 0_i32;
    let mut nodes = [0_u64; 16];
    // SAFETY: the mask has room for the 1024 nodes that are announced.
    let rc = unsafe {
        libc::syscall(
            libc::SYS_get_mempolicy,
            &raw mut mode,
            nodes.as_mut_ptr(),
            1024_u64,
            0_u64,
            0_u64,
        )
    };
    Errno::result(rc)?;
    Ok((mode, nodes[0]))
}

/// The execution domain of the process.
#[must_use]
pub fn personality() -> i32 {
    // SAFETY: 0xffffffff only reads the value.
    unsafe { libc::personality(0xffff_ffff) }
}

/// The records of the kernel's log that are there now.
///
/// # Errors
/// When it cannot be opened.
pub fn kernel_log() -> io::Result<String> {
    let mut options = std::fs::OpenOptions::new();
    let mut log = options
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open("/dev/kmsg")?;
    let (mut text, mut record) = (String::new(), [0; 8192]);
    loop {
        match log.read(&mut record) {
            Ok(length) => text += &String::from_utf8_lossy(&record[..length]),
            // A record that was overwritten before it was read.
            Err(err) if err.kind() == io::ErrorKind::BrokenPipe => {}
            Err(_) => return Ok(text),
        }
    }
}

/// Joins a session keyring's id query: the serial of the session keyring.
///
/// # Errors
/// As keyctl(2).
pub fn session_keyring() -> io::Result<i64> {
    // SAFETY: KEYCTL_GET_KEYRING_ID takes integers.
    let serial = unsafe { libc::syscall(libc::SYS_keyctl, 0, -3_i64, 0) };
    Ok(Errno::result(serial)?)
}

/// Sends bytes with descriptors over a Unix socket.
///
/// # Errors
/// As sendmsg(2).
pub fn send_fds(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[RawFd]) -> io::Result<()> {
    use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
    let iov = [io::IoSlice::new(bytes)];
    let rights = [ControlMessage::ScmRights(fds)];
    sendmsg::<()>(socket.as_raw_fd(), &iov, &rights, MsgFlags::empty(), None)?;
    Ok(())
}

/// Receives bytes and descriptors from a Unix socket.
///
/// # Errors
/// As recvmsg(2).
pub fn receive_fds(socket: BorrowedFd<'_>) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
    let mut bytes = vec![0_u8; 65536];
    let mut space = nix::cmsg_space!([RawFd; 8]);
    let mut iov = [io::IoSliceMut::new(&mut bytes)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut iov, Some(&mut space), flags)?;
    let mut fds = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(received) = control {
            fds.extend(received.into_iter().map(adopt_received));
        }
    }
    let length = message.bytes;
    bytes.truncate(length);
    Ok((bytes, fds))
}

/// Whether the effective user is root.
#[must_use]
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Whether the effective set of this process holds a capability.
#[must_use]
pub fn has_capability(number: u32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let mask = line
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(0);
    mask >> number & 1 == 1
}

/// The running kernel's major and minor number.
#[must_use]
pub fn kernel_version() -> (u32, u32) {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release
        .split(['.', '-'])
        .map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Whether this program needs no dynamic loader, so that it runs anywhere.
#[must_use]
pub fn is_static() -> bool {
    cfg!(target_feature = "crt-static")
}

/// Waits for a descriptor with [`wait_readable`], taking anything that has one.
pub fn readable(fd: &impl AsFd, limit: Duration) -> bool {
    wait_readable(fd.as_fd(), limit)
}

/// Opens a file without following its last component, for reading.
///
/// # Errors
/// As open(2).
pub fn open_path(path: &str) -> io::Result<OwnedFd> {
    let path = CString::new(path)?;
    // SAFETY: the path is a C string that outlives the call.
    let fd = unsafe { libc::open(path.as_ptr(), libc::O_PATH | libc::O_CLOEXEC) };
    adopt(libc::c_long::from(fd))
}
