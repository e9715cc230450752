//! seccomp notifications: the agent gets the listener with the state, and its
//! answers decide.

use super::check::refused;
use super::seccomp_calls::guest;
use crate::bundle::Bundle;
use crate::case::{Case, case};
use crate::need::Need;
use crate::sys;
use crate::test::Test;
use serde_json::{Value, json};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::Duration;

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[
    case(
        "notify/answers",
        "config-linux.md seccomp: SCMP_ACT_NOTIFY",
        answers,
    )
    .needs(NEEDS),
    case(
        "notify/values",
        "SCMP_ACT_NOTIFY: what an agent can answer",
        values,
    )
    .needs(GUEST_NEEDS),
    case("notify/flags", "flags beside SCMP_ACT_NOTIFY", flags).needs(&[Need::Kernel(5, 19)]),
    case(
        "notify/without-sendmsg",
        "SCMP_ACT_NOTIFY or an error for sendmsg",
        without_sendmsg,
    )
    .needs(NEEDS),
    case(
        "notify/refused",
        "SCMP_ACT_NOTIFY for what hands the listener over",
        deadlock,
    )
    .needs(NEEDS),
    case("notify/exec", "exec: SCMP_ACT_NOTIFY", exec).needs(NEEDS),
    case(
        "notify/no-agent",
        "listenerPath that nobody serves",
        no_agent,
    )
    .needs(NEEDS),
    case(
        "notify/no-listener-path",
        "SCMP_ACT_NOTIFY without listenerPath",
        no_path,
    )
    .needs(NEEDS),
];

const NEEDS: &[Need] = &[Need::Kernel(5, 9)];
const GUEST_NEEDS: &[Need] = &[
    Need::Kernel(5, 9),
    Need::StaticGuest,
    Need::Machine("x86_64"),
];

/// An agent that answers mkdir with success, mkdirat with an error, and passes on the rest.
struct Agent {
    state: Value,
    listener: OwnedFd,
}

impl Agent {
    #[track_caller]
    fn accept(socket: &UnixListener) -> Self {
        assert!(
            sys::readable(socket, Duration::from_secs(10)),
            "nobody connects"
        );
        let (stream, _) = socket.accept().unwrap();
        assert!(
            sys::readable(&stream, Duration::from_secs(10)),
            "nothing is sent"
        );
        let (bytes, mut fds) = sys::receive_fds(stream.as_fd()).unwrap();
        let state: Value = serde_json::from_slice(&bytes).expect("the state as JSON");
        let names = state["fds"].as_array().expect("fds");
        let at = names
            .iter()
            .position(|name| name == "seccompFd")
            .expect("seccompFd");
        assert_eq!(names.len(), fds.len());
        Self {
            state,
            listener: fds.remove(at),
        }
    }

    /// Answers one call with an error number, 0 for success.
    #[track_caller]
    fn answer(&self, error: i32) -> libc::seccomp_notif {
        self.answer_with(|answer| answer.error = -error)
    }

    /// Answers one call; `fill` starts from success with the value 0.
    #[track_caller]
    fn answer_with(&self, fill: impl FnOnce(&mut libc::seccomp_notif_resp)) -> libc::seccomp_notif {
        assert!(
            sys::readable(&self.listener, Duration::from_secs(10)),
            "no call arrives"
        );
        let request = sys::seccomp_receive(self.listener.as_fd()).unwrap();
        let mut answer = libc::seccomp_notif_resp {
            id: request.id,
            val: 0,
            error: 0,
            flags: 0,
        };
        fill(&mut answer);
        sys::seccomp_answer(self.listener.as_fd(), answer).unwrap();
        request
    }
}

fn profile(path: &str) -> Value {
    json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "listenerPath": path,
        "listenerMetadata": "who=test",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}],
    })
}

fn agent(t: &Test) -> (UnixListener, PathBuf) {
    let path = t.path("agent");
    (UnixListener::bind(&path).unwrap(), path)
}

const SCRIPT: &str = "mkdir /tmp/one && echo made || echo refused";

fn answers(t: &Test) {
    for (row, error, expected) in [("success", 0, "made"), ("error", libc::EDOM, "refused")] {
        t.row(row, || {
            drop(std::fs::remove_file(t.path("agent")));
            let (socket, path) = agent(t);
            let bundle = t
                .bundle()
                .set("/linux/seccomp", profile(path.to_str().unwrap()))
                .sh(&format!("{SCRIPT}; exec sleep 1000"));
            let c = t.create(&bundle);
            let agent = Agent::accept(&socket);
            assert_eq!(agent.state["metadata"], "who=test");
            assert_eq!(agent.state["pid"], c.pid());
            assert_eq!(agent.state["state"]["id"], bundle.id.as_str());
            assert_eq!(agent.state["state"]["pid"], c.pid());
            assert_eq!(agent.state["state"]["bundle"], bundle.dir.to_str().unwrap());
            assert_eq!(agent.state["state"]["status"], "creating");
            assert_eq!(
                agent.state["ociVersion"],
                agent.state["state"]["ociVersion"]
            );
            c.start();
            let request = agent.answer(error);
            assert!([libc::SYS_mkdir, libc::SYS_mkdirat].contains(&i64::from(request.data.nr)));
            c.wait_output(expected);
        });
    }
}

/// A value of the agent's own, an error, and the kernel's own answer.
fn values(t: &Test) {
    const GETPPID: &str = "110";
    type Fill = fn(&mut libc::seccomp_notif_resp);
    let rows: [(&str, Fill, &str); 3] = [
        ("value", |answer| answer.val = 4711, "ok 4711"),
        ("error", |answer| answer.error = -libc::EXDEV, "EXDEV"),
        ("continue", |answer| answer.flags = CONTINUE, "ok 0"),
    ];
    for (row, fill, expected) in rows {
        t.row(row, || {
            drop(std::fs::remove_file(t.path("agent")));
            let (socket, path) = agent(t);
            let mut profile = profile(path.to_str().unwrap());
            profile["syscalls"][0]["names"] = json!(["getppid"]);
            let bundle = guest(t, &["call", GETPPID]).set("/linux/seccomp", profile);
            let c = t.create(&bundle);
            let agent = Agent::accept(&socket);
            c.start();
            let request = agent.answer_with(fill);
            assert_eq!(i64::from(request.data.nr), libc::SYS_getppid);
            c.wait_output(expected);
        });
    }
}

/// `SECCOMP_USER_NOTIF_FLAG_CONTINUE`.
const CONTINUE: u32 = 1;

/// Flags that change how the listener is made, or how it is waited for.
fn flags(t: &Test) {
    for flag in [
        "SECCOMP_FILTER_FLAG_TSYNC",
        "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
    ] {
        t.row(flag, || {
            answered(t, |bundle| {
                bundle.set("/linux/seccomp/flags", json!([flag]))
            });
        });
    }
}

/// A new agent's answer reaches a container whose profile is changed so.
fn answered(t: &Test, change: impl FnOnce(Bundle) -> Bundle) {
    drop(std::fs::remove_file(t.path("agent")));
    let (socket, path) = agent(t);
    let bundle = t
        .bundle()
        .set("/linux/seccomp", profile(path.to_str().unwrap()));
    let bundle = change(bundle).sh(&format!("{SCRIPT}; exec sleep 1000"));
    let c = t.create(&bundle);
    let agent = Agent::accept(&socket);
    c.start();
    agent.answer(libc::EDOM);
    c.wait_output("refused");
}

/// What agents for networks listen to, and what small programs do without.
fn without_sendmsg(t: &Test) {
    for action in ["SCMP_ACT_NOTIFY", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL_PROCESS"] {
        t.row(action, || {
            let rule = json!({"names": ["sendmsg"], "action": action});
            answered(t, |bundle| bundle.push("/linux/seccomp/syscalls", rule));
        });
    }
}

fn deadlock(t: &Test) {
    let (_socket, path) = agent(t);
    let path = path.to_str().unwrap();
    t.row("write", || {
        let bundle = t.bundle().set("/linux/seccomp", profile(path));
        let names = json!(["mkdir", "write"]);
        let bundle = bundle.set("/linux/seccomp/syscalls/0/names", names);
        refused(t, bundle, &["write"]);
    });
    t.row("defaultAction", || {
        let bundle = t.bundle().set("/linux/seccomp", profile(path));
        let bundle = bundle.set("/linux/seccomp/defaultAction", "SCMP_ACT_NOTIFY");
        refused(t, bundle, &["SCMP_ACT_NOTIFY"]);
    });
}

fn exec(t: &Test) {
    let (socket, path) = agent(t);
    let bundle = t
        .bundle()
        .idle()
        .set("/linux/seccomp", profile(path.to_str().unwrap()));
    let c = t.create(&bundle);
    let first = Agent::accept(&socket);
    c.start();
    let (running, stdout, _) = c.exec_call(&[], ["sh", "-c", SCRIPT]).spawn();
    let agent = Agent::accept(&socket);
    assert_ne!(agent.state["pid"], first.state["pid"]);
    assert_eq!(agent.state["state"]["id"], first.state["state"]["id"]);
    assert_eq!(agent.state["state"]["status"], "running");
    agent.answer(libc::EDOM);
    let (status, _) = running.wait(Duration::from_secs(10));
    assert!(status.expect("ends").success());
    assert_eq!(std::fs::read_to_string(stdout).unwrap(), "refused\n");
}

fn no_agent(t: &Test) {
    let bundle = t
        .bundle()
        .set("/linux/seccomp", profile("/no/such/agent"))
        .sh("echo ran");
    let out = t.run(&bundle).failure(&[]);
    assert_eq!(out.text(), "");
}

fn no_path(t: &Test) {
    let bundle = t
        .bundle()
        .set("/linux/seccomp", profile(""))
        .remove("/linux/seccomp/listenerPath")
        .remove("/linux/seccomp/listenerMetadata")
        .sh("echo ran");
    let out = t.run(&bundle).failure(&[]);
    assert_eq!(out.text(), "");
}
