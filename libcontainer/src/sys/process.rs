//! Processes: clone, namespaces, execve, waiting, prctl.

use core::ffi::{CStr, c_int};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::raw::{fd, own, ptr, ptr_mut, syscall};
use super::{Call, Fault, Result, signal};
use crate::plan::cstrings::CStringArray;

/// The child of [`clone`].
#[derive(Debug)]
pub(crate) struct Cloned {
    /// Its number in the caller's PID namespace.
    pub pid: i32,
    /// A descriptor of it.
    pub pidfd: OwnedFd,
}

/// The kernel's `struct clone_args` (clone3(2)).
#[derive(Default)]
#[repr(C, align(8))]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

impl CloneArgs {
    /// For a child with a pidfd, into a version 2 cgroup where one is given, and the length: a kernel
    /// that is older than the cgroup's field takes the structure without it.
    fn new(flags: u64, pidfd: &mut c_int, into_cgroup: Option<BorrowedFd<'_>>) -> (Self, usize) {
        let mut args = Self {
            flags: flags | libc::CLONE_PIDFD as u64,
            pidfd: ptr_mut(pidfd) as u64,
            exit_signal: libc::SIGCHLD as u64,
            ..Self::default()
        };
        let Some(cgroup) = into_cgroup else {
            return (args, CLONE_ARGS_OLD);
        };
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
        (args, size_of::<Self>())
    }
}

/// Length of `struct clone_args` before it had `set_tid` and `cgroup` (kernel 5.3).
const CLONE_ARGS_OLD: usize = 64;
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
/// A new mount namespace in which nothing is mounted: its root, which is the process's root and working
/// directory, is an empty file system (nullfs) that nobody can write. Known to clone3 since Linux 7.1.
pub(crate) const CLONE_EMPTY_MNTNS: u64 = 1 << 37;

/// Clones the calling thread, into a version 2 cgroup where one is given (`ENOSYS`, `E2BIG` or
/// `EINVAL` where the kernel is older than 5.7), with `CLONE_*` flags and `CLONE_PIDFD`; memory is
/// copied, not shared.
/// The child has none of the host program's signal handlers; where the kernel does not take them away
/// (before 5.5), it has every signal blocked. With [`CLONE_EMPTY_MNTNS`] nothing is tried a second time.
///
/// `child` runs in the new process. It may do only what is safe in a signal handler: other threads'
/// locks, the allocator's among them, may be held for ever. It ends with the exit code that `child`
/// returns, or where that unwinds.
pub(crate) fn clone(
    flags: u64,
    into_cgroup: Option<BorrowedFd<'_>>,
    child: impl FnOnce() -> i32,
) -> Result<Cloned> {
    let mut blocked = None;
    let may_be_old = flags & CLONE_EMPTY_MNTNS == 0;
    let cloned = match clone3(flags | CLONE_CLEAR_SIGHAND, into_cgroup) {
        Err(fault) if may_be_old && matches!(fault.errno, libc::ENOSYS | libc::EINVAL) => {
            blocked = Some(signal::block_all()?);
            clone_blocked(flags, into_cgroup)
        }
        other => other,
    };
    if let Ok(None) = cloned {
        let _bomb = ExitOnDrop;
        #[cfg(feature = "abort-on-child-allocation")]
        super::heap::forbid();
        exit(child());
    }
    if let Some(mask) = blocked {
        signal::set_mask(mask)?;
    }
    cloned.and_then(|cloned| cloned.ok_or(Fault::new(Call::Clone, libc::ECHILD)))
}

/// As [`clone`], but the child borrows this program's memory, its stack included, until it executes a
/// program or ends; so long the calling thread waits (`CLONE_VFORK`, vfork(2)). Nothing of the memory
/// is copied, neither for the child nor, page by page, after it.
///
/// What `child` changes is changed here. Who must answer it meanwhile is not this thread. Where the
/// kernel kills the child for want of memory, it kills this program too.
#[cfg(target_arch = "x86_64")]
pub(crate) fn clone_borrowing<F: FnOnce() -> i32>(
    flags: u64,
    into_cgroup: Option<BorrowedFd<'_>>,
    child: F,
) -> Result<Cloned> {
    unsafe extern "C" fn begin<F: FnOnce() -> i32>(child: *mut Option<F>) -> ! {
        let _bomb = ExitOnDrop;
        #[cfg(feature = "abort-on-child-allocation")]
        super::heap::forbid();
        // SAFETY: the waiting thread has made it, and looks at it again when this process is gone.
        let child = unsafe { (*child).take() };
        exit(child.map_or(EXIT_PANICKED, |child| child()))
    }

    let mut child = Some(child);
    let mut pidfd: c_int = -1;
    let borrows = CLONE_CLEAR_SIGHAND | (libc::CLONE_VM | libc::CLONE_VFORK) as u64;
    let (args, length) = CloneArgs::new(flags | borrows, &mut pidfd, into_cgroup);
    let result: isize;
    // SAFETY: clone3 takes these arguments. The child calls `begin`, which gets what it takes, and does
    // not come back: of the stack it uses what is below this frame, where this thread, which waits, has
    // nothing.
    unsafe {
        core::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, {child}",
            "call {begin}",
            "ud2",
            "2:",
            child = in(reg) &raw mut child,
            begin = in(reg) begin::<F> as unsafe extern "C" fn(*mut Option<F>) -> !,
            inlateout("rax") libc::SYS_clone3 as isize => result,
            in("rdi") ptr(&args),
            in("rsi") length,
            out("rcx") _,
            out("r11") _,
        );
    }
    #[cfg(feature = "abort-on-child-allocation")]
    super::heap::permit();
    let errno = i32::try_from(-result).unwrap_or(0);
    match child {
        // Kernels before 5.7 and filters do not know all of this.
        Some(child) if matches!(errno, libc::ENOSYS | libc::EINVAL | libc::E2BIG) => {
            clone(flags, into_cgroup, child)
        }
        _ if errno > 0 => Err(Fault::new(Call::Clone, errno)),
        _ => cloned(result.cast_unsigned(), pidfd).ok_or(Fault::new(Call::Clone, libc::ECHILD)),
    }
}

/// Elsewhere the child gets a copy.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) use clone as clone_borrowing;

/// `None` in the child.
fn clone_blocked(flags: u64, into_cgroup: Option<BorrowedFd<'_>>) -> Result<Option<Cloned>> {
    match clone3(flags, into_cgroup) {
        Err(fault) if fault.is_missing() && into_cgroup.is_none() => clone_legacy(flags),
        other => other,
    }
}

fn clone3(flags: u64, into_cgroup: Option<BorrowedFd<'_>>) -> Result<Option<Cloned>> {
    let mut pidfd: c_int = -1;
    let (args, length) = CloneArgs::new(flags, &mut pidfd, into_cgroup);
    // SAFETY: `args` is what clone3 takes and `pidfd` outlives the call. Without CLONE_VM the child
    // goes on with a copy of this stack, in which it is the only thread.
    let pid = unsafe { syscall(Call::Clone, libc::SYS_clone3, [ptr(&args), length]) }?;
    Ok(cloned(pid, pidfd))
}

/// clone(2) for kernels before 5.3 and where a filter answers ENOSYS for clone3. It has no bit for
/// `CLONE_NEWTIME` and none for the cgroup.
fn clone_legacy(flags: u64) -> Result<Option<Cloned>> {
    if flags & 0xff != 0 {
        return Err(Fault::new(Call::Clone, libc::EINVAL));
    }
    let mut pidfd: c_int = -1;
    let flags = (flags | libc::CLONE_PIDFD as u64 | libc::SIGCHLD as u64) as usize;
    #[cfg(not(target_arch = "s390x"))]
    let args = [flags, 0, ptr_mut(&mut pidfd), 0, 0];
    #[cfg(target_arch = "s390x")]
    let args = [0, flags, ptr_mut(&mut pidfd), 0, 0];
    // SAFETY: as for clone3; a stack of 0 means a copy of this one.
    let pid = unsafe { syscall(Call::Clone, libc::SYS_clone, args) }?;
    Ok(cloned(pid, pidfd))
}

fn cloned(pid: usize, pidfd: c_int) -> Option<Cloned> {
    (pid != 0).then(|| Cloned {
        pid: pid as i32,
        // SAFETY: the kernel made it for the parent.
        pidfd: unsafe { own(pidfd as usize) },
    })
}

/// A brother of the calling process: the same parent (`CLONE_PARENT`). `None` in the new process,
/// its number in the old one. The flags name no namespace.
pub(crate) fn clone_brother() -> Result<Option<i32>> {
    let flags = (libc::CLONE_PARENT | libc::SIGCHLD) as usize;
    #[cfg(not(target_arch = "s390x"))]
    let args = [flags, 0, 0, 0, 0];
    #[cfg(target_arch = "s390x")]
    let args = [0, flags, 0, 0, 0];
    // SAFETY: without CLONE_VM and with a stack of 0 both go on with their own copy of memory.
    let pid = unsafe { syscall(Call::Clone, libc::SYS_clone, args) }?;
    Ok((pid != 0).then_some(pid as i32))
}

/// Ends the process where `child` of [`clone`] unwinds into frames that belong to the parent.
struct ExitOnDrop;

impl Drop for ExitOnDrop {
    fn drop(&mut self) {
        exit(EXIT_PANICKED)
    }
}

/// Exit code of a child that panicked.
const EXIT_PANICKED: i32 = 101;

/// exit_group(2): ends the process without running any handler.
pub(crate) fn exit(code: i32) -> ! {
    for number in [libc::SYS_exit_group, libc::SYS_exit] {
        // SAFETY: takes a number and does not return.
        let _ = unsafe { syscall(Call::Kill, number, [code as usize]) };
    }
    // The container's filter forbids both. What remains in the end is an instruction that kills.
    std::process::abort()
}

/// getppid(2); 0 where the parent is in another PID namespace.
pub(crate) fn parent_id() -> i32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { syscall(Call::Kill, libc::SYS_getppid, []) }.unwrap_or(0) as i32
}

/// getpid(2), asked from the kernel: the C library's memory of it may be the parent's.
pub(crate) fn id() -> i32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { syscall(Call::Kill, libc::SYS_getpid, []) }.unwrap_or(0) as i32
}

/// setsid(2).
pub(crate) fn new_session() -> Result<()> {
    // SAFETY: takes nothing.
    unsafe { syscall(Call::Setsid, libc::SYS_setsid, []) }.map(drop)
}

/// Makes the calling process the first of a process group of its own (setpgid(2)).
pub(crate) fn new_process_group() -> Result<()> {
    // SAFETY: numbers.
    unsafe { syscall(Call::Setpgid, libc::SYS_setpgid, [0, 0]) }.map(drop)
}

/// unshare(2).
pub(crate) fn unshare(flags: i32) -> Result<()> {
    // SAFETY: takes a number; the C library's threads are not concerned as the caller has one.
    unsafe { syscall(Call::Unshare, libc::SYS_unshare, [flags as usize]) }.map(drop)
}

/// setns(2) to a namespace file, or with several flags to the namespaces of a pidfd.
pub(crate) fn set_namespace(namespace: BorrowedFd<'_>, flags: i32) -> Result<()> {
    // SAFETY: takes numbers.
    unsafe {
        syscall(
            Call::Setns,
            libc::SYS_setns,
            [fd(namespace), flags as usize],
        )
    }
    .map(drop)
}

/// execve(2). Returns only where it failed.
pub(crate) fn execute(path: &CStr, argv: &CStringArray, envp: &CStringArray) -> Fault {
    let args = [
        path.as_ptr().expose_provenance(),
        argv.as_ptr().expose_provenance(),
        envp.as_ptr().expose_provenance(),
    ];
    // SAFETY: `path` ends with a zero byte, the arrays with a null pointer, and their strings with a
    // zero byte.
    match unsafe { syscall(Call::Execve, libc::SYS_execve, args) } {
        Err(fault) => fault,
        Ok(_) => Fault::new(Call::Execve, 0),
    }
}

/// Waits for a child and returns its status in the form of wait(2).
pub(crate) fn wait(child: BorrowedFd<'_>) -> Result<i32> {
    // SAFETY: zeros are a valid siginfo_t.
    let mut info: libc::siginfo_t = unsafe { core::mem::zeroed() };
    let args = [
        libc::P_PIDFD as usize,
        fd(child),
        ptr_mut(&mut info),
        libc::WEXITED as usize,
        0,
    ];
    loop {
        // SAFETY: the kernel writes a siginfo_t to `info` and nothing to the null rusage.
        match unsafe { syscall(Call::Waitid, libc::SYS_waitid, args) } {
            Err(fault) if fault.errno == libc::EINTR => {}
            Err(fault) => return Err(fault),
            Ok(_) => break,
        }
    }
    // SAFETY: waitid succeeded, so the fields of SIGCHLD are there.
    let status = unsafe { info.si_status() };
    Ok(match info.si_code {
        libc::CLD_EXITED => (status & 0xff) << 8,
        libc::CLD_DUMPED => status | 0x80,
        _ => status,
    })
}

/// A descriptor of a process (pidfd_open(2)).
pub(crate) fn pidfd_open(pid: i32) -> Result<OwnedFd> {
    // SAFETY: numbers.
    let opened = unsafe { syscall(Call::PidfdOpen, libc::SYS_pidfd_open, [pid as usize, 0]) }?;
    // SAFETY: it is new.
    Ok(unsafe { own(opened) })
}

/// A copy of another process's descriptor, close-on-exec (pidfd_getfd(2), Linux 5.6).
pub(crate) fn descriptor_of(process: BorrowedFd<'_>, number: i32) -> Result<OwnedFd> {
    let args = [fd(process), number as usize, 0];
    // SAFETY: numbers.
    let copy = unsafe { syscall(Call::PidfdGetfd, libc::SYS_pidfd_getfd, args) }?;
    // SAFETY: it is new.
    Ok(unsafe { own(copy) })
}

/// Sends a signal to a process by its pidfd (pidfd_send_signal(2)).
pub(crate) fn send_signal(process: BorrowedFd<'_>, signal: i32) -> Result<()> {
    let args = [fd(process), signal as usize, 0, 0];
    // SAFETY: numbers, and no siginfo_t.
    unsafe { syscall(Call::Kill, libc::SYS_pidfd_send_signal, args) }.map(drop)
}

/// execveat(2) of an open file. Returns only where it failed.
pub(crate) fn execute_descriptor(
    file: BorrowedFd<'_>,
    argv: &CStringArray,
    envp: &CStringArray,
) -> Fault {
    let args = [
        fd(file),
        c"".as_ptr().expose_provenance(),
        argv.as_ptr().expose_provenance(),
        envp.as_ptr().expose_provenance(),
        libc::AT_EMPTY_PATH as usize,
    ];
    // SAFETY: the path ends with a zero byte, the arrays with a null pointer, and their strings with
    // a zero byte.
    match unsafe { syscall(Call::Execve, libc::SYS_execveat, args) } {
        Err(fault) => fault,
        Ok(_) => Fault::new(Call::Execve, 0),
    }
}

/// The `CLONE_NEW*` flag of a namespace file (`NS_GET_NSTYPE`, ioctl_ns(2)).
pub(crate) fn namespace_type(namespace: BorrowedFd<'_>) -> Result<i32> {
    const NS_GET_NSTYPE: usize = 0xb703;
    // SAFETY: the request takes no argument.
    unsafe { syscall(Call::Setns, libc::SYS_ioctl, [fd(namespace), NS_GET_NSTYPE]) }
        .map(|kind| kind as i32)
}

/// Kills a process by its pidfd.
pub(crate) fn kill(process: BorrowedFd<'_>) -> Result<()> {
    let args = [fd(process), libc::SIGKILL as usize, 0, 0];
    // SAFETY: numbers, and no siginfo_t.
    unsafe { syscall(Call::Kill, libc::SYS_pidfd_send_signal, args) }.map(drop)
}

/// Kills a process that has not been waited for, and its process group if it has made one: until the
/// wait nobody else can have that number.
pub(crate) fn kill_with_group(process: &Cloned) -> Result<()> {
    let group = [-(process.pid as isize) as usize, libc::SIGKILL as usize];
    // SAFETY: numbers.
    let killed = unsafe { syscall(Call::Kill, libc::SYS_kill, group) };
    kill(process.pidfd.as_fd()).and(killed.map(drop).or(Ok(())))
}

fn prctl<const N: usize>(call: Call, option: c_int, args: [usize; N]) -> Result<usize> {
    let arg = |at: usize| args.get(at).copied().unwrap_or(0);
    // SAFETY: the options of this module take numbers only.
    unsafe {
        syscall(
            call,
            libc::SYS_prctl,
            [option as usize, arg(0), arg(1), arg(2), arg(3)],
        )
    }
}

/// `PR_SET_PDEATHSIG`: this signal comes when the parent's thread ends; 0 for none.
pub(crate) fn set_parent_death_signal(signal: i32) -> Result<()> {
    prctl(
        Call::PrctlParentDeath,
        libc::PR_SET_PDEATHSIG,
        [signal as usize],
    )
    .map(drop)
}

/// `PR_SET_DUMPABLE`: whether processes without privileges may look into this one.
pub(crate) fn set_dumpable(dumpable: bool) -> Result<()> {
    prctl(
        Call::PrctlDumpable,
        libc::PR_SET_DUMPABLE,
        [dumpable.into()],
    )
    .map(drop)
}

/// `PR_SET_NO_NEW_PRIVS`.
pub(crate) fn set_no_new_privileges() -> Result<()> {
    prctl(Call::PrctlNoNewPrivileges, libc::PR_SET_NO_NEW_PRIVS, [1]).map(drop)
}

/// `PR_SET_KEEPCAPS`.
pub(crate) fn set_keep_capabilities(keep: bool) -> Result<()> {
    prctl(
        Call::PrctlKeepCapabilities,
        libc::PR_SET_KEEPCAPS,
        [keep.into()],
    )
    .map(drop)
}

/// `PR_CAPBSET_READ`: whether the bounding set holds a capability; `None` where the kernel has no
/// capability of that number.
pub(crate) fn in_bounding_set(capability: u32) -> Option<bool> {
    prctl(
        Call::PrctlBounding,
        libc::PR_CAPBSET_READ,
        [capability as usize],
    )
    .ok()
    .map(|held| held == 1)
}

/// `PR_CAPBSET_DROP`.
pub(crate) fn drop_from_bounding_set(capability: u32) -> Result<()> {
    prctl(
        Call::PrctlBounding,
        libc::PR_CAPBSET_DROP,
        [capability as usize],
    )
    .map(drop)
}

/// `PR_CAP_AMBIENT_CLEAR_ALL`.
pub(crate) fn clear_ambient_set() -> Result<()> {
    let clear = libc::PR_CAP_AMBIENT_CLEAR_ALL as usize;
    prctl(Call::PrctlAmbient, libc::PR_CAP_AMBIENT, [clear]).map(drop)
}

/// `PR_CAP_AMBIENT_RAISE`.
pub(crate) fn raise_ambient(capability: u32) -> Result<()> {
    let raise = libc::PR_CAP_AMBIENT_RAISE as usize;
    prctl(
        Call::PrctlAmbient,
        libc::PR_CAP_AMBIENT,
        [raise, capability as usize],
    )
    .map(drop)
}
