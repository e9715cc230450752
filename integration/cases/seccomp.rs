//! `linux.seccomp`: what a filter lets through, refuses and kills.

use super::check::{prints, refused};
use crate::bundle::Bundle;
use crate::case::{Case, case};
use crate::test::Test;
use serde_json::{Value, json};

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[
    case(
        "seccomp/errno",
        "config-linux.md seccomp: SCMP_ACT_ERRNO",
        errno,
    ),
    case(
        "seccomp/kill",
        "config-linux.md seccomp: SCMP_ACT_KILL…",
        kill,
    ),
    case(
        "seccomp/arguments",
        "config-linux.md seccomp: args",
        arguments,
    ),
    case(
        "seccomp/allow-list",
        "a profile like Docker's: all else is refused",
        allow_list,
    ),
    case(
        "seccomp/without-no-new-privs",
        "a filter without noNewPrivileges",
        privileged,
    ),
    case(
        "seccomp/unknown-calls",
        "names that no kernel knows",
        unknown,
    ),
    case("seccomp/refused", "config-linux.md seccomp: errors", bad),
];

fn filter(t: &Test, default: &str, rules: Value) -> Bundle {
    let profile = json!({
        "defaultAction": default,
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": rules,
    });
    t.bundle().writable().set("/linux/seccomp", profile)
}

fn rule(names: &[&str], action: &str) -> Value {
    json!({"names": names, "action": action})
}

fn errno(t: &Test) {
    for (label, value, phrase) in [
        ("default", json!(null), "operation not permitted"),
        ("EACCES", json!(13), "permission denied"),
        ("ENOSYS", json!(38), "function not implemented"),
    ] {
        t.row(label, || {
            let mut rule = rule(&["mkdir", "mkdirat"], "SCMP_ACT_ERRNO");
            if value.is_number() {
                rule["errnoRet"] = value;
            }
            let bundle = filter(t, "SCMP_ACT_ALLOW", json!([rule]));
            t.run(&bundle.sh("mkdir /made")).failure(&[phrase]);
        });
    }
    t.row("mode", || {
        let bundle = filter(
            t,
            "SCMP_ACT_ALLOW",
            json!([rule(&["mkdir"], "SCMP_ACT_ERRNO")]),
        );
        prints(
            t,
            &bundle.args(["grep", "Seccomp:", "/proc/self/status"]),
            "Seccomp:\t2",
        );
    });
    t.row("no filter", || {
        prints(
            t,
            &t.bundle().args(["grep", "Seccomp:", "/proc/self/status"]),
            "Seccomp:\t0",
        );
    });
}

fn kill(t: &Test) {
    for action in [
        "SCMP_ACT_KILL",
        "SCMP_ACT_KILL_THREAD",
        "SCMP_ACT_KILL_PROCESS",
        "SCMP_ACT_TRAP",
    ] {
        t.row(action, || {
            let bundle = filter(
                t,
                "SCMP_ACT_ALLOW",
                json!([rule(&["mkdir", "mkdirat"], action)]),
            );
            // A child: process 1 has no default action for SIGSYS from a trap.
            prints(
                t,
                &bundle.sh(
                    "(mkdir /made; echo not reached) 2>/dev/null | cat; (mkdir /made); echo $?",
                ),
                "not reached\n159",
            );
        });
    }
}

fn arguments(t: &Test) {
    for (label, args, killed) in [
        (
            "equal",
            json!([{"index": 1, "value": 10, "op": "SCMP_CMP_EQ"}]),
            true,
        ),
        (
            "not equal",
            json!([{"index": 1, "value": 10, "op": "SCMP_CMP_NE"}]),
            false,
        ),
        (
            "less",
            json!([{"index": 1, "value": 11, "op": "SCMP_CMP_LT"}]),
            true,
        ),
        (
            "greater",
            json!([{"index": 1, "value": 10, "op": "SCMP_CMP_GT"}]),
            false,
        ),
        (
            "greater or equal",
            json!([{"index": 1, "value": 10, "op": "SCMP_CMP_GE"}]),
            true,
        ),
        (
            "masked",
            json!([{"index": 1, "value": 6, "valueTwo": 2, "op": "SCMP_CMP_MASKED_EQ"}]),
            true,
        ),
    ] {
        t.row(label, || {
            let mut rule = rule(&["kill"], "SCMP_ACT_ERRNO");
            rule["args"] = args;
            let bundle = filter(t, "SCMP_ACT_ALLOW", json!([rule]));
            let expected = if killed { "refused" } else { "sent" };
            prints(
                t,
                &bundle.sh("trap '' USR1; kill -10 $$ 2>/dev/null && echo sent || echo refused"),
                expected,
            );
        });
    }
}

/// What busybox and a small static program need, and nothing to make directories with.
#[rustfmt::skip]
pub(super) const ALLOWED: &[&str] = &[
    "access", "arch_prctl", "brk", "capget", "capset", "chdir", "close", "close_range", "dup",
    "dup2", "dup3", "execve", "exit", "exit_group", "faccessat", "faccessat2", "fchdir",
    "fcntl", "fstat", "fstatfs", "futex", "getcwd", "getdents64", "getegid", "geteuid",
    "getgid", "getpid", "getppid", "getrandom", "getuid", "ioctl", "lseek", "mmap", "mprotect",
    "mremap", "munmap", "newfstatat", "open", "openat", "openat2", "poll", "prctl", "pread64",
    "prlimit64", "read", "readlink", "readlinkat", "rseq", "rt_sigaction", "rt_sigprocmask",
    "rt_sigreturn", "set_robust_list", "set_tid_address", "setgid", "setgroups", "setuid",
    "stat", "statx", "time", "uname", "wait4", "write", "writev", "clone", "fork", "vfork",
    "getpgrp", "getpgid", "sigaltstack", "umask", "setresuid", "setresgid", "getsid", "setsid",
    "epoll_ctl", "epoll_pwait", "nanosleep", "clock_gettime", "sendmsg", "recvmsg", "kill",
    "tgkill", "gettid", "sched_getaffinity", "sched_yield", "madvise", "epoll_create1", "pipe2",
    "eventfd2", "getpeername", "getsockname",
];

fn allow_list(t: &Test) {
    let bundle = filter(
        t,
        "SCMP_ACT_ERRNO",
        json!([rule(ALLOWED, "SCMP_ACT_ALLOW")]),
    );
    t.row("allowed", || {
        prints(t, &bundle.clone().sh("echo ran; pwd"), "ran\n/")
    });
    t.row("refused", || {
        t.run(&bundle.clone().sh("mkdir /made"))
            .failure(&["not permitted"]);
    });
    // A profile from before these calls were made.
    let newer = ["close_range", "faccessat2", "openat2"];
    let older: Vec<&str> = ALLOWED
        .iter()
        .copied()
        .filter(|c| !newer.contains(c))
        .collect();
    for (label, action) in [
        ("refuses", "SCMP_ACT_ERRNO"),
        ("kills", "SCMP_ACT_KILL_PROCESS"),
    ] {
        t.row(&format!("an older one that {label}"), || {
            let rules = json!([rule(&older, "SCMP_ACT_ALLOW")]);
            let bundle = filter(t, action, rules).env("HOME=");
            prints(t, &bundle.set("/process/cwd", "/tmp").sh("pwd"), "/tmp");
        });
    }
}

fn privileged(t: &Test) {
    let rules = json!([rule(&["mkdir", "mkdirat"], "SCMP_ACT_ERRNO")]);
    let bundle = filter(t, "SCMP_ACT_ALLOW", rules).set("/process/noNewPrivileges", false);
    let bundle = bundle.set("/process/user", json!({"uid": 1000, "gid": 1000}));
    t.run(&bundle.clone().sh("mkdir /tmp/made"))
        .failure(&["not permitted"]);
    let show = "grep -E 'NoNewPrivs|Seccomp:' /proc/self/status";
    prints(t, &bundle.sh(show), "NoNewPrivs:\t0\nSeccomp:\t2");
}

fn unknown(t: &Test) {
    let rules = json!([rule(
        &["no_such_call", "mkdir", "mkdirat"],
        "SCMP_ACT_ERRNO"
    )]);
    let bundle = filter(t, "SCMP_ACT_ALLOW", rules);
    t.run(&bundle.sh("mkdir /made")).failure(&["not permitted"]);
}

fn bad(t: &Test) {
    for (label, bundle) in [
        ("default action", filter(t, "SCMP_ACT_NOSUCH", json!([]))),
        (
            "action",
            filter(
                t,
                "SCMP_ACT_ALLOW",
                json!([rule(&["mkdir"], "SCMP_ACT_NOSUCH")]),
            ),
        ),
        (
            "operator",
            filter(
                t,
                "SCMP_ACT_ALLOW",
                json!([{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO",
                        "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_NOSUCH"}]}]),
            ),
        ),
        (
            "architecture",
            filter(t, "SCMP_ACT_ALLOW", json!([]))
                .set("/linux/seccomp/architectures", json!(["SCMP_ARCH_NOSUCH"])),
        ),
    ] {
        t.row(label, || refused(t, bundle, &[]));
    }
    if t.runtime.name() == "oxrun" {
        precise(t);
    }
}

/// What oxrun says of faults that others pass over or leave to the kernel.
fn precise(t: &Test) {
    let conditions = |value: u64| {
        let arg = |index: u64| json!({"index": index, "value": value, "op": "SCMP_CMP_EQ"});
        json!({"names": ["ioctl"], "action": "SCMP_ACT_ERRNO", "args": [arg(1), arg(2)]})
    };
    let many: Vec<Value> = (1..1500).map(|value| conditions(value << 20)).collect();
    let rule = |errno: u64, action: &str| json!([{"names": ["mkdir"], "action": action, "errnoRet": errno}]);
    for (label, rules, phrase) in [
        (
            "too long",
            json!(many),
            "instructions; the kernel takes 4096",
        ),
        (
            "errno of allow",
            rule(1, "SCMP_ACT_ALLOW"),
            "syscalls[0].errnoRet",
        ),
        (
            "errno",
            rule(4096, "SCMP_ACT_ERRNO"),
            "4096 is out of range",
        ),
    ] {
        t.row(label, || {
            refused(t, filter(t, "SCMP_ACT_LOG", rules), &[phrase])
        });
    }
}
