//! For tests: a child process in namespaces of its own, and calls that the kernel refuses.

use core::ffi::c_long;
use std::os::fd::AsFd;

use super::process;

/// Runs `body` in a child that unshares these `CLONE_*` namespaces and checks that it returns true
/// within half a minute. A panic there is an assertion that failed; its message goes to standard
/// error.
pub(crate) fn in_child(flags: u64, body: impl FnOnce() -> bool) {
    // The body uses the heap: only the C library's fork leaves its locks free in the child.
    // SAFETY: the child runs `body` and exits without returning to this frame's callers.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork");
    if pid == 0 {
        let good = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            process::unshare(flags as i32).unwrap();
            body()
        }));
        if let Err(panic) = &good {
            tell(panic.as_ref());
        }
        process::exit(i32::from(!matches!(good, Ok(true))))
    }
    let child = process::pidfd_open(pid).unwrap();
    let limit = Some(core::time::Duration::from_secs(30));
    if super::descriptor::wait_readable(child.as_fd(), limit).unwrap() == 0 {
        process::kill(child.as_fd()).unwrap();
    }
    let status = process::wait(child.as_fd()).unwrap();
    assert_eq!(status, 0, "the child's wait status");
}

/// Says on standard error what a child panicked with: what the test harness captures of it is lost.
fn tell(panic: &(dyn std::any::Any + Send)) {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("panic");
    if let Ok(error) = super::descriptor::inherited(2) {
        let _ = super::file::write_all(error, format!("in the child: {text}\n").as_bytes());
    }
}

/// Whether the test may make mount namespaces; says so where not.
pub(crate) fn is_root(test: &str) -> bool {
    let root = super::identity::effective_user() == 0;
    if !root {
        #[allow(clippy::print_stderr)] // a test that did not run must say so
        {
            eprintln!("SKIPPED {test}: needs root");
        }
    }
    root
}

/// As [`in_child`], in a mount namespace that tells the host's nothing.
pub(crate) fn in_private_mounts(body: impl FnOnce() -> bool) {
    in_child(libc::CLONE_NEWNS as u64, || {
        super::mount::change(c"/", libc::MS_REC | libc::MS_PRIVATE).unwrap();
        body()
    });
}

/// From here on the kernel answers `errno` to these system calls of the calling process.
pub(crate) fn refuse(calls: &[c_long], errno: i32) {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let instruction = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut program = vec![instruction(LOAD, 0, 0, 0)];
    for call in calls {
        program.push(instruction(EQUAL, 0, 1, u32::try_from(*call).unwrap()));
        let answer = libc::SECCOMP_RET_ERRNO | u32::try_from(errno).unwrap();
        program.push(instruction(RETURN, 0, 0, answer));
    }
    program.push(instruction(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW));
    let filter = libc::sock_fprog {
        len: u16::try_from(program.len()).unwrap(),
        filter: program.as_mut_ptr(),
    };
    process::set_no_new_privileges().unwrap();
    // SAFETY: the program has the length that it names and outlives the call.
    let set = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &filter) };
    assert_eq!(set, 0, "prctl(PR_SET_SECCOMP)");
}
