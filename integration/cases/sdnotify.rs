//! `NOTIFY_SOCKET`: a container tells that it is ready (sd_notify(3)).

use crate::bundle::Bundle;
use crate::case::{Case, case};
use crate::container::wait_until;
use crate::isolate::GUEST_NOTIFY;
use crate::need::Need;
use crate::runtime::{Call, Kind};
use crate::test::Test;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[
    case(
        "sd-notify/start",
        "create and start with NOTIFY_SOCKET",
        start,
    )
    .needs(GUEST),
    case(
        "sd-notify/run-detached",
        "run --detach with NOTIFY_SOCKET",
        detached,
    )
    .needs(GUEST),
    case("sd-notify/run", "run with NOTIFY_SOCKET", foreground).needs(GUEST),
    case(
        "sd-notify/never-ready",
        "a container that ends before it is ready",
        never_ready,
    )
    .needs(GUEST),
    case(
        "sd-notify/abstract",
        "NOTIFY_SOCKET with an abstract name",
        abstract_name,
    )
    .needs(GUEST),
    case(
        "sd-notify/without",
        "a container without NOTIFY_SOCKET",
        without,
    ),
];

const GUEST: &[Need] = &[Need::StaticGuest];

/// Plays systemd: reads what comes as it comes, which closes descriptors that come with it.
fn systemd(socket: UnixDatagram) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = [0; 1000];
        while let Ok(length) = socket.recv(&mut text) {
            let text = String::from_utf8_lossy(&text[..length]).into_owned();
            if sender.send(text).is_err() {
                return;
            }
        }
    });
    receiver
}

fn at_path(t: &Test) -> Receiver<String> {
    systemd(UnixDatagram::bind(t.path("systemd.sock")).expect("bind a socket"))
}

/// What runc sends in two messages may come in one.
fn assert_ready(systemd: &Receiver<String>, pid: u32) {
    let heard = || {
        let limit = Duration::from_secs(10);
        systemd.recv_timeout(limit).expect("a message")
    };
    let mut text = heard();
    if !text.contains("MAINPID") {
        text += &heard();
    }
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, [format!("MAINPID={pid}").as_str(), "READY=1"]);
}

/// A bundle whose program sends these messages, then goes on.
fn bundle(t: &Test, script: &str) -> Bundle {
    let program = std::env::current_exe().expect("own program");
    t.bundle()
        .bind(&program, "/guest", &["bind", "ro"])
        .sh(&format!(
            "notify() {{ /guest {GUEST_NOTIFY} \"$@\"; }}; {script}"
        ))
}

fn with_socket(t: &Test, call: Call) -> Call {
    call.env("NOTIFY_SOCKET", t.path("systemd.sock"))
}

const READY: &str = "notify STATUS=x MAINPID=1 READY=1; exec sleep 1000";

fn start(t: &Test) {
    let systemd = at_path(t);
    let bundle = bundle(t, READY);
    let output = with_socket(t, t.create_call(&bundle, &[])).run().success();
    let container = t.guard(&bundle, output);
    with_socket(t, t.runtime.call(["start", &bundle.id]))
        .run()
        .ok();
    assert_ready(&systemd, container.pid());
    t.row("the socket of the caller is not shown", || {
        let inside = container.sh("tr '\\0' '\\n' < /proc/1/environ").success();
        assert!(
            inside
                .lines()
                .contains(&"NOTIFY_SOCKET=/run/notify/notify.sock"),
            "{inside}"
        );
        assert!(!inside.stdout.contains("systemd.sock"), "{inside}");
    });
    t.row("the directory cannot be written to", || {
        drop(container.sh("touch /run/notify/new").failure(&[]));
    });
    t.row("an exec has the variable only when told", || {
        let inside = container.sh("echo ${NOTIFY_SOCKET-none}").success();
        assert_eq!(inside.text(), "none");
    });
}

fn detached(t: &Test) {
    let systemd = at_path(t);
    let bundle = bundle(t, READY);
    let call = with_socket(t, t.run_call(&bundle, &["--detach"]));
    let container = t.guard(&bundle, call.run().success());
    assert_ready(&systemd, container.pid());
}

fn foreground(t: &Test) {
    if t.runtime.kind == Kind::Crun {
        t.skip("crun passes the caller's socket on");
    }
    let systemd = at_path(t);
    let bundle = bundle(t, "notify READY=1; read line; exit 3");
    let (pipe, keep) = std::io::pipe().expect("a pipe");
    let (running, _, _) = with_socket(t, t.run_call(&bundle, &[])).stdin(pipe).spawn();
    // systemd watches the runtime, which stays.
    assert_ready(&systemd, running.pid());
    drop(keep);
    let (status, _) = running.wait(Duration::from_secs(10));
    assert_eq!(status.expect("an end").code(), Some(3));
}

fn never_ready(t: &Test) {
    let systemd = at_path(t);
    t.row("start", || {
        let bundle = bundle(t, "notify STATUS=x; exit 1");
        let output = with_socket(t, t.create_call(&bundle, &[])).run().success();
        let container = t.guard(&bundle, output);
        with_socket(t, t.runtime.call(["start", &bundle.id]))
            .run()
            .ok();
        container.wait_for("stopped");
    });
    t.row("run", || {
        if t.runtime.kind == Kind::Runc {
            // It waits for a readiness that does not come.
            return;
        }
        let out = with_socket(t, t.run_call(&bundle(t, "exit 4"), &[])).run();
        assert_eq!(out.code(), 4, "{out}");
    });
    assert!(systemd.try_recv().is_err(), "nothing was said");
}

fn abstract_name(t: &Test) {
    use std::os::linux::net::SocketAddrExt;
    let name = format!("oxrun-case-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let systemd = systemd(UnixDatagram::bind_addr(&address).expect("bind a socket"));
    let bundle = bundle(t, READY);
    let call = t
        .run_call(&bundle, &["--detach"])
        .env("NOTIFY_SOCKET", format!("@{name}"));
    let container = t.guard(&bundle, call.run().success());
    assert_ready(&systemd, container.pid());
}

fn without(t: &Test) {
    let container = t.start(&t.bundle().idle());
    let inside = container.sh("env; ls -d /run/notify 2>&1");
    assert!(!inside.stdout.contains("NOTIFY_SOCKET"), "{inside}");
    wait_until("the state directory", || {
        let directory = t.runtime.root.join(&container.id);
        fs::read_dir(directory).is_ok()
    });
    assert!(!t.runtime.root.join(&container.id).join("notify").exists());
}
