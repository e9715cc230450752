//! create, start, state, kill and delete: order, texts and records.

use crate::case::{Case, case};
use crate::container::wait_until;
use crate::test::Test;
use serde_json::json;
use std::fs;
use std::path::Path;

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[
    case("lifecycle/statuses", "runtime.md lifecycle", statuses),
    case("lifecycle/state-fields", "runtime.md state", state_fields),
    case(
        "lifecycle/state-of-missing",
        "runtime.md query state",
        missing,
    ),
    case("lifecycle/id-in-use", "runtime.md create", id_in_use),
    case("lifecycle/start-twice", "runtime.md start", start_twice),
    case("lifecycle/start-stopped", "runtime.md start", start_stopped),
    case("lifecycle/kill-created", "runtime.md kill", kill_created),
    case("lifecycle/kill-stopped", "runtime.md kill", kill_stopped),
    case(
        "lifecycle/kill-signals",
        "kill: names and numbers of signals",
        kill_signals,
    ),
    case(
        "lifecycle/kill-default-signal",
        "kill: SIGTERM unless given",
        kill_default,
    ),
    case(
        "lifecycle/kill-bad-signal",
        "kill: unknown signal",
        kill_bad_signal,
    ),
    case(
        "lifecycle/kill-all-without-pid-namespace",
        "kill: all processes",
        kill_all,
    ),
    case(
        "lifecycle/delete-running",
        "runtime.md delete",
        delete_running,
    ),
    case(
        "lifecycle/delete-created",
        "runtime.md delete",
        delete_created,
    ),
    case("lifecycle/delete-force", "delete --force", delete_force),
    case(
        "lifecycle/delete-force-missing",
        "delete --force of a missing id",
        delete_force_missing,
    ),
    case(
        "lifecycle/delete-removes-cgroups",
        "runtime.md delete",
        delete_removes_cgroups,
    ),
    case("lifecycle/ids", "container id rules", ids),
    case("lifecycle/pid-file", "create --pid-file", pid_file),
    case(
        "lifecycle/config-change-after-create",
        "runtime.md lifecycle 2",
        config_change,
    ),
    case(
        "lifecycle/bundle-is-cwd",
        "create: bundle defaults to the directory",
        bundle_is_cwd,
    ),
    case(
        "lifecycle/init-name-while-created",
        "created: the program has not run",
        created_waits,
    ),
    case(
        "lifecycle/annotations-in-state",
        "config.md annotations",
        annotations,
    ),
    case(
        "lifecycle/process-ends-by-itself",
        "runtime.md stopped",
        ends_by_itself,
    ),
];

/// What runc and crun say of a container that is gone; engines parse runc's text,
/// which `lifecycle/state-of-missing` holds.
const MISSING: &[&str] = &["does not exist", "no such file or directory"];

fn statuses(t: &Test) {
    let mut c = t.create(&t.bundle().idle());
    assert_eq!(c.status(), "created");
    c.start();
    assert_eq!(c.status(), "running");
    c.kill("KILL").ok();
    c.wait_for("stopped");
    c.delete().ok();
    t.runtime.run(["state", "c1"]).failure(MISSING);
}

fn state_fields(t: &Test) {
    let bundle = t.bundle().idle();
    let c = t.start(&bundle);
    let state = c.state();
    assert_eq!(state["id"], "c1");
    assert_eq!(state["status"], "running");
    assert_eq!(state["bundle"], bundle.dir.to_str().unwrap());
    assert!(
        state["ociVersion"].as_str().unwrap().starts_with("1."),
        "{state}"
    );
    let root = state["rootfs"].as_str().expect("rootfs");
    assert_eq!(Path::new(root), bundle.inside("/"));
    assert!(
        state["created"].as_str().expect("created").contains('T'),
        "{state}"
    );
    assert!(state.get("owner").is_some(), "{state}");
    let link = fs::read_link(format!("/proc/{}/ns/uts", c.pid())).expect("the pid lives");
    assert_ne!(link, fs::read_link("/proc/self/ns/uts").unwrap());
    c.kill("KILL").ok();
    c.wait_for("stopped");
    assert_eq!(c.state()["pid"], 0, "a stopped container has no pid");
}

fn missing(t: &Test) {
    for args in [
        &["state", "nobody"][..],
        &["start", "nobody"],
        &["kill", "nobody", "TERM"],
        &["delete", "nobody"],
        &["exec", "nobody", "true"],
        &["ps", "nobody"],
        &["pause", "nobody"],
        &["resume", "nobody"],
        &["update", "--pids-limit", "5", "nobody"],
        &["events", "--stats", "nobody"],
    ] {
        t.row(args[0], || {
            t.runtime.run(args).failure(&["container does not exist"]);
        });
    }
}

fn id_in_use(t: &Test) {
    let bundle = t.bundle().args(["sleep", "1000"]);
    let c = t.start(&bundle);
    // Traces name processes: not before this one has its last name.
    let name = format!("/proc/{}/comm", c.pid());
    wait_until("the program to run", || {
        fs::read_to_string(&name).is_ok_and(|name| name == "sleep\n")
    });
    let before = t.traces();
    for verb in ["create", "run"] {
        t.row(verb, || {
            let args = [verb, "--bundle", bundle.dir.to_str().unwrap(), "c1"];
            t.runtime
                .run(args)
                .failure(&["container with given ID already exists"]);
        });
    }
    crate::traces::Traces::assert_none_since(&before, &t.runtime.root, &t.cgroup);
    assert_eq!(c.status(), "running");
}

fn start_twice(t: &Test) {
    let c = t.start(&t.bundle().idle());
    t.runtime.run(["start", "c1"]).failure(&[]);
    assert_eq!(c.status(), "running");
}

fn start_stopped(t: &Test) {
    let c = t.start(&t.bundle().args(["true"]));
    c.wait_for("stopped");
    t.runtime.run(["start", "c1"]).failure(&[]);
}

fn kill_created(t: &Test) {
    let c = t.create(&t.bundle().idle());
    c.kill("KILL").ok();
    c.wait_for("stopped");
}

fn kill_stopped(t: &Test) {
    let c = t.start(&t.bundle().args(["true"]));
    c.wait_for("stopped");
    c.kill("TERM").failure(&[]);
    t.row("text", || {
        c.kill("TERM").failure(&["container not running"]);
    });
}

fn kill_signals(t: &Test) {
    let script = "for s in HUP INT USR1 USR2 WINCH 35 37; do trap \"echo got-$s\" $s; done; \
                  trap 'exit 0' TERM; echo ready; while :; do sleep 1000 & wait $!; done";
    let c = t.start(&t.bundle().sh(script));
    c.wait_output("ready");
    for (given, got) in [
        ("HUP", "got-HUP"),
        ("SIGINT", "got-INT"),
        ("usr1", "got-USR1"),
        ("12", "got-USR2"),
        ("SIGWINCH", "got-WINCH"),
        ("35", "got-35"),
        ("SIGRTMIN+3", "got-37"),
    ] {
        t.row(given, || {
            c.kill(given).ok();
            c.wait_output(got);
        });
    }
    assert_eq!(c.status(), "running", "these signals do not end it");
}

fn kill_default(t: &Test) {
    let c = t.start(
        &t.bundle()
            .sh("trap 'echo got-TERM; exit 0' TERM; echo ready; sleep 1000 & wait"),
    );
    c.wait_output("ready");
    t.runtime.run(["kill", "c1"]).ok();
    c.wait_for("stopped");
    c.wait_output("got-TERM");
}

fn kill_bad_signal(t: &Test) {
    let c = t.start(&t.bundle().idle());
    for bad in ["NOSUCH", "-5", "KILLX", "99999"] {
        t.row(bad, || {
            t.runtime.run(["kill", "c1", bad]).failure(&[]);
        });
    }
    assert_eq!(c.status(), "running");
}

/// Without a PID namespace the end of the first process ends nothing else.
fn kill_all(t: &Test) {
    let bundle = t
        .bundle()
        .without_namespace("pid")
        .sh("sleep 1000 & sleep 1000 & echo ready; wait");
    t.row("a real-time signal", || {
        let script = "(trap 'echo child; exit' 36; echo ready; while :; do sleep 0.1; done) & \
                      trap 'echo first; exit' 36; while :; do sleep 0.1; done";
        let bundle = t.bundle().without_namespace("pid").sh(script);
        let c = t.start(&bundle);
        c.wait_output("ready");
        t.runtime.run(["kill", "--all", &c.id, "RTMIN+2"]).ok();
        c.wait_output("child");
        c.wait_output("first");
    });
    let mut c = t.start(&bundle);
    c.wait_output("ready");
    let inside = || {
        crate::cgroup::read("pids", &c.cgroup, "cgroup.procs")
            .lines()
            .count()
    };
    assert_eq!(inside(), 3);
    t.runtime.run(["kill", &c.id, "KILL"]).ok();
    c.wait_for("stopped");
    c.delete_force().ok();
    let left = crate::cgroup::existing(&c.cgroup);
    assert!(left.is_empty(), "processes of the container hold {left:?}");
}

fn delete_running(t: &Test) {
    let mut c = t.start(&t.bundle().idle());
    c.delete().failure(&["stopped"]);
    assert_eq!(c.status(), "running");
}

fn delete_created(t: &Test) {
    let mut c = t.create(&t.bundle().idle());
    c.delete().ok();
    t.runtime.run(["state", "c1"]).failure(MISSING);
}

fn delete_force(t: &Test) {
    let mut c = t.start(&t.bundle().idle());
    let pid = c.pid();
    c.delete_force().ok();
    wait_until("the process to end", || {
        !Path::new(&format!("/proc/{pid}")).exists()
    });
    t.runtime.run(["state", "c1"]).failure(MISSING);
}

fn delete_force_missing(t: &Test) {
    t.runtime.run(["delete", "--force", "nobody"]).ok();
}

fn delete_removes_cgroups(t: &Test) {
    let before = t.traces();
    let mut c = t.start(&t.bundle().idle());
    assert!(
        !crate::cgroup::existing(&c.cgroup).is_empty(),
        "the container has cgroups"
    );
    c.kill("KILL").ok();
    c.wait_for("stopped");
    c.delete().ok();
    let left = crate::cgroup::existing(&c.cgroup);
    assert!(left.is_empty(), "{left:?}");
    let left = crate::traces::Traces::take(&t.runtime.root, &c.cgroup).found;
    let added: Vec<_> = left.difference(&before.found).collect();
    assert!(added.is_empty(), "{added:?}");
}

fn ids(t: &Test) {
    let mut bundle = t.bundle().sh("echo ran");
    for good in ["a", "A_b-c.d", "0", "a..b", "_x", "a+b"] {
        t.row(good, || {
            bundle.id = good.to_owned();
            assert_eq!(t.run(&bundle).success().text(), "ran");
        });
    }
    for bad in ["", "..", ".", "a/b", "../a", "a b", "ä", "a\nb", "a:b"] {
        t.row(&format!("bad {bad:?}"), || {
            bundle.id = bad.to_owned();
            t.run(&bundle).failure(&[]);
        });
    }
}

fn pid_file(t: &Test) {
    let file = t.path("pid");
    let c = t.create_with(&t.bundle().idle(), &["--pid-file", file.to_str().unwrap()]);
    let text = fs::read_to_string(&file).expect("the pid file");
    assert_eq!(text, c.pid().to_string(), "the number and nothing else");
}

fn config_change(t: &Test) {
    let bundle = t.bundle().sh("hostname; sleep 1000");
    let c = t.create(&bundle);
    bundle
        .set("/process/args", json!(["sh", "-c", "echo changed"]))
        .set("/hostname", "x")
        .write();
    c.start();
    assert_eq!(c.wait_output("\n"), "oxrun\n");
    let out = c.sh("hostname").success();
    assert_eq!(out.text(), "oxrun");
}

fn bundle_is_cwd(t: &Test) {
    let bundle = t.bundle().sh("echo ran");
    bundle.write();
    let out = t
        .runtime
        .call(["run", "c1"])
        .cwd(&bundle.dir)
        .run()
        .success();
    assert_eq!(out.text(), "ran");
}

fn created_waits(t: &Test) {
    let c = t.create(&t.bundle().sh("echo ran; sleep 1000"));
    assert_eq!(c.output.stdout_now(), "");
    c.start();
    c.wait_output("ran");
}

fn annotations(t: &Test) {
    let bundle = t
        .bundle()
        .idle()
        .set("/annotations", json!({"a.b/c": "d", "empty": ""}));
    let c = t.create(&bundle);
    let state = c.state();
    assert_eq!(state["annotations"]["a.b/c"], "d", "{state}");
    assert_eq!(state["annotations"]["empty"], "", "{state}");
}

fn ends_by_itself(t: &Test) {
    let mut c = t.start(&t.bundle().sh("exit 3"));
    c.wait_for("stopped");
    c.delete().ok();
}
