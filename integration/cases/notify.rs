//! seccomp notifications: the agent gets the listener with the state, and its
//! answers decide.

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
        assert!(
            sys::readable(&self.listener, Duration::from_secs(10)),
            "no call arrives"
        );
        let request = sys::seccomp_receive(self.listener.as_fd()).unwrap();
        let answer = libc::seccomp_notif_resp {
            id: request.id,
            val: 0,
            error: -error,
            flags: 0,
        };
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
            c.start();
            let request = agent.answer(error);
            assert!([libc::SYS_mkdir, libc::SYS_mkdirat].contains(&i64::from(request.data.nr)));
            c.wait_output(expected);
        });
    }
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
