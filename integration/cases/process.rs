//! The `process` object: program, environment, user, limits, priorities.

use super::check::{prints, refused};
use crate::bundle::Bundle;
use crate::case::{Case, case};
use crate::need::Need;
use crate::test::Test;
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[
    case("process/args", "config.md process.args", args),
    case("process/path-lookup", "config.md process.args", path_lookup),
    case("process/not-found", "config.md process.args", not_found),
    case("process/env", "config.md process.env", env),
    case("process/home", "HOME from the container's passwd", home),
    case("process/cwd", "config.md process.cwd", cwd),
    case("process/cwd-hostile", "CVE-2024-21626", cwd_hostile),
    case("process/user", "config.md process.user", user),
    case("process/rlimits", "config.md process.rlimits", rlimits),
    case(
        "process/rlimits-refused",
        "config.md process.rlimits: duplicates are an error",
        rlimits_refused,
    ),
    case(
        "process/no-new-privileges",
        "config.md process.noNewPrivileges",
        no_new_privileges,
    ),
    case(
        "process/oom-score-adj",
        "config.md process.oomScoreAdj",
        oom_score_adj,
    ),
    case(
        "process/scheduler",
        "config.md process.scheduler",
        scheduler,
    )
    .needs(&[Need::Capability("CAP_SYS_NICE", 23)]),
    case(
        "process/io-priority",
        "config.md process.ioPriority",
        io_priority,
    ),
    case(
        "process/personality",
        "config-linux.md personality",
        personality,
    ),
    case(
        "process/memory-policy",
        "config-linux.md memoryPolicy",
        memory_policy,
    )
    .needs(&[Need::Path("/proc/self/numa_maps")]),
];

/// Puts a script into the root file system.
fn script(bundle: &Bundle, path: &str, mode: u32, content: &str) {
    let file = bundle.inside(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, content).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
}

fn args(t: &Test) {
    for (words, expected) in [
        (
            &["printf", "%s|", "a b", "", "ä", "$HOME", "*"][..],
            "a b||ä|$HOME|*|",
        ),
        (&["/bin/echo", "-n", "x"], "x"),
        (&["sh", "-c", "echo $0 $#", "zero", "one", "two"], "zero 2"),
    ] {
        t.row(words[0], || prints(t, &t.bundle().args(words), expected));
    }
    t.row("empty", || {
        t.run(&t.bundle().set("/process/args", json!([])))
            .failure(&["args"]);
    });
    t.row("missing", || {
        t.run(&t.bundle().remove("/process/args"))
            .failure(&["args"]);
    });
}

fn path_lookup(t: &Test) {
    let bundle = t
        .bundle()
        .set("/process/env", json!(["PATH=/first:/second:/bin"]));
    script(&bundle, "second/tool", 0o755, "#!/bin/sh\necho second\n");
    script(&bundle, "third/tool", 0o755, "#!/bin/sh\necho third\n");
    script(&bundle, "bin/late", 0o755, "#!/bin/sh\necho late\n");
    script(
        &bundle,
        "second/late",
        0o644,
        "#!/bin/sh\necho not executable\n",
    );
    fs::create_dir_all(bundle.inside("first/tool")).unwrap();
    let at = |cwd: &str, name: &str| bundle.clone().set("/process/cwd", cwd).args([name]);
    for (label, cwd, name, expected) in [
        ("a directory is passed over", "/", "tool", "second"),
        ("a file without x is passed over", "/", "late", "late"),
        ("relative to the cwd", "/third", "./tool", "third"),
        ("relative with a directory", "/", "third/tool", "third"),
        ("absolute", "/", "/third/tool", "third"),
    ] {
        t.row(label, || prints(t, &at(cwd, name), expected));
    }
    t.row("the caller's PATH does not count", || {
        let call = t.run_call(&at("/", "tool"), &[]).env("PATH", "/third:/bin");
        assert_eq!(call.run().success().text(), "second");
    });
}

fn not_found(t: &Test) {
    let bundle = t.bundle();
    script(&bundle, "plain", 0o644, "#!/bin/sh\n");
    script(&bundle, "no-loader", 0o755, "#!/no/such/loader\n");
    script(&bundle, "garbage", 0o755, "no program\n");
    for (name, phrase) in [
        ("nosuch", "executable file not found in $PATH"),
        ("/bin/nosuch", "no such file or directory"),
        ("/plain", "permission denied"),
        ("/no-loader", "no such file or directory"),
        ("/garbage", "exec format error"),
    ] {
        t.row(name, || {
            t.run(&bundle.clone().args([name])).failure(&[phrase]);
        });
    }
    t.row("a directory", || {
        // runc's words changed with Go's.
        let phrases = ["permission denied", "is a directory"];
        t.run(&bundle.clone().args(["/etc"])).failure(&phrases);
    });
    t.row("traces", || {
        let before = t.traces();
        t.run(&bundle.clone().args(["nosuch"])).failure(&[]);
        crate::traces::Traces::assert_none_since(&before, &t.runtime.root, &t.cgroup);
    });
}

fn env(t: &Test) {
    let variables = json!([
        "PATH=/bin",
        "A=1",
        "EMPTY=",
        "SPACE=a b",
        "EQ=a=b=c",
        "HOME=/x"
    ]);
    let bundle = t.bundle().set("/process/env", variables).args(["env"]);
    let out = t
        .run_call(&bundle, &[])
        .env("LEAK", "leaks")
        .run()
        .success();
    let mut lines = out.lines();
    lines.sort_unstable();
    let expected = [
        "A=1",
        "EMPTY=",
        "EQ=a=b=c",
        "HOME=/x",
        "PATH=/bin",
        "SPACE=a b",
    ];
    assert_eq!(lines, expected);
    t.row("the last of a name counts", || {
        let twice = t.bundle().env("B=1").env("B=2").sh("echo $B");
        prints(t, &twice, "2");
    });
}

fn home(t: &Test) {
    for (uid, expected) in [(0, "/root"), (1000, "/home/tester"), (4242, "/")] {
        t.row(&uid.to_string(), || {
            let bundle = t.bundle().set("/process/user/uid", uid).sh("echo $HOME");
            prints(t, &bundle, expected);
        });
    }
    t.row("given", || {
        prints(t, &t.bundle().env("HOME=/given").sh("echo $HOME"), "/given");
    });
    t.row("without passwd", || {
        let bundle = t.bundle().sh("echo $HOME");
        fs::remove_file(bundle.inside("etc/passwd")).unwrap();
        prints(t, &bundle, "/");
    });
}

fn cwd(t: &Test) {
    for (label, path) in [("existing", "/home"), ("missing", "/made/for/it")] {
        t.row(label, || {
            let bundle = t.bundle().writable().set("/process/cwd", path);
            prints(
                t,
                &bundle.sh("pwd; readlink /proc/self/cwd"),
                &format!("{path}\n{path}"),
            );
        });
    }
    t.row("relative", || {
        refused(t, t.bundle().set("/process/cwd", "home"), &["cwd"])
    });
    t.row("a file", || {
        refused(
            t,
            t.bundle().set("/process/cwd", "/etc/passwd"),
            &["not a directory"],
        );
    });
}

/// No descriptor leads to a working directory outside of the root. Whether one
/// that leads to a directory inside is taken is the runtime's choice.
fn cwd_hostile(t: &Test) {
    let host = fs::File::open("/").unwrap();
    let check = |label: &str, bundle: Bundle| {
        t.row(label, || {
            let bundle = bundle.sh("pwd; ls; ls ../../../..");
            let out = t.run_call(&bundle, &[]).pass(&host, 11).run();
            assert!(!out.stdout.contains("lib64"), "the host is in sight: {out}");
            assert!(!out.succeeded(), "entered: {out}");
        });
    };
    for number in 3..16 {
        for path in ["/proc/self/fd", "/proc/1/fd", "/proc/thread-self/fd"] {
            let path = format!("{path}/{number}");
            check(&path, t.bundle().set("/process/cwd", path.as_str()));
        }
    }
    let bundle = t.bundle().set("/process/cwd", "/link");
    std::os::unix::fs::symlink("/proc/self/fd/11", bundle.inside("link")).unwrap();
    check("through a symlink", bundle);
}

fn user(t: &Test) {
    let show = "id -u; id -g; id -G; umask";
    for (label, user, expected) in [
        ("root", json!({"uid": 0, "gid": 0}), "0\n0\n0\n0022"),
        (
            "user",
            json!({"uid": 1000, "gid": 1000}),
            "1000\n1000\n1000\n0022",
        ),
        (
            "groups",
            json!({"uid": 7, "gid": 8, "additionalGids": [2000, 9]}),
            "7\n8\n8 9 2000\n0022",
        ),
        (
            "umask",
            json!({"uid": 0, "gid": 0, "umask": 63}),
            "0\n0\n0\n0077",
        ),
        (
            "no umask",
            json!({"uid": 0, "gid": 0, "umask": 0}),
            "0\n0\n0\n0000",
        ),
        (
            "large",
            json!({"uid": 4_000_000_000_u32, "gid": 4_000_000_001_u32}),
            "4000000000\n4000000001\n4000000001\n0022",
        ),
    ] {
        t.row(label, || {
            prints(t, &t.bundle().set("/process/user", user).sh(show), expected)
        });
    }
    t.row("streams belong to the user", || {
        let bundle = t.bundle().set("/process/user/uid", 1000);
        prints(t, &bundle.sh("echo out > /dev/stdout"), "out");
    });
}

fn rlimits(t: &Test) {
    // Only lowered ones: raising a hard limit takes CAP_SYS_RESOURCE.
    for (name, title) in [
        ("AS", "Max address space"),
        ("CORE", "Max core file size"),
        ("CPU", "Max cpu time"),
        ("DATA", "Max data size"),
        ("FSIZE", "Max file size"),
        ("LOCKS", "Max file locks"),
        ("MEMLOCK", "Max locked memory"),
        ("MSGQUEUE", "Max msgqueue size"),
        ("NICE", "Max nice priority"),
        ("NOFILE", "Max open files"),
        ("NPROC", "Max processes"),
        ("RSS", "Max resident set"),
        ("RTPRIO", "Max realtime priority"),
        ("RTTIME", "Max realtime timeout"),
        ("SIGPENDING", "Max pending signals"),
        ("STACK", "Max stack size"),
    ] {
        t.row(name, || {
            let (soft, hard) = lowered(title);
            let limit = json!([{"type": format!("RLIMIT_{name}"), "soft": soft, "hard": hard}]);
            let bundle = t.bundle().set("/process/rlimits", limit);
            let out = t
                .run(&bundle.args(["grep", title, "/proc/self/limits"]))
                .success();
            let words: Vec<&str> = out.text()[title.len()..].split_whitespace().collect();
            assert_eq!(words[..2], [soft.to_string(), hard.to_string()], "{out}");
        });
    }
    t.row("unlimited", || {
        let limit = json!([{"type": "RLIMIT_CPU", "soft": u64::MAX, "hard": u64::MAX}]);
        let bundle = t.bundle().set("/process/rlimits", limit);
        prints(
            t,
            &bundle.sh("ulimit -t; ulimit -Ht"),
            "unlimited\nunlimited",
        );
    });
}

/// Values below those of this process which a small program can live with.
fn lowered(title: &str) -> (u64, u64) {
    let text = fs::read_to_string("/proc/self/limits").unwrap();
    let line = text.lines().find(|line| line.starts_with(title)).unwrap();
    let hard = line[title.len()..].split_whitespace().nth(1).unwrap();
    let hard = hard.parse().unwrap_or(u64::MAX).min(1 << 33);
    (hard.saturating_sub(2), hard.saturating_sub(1))
}

fn rlimits_refused(t: &Test) {
    let limit =
        |name: &str, soft: u64, hard: u64| json!({"type": name, "soft": soft, "hard": hard});
    for (label, limits) in [
        (
            "duplicate",
            json!([limit("RLIMIT_NOFILE", 9, 9), limit("RLIMIT_NOFILE", 8, 8)]),
        ),
        ("unknown", json!([limit("RLIMIT_NOSUCH", 9, 9)])),
        ("soft above hard", json!([limit("RLIMIT_NOFILE", 90, 9)])),
    ] {
        t.row(label, || {
            refused(t, t.bundle().set("/process/rlimits", limits), &["rlimit"])
        });
    }
}

fn no_new_privileges(t: &Test) {
    for (value, expected) in [(true, "NoNewPrivs:\t1"), (false, "NoNewPrivs:\t0")] {
        t.row(expected, || {
            let bundle = t.bundle().set("/process/noNewPrivileges", value);
            prints(
                t,
                &bundle.args(["grep", "NoNewPrivs", "/proc/self/status"]),
                expected,
            );
        });
    }
}

fn oom_score_adj(t: &Test) {
    let own = fs::read_to_string("/proc/self/oom_score_adj").unwrap();
    let show = ["cat", "/proc/self/oom_score_adj"];
    t.row("inherited", || {
        prints(t, &t.bundle().args(show), own.trim())
    });
    for value in [500, 1000] {
        t.row(&value.to_string(), || {
            let bundle = t.bundle().set("/process/oomScoreAdj", value).args(show);
            prints(t, &bundle, &value.to_string());
        });
    }
    t.row("out of range", || {
        refused(t, t.bundle().set("/process/oomScoreAdj", 5000), &["oom"]);
    });
}

/// Where real-time groups are compiled in, a group has no time unless it is given some, which only
/// cgroup v1 can; elsewhere the caller's own group says whether there is any.
fn real_time_is_to_be_had() -> bool {
    if Path::new("/sys/fs/cgroup/cpu/cpu.rt_runtime_us").exists() {
        return false;
    }
    let program = std::process::Command::new("chrt")
        .args(["--fifo", "10", "true"])
        .status();
    program.is_ok_and(|status| status.success())
}

fn scheduler(t: &Test) {
    // proc_pid_stat(5): nice, real-time priority, policy.
    let show = ["cut", "-d", " ", "-f", "19,40,41", "/proc/self/stat"];
    for (label, value, expected) in [
        (
            "other",
            json!({"policy": "SCHED_OTHER", "nice": 5}),
            "5 0 0",
        ),
        (
            "batch",
            json!({"policy": "SCHED_BATCH", "nice": -3}),
            "-3 0 3",
        ),
        ("idle", json!({"policy": "SCHED_IDLE"}), "0 0 5"),
        (
            "flag",
            json!({"policy": "SCHED_BATCH", "flags": ["SCHED_FLAG_RESET_ON_FORK"]}),
            "0 0 3",
        ),
    ] {
        t.row(label, || {
            prints(
                t,
                &t.bundle().set("/process/scheduler", value).args(show),
                expected,
            )
        });
    }
    if real_time_is_to_be_had() {
        for (policy, number) in [("SCHED_FIFO", 1), ("SCHED_RR", 2)] {
            t.row(policy, || {
                let value = json!({"policy": policy, "priority": 10});
                let bundle = t.bundle().set("/process/scheduler", value).args(show);
                prints(t, &bundle, &format!("0 10 {number}"));
            });
        }
    }
    t.row("unknown policy", || {
        refused(
            t,
            t.bundle().set("/process/scheduler/policy", "SCHED_NOSUCH"),
            &["policy"],
        );
    });
}

fn io_priority(t: &Test) {
    for (class, level, expected) in [
        ("IOPRIO_CLASS_BE", 6, "best-effort: prio 6"),
        ("IOPRIO_CLASS_RT", 2, "realtime: prio 2"),
        ("IOPRIO_CLASS_IDLE", 0, "idle"),
    ] {
        t.row(class, || {
            let value = json!({"class": class, "priority": level});
            prints(
                t,
                &t.bundle()
                    .set("/process/ioPriority", value)
                    .args(["ionice"]),
                expected,
            );
        });
    }
    t.row("unknown class", || {
        let value = json!({"class": "IOPRIO_CLASS_NOSUCH", "priority": 1});
        refused(t, t.bundle().set("/process/ioPriority", value), &["class"]);
    });
}

fn personality(t: &Test) {
    for (domain, expected) in [("LINUX", "00000000"), ("LINUX32", "00000008")] {
        t.row(domain, || {
            let bundle = t.bundle().set("/linux/personality/domain", domain);
            prints(t, &bundle.args(["cat", "/proc/self/personality"]), expected);
        });
    }
    t.row("unknown", || {
        refused(
            t,
            t.bundle().set("/linux/personality/domain", "NOSUCH"),
            &["personality", "domain"],
        );
    });
}

fn memory_policy(t: &Test) {
    assert!(Path::new("/sys/devices/system/node/node0").exists());
    for (mode, nodes, expected) in [
        ("MPOL_BIND", "0", "bind:0"),
        ("MPOL_INTERLEAVE", "0", "interleave:0"),
        ("MPOL_LOCAL", "", "local"),
    ] {
        t.row(mode, || {
            let bundle = t.bundle().set("/linux/memoryPolicy/mode", mode);
            let bundle = bundle.set("/linux/memoryPolicy/nodes", nodes);
            let out = t
                .run(&bundle.args(["head", "-1", "/proc/self/numa_maps"]))
                .success();
            assert_eq!(out.text().split(' ').nth(1), Some(expected), "{out}");
        });
    }
}
