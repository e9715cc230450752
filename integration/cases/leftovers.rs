//! Configurations and calls that fail leave no state, cgroup, mount or process.

use crate::bundle::Bundle;
use crate::case::{Case, case};
use crate::test::Test;
use crate::traces::Traces;
use serde_json::{Value, json};
use std::fs;

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[
    case(
        "leftovers/configurations",
        "errors leave nothing behind",
        configurations,
    )
    .limit(120),
    case("leftovers/files", "errors of the bundle's files", files),
    case("leftovers/options", "errors of options", options),
    case("leftovers/exec", "exec that fails", exec),
    case(
        "leftovers/poststart",
        "poststart hook that fails",
        poststart,
    ),
];

/// A failing `create` and a failing `run` of the bundle, neither of which may
/// leave anything or run the program.
#[track_caller]
fn fails_without_a_trace(t: &Test, bundle: &Bundle, options: &[&str]) {
    let cgroup = format!("{}/{}", t.cgroup, bundle.id);
    let before = Traces::take(&t.runtime.root, &cgroup);
    for call in [t.run_call(bundle, options), t.create_call(bundle, options)] {
        let out = call.run();
        if out.succeeded() {
            t.runtime.run(["delete", "--force", &bundle.id]).ok();
        }
        let out = out.failure(&[]);
        assert_eq!(out.text(), "", "the program ran");
        assert!(!out.last_error().is_empty(), "a failure without a message");
        Traces::assert_none_since(&before, &t.runtime.root, &cgroup);
    }
}

/// Fields that no container can be made with.
fn broken() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        (
            "program missing",
            "/process/args",
            json!(["/no/such/program"]),
        ),
        ("program a directory", "/process/args", json!(["/bin"])),
        ("no arguments", "/process/args", json!([])),
        ("cwd relative", "/process/cwd", json!("tmp")),
        ("cwd empty", "/process/cwd", json!("")),
        ("cwd a file", "/process/cwd", json!("/etc/passwd")),
        (
            "capability sets of wrong type",
            "/process/capabilities",
            json!({"bounding": "CAP_KILL"}),
        ),
        (
            "rlimit unknown",
            "/process/rlimits",
            json!([{"type": "RLIMIT_NONE", "soft": 1, "hard": 1}]),
        ),
        (
            "rlimit soft above hard",
            "/process/rlimits",
            json!([{"type": "RLIMIT_CORE", "soft": 9, "hard": 1}]),
        ),
        ("root missing", "/root/path", json!("no-such-root")),
        ("root a file", "/root/path", json!("config.json")),
        (
            "mount source missing",
            "/mounts/1",
            json!({"destination": "/mnt", "type": "bind", "source": "/no/such", "options": ["bind"]}),
        ),
        (
            "mount type unknown",
            "/mounts/1",
            json!({"destination": "/mnt", "type": "nosuchfs", "source": "x"}),
        ),
        (
            "mount option unknown to the file system",
            "/mounts/1",
            json!({"destination": "/mnt", "type": "tmpfs", "source": "x", "options": ["nosuchoption=1"]}),
        ),
        (
            "mount over proc",
            "/mounts/1",
            json!({"destination": "/proc/sys", "type": "tmpfs", "source": "x"}),
        ),
        (
            "namespace unknown",
            "/linux/namespaces/0",
            json!({"type": "nothing"}),
        ),
        (
            "namespace twice",
            "/linux/namespaces/0",
            json!({"type": "network"}),
        ),
        (
            "namespace path missing",
            "/linux/namespaces/1",
            json!({"type": "network", "path": "/no/such"}),
        ),
        (
            "namespace of another kind",
            "/linux/namespaces/1",
            json!({"type": "network", "path": "/proc/self/ns/uts"}),
        ),
        (
            "sysctl unknown",
            "/linux/sysctl",
            json!({"net.no.such": "1"}),
        ),
        (
            "sysctl of the host",
            "/linux/sysctl",
            json!({"vm.swappiness": "60"}),
        ),
        (
            "sysctl value",
            "/linux/sysctl",
            json!({"net.ipv4.ip_forward": "text"}),
        ),
        (
            "mappings without a user namespace",
            "/linux/uidMappings",
            json!([{"containerID": 0, "hostID": 1, "size": 1}]),
        ),
        (
            "propagation unknown",
            "/linux/rootfsPropagation",
            json!("sideways"),
        ),
        (
            "seccomp action unknown",
            "/linux/seccomp",
            json!({"defaultAction": "SCMP_ACT_NOTHING"}),
        ),
        (
            "seccomp architecture unknown",
            "/linux/seccomp",
            json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_PDP11"]}),
        ),
        (
            "device type unknown",
            "/linux/devices",
            json!([{"path": "/dev/x", "type": "z", "major": 1, "minor": 3}]),
        ),
        (
            "device path is a directory",
            "/linux/devices",
            json!([{"path": "/dev/shm/", "type": "c", "major": 1, "minor": 3}]),
        ),
        (
            "resource refused by the kernel",
            "/linux/resources/cpu",
            json!({"cpus": "4000"}),
        ),
        (
            "memory limit negative",
            "/linux/resources/memory",
            json!({"limit": -5}),
        ),
        (
            "hook missing",
            "/hooks",
            json!({"createContainer": [{"path": "/no/such/hook"}]}),
        ),
        ("version of the future", "/ociVersion", json!("7.0.0")),
        ("version no version", "/ociVersion", json!("new")),
        ("no process", "/process", json!({})),
    ]
}

/// Rows that runc 1.1 lets pass.
const LENIENT: &[&str] = &[
    "memory limit negative",
    "program a directory",
    "device path is a directory",
    "version of the future",
    "version no version",
    "mount over proc",
    "mappings without a user namespace",
];

fn configurations(t: &Test) {
    // Directories above the container's cgroup stay: make them before the first row.
    t.run(&t.bundle().args(["true"])).ok();
    for (row, field, value) in broken() {
        t.row(row, || {
            let bundle = t.bundle().sh("echo ran").set(field, value);
            if t.runtime.kind == crate::runtime::Kind::Oxrun || !LENIENT.contains(&row) {
                fails_without_a_trace(t, &bundle, &[]);
            }
        });
    }
}

fn files(t: &Test) {
    t.run(&t.bundle().args(["true"])).ok();
    let before = t.traces();
    for (row, text) in [
        ("empty", ""),
        ("cut off", "{\"ociVersion\": \"1.0.2\", \"process\": {"),
        ("no object", "[]"),
        ("wrong type", "{\"ociVersion\": 5}"),
        ("not UTF-8", "{\"ociVersion\": \"\u{fffd}\"}"),
    ] {
        t.row(row, || {
            let bundle = t.bundle();
            fs::write(bundle.dir.join("config.json"), text).unwrap();
            let dir = bundle.dir.to_str().unwrap();
            t.runtime
                .run(["run", "--bundle", dir, &bundle.id])
                .failure(&[]);
            Traces::assert_none_since(&before, &t.runtime.root, &t.cgroup);
        });
    }
    t.row("no config.json", || {
        let dir = t.new_dir("nothing");
        let args = ["run", "--bundle", dir.to_str().unwrap(), "c77"];
        t.runtime.run(args).failure(&["config.json"]);
        Traces::assert_none_since(&before, &t.runtime.root, &t.cgroup);
    });
    t.row("no bundle", || {
        t.runtime
            .run(["run", "--bundle", "/no/such/bundle", "c78"])
            .failure(&[]);
        Traces::assert_none_since(&before, &t.runtime.root, &t.cgroup);
    });
}

fn options(t: &Test) {
    t.run(&t.bundle().args(["true"])).ok();
    for (row, terminal, options) in [
        (
            "console socket missing",
            true,
            &["--console-socket", "/no/such/socket"][..],
        ),
        (
            "console socket without a terminal",
            false,
            &["--console-socket", "/no/such/socket"],
        ),
        (
            "pid file in a missing directory",
            false,
            &["--pid-file", "/no/such/dir/pid"],
        ),
        (
            "descriptors that are not open",
            false,
            &["--preserve-fds", "100"],
        ),
    ] {
        t.row(row, || {
            let bundle = t.bundle().sh("echo ran").set("/process/terminal", terminal);
            fails_without_a_trace(t, &bundle, options);
        });
    }
}

fn exec(t: &Test) {
    let c = t.start(&t.bundle().idle());
    c.sh("true").ok();
    let cgroup = &c.cgroup;
    let before = Traces::take(&t.runtime.root, cgroup);
    for (row, options, program) in [
        ("program missing", &[][..], "/no/such/program"),
        ("cwd missing", &["--cwd", "/no/such"], "true"),
        (
            "process file missing",
            &["--process", "/no/such/file"],
            "true",
        ),
        (
            "console socket missing",
            &["--tty", "--detach", "--console-socket", "/no/such"],
            "true",
        ),
        (
            "pid file in a missing directory",
            &["--pid-file", "/no/such/dir/pid"],
            "true",
        ),
        ("user", &["--user", "1:x"], "true"),
    ] {
        t.row(row, || {
            c.exec(options, [program]).failure(&[]);
            Traces::assert_none_since(&before, &t.runtime.root, cgroup);
            assert_eq!(c.status(), "running");
        });
    }
}

/// `run` ends what it has made; `start` stops the container.
fn poststart(t: &Test) {
    let bundle = t
        .bundle()
        .hook_sh("poststart", "exit 1")
        .args(["sleep", "1000"]);
    t.run(&t.bundle().args(["true"])).ok();
    t.row("run", || {
        let cgroup = format!("{}/{}", t.cgroup, bundle.id);
        let before = Traces::take(&t.runtime.root, &cgroup);
        t.run(&bundle).failure(&["hook"]);
        Traces::assert_none_since(&before, &t.runtime.root, &cgroup);
    });
    t.row("start", || {
        let mut c = t.create(&bundle);
        t.runtime.run(["start", &bundle.id]).failure(&["hook"]);
        c.wait_for("stopped");
        c.delete().ok();
    });
}
