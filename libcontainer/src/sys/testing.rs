//! For tests: a child process in namespaces of its own, and calls that the kernel refuses.

use core::ffi::c_long;

use super::process;

/// Runs `body` in a child with these `CLONE_*` flags and checks that it returns true within half a
/// minute. A panic there is an assertion that failed; its message goes to standard error.
pub(crate) fn in_child(flags: u64, body: impl FnOnce() -> bool) {
    let child = process::clone(flags, None, || {
        let good = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
        process::exit(i32::from(!matches!(good, Ok(true))))
    })
    .unwrap();
    use std::os::fd::AsFd;
    let limit = Some(core::time::Duration::from_secs(30));
    if super::descriptor::wait_readable(child.pidfd.as_fd(), limit).unwrap() == 0 {
        process::kill(child.pidfd.as_fd()).unwrap();
    }
    let status = process::wait(child.pidfd.as_fd()).unwrap();
    assert_eq!(status, 0, "the child's wait status");
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
