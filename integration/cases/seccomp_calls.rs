//! `linux.seccomp`: what becomes of real system calls, action by action and
//! architecture by architecture.

use super::check::prints;
use super::seccomp::ALLOWED;
use crate::bundle::Bundle;
use crate::case::{Case, case};
use crate::guest::GUEST;
use crate::need::Need;
use crate::output::Output;
use crate::sys;
use crate::test::Test;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[
    case("seccomp/actions", "seccomp: action, errnoRet", actions).needs(NEEDS),
    case("seccomp/trace", "seccomp: SCMP_ACT_TRACE", trace).needs(NEEDS),
    case("seccomp/log", "seccomp: SCMP_ACT_LOG", log).needs(NEEDS),
    case("seccomp/wide-arguments", "seccomp: args of 64 bits", wide).needs(NEEDS),
    case("seccomp/newer-calls", "calls newer than the profile", newer).needs(NEEDS),
    case(
        "seccomp/architectures",
        "seccomp: architectures",
        architectures,
    )
    .needs(NEEDS),
    case(
        "seccomp/tight",
        "a profile for a program that needs almost nothing",
        tight,
    )
    .needs(NEEDS),
    case("seccomp/flags", "seccomp: flags", flags).needs(&[Need::Program("strace")]),
    case("seccomp/exec", "exec: seccomp", exec).needs(NEEDS),
];

/// The numbers below are x86-64's and i386's.
const NEEDS: &[Need] = &[Need::StaticGuest, Need::Machine("x86_64")];

/// `getppid`, whose result in a new PID namespace is 0.
const CALL: &str = "110";
const CALL_OF_X86: u32 = 64;
const SIGSYS: i32 = 128 + 31;

/// A bundle that can play the guest.
pub(super) fn guest(t: &Test, arguments: &[&str]) -> Bundle {
    let own = std::env::current_exe().expect("the suite's program");
    let bundle = t.bundle().bind(&own, "/tmp/guest", &["bind", "ro"]);
    bundle.args([&["/tmp/guest", GUEST], arguments].concat())
}

/// A profile that answers `getppid` with this action and allows the rest.
fn profile(action: &str, errno: Option<u32>) -> Value {
    let mut rule = json!({"names": ["getppid"], "action": action});
    if let Some(errno) = errno {
        rule["errnoRet"] = errno.into();
    }
    json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]})
}

#[track_caller]
fn killed(output: &Output) {
    assert_eq!(output.code(), SIGSYS, "{output}");
    assert_eq!(output.text(), "", "{output}");
}

fn actions(t: &Test) {
    let with = |action, errno, arguments: &[&str]| {
        guest(t, arguments).set("/linux/seccomp", profile(action, errno))
    };
    for (label, action, errno, expected) in [
        ("allow", "SCMP_ACT_ALLOW", None, "ok 0"),
        ("log", "SCMP_ACT_LOG", None, "ok 0"),
        ("errno", "SCMP_ACT_ERRNO", None, "EPERM"),
        ("errno 98", "SCMP_ACT_ERRNO", Some(98), "EADDRINUSE"),
        ("errno 0", "SCMP_ACT_ERRNO", Some(0), "ok 0"),
        ("trace without a tracer", "SCMP_ACT_TRACE", None, "ENOSYS"),
    ] {
        t.row(label, || {
            prints(t, &with(action, errno, &["call", CALL]), expected)
        });
    }
    for action in ["SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD"] {
        t.row(&format!("{action} in one of two threads"), || {
            let bundle = with(action, None, &["thread", CALL]);
            prints(t, &bundle, "the thread is gone, the process lives");
        });
    }
    t.row("SCMP_ACT_KILL_PROCESS in one of two threads", || {
        killed(&t.run(&with("SCMP_ACT_KILL_PROCESS", None, &["thread", CALL])));
    });
    for action in [
        "SCMP_ACT_KILL",
        "SCMP_ACT_KILL_THREAD",
        "SCMP_ACT_KILL_PROCESS",
    ] {
        t.row(&format!("{action} in the only thread"), || {
            killed(&t.run(&with(action, None, &["call", CALL])));
        });
    }
    t.row("trap", || {
        // SYS_SECCOMP, the number, and the filter's data, which a profile cannot set.
        let bundle = with("SCMP_ACT_TRAP", None, &["handler", CALL]);
        prints(t, &bundle, "code 1 call 110 errno 0");
    });
    t.row("default action", || {
        let bundle = guest(t, &["call", CALL]);
        let allowed = json!([{"names": ["getppid"], "action": "SCMP_ACT_ALLOW"}]);
        let profile = json!({"defaultAction": "SCMP_ACT_LOG", "syscalls": allowed});
        prints(t, &bundle.set("/linux/seccomp", profile), "ok 0");
    });
}

fn trace(t: &Test) {
    for (label, errno, message) in [("default", None, 1), ("errnoRet", Some(4097), 4097)] {
        t.row(label, || {
            let bundle = guest(t, &["traced", CALL]);
            let bundle = bundle.set("/linux/seccomp", profile("SCMP_ACT_TRACE", errno));
            let expected = format!("call 110 message {message} answered true");
            prints(t, &bundle, &expected);
        });
    }
}

/// The kernel's log is the machine's, and takes some ten lines in five seconds.
fn log(t: &Test) {
    let actions = fs::read_to_string("/proc/sys/kernel/seccomp/actions_logged");
    if !actions.is_ok_and(|actions| actions.contains("log")) {
        t.skip("the kernel logs no SECCOMP_RET_LOG");
    }
    // uselib, which nothing else calls.
    let rule = json!({"names": ["uselib"], "action": "SCMP_ACT_LOG"});
    let profile = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]});
    let bundle = guest(t, &["call", "134"]).set("/linux/seccomp", profile);
    let lines = || {
        let log = sys::kernel_log().unwrap_or_else(|err| t.skip(&format!("/dev/kmsg: {err}")));
        let of_call = |line: &&str| line.contains("type=1326") && line.contains(" syscall=134 ");
        log.lines()
            .filter(of_call)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let before = lines().len();
    for _ in 0..8 {
        let printed = t.run(&bundle).success();
        assert!(["ENOSYS", "EFAULT"].contains(&printed.text()), "{printed}");
        if let Some(line) = lines().get(before..).and_then(<[_]>::first) {
            assert!(line.contains("code=0x7ffc0000"), "{line}");
            return;
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    // With an audit daemon the lines are in that one's log, with audit=0 nowhere.
    t.skip("the kernel's log does not hold seccomp's lines");
}

fn wide(t: &Test) {
    for (label, op, first, expected) in [
        ("equal", "SCMP_CMP_EQ", "0x100000005", "EPERM"),
        ("low word alone", "SCMP_CMP_EQ", "0x5", "ok 0"),
        ("high word alone", "SCMP_CMP_EQ", "0x100000004", "ok 0"),
        ("not equal", "SCMP_CMP_NE", "0x200000005", "EPERM"),
        ("less", "SCMP_CMP_LT", "0xffffffff", "EPERM"),
        ("not less", "SCMP_CMP_LT", "0x100000005", "ok 0"),
        ("less or equal", "SCMP_CMP_LE", "0x100000005", "EPERM"),
        ("greater", "SCMP_CMP_GT", "0x200000000", "EPERM"),
        ("not greater", "SCMP_CMP_GT", "0x100000005", "ok 0"),
        ("greater or equal", "SCMP_CMP_GE", "0x100000005", "EPERM"),
        ("masked", "SCMP_CMP_MASKED_EQ", "0xf00000001", "EPERM"),
        (
            "masked, other bits",
            "SCMP_CMP_MASKED_EQ",
            "0xe00000001",
            "ok 0",
        ),
    ] {
        t.row(label, || {
            let arg = json!({"index": 5, "value": 0x1_0000_0005_u64,
                             "valueTwo": 0x1_0000_0001_u64, "op": op});
            let mut profile = profile("SCMP_ACT_ERRNO", None);
            profile["syscalls"][0]["args"] = json!([arg]);
            let bundle = guest(t, &["call", CALL, "0", "0", "0", "0", "0", first]);
            prints(t, &bundle.set("/linux/seccomp", profile), expected);
        });
    }
}

/// A call that the profile could have named is refused; a newer one does not exist.
fn newer(t: &Test) {
    for (label, number, expected) in [
        ("swapoff", "168", "EPERM"),
        ("futex_waitv, which the kernel knows", "449", "ENOSYS"),
        ("a call of the future", "5000", "ENOSYS"),
    ] {
        t.row(label, || {
            let rules = json!([{"names": ALLOWED, "action": "SCMP_ACT_ALLOW"}]);
            let profile = json!({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules,
                                 "architectures": ["SCMP_ARCH_X86_64"]});
            let bundle = guest(t, &["call", number]).set("/linux/seccomp", profile);
            prints(t, &bundle, expected);
        });
    }
}

fn architectures(t: &Test) {
    let listed = |archs: &[&str], bundle: Bundle| {
        let mut profile = profile("SCMP_ACT_ERRNO", Some(99));
        profile["architectures"] = json!(archs);
        t.run(&bundle.set("/linux/seccomp", profile))
    };
    let x86_64 = |archs: &[&str]| listed(archs, guest(t, &["call", CALL]));
    let x32 = |archs: &[&str], number: u32| {
        listed(
            archs,
            guest(t, &["call", &(0x4000_0000 + number).to_string()]),
        )
    };
    let x86 = |archs: &[&str], number: u32| {
        let program = t.new_file("x86", "");
        fs::write(&program, program_of_x86(number)).expect("write the program");
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&program, mode).expect("change the mode");
        listed(
            archs,
            t.bundle()
                .bind(&program, "/tmp/x86", &["bind", "ro"])
                .args(["/tmp/x86"]),
        )
    };
    t.row("x86-64 without a list", || {
        assert_eq!(x86_64(&[]).text(), "EADDRNOTAVAIL")
    });
    t.row("x86-64 is covered where others are listed", || {
        assert_eq!(x86_64(&["SCMP_ARCH_X86"]).text(), "EADDRNOTAVAIL");
    });
    t.row("x32, not listed", || {
        killed(&x32(&["SCMP_ARCH_X86_64"], 110))
    });
    t.row("x32, listed", || {
        let archs = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X32"];
        assert_eq!(x32(&archs, 110).text(), "EADDRNOTAVAIL");
        // The kernel's own answer to calls of x32 when it is built without.
        assert_ne!(x32(&archs, 102).text(), "EADDRNOTAVAIL");
    });
    if !runs_x86(t) {
        return;
    }
    t.row("x86, not listed", || {
        killed(&x86(&["SCMP_ARCH_X86_64"], CALL_OF_X86))
    });
    t.row("x86, listed", || {
        let archs = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"];
        assert_eq!(x86(&archs, CALL_OF_X86).code(), 99);
        // getuid, and what has the number of x86-64's getppid, iopl.
        assert_eq!(x86(&archs, 199).code(), 0);
        assert_ne!(x86(&archs, 110).code(), 99);
    });
}

/// The runtime's own calls after the filter are few.
fn tight(t: &Test) {
    if !runs_x86(t) {
        t.skip("the kernel runs no programs of x86");
    }
    let program = t.new_file("x86", "");
    fs::write(&program, program_of_x86(CALL_OF_X86)).expect("write the program");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("change the mode");
    let names = ["read", "write", "close", "execve", "getppid", "exit"];
    let rules = json!([{"names": names, "action": "SCMP_ACT_ALLOW"}]);
    for default in ["SCMP_ACT_ERRNO", "SCMP_ACT_KILL_PROCESS"] {
        let profile = json!({"defaultAction": default, "syscalls": rules,
                             "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]});
        let bundle = |id: &str| {
            let bundle = t.bundle().bind(&program, "/tmp/x86", &["bind", "ro"]);
            let bundle = bundle.set("/linux/seccomp", profile.clone());
            let mut bundle = bundle.args(["/tmp/x86"]);
            bundle.id = format!("{id}-{}", default.len());
            bundle
        };
        t.row(&format!("{default}, run"), || t.run(&bundle("run")).ok());
        t.row(&format!("{default}, not executable"), || {
            let names = json!(["read", "write", "close", "execve"]);
            let bundle = bundle("not-executable").args(["/tmp/text"]);
            let text = bundle.inside("/tmp/text");
            fs::write(&text, "text").expect("write a file");
            fs::set_permissions(&text, fs::Permissions::from_mode(0o755)).expect("change the mode");
            t.run(&bundle.set("/linux/seccomp/syscalls/0/names", names))
                .failure(&[]);
        });
        t.row(&format!("{default}, create"), || {
            let c = t.start(&bundle("create"));
            c.wait_for("stopped");
        });
    }
}

/// Whether the kernel runs programs of x86.
fn runs_x86(t: &Test) -> bool {
    let program = t.new_file("probe", "");
    fs::write(&program, program_of_x86(CALL_OF_X86)).expect("write the program");
    let bundle = t
        .bundle()
        .bind(&program, "/tmp/x86", &["bind", "ro"])
        .args(["/tmp/x86"]);
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("change the mode");
    t.run(&bundle).code() == 0
}

/// An ELF file for x86 that makes a system call without arguments and exits with its error number.
fn program_of_x86(number: u32) -> Vec<u8> {
    const BASE: u32 = 0x0804_8000;
    const HEADERS: u32 = 52 + 32;
    let mut code = vec![0xb8]; // mov $number, %eax
    code.extend(number.to_le_bytes());
    // xor %ebx,%ebx; xor %ecx,%ecx; int $0x80; neg %eax; mov %eax,%ebx; mov $1,%eax; int $0x80
    code.extend([0x31, 0xdb, 0x31, 0xc9, 0xcd, 0x80, 0xf7, 0xd8, 0x89, 0xc3]);
    code.extend([0xb8, 1, 0, 0, 0, 0xcd, 0x80]);
    let size = HEADERS + u32::try_from(code.len()).expect("a short program");
    let mut file = b"\x7fELF\x01\x01\x01".to_vec();
    file.resize(16, 0);
    for half in [2_u16, 3] {
        file.extend(half.to_le_bytes()); // ET_EXEC, EM_386
    }
    for word in [1, BASE + HEADERS, 52, 0, 0] {
        file.extend(u32::to_le_bytes(word)); // version, entry, phoff, shoff, flags
    }
    for half in [52_u16, 32, 1, 0, 0, 0] {
        file.extend(half.to_le_bytes()); // sizes and counts of headers
    }
    for word in [1, 0, BASE, BASE, size, size, 5, 0x1000] {
        file.extend(u32::to_le_bytes(word)); // PT_LOAD, readable and executable
    }
    file.extend(code);
    file
}

/// The flags that reach the kernel.
fn flags(t: &Test) {
    let seen = |flags: Option<Value>, action: &str| {
        let mut profile = profile(action, None);
        profile["syscalls"][0]["names"] = json!(["swapoff"]);
        if let Some(flags) = flags {
            profile["flags"] = flags;
        }
        let trace = t.path("trace");
        let bundle = t.bundle().sh("true").set("/linux/seccomp", profile);
        let file = trace.to_str().expect("a path in UTF-8");
        let strace = [
            "strace",
            "-f",
            "-e",
            "trace=seccomp",
            "-e",
            "signal=none",
            "-o",
            file,
        ];
        t.run_call(&bundle, &[]).under(strace).run().ok();
        let text = fs::read_to_string(trace).expect("strace's output");
        // With NULL in a filter's place the kernel is only asked what it knows.
        let mut filters = text.lines().filter(|line| !line.contains("NULL"));
        let filter = filters.find(|line| line.contains("SECCOMP_SET_MODE_FILTER, "));
        let flags = filter.and_then(|line| line.split(", ").nth(1));
        flags.unwrap_or("no filter").to_owned()
    };
    let errno = "SCMP_ACT_ERRNO";
    for (label, flags, expected) in [
        ("without", None, "SECCOMP_FILTER_FLAG_SPEC_ALLOW"),
        ("empty list", Some(json!([])), "0"),
        // About other threads, of which the process has none: runc drops it too.
        ("TSYNC", Some(json!(["SECCOMP_FILTER_FLAG_TSYNC"])), "0"),
        ("SECCOMP_FILTER_FLAG_LOG", None, ""),
        ("SECCOMP_FILTER_FLAG_SPEC_ALLOW", None, ""),
    ] {
        t.row(label, || {
            let one = expected.is_empty();
            let flags = if one { Some(json!([label])) } else { flags };
            let seen = seen(flags, errno);
            assert_eq!(seen, if one { label } else { expected });
        });
    }
    t.row("two", || {
        let two = json!(["SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_LOG"]);
        let expected = "SECCOMP_FILTER_FLAG_LOG|SECCOMP_FILTER_FLAG_SPEC_ALLOW";
        assert_eq!(seen(Some(two), errno), expected);
    });
    t.row("WAIT_KILLABLE_RECV without SCMP_ACT_NOTIFY", || {
        let flags = json!(["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]);
        assert_eq!(seen(Some(flags), errno), "0");
    });
}

fn exec(t: &Test) {
    let bundle = guest(t, &["call", "0"]).idle();
    let bundle = bundle.set("/linux/seccomp", profile("SCMP_ACT_ERRNO", Some(99)));
    let c = t.start(&bundle);
    for (label, options) in [
        ("as the container's user", &[][..]),
        ("as another user", &["--user", "1000:1000"]),
        (
            "with no-new-privs",
            &["--user", "1000:1000", "--no-new-privs"],
        ),
    ] {
        t.row(label, || {
            let output = c
                .exec(options, ["/tmp/guest", GUEST, "call", CALL])
                .success();
            assert_eq!(output.text(), "EADDRNOTAVAIL");
        });
    }
    t.row("killed", || {
        let mut killing = profile("SCMP_ACT_KILL_PROCESS", None);
        killing["syscalls"][0]["names"] = json!(["swapoff"]);
        let bundle = guest(t, &["call", "0"])
            .idle()
            .set("/linux/seccomp", killing);
        let c = t.start(&bundle);
        killed(&c.exec(&[], ["/tmp/guest", GUEST, "call", "168"]));
    });
}
