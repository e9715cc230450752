//! Cloning, its fallbacks, and messages with descriptors, against the running kernel.

use std::os::fd::{AsFd, AsRawFd};

use super::testing::{in_child, refuse};
use super::{descriptor, file, process, signal, socket};

fn exit_code_of_a_child() -> i32 {
    let cloned = process::clone(0, None, || 7).unwrap();
    process::wait(cloned.pidfd.as_fd()).unwrap()
}

#[test]
fn a_child_ends_with_the_code_that_it_returns() {
    assert_eq!(exit_code_of_a_child(), 7 << 8);
}

#[test]
fn without_clone3_clone_makes_the_child() {
    in_child(0, || {
        refuse(&[libc::SYS_clone3], libc::ENOSYS);
        exit_code_of_a_child() == 7 << 8
    });
}

#[test]
fn no_child_is_made_outside_the_cgroup_that_was_asked_for() {
    // A plain file is no cgroup.
    let file = std::fs::File::open("/proc/self/status").unwrap();
    let fault = process::clone(0, Some(file.as_fd()), || 0).unwrap_err();
    assert_eq!(fault.errno, libc::EBADF);
    in_child(0, || {
        refuse(&[libc::SYS_clone3], libc::ENOSYS);
        let file = std::fs::File::open("/proc/self/status").unwrap();
        let fault = process::clone(0, Some(file.as_fd()), || 0).unwrap_err();
        fault.is_missing()
    });
}

#[test]
fn a_child_that_borrows_memory_changes_it_while_its_parent_waits() {
    let mut seen = 0;
    let cloned = process::clone_borrowing(0, None, || {
        seen = process::id();
        7
    });
    let cloned = cloned.unwrap();
    let expected = if cfg!(target_arch = "x86_64") {
        cloned.pid
    } else {
        0
    };
    assert_eq!(seen, expected);
    assert_eq!(process::wait(cloned.pidfd.as_fd()), Ok(7 << 8));

    let file = std::fs::File::open("/proc/self/status").unwrap();
    let fault = process::clone_borrowing(0, Some(file.as_fd()), || 0).unwrap_err();
    assert_eq!(fault.errno, libc::EBADF);
    in_child(0, || {
        refuse(&[libc::SYS_clone3], libc::ENOSYS);
        let mut seen = 0;
        let cloned = process::clone_borrowing(0, None, || {
            seen = 1;
            7
        });
        // A copy was changed.
        process::wait(cloned.unwrap().pidfd.as_fd()) == Ok(7 << 8) && seen == 0
    });
}

#[test]
fn a_child_runs_no_handler_and_the_parent_keeps_its_mask() {
    fn is_default() -> bool {
        // SAFETY: zeros are a valid sigaction, and nothing is set.
        let mut found: libc::sigaction = unsafe { core::mem::zeroed() };
        // SAFETY: as above.
        let asked = unsafe { libc::sigaction(libc::SIGUSR1, core::ptr::null(), &mut found) };
        asked == 0 && found.sa_sigaction == libc::SIG_DFL
    }
    extern "C" fn handler(_: libc::c_int) {}
    // The flag of clone3 came with 5.5; before, every signal is blocked instead.
    for old in [false, true] {
        in_child(0, || {
            let action = handler as extern "C" fn(libc::c_int);
            // SAFETY: the handler does nothing.
            unsafe { libc::signal(libc::SIGUSR1, action as *const () as usize) };
            if old {
                refuse(&[libc::SYS_clone3], libc::ENOSYS);
            }
            let before = signal::block_all().unwrap();
            signal::set_mask(before).unwrap();
            let cloned = process::clone(0, None, || {
                // SIGKILL and SIGSTOP (9 and 19) cannot be blocked.
                let unblockable = (1u64 << 8) | (1 << 18);
                let mask = signal::block_all().unwrap();
                i32::from(!(is_default() && mask == before || mask == !unblockable))
            })
            .unwrap();
            assert_eq!(process::wait(cloned.pidfd.as_fd()), Ok(0));
            signal::block_all() == Ok(before)
        });
    }
}

#[test]
fn a_panic_does_not_return_into_the_parents_frames() {
    let cloned = process::clone(0, None, || std::panic::resume_unwind(Box::new(()))).unwrap();
    assert_eq!(process::wait(cloned.pidfd.as_fd()), Ok(101 << 8));
}

#[test]
fn descriptors_travel_with_messages() {
    let (ours, theirs) = nix::sys::socket::socketpair(
        nix::sys::socket::AddressFamily::Unix,
        nix::sys::socket::SockType::SeqPacket,
        None,
        nix::sys::socket::SockFlag::SOCK_CLOEXEC,
    )
    .unwrap();
    let (reading, writing) = descriptor::pipe().unwrap();
    socket::send(ours.as_fd(), b"take", &[writing.as_fd()]).unwrap();
    socket::send(ours.as_fd(), b"nothing", &[]).unwrap();
    drop(ours);

    let mut bytes = [0; 16];
    let mut taken = Vec::new();
    let length = socket::receive(theirs.as_fd(), &mut bytes, |fd| taken.push(fd)).unwrap();
    assert_eq!(&bytes[..length], b"take");
    assert_eq!(taken.len(), 1);
    file::write_all(taken[0].as_fd(), b"x").unwrap();
    assert_eq!(file::read(reading.as_fd(), &mut bytes), Ok(1));
    assert_ne!(taken[0].as_raw_fd(), writing.as_raw_fd());

    let length = socket::receive(theirs.as_fd(), &mut bytes, |_| unreachable!()).unwrap();
    assert_eq!(&bytes[..length], b"nothing");
    assert_eq!(
        socket::receive(theirs.as_fd(), &mut bytes, |_| unreachable!()),
        Ok(0)
    );
    let gone = socket::send(theirs.as_fd(), b"late", &[]).unwrap_err();
    assert_eq!(gone.errno, libc::EPIPE);
}
