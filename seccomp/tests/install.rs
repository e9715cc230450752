//! Installs filters in children and makes real system calls.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use oci_spec::runtime::LinuxSeccomp;
use seccomp::{Filter, Options, compile, install};
use serde_json::{Value, json};

/// Ends a child that hangs.
const SECONDS: u32 = 20;

fn filter(profile: Value) -> Filter {
    let profile: LinuxSeccomp = serde_json::from_value(profile).unwrap();
    let mut options = Options::default();
    options.listener_path_optional = true;
    compile(&profile, &options).unwrap()
}

/// A profile that answers `getppid` with one action and allows the rest.
fn for_getppid(action: &str) -> Filter {
    let rule = json!({ "names": [ "getppid" ], "action": action });
    filter(json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule] }))
}

/// Forks; the child runs `work`, which must be async-signal-safe, and exits with its result.
fn fork(work: impl FnOnce() -> i32) -> libc::pid_t {
    // SAFETY: the child only makes system calls and ends without running destructors.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: these calls take no pointers.
            unsafe {
                libc::alarm(SECONDS);
                libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            }
            let code = work();
            // SAFETY: ends the process.
            unsafe { libc::_exit(code) }
        }
        child => {
            assert!(child > 0, "{}", io::Error::last_os_error());
            child
        }
    }
}

fn wait(child: libc::pid_t) -> Result<i32, i32> {
    let mut status = 0;
    // SAFETY: `status` outlives the call.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(waited, child);
    if libc::WIFSIGNALED(status) {
        return Err(libc::WTERMSIG(status));
    }
    Ok(libc::WEXITSTATUS(status))
}

/// The errno of a system call without arguments, 0 for success.
fn errno(number: libc::c_long) -> i32 {
    // SAFETY: the calls used here take no pointers, or get null pointers.
    if unsafe { libc::syscall(number, 0, 0, 0, 0, 0, 0) } >= 0 {
        return 0;
    }
    io::Error::last_os_error().raw_os_error().unwrap_or(-1)
}

/// What becomes of a child that installs `filter` and makes a system call: its errno or a signal.
fn outcome(filter: &Filter, number: libc::c_long) -> Result<i32, i32> {
    wait(fork(|| match install(filter) {
        Ok(_) => errno(number),
        Err(_) => 255,
    }))
}

#[test]
fn actions_do_what_they_are_called() {
    let of = |action| outcome(&for_getppid(action), libc::SYS_getppid);
    assert_eq!(of("SCMP_ACT_ALLOW"), Ok(0));
    assert_eq!(of("SCMP_ACT_LOG"), Ok(0));
    assert_eq!(of("SCMP_ACT_ERRNO"), Ok(libc::EPERM));
    assert_eq!(
        of("SCMP_ACT_TRACE"),
        Ok(libc::ENOSYS),
        "without a tracer the call is skipped"
    );
    for action in [
        "SCMP_ACT_KILL",
        "SCMP_ACT_KILL_THREAD",
        "SCMP_ACT_KILL_PROCESS",
        "SCMP_ACT_TRAP",
    ] {
        assert_eq!(of(action), Err(libc::SIGSYS), "{action}");
    }
}

#[test]
fn calls_without_a_rule_get_the_default_action() {
    for action in ["SCMP_ACT_ERRNO", "SCMP_ACT_KILL_PROCESS"] {
        assert_eq!(outcome(&for_getppid(action), libc::SYS_getuid), Ok(0));
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn dockers_default_profile_works_on_this_kernel() {
    let text = include_str!("profiles/docker.json");
    let profile: LinuxSeccomp = serde_json::from_str(text).unwrap();
    let filter = compile(&profile, &Options::default()).unwrap();
    for (number, expected) in [
        (libc::SYS_getppid, 0),
        (libc::SYS_clone3, libc::ENOSYS),
        (libc::SYS_mount, libc::EPERM),
        (libc::SYS_bpf, libc::EPERM),
        // socket(AF_UNSPEC, …) reaches the kernel and fails there.
        (libc::SYS_socket, libc::EAFNOSUPPORT),
        (libc::SYS_personality, 0),
        // Newer than all that the profile names.
        (libc::SYS_mseal, libc::ENOSYS),
        (1000, libc::ENOSYS),
    ] {
        assert_eq!(outcome(&filter, number), Ok(expected), "{number}");
    }
    let with_x32_bit = 0x4000_0000 + libc::SYS_mount;
    assert_eq!(outcome(&filter, with_x32_bit), Ok(libc::EPERM));
}

#[test]
#[cfg(target_arch = "x86_64")]
fn an_x32_call_kills_where_x32_is_not_listed() {
    let filter = for_getppid("SCMP_ACT_ERRNO");
    let with_x32_bit = 0x4000_0000 + libc::SYS_getuid;
    assert_eq!(outcome(&filter, with_x32_bit), Err(libc::SIGSYS));
}

#[test]
fn arguments_are_compared_in_the_kernel_as_in_the_interpreter() {
    let filter = filter(json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [ {
            "names": [ "getppid" ], "action": "SCMP_ACT_ERRNO", "errnoRet": 99,
            "args": [
                { "index": 0, "value": 0x1_0000_0005_u64, "op": "SCMP_CMP_GE" },
                { "index": 1, "value": 0xff00, "valueTwo": 0x1200, "op": "SCMP_CMP_MASKED_EQ" },
            ],
        } ],
    }));
    for (first, second, expected) in [
        (0x1_0000_0005_u64, 0x1234_u64, 99),
        (0x2_0000_0000, 0x12ff, 99),
        (0x1_0000_0004, 0x1234, 0),
        (0xffff_ffff, 0x1234, 0),
        (0x1_0000_0005, 0x1334, 0),
    ] {
        let child = fork(|| {
            if install(&filter).is_err() {
                return 255;
            }
            // SAFETY: getppid ignores its arguments.
            if unsafe { libc::syscall(libc::SYS_getppid, first, second) } >= 0 {
                return 0;
            }
            io::Error::last_os_error().raw_os_error().unwrap_or(-1)
        });
        assert_eq!(wait(child), Ok(expected), "{first:#x} {second:#x}");
    }
}

#[test]
fn the_listener_hears_of_the_call_and_answers_it() {
    const ANSWER: i64 = 4711;
    for flags in [json!([]), json!(["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"])] {
        let filter = filter(json!({
            "defaultAction": "SCMP_ACT_ALLOW", "flags": flags,
            "syscalls": [ { "names": [ "getppid" ], "action": "SCMP_ACT_NOTIFY" } ],
        }));
        let (read, write) = pipe();
        let child = fork(|| {
            let Ok(Some(listener)) = install(&filter) else {
                return 1;
            };
            let number = listener.as_raw_fd().to_ne_bytes();
            // SAFETY: the buffer is as long as said; getppid takes no arguments.
            unsafe {
                libc::write(write.as_raw_fd(), number.as_ptr().cast(), number.len());
                if libc::syscall(libc::SYS_getppid) == ANSWER {
                    0
                } else {
                    2
                }
            }
        });
        let mut number = [0; 4];
        // SAFETY: the buffer is as long as said.
        let length = unsafe { libc::read(read.as_raw_fd(), number.as_mut_ptr().cast(), 4) };
        assert_eq!(length, 4);
        let listener = descriptor_of(child, i32::from_ne_bytes(number));
        let heard = answer(&listener, ANSWER).unwrap();
        assert_eq!(i64::from(heard), libc::SYS_getppid);
        assert_eq!(wait(child), Ok(0));
    }
}

fn pipe() -> (OwnedFd, OwnedFd) {
    let mut ends = [0; 2];
    // SAFETY: the array has room for both descriptors, which nobody else owns.
    unsafe {
        assert_eq!(libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC), 0);
        (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1]))
    }
}

/// A copy of another process's descriptor.
fn descriptor_of(process: libc::pid_t, number: i32) -> OwnedFd {
    // SAFETY: the results are descriptors that nobody else owns.
    unsafe {
        let pidfd = libc::syscall(libc::SYS_pidfd_open, process, 0);
        let pidfd = OwnedFd::from_raw_fd(i32::try_from(pidfd).unwrap());
        let copy = libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), number, 0);
        assert!(copy >= 0, "{}", io::Error::last_os_error());
        OwnedFd::from_raw_fd(i32::try_from(copy).unwrap())
    }
}

/// Waits for one notification, answers it with `value`, returns the number of the call.
fn answer(listener: &OwnedFd, value: i64) -> io::Result<i32> {
    const RECV: libc::Ioctl = 0xc050_2100;
    const SEND: libc::Ioctl = 0xc018_2101;
    // SAFETY: all zeroes is what the kernel wants to find here.
    let mut heard: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    // SAFETY: the structure is the one that the request writes.
    if unsafe { libc::ioctl(listener.as_raw_fd(), RECV, &raw mut heard) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut reply = libc::seccomp_notif_resp {
        id: heard.id,
        val: value,
        error: 0,
        flags: 0,
    };
    // SAFETY: the structure is the one that the request reads.
    if unsafe { libc::ioctl(listener.as_raw_fd(), SEND, &raw mut reply) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(heard.data.nr)
}

#[test]
fn flags_follow_the_profile() {
    let flags = |flags: Value, action: &str| {
        let rule = json!({ "names": [ "getppid" ], "action": action });
        let mut profile = json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule] });
        if !flags.is_null() {
            profile["flags"] = flags;
        }
        let filter = filter(profile);
        (filter.flags(), filter.warnings().len())
    };
    let errno = "SCMP_ACT_ERRNO";
    assert_eq!(
        flags(Value::Null, errno),
        (4, 0),
        "SPEC_ALLOW unless the profile says otherwise"
    );
    assert_eq!(flags(json!([]), errno), (0, 0));
    assert_eq!(flags(json!(["SECCOMP_FILTER_FLAG_LOG"]), errno), (2, 0));
    assert_eq!(flags(json!(["SECCOMP_FILTER_FLAG_TSYNC"]), errno), (1, 0));
    let wait = json!(["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]);
    assert_eq!(flags(wait.clone(), errno), (0, 1));
    assert_eq!(flags(wait, "SCMP_ACT_NOTIFY"), (0x28, 0));
    assert_eq!(
        flags(json!(["SECCOMP_FILTER_FLAG_TSYNC"]), "SCMP_ACT_NOTIFY"),
        (0x19, 0)
    );
}
