//! Hooks: order, namespaces, what they get, and what their failure does.

use super::check::prints;
use crate::bundle::Bundle;
use crate::case::{Case, case};
use crate::container::wait_until;
use crate::test::Test;
use crate::traces::Traces;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[
    case(
        "hooks/order",
        "config.md POSIX-platform hooks: order",
        order,
    ),
    case(
        "hooks/state",
        "config.md hooks: state on standard input",
        state,
    ),
    case(
        "hooks/namespaces",
        "config.md hooks: namespaces",
        namespaces,
    ),
    case(
        "hooks/environment",
        "config.md hooks: env and args",
        environment,
    ),
    case("hooks/timeout", "config.md hooks: timeout", timeout),
    case("hooks/failure", "config.md hooks: failure", failure),
    case(
        "hooks/poststop-failure",
        "runtime.md lifecycle 13",
        poststop_failure,
    ),
    case(
        "hooks/missing-program",
        "config.md hooks: path",
        missing_program,
    ),
    case(
        "hooks/relative-path",
        "config.md hooks: path is absolute",
        relative_path,
    ),
    case(
        "hooks/descriptors",
        "hooks: only the standard streams",
        descriptors,
    ),
    case(
        "hooks/network",
        "createRuntime: namespace of the container",
        network,
    ),
];

/// The kinds that run in the runtime's namespaces.
const OUTSIDE: [&str; 4] = ["prestart", "createRuntime", "poststart", "poststop"];
/// The kinds in the order of the lifecycle.
const ALL: [&str; 6] = [
    "prestart",
    "createRuntime",
    "createContainer",
    "startContainer",
    "poststart",
    "poststop",
];
/// Those whose failure ends the container before its program runs.
const BEFORE_THE_PROGRAM: &[&str] = ALL.split_at(4).0;

/// A bundle whose directory `shared` is at the same path inside and outside.
fn shared(t: &Test) -> (Bundle, String) {
    let dir = t.new_dir("shared").to_str().unwrap().to_owned();
    let bundle = t.bundle().writable();
    fs::create_dir_all(bundle.inside(&dir)).unwrap();
    let bundle = bundle.bind(Path::new(&dir), &dir, &["bind", "rw"]);
    (bundle, dir)
}

fn cgroup(t: &Test, bundle: &Bundle) -> String {
    format!("{}/{}", t.cgroup, bundle.id)
}

fn traces(t: &Test, bundle: &Bundle) -> Traces {
    Traces::take(&t.runtime.root, &cgroup(t, bundle))
}

#[track_caller]
fn assert_no_trace(t: &Test, bundle: &Bundle, before: &Traces) {
    Traces::assert_none_since(before, &t.runtime.root, &cgroup(t, bundle));
}

fn lines(dir: &str, file: &str) -> Vec<String> {
    let text = fs::read_to_string(format!("{dir}/{file}")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn order(t: &Test) {
    let (bundle, dir) = shared(t);
    let bundle = ALL.iter().fold(bundle, |bundle, kind| {
        let first = format!("echo {kind}-1 >> {dir}/log");
        let second = format!("echo {kind}-2 >> {dir}/log");
        bundle.hook_sh(kind, &first).hook_sh(kind, &second)
    });
    let bundle = bundle.sh(&format!("echo program >> {dir}/log; exec sleep 1000"));
    let mut c = t.create(&bundle);
    let pairs = |kinds: &[&str]| -> Vec<String> {
        kinds
            .iter()
            .flat_map(|kind| [format!("{kind}-1"), format!("{kind}-2")])
            .collect()
    };
    assert_eq!(lines(&dir, "log"), pairs(&ALL[..3]), "after create");
    c.start();
    wait_until("the program and poststart", || {
        lines(&dir, "log").len() == 11
    });
    let log = lines(&dir, "log");
    assert_eq!(
        log[6..8],
        pairs(&ALL[3..4]),
        "startContainer before the program: {log:?}"
    );
    for expected in ["program", "poststart-1", "poststart-2"] {
        assert!(log[8..].contains(&expected.to_owned()), "{log:?}");
    }
    c.delete_force().ok();
    assert_eq!(lines(&dir, "log")[11..], pairs(&ALL[5..]));
}

fn state(t: &Test) {
    let (bundle, dir) = shared(t);
    let bundle = ALL.iter().fold(bundle, |bundle, kind| {
        bundle.hook_sh(kind, &format!("cat > {dir}/{kind}"))
    });
    let bundle = bundle
        .set("/annotations", json!({"key": "value"}))
        .args(["sleep", "1000"]);
    let mut c = t.create(&bundle);
    let pid = c.pid();
    c.start();
    wait_until("poststart", || !lines(&dir, "poststart").is_empty());
    c.delete_force().ok();
    for (kind, status) in [
        // As runtime-tools and crun have it; runc says "creating".
        ("prestart", &["created", "creating"][..]),
        ("createRuntime", &["creating", "created"]),
        ("createContainer", &["creating", "created"]),
        ("startContainer", &["created"]),
        ("poststart", &["running"]),
        ("poststop", &["stopped"]),
    ] {
        t.row(kind, || {
            let text = fs::read_to_string(format!("{dir}/{kind}")).unwrap();
            let state: Value = serde_json::from_str(&text).expect("state as JSON");
            assert!(
                status.contains(&state["status"].as_str().unwrap()),
                "{state}"
            );
            assert_eq!(state["id"], "c1");
            assert_eq!(state["bundle"], bundle.dir.to_str().unwrap());
            assert_eq!(state["annotations"]["key"], "value");
            assert!(
                state["ociVersion"].as_str().unwrap().starts_with("1."),
                "{state}"
            );
            if OUTSIDE[..3].contains(&kind) {
                assert_eq!(state["pid"], pid, "pid of the container's process");
            }
        });
    }
}

fn namespaces(t: &Test) {
    let (bundle, dir) = shared(t);
    let bundle = ALL.iter().fold(bundle, |bundle, kind| {
        let script = format!(
            "for n in mnt pid net uts ipc; do readlink /proc/self/ns/$n; done > {dir}/{kind}"
        );
        bundle.hook_sh(kind, &script)
    });
    let mut c = t.start(&bundle.args(["sleep", "1000"]));
    let of = |process: &str| -> Vec<String> {
        let names = ["mnt", "pid", "net", "uts", "ipc"].iter();
        let links = names.map(|name| fs::read_link(format!("/proc/{process}/ns/{name}")).unwrap());
        links
            .map(|link| link.to_str().unwrap().to_owned())
            .collect()
    };
    let inside = of(&c.pid().to_string());
    wait_until("poststart", || lines(&dir, "poststart").len() == 5);
    c.delete_force().ok();
    for kind in ALL {
        t.row(kind, || {
            let expected = if OUTSIDE.contains(&kind) {
                of("self")
            } else {
                inside.clone()
            };
            assert_eq!(lines(&dir, kind), expected);
        });
    }
}

fn environment(t: &Test) {
    for (row, env, expected) in [
        ("nothing-given", json!([]), ""),
        ("given", json!(["A=1", "B=2"]), "A=1\0B=2\0"),
    ] {
        t.row(row, || {
            let file = t.path(&format!("env-{row}"));
            // A shell would add variables of its own.
            let args = json!(["cp", "/proc/self/environ", file]);
            let hook = json!({"path": "/bin/cp", "args": args, "env": env});
            t.run(&t.bundle().hook("createRuntime", hook).args(["true"]))
                .ok();
            assert_eq!(fs::read_to_string(file).unwrap(), expected);
        });
    }
    t.row("args", || {
        let file = t.path("args");
        let script = format!("echo $0 $1 > {}", file.display());
        let hook = json!({"path": "/bin/sh", "args": ["name", "-c", script, "zero", "one"]});
        t.run(&t.bundle().hook("prestart", hook).args(["true"]))
            .ok();
        assert_eq!(fs::read_to_string(file).unwrap(), "zero one\n");
    });
    t.row("working directory", || {
        let file = t.path("cwd");
        let bundle = t
            .bundle()
            .hook_sh("createRuntime", &format!("pwd > {}", file.display()));
        let dir = bundle.dir.to_str().unwrap().to_owned();
        t.run(&bundle.args(["true"])).ok();
        let text = fs::read_to_string(file).unwrap();
        // runc runs them in the bundle.
        let expected = [dir.as_str(), t.dir.to_str().unwrap()];
        assert!(expected.contains(&text.trim()), "{text}");
    });
    t.row("working directory of createContainer", || {
        // The container's root, not yet changed: hooks for libraries of an image rely on it.
        let bundle = t.bundle().writable();
        let hook = "test $PWD != / && touch ./made-by-the-hook";
        let bundle = bundle.hook_sh("createContainer", hook);
        prints(t, &bundle.sh("ls -d /made*"), "/made-by-the-hook");
    });
}

fn timeout(t: &Test) {
    for kind in BEFORE_THE_PROGRAM {
        t.row(kind, || {
            let hook =
                json!({"path": "/bin/sh", "args": ["sh", "-c", "exec sleep 1000"], "timeout": 1});
            let bundle = t.bundle().hook(kind, hook).sh("echo ran");
            let before = traces(t, &bundle);
            let out = t.run_call(&bundle, &[]).limit(15).run().failure(&[]);
            assert_eq!(out.text(), "", "the program must not run");
            assert!(out.elapsed.as_secs() < 10, "{:?}", out.elapsed);
            assert_no_trace(t, &bundle, &before);
        });
    }
    for kind in ["createRuntime", "createContainer"] {
        t.row(&format!("{kind}: what it has started"), || {
            if t.runtime.kind != crate::runtime::Kind::Oxrun {
                return;
            }
            let script = "sleep 1000 & sleep 1000";
            let hook = json!({"path": "/bin/sh", "args": ["sh", "-c", script], "timeout": 1});
            let bundle = t.bundle().hook(kind, hook).args(["true"]);
            let before = traces(t, &bundle);
            let out = t.run_call(&bundle, &[]).limit(15).run().failure(&[]);
            assert!(out.elapsed.as_secs() < 10, "{:?}", out.elapsed);
            assert_no_trace(t, &bundle, &before);
        });
    }
    t.row("in time", || {
        let hook = json!({"path": "/bin/sh", "args": ["sh", "-c", "sleep 0.1"], "timeout": 10});
        t.run(&t.bundle().hook("createRuntime", hook).args(["true"]))
            .ok();
    });
    t.row("not positive", || {
        let hook = json!({"path": "/bin/sh", "timeout": -1});
        let bundle = t.bundle().hook("createRuntime", hook).args(["true"]);
        if t.runtime.kind == crate::runtime::Kind::Oxrun {
            t.run(&bundle).failure(&["timeout"]);
        }
    });
}

fn failure(t: &Test) {
    for kind in BEFORE_THE_PROGRAM {
        for (how, script) in [("exit code", "exit 3"), ("signal", "kill -KILL $$")] {
            t.row(&format!("{kind} {how}"), || {
                let bundle = t.bundle().hook_sh(kind, script).sh("echo ran");
                let before = traces(t, &bundle);
                let out = t.run(&bundle).failure(&["hook"]);
                assert_eq!(out.text(), "", "the program must not run");
                assert_no_trace(t, &bundle, &before);
            });
        }
    }
    t.row("later hooks do not run", || {
        let file = t.path("second");
        let script = format!("touch {}", file.display());
        let bundle = t
            .bundle()
            .hook_sh("prestart", "exit 1")
            .hook_sh("prestart", &script);
        t.run(&bundle.hook_sh("createRuntime", &script).args(["true"]))
            .failure(&[]);
        assert!(!file.exists());
    });
    t.row("poststop runs after a failure", || {
        let file = t.path("poststop");
        let script = format!("touch {}", file.display());
        let bundle = t
            .bundle()
            .hook_sh("createRuntime", "exit 1")
            .hook_sh("poststop", &script);
        t.run(&bundle.args(["true"])).failure(&[]);
        assert!(
            file.exists(),
            "config.md: poststop hooks run once the container is deleted"
        );
    });
}

fn poststop_failure(t: &Test) {
    let file = t.path("second");
    let bundle = t
        .bundle()
        .hook_sh("poststop", "exit 1")
        .hook_sh("poststop", &format!("touch {}", file.display()))
        .idle();
    let before = traces(t, &bundle);
    let mut c = t.start(&bundle);
    c.kill("KILL").ok();
    c.wait_for("stopped");
    c.delete().ok();
    assert!(file.exists(), "the rest of the hooks run");
    assert_no_trace(t, &bundle, &before);
}

fn missing_program(t: &Test) {
    for kind in BEFORE_THE_PROGRAM {
        t.row(kind, || {
            let bundle = t
                .bundle()
                .hook(kind, json!({"path": "/no/such/hook"}))
                .sh("echo ran");
            let before = traces(t, &bundle);
            let out = t.run(&bundle).failure(&[]);
            assert!(out.stderr.contains("/no/such/hook"), "{out}");
            assert_no_trace(t, &bundle, &before);
        });
    }
}

fn relative_path(t: &Test) {
    for path in ["bin/sh", ""] {
        t.row(&format!("{path:?}"), || {
            let bundle = t
                .bundle()
                .hook("createRuntime", json!({"path": path}))
                .args(["true"]);
            t.run(&bundle).failure(&[]);
        });
    }
}

fn descriptors(t: &Test) {
    let (bundle, dir) = shared(t);
    let bundle = ALL.iter().fold(bundle, |bundle, kind| {
        bundle.hook_sh(kind, &format!("ls /proc/self/fd > {dir}/{kind}"))
    });
    let leak = fs::File::open("/proc/version").unwrap();
    t.run_call(&bundle.args(["true"]), &[])
        .pass(&leak, 33)
        .run()
        .ok();
    for kind in ALL {
        t.row(kind, || {
            let open = lines(&dir, kind);
            // ls adds the descriptor of the directory that it reads.
            assert_eq!(open.len(), 4, "{open:?}");
        });
    }
}

/// What network plugins of engines do: they enter the namespace by the pid.
fn network(t: &Test) {
    let script = "pid=$(sed 's/.*\"pid\": *\\([0-9]*\\).*/\\1/'); \
                  nsenter -t $pid -n ip address add 192.0.2.7/32 dev lo";
    for kind in ["prestart", "createRuntime"] {
        t.row(kind, || {
            let path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
            let args = ["sh", "-c", script];
            let hook = json!({"path": "/bin/sh", "args": args, "env": [path]});
            let bundle = t
                .bundle()
                .hook(kind, hook)
                .args(["ip", "address", "show", "lo"]);
            let out = t.run(&bundle).success();
            assert!(out.text().contains("192.0.2.7/32"), "{out}");
        });
    }
}
