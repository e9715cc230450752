//! The words that runc's own suite looks for in errors, warnings and debug messages: whoever takes
//! messages apart knows them.

use crate::bundle::Bundle;
use crate::case::{Case, case};
use crate::cgroup;
use crate::container::Container;
use crate::manager::Manager;
use crate::need::Need;
use crate::output::Output;
use crate::runtime::Kind;
use crate::test::Test;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[
    case("texts/configuration", "errors: config.json", configuration),
    case("texts/hooks", "errors: hooks", hooks),
    case("texts/warnings", "warnings: capabilities", warnings),
    case("texts/cgroup-in-use", "errors: cgroups of others", in_use),
    case("texts/exec", "errors: exec", exec),
    case("texts/exec-cgroup", "errors: exec --cgroup", exec_cgroup)
        .needs(&[Need::CgroupV1("memory"), Need::CgroupV1("cpu")]),
    case(
        "texts/exec-busy",
        "errors: exec, cgroup without room for processes",
        exec_busy,
    )
    .needs(&[Need::CgroupV2]),
    case("texts/cpus", "errors: process.scheduler with cpus", cpus)
        .needs(&[Need::CgroupV1("cpuset"), Need::Cpus(2)]),
    case("texts/debug", "--debug", debug),
    case("texts/help", "--help", help),
    case("texts/update", "errors: update, memory in use", update).needs(&[Need::CgroupV2]),
    case("texts/idle", "warnings: cpu.idle with a weight", idle).needs(&[Need::CgroupV2]),
    case(
        "rootless/texts",
        "errors and warnings of a user without a cgroup",
        rootless,
    )
    .rootless(),
];

fn only_runcs_words(t: &Test) {
    if t.runtime.kind == Kind::Crun {
        t.skip("crun has words of its own");
    }
}

/// Standard error holds these words one behind the other.
#[track_caller]
fn says(out: &Output, words: &[&str]) {
    let mut rest = out.stderr.as_str();
    for word in words {
        let (_, behind) = rest
            .split_once(word)
            .unwrap_or_else(|| panic!("no {word:?}: {out}"));
        rest = behind;
    }
}

/// The bundle cannot be run, and the last line of standard error holds these words in order.
#[track_caller]
fn fails(t: &Test, bundle: &Bundle, words: &[&str]) {
    let out = t.run(bundle).failure(&words[..1]);
    says(&out, words);
}

fn notifies(t: &Test, name: &str) -> Value {
    json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "listenerPath": t.path("nobody"),
        "syscalls": [{"names": [name], "action": "SCMP_ACT_NOTIFY"}],
    })
}

fn configuration(t: &Test) {
    only_runcs_words(t);
    let in_init = "unable to start container process: error during container init: ";
    t.row("/proc is a link", || {
        let bundle = t.bundle().args(["true"]);
        fs::remove_dir(bundle.inside("proc")).unwrap();
        fs::create_dir(bundle.inside("elsewhere")).unwrap();
        symlink("/elsewhere", bundle.inside("proc")).unwrap();
        fails(t, &bundle, &["must be mounted on ordinary directory"]);
    });
    t.row("a mount that the kernel refuses", || {
        let bundle = t.bundle().args(["true"]);
        let bundle = bundle.mount("/mnt", "nosuchfs", "none", &[]);
        fails(t, &bundle, &[in_init, "error mounting "]);
    });
    t.row("notify on write", || {
        let bundle = t.bundle().args(["true"]);
        let bundle = bundle.set("/linux/seccomp", notifies(t, "write"));
        let words = ["SCMP_ACT_NOTIFY cannot be used for the write syscall"];
        fails(t, &bundle, &words);
    });
    t.row("no agent", || {
        let bundle = t.bundle().args(["true"]);
        let bundle = bundle.set("/linux/seccomp", notifies(t, "mkdir"));
        fails(t, &bundle, &["failed to connect with seccomp agent"]);
    });
    t.row("unified resources on cgroup v1", || {
        if !cgroup::is_v2() {
            let bundle = t.bundle().args(["true"]);
            let unified = json!({"memory.min": "131072"});
            let bundle = bundle.set("/linux/resources/unified", unified);
            fails(t, &bundle, &["invalid configuration"]);
        }
    });
    t.row("interpreter", || {
        let out = t.run(&with_script(t.bundle()).args(["/run.sh"]));
        let out = out.failure(&[]);
        assert!(out.stderr.contains("exec /run.sh: no such file"), "{out}");
    });
}

/// With a script whose interpreter is not there.
fn with_script(bundle: Bundle) -> Bundle {
    use std::os::unix::fs::PermissionsExt;
    let script = bundle.inside("run.sh");
    fs::write(&script, "#!/mmnnttbb foo bar\nsh\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    bundle
}

fn hooks(t: &Test) {
    only_runcs_words(t);
    for kind in [
        "prestart",
        "createRuntime",
        "createContainer",
        "startContainer",
        "poststart",
    ] {
        t.row(kind, || {
            let bundle = t.bundle().hook_sh(kind, "true").hook_sh(kind, "exit 1");
            let out = t.run(&bundle.args(["true"])).failure(&[]);
            // The number came with runc 1.2.
            if t.runtime.kind == Kind::Oxrun {
                says(&out, &[&format!("error running {kind} hook #1:")]);
            } else {
                says(&out, &["error running hook #1:"]);
            }
        });
    }
    t.row("killed by the filter", || {
        let filter = json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_KILL"}],
        });
        let bundle = t.bundle().set("/linux/seccomp", filter);
        let bundle = bundle.hook_sh("startContainer", "exec mkdir /dev/shm/foo");
        let out = t.run(&bundle.args(["true"])).failure(&[]);
        says(&out, &["error running ", "hook", "bad system call"]);
    });
}

fn warnings(t: &Test) {
    only_runcs_words(t);
    let capabilities = json!({
        "bounding": ["CAP_CHOWN"], "permitted": ["CAP_CHOWN"], "effective": ["CAP_CHOWN"],
        "inheritable": [], "ambient": ["CAP_CHOWN"],
    });
    let bundle = t.bundle().set("/process/capabilities", capabilities);
    let out = t.run(&bundle.args(["true"]));
    // runc 1.1 fails.
    if t.runtime.kind == Kind::Oxrun {
        let out = out.success();
        says(&out, &["can't raise ambient capability CAP_CHOWN: "]);
    }
}

fn in_use(t: &Test) {
    only_runcs_words(t);
    let manager = Manager::under_test();
    let first = t.bundle().idle();
    let path = manager.cgroups_path(&t.cgroup, &first.id);
    let c = t.start(&first);
    t.row("not empty", || {
        let bundle = t.bundle().set("/linux/cgroupsPath", path.as_str());
        let out = t.run(&bundle.args(["true"]));
        says(&out, &["container's cgroup is not empty"]);
        // runc 1.1 only warns.
        if t.runtime.kind == Kind::Oxrun {
            drop(out.failure(&[]));
        }
    });
    t.row("paused", || {
        t.runtime.run(["pause", &c.id]).ok();
        let out = c.exec(&[], ["true"]);
        t.runtime.run(["resume", &c.id]).ok();
        assert_eq!(out.code(), 255, "{out}");
        drop(out.failure(&["cannot exec in a paused container"]));
    });
    t.row("frozen", || {
        let (controller, file, word) = match cgroup::is_v2() {
            true => ("", "cgroup.freeze", "1"),
            false => ("freezer", "freezer.state", "FROZEN"),
        };
        let bundle = t.bundle().args(["true"]);
        let path = format!("{}/frozen", t.cgroup);
        if manager == Manager::Systemd || (!cgroup::is_v2() && cgroup::v1_root("freezer").is_none())
        {
            return;
        }
        let dir = cgroup::directory(controller, &path);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join(file), word).unwrap();
        let out = t.run(&bundle.set("/linux/cgroupsPath", path.as_str()));
        cgroup::thaw(&path);
        drop(cgroup::remove(&path));
        says(
            &out.failure(&[]),
            &["container's cgroup unexpectedly frozen"],
        );
    });
}

fn exec(t: &Test) {
    only_runcs_words(t);
    let c = t.start(&with_script(t.bundle()).idle());
    let out = c.exec(&[], ["/run.sh"]).failure(&[]);
    // One line: nothing is said twice.
    assert_eq!(out.stderr.trim().lines().count(), 1, "{out}");
    assert!(out.stderr.contains("exec /run.sh: no such file"), "{out}");
}

fn exec_cgroup(t: &Test) {
    only_runcs_words(t);
    let c = t.start(&t.bundle().idle());
    let missing = [" adding pid ", "/nonexistent/cgroup.procs: no such file "];
    for (name, words) in [
        ("..", &[" .. is not a sub cgroup path"][..]),
        ("nonexistent", &missing),
        ("cpu:nonexistent", &missing),
        ("whaaat:/", &["unknown controller "]),
    ] {
        t.row(name, || {
            let out = c.exec(&["--cgroup", name], ["true"]).failure(&[]);
            says(&out, words);
        });
    }
}

/// A container that has handed its controllers on: the kernel lets no process into its cgroup.
fn exec_busy(t: &Test) {
    if t.runtime.kind != Kind::Oxrun {
        t.skip("words of runc 1.3");
    }
    let c = t.start(&t.bundle().idle());
    let own = cgroup::directory("", &c.cgroup);
    let below = own.join("below");
    fs::create_dir(&below).unwrap();
    for pid in fs::read_to_string(own.join("cgroup.procs"))
        .unwrap()
        .lines()
    {
        fs::write(below.join("cgroup.procs"), pid).unwrap();
    }
    fs::write(own.join("cgroup.subtree_control"), "+memory").unwrap();
    t.row("without a choice, where the first process is", || {
        let out = c.exec(&[], ["cat", "/proc/self/cgroup"]).success();
        assert!(out.stdout.contains("/below"), "{out}");
    });
    t.row("chosen", || {
        let out = c.exec(&["--cgroup", "/"], ["true"]).failure(&[]);
        let words = [
            " adding pid ",
            " to cgroups",
            "/cgroup.procs: device or resource busy",
        ];
        says(&out, &words);
    });
    t.row("chosen below", || {
        drop(c.exec(&["--cgroup", "below"], ["true"]).success());
    });
}

fn cpus(t: &Test) {
    if t.runtime.kind != Kind::Oxrun {
        t.skip("runc 1.1 and crun 1.8 have no scheduler with such words");
    }
    let scheduler = json!({
        "policy": "SCHED_DEADLINE", "nice": 19, "runtime": 42000, "deadline": 1_000_000,
        "period": 1_000_000,
    });
    let bundle = t.bundle().set("/process/scheduler", scheduler);
    let bundle = bundle.set("/linux/resources/cpu/cpus", "0");
    let words = ["process scheduler can't be used together with AllowedCPUs"];
    fails(t, &bundle.args(["true"]), &words);
}

fn debug(t: &Test) {
    only_runcs_words(t);
    let contained = ["nsexec container setup", "child process in init()"];
    let file = t.path("log");
    let log = file.to_str().unwrap();
    let bundle = t.bundle().args(["true"]);
    let run = |globals: &[&str]| t.run_call(&bundle, &[]).globals(globals).run().success();
    let created = "init: closing the pipe to signal completion";
    t.row("on standard error", || {
        let out = run(&["--debug"]);
        for word in contained.iter().chain(&[created, "level=debug"]) {
            says(&out, &[word]);
        }
    });
    for (format, level) in [("text", "level=debug"), ("json", "\"level\":\"debug\"")] {
        t.row(&format!("in a file as {format}"), || {
            let out = run(&["--debug", "--log", log, "--log-format", format]);
            assert!(!out.stderr.contains("debug"), "{out}");
            let text = fs::read_to_string(&file).unwrap();
            fs::remove_file(&file).unwrap();
            for word in contained.iter().chain(&[created, level]) {
                assert!(text.contains(word), "{word}: {text}");
            }
        });
    }
    t.row("exec", || {
        let c = t.start(&t.bundle().idle());
        let call = c.exec_call(&[], ["true"]).globals(["--debug"]);
        let out = call.run().success();
        for word in contained.iter().chain(&["setns_init: about to exec"]) {
            says(&out, &[word]);
        }
    });
    t.row("seccomp flags", || {
        if t.runtime.kind != Kind::Oxrun {
            return;
        }
        for (flags, number) in [
            (Value::Null, 4),
            (json!([]), 0),
            (json!(["SECCOMP_FILTER_FLAG_TSYNC"]), 0),
            (json!(["SECCOMP_FILTER_FLAG_LOG"]), 2),
            (
                json!(["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]),
                6,
            ),
        ] {
            let filter = json!({"defaultAction": "SCMP_ACT_ALLOW", "flags": flags,
                "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]});
            let bundle = t.bundle().set("/linux/seccomp", filter).args(["true"]);
            let bundle = match flags {
                Value::Null => bundle.remove("/linux/seccomp/flags"),
                _ => bundle,
            };
            let call = t.run_call(&bundle, &[]).globals(["--debug"]);
            let words = format!("\"seccomp filter flags: {number}\"");
            says(&call.run().success(), &[&words]);
        }
    });
}

fn help(t: &Test) {
    only_runcs_words(t);
    let name = t.runtime.name();
    let check = |args: &[&str], second: &str| {
        let out = t.runtime.run(args).success();
        let lines = out.lines();
        assert!(lines[0].starts_with("NAME:"), "{out}");
        let words = format!("{name} {second}");
        assert!(lines[1].trim_start().starts_with(&words), "{words}: {out}");
    };
    for option in ["-h", "--help"] {
        check(&[option], "- Open Container Initiative runtime");
    }
    for command in [
        "create", "delete", "events", "exec", "features", "kill", "list", "pause", "ps", "resume",
        "run", "spec", "start", "state", "update",
    ] {
        t.row(command, || check(&[command, "-h"], command));
    }
    t.row("no such command", || {
        let out = t.runtime.run(["foo", "-h"]);
        assert_ne!(out.code(), 0, "{out}");
        assert!(
            format!("{out}").contains("No help topic for 'foo'"),
            "{out}"
        );
    });
}

fn update(t: &Test) {
    if t.runtime.kind != Kind::Oxrun {
        t.skip("came with runc 1.1.8");
    }
    let c = t.start(&t.bundle().idle());
    let change = |c: &Container, memory: Value| -> Output {
        let call = t.runtime.call(["update", "--resources", "-", &c.id]);
        call.input(&json!({"memory": memory}).to_string()).run()
    };
    for (label, memory, words) in [
        (
            "memory",
            json!({"limit": 1024, "checkBeforeUpdate": true}),
            "rejecting memory limit",
        ),
        (
            "memory and swap",
            json!({"limit": 1024, "swap": 2048, "checkBeforeUpdate": true}),
            "rejecting memory+swap limit",
        ),
    ] {
        t.row(label, || {
            says(&change(&c, memory).failure(&[]), &[words]);
            assert_eq!(c.status(), "running");
        });
    }
    t.row("unchecked, the kernel kills", || {
        // Who is quicker decides whether the update itself fails.
        drop(change(&c, json!({"limit": 1024})));
        c.wait_for("stopped");
    });
}

fn idle(t: &Test) {
    if t.runtime.kind != Kind::Oxrun {
        t.skip("came with runc 1.1.10, for systemd only");
    }
    let both = "unable to apply both cpu.weight and cpu.idle";
    let c = t.start(&t.bundle().idle());
    let update = |arguments: &[&str]| {
        let call = [&["update"], arguments, &[c.id.as_str()]].concat();
        t.runtime.run(call).success()
    };
    t.row("flags of update", || {
        says(&update(&["--cpu-share", "200", "--cpu-idle", "1"]), &[both]);
        assert_eq!(cgroup::read("cpu", &c.cgroup, "cpu.idle"), "1");
    });
    t.row("no longer idle, with a weight", || {
        let out = update(&["--cpu-share", "200", "--cpu-idle", "0"]);
        assert_eq!(out.stderr, "", "{out}");
        assert_eq!(cgroup::read("cpu", &c.cgroup, "cpu.idle"), "0");
    });
    t.row("unified", || {
        let input = json!({"unified": {"cpu.idle": "1", "cpu.weight": "8"}}).to_string();
        let call = t.runtime.call(["update", "--resources", "-", &c.id]);
        says(&call.input(&input).run().success(), &[both]);
        assert_eq!(cgroup::read("cpu", &c.cgroup, "cpu.idle"), "1");
    });
    t.row("run", || {
        let bundle = t
            .bundle()
            .set("/linux/resources/cpu", json!({"idle": 1, "shares": 200}));
        says(&t.run(&bundle.args(["true"])).success(), &[both]);
    });
}

fn rootless(t: &Test) {
    only_runcs_words(t);
    t.row("limits without a cgroup", || {
        if cgroup::is_v2() && Need::DelegatedCgroup.unmet().is_none() {
            return;
        }
        let bundle = t.bundle().set("/linux/resources/pids/limit", 20);
        let phrases = [
            "rootless needs no limits + no cgrouppath when no permission is granted for cgroups",
            "cannot set pids limit: container could not join or create cgroup",
        ];
        drop(t.run(&bundle.args(["true"])).failure(&phrases));
    });
    t.row("shared PID namespace", || {
        let delegated = cgroup::is_v2() && Need::DelegatedCgroup.unmet().is_none();
        let bundle = t.bundle().without_namespace("pid").without_mount("/proc");
        let bundle = bundle.mount("/proc", "none", "/proc", &["rbind"]);
        let out = t.run(&bundle.args(["true"])).success();
        let words = "Such configuration is strongly discouraged";
        // Came with runc 1.2.
        let expected = !delegated && t.runtime.kind == Kind::Oxrun;
        assert_eq!(out.stderr.contains(words), expected, "{out}");
    });
}
