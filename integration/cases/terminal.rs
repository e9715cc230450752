//! Terminals: the console socket, sizes, /dev/console, `run` and `exec -t` on a pty.

use crate::case::{Case, case};
use crate::container::wait_until;
use crate::exec::Running;
use crate::sys;
use crate::test::Test;
use nix::pty::{OpenptyResult, openpty};
use serde_json::json;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::Duration;

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[
    case(
        "terminal/console-socket",
        "create --console-socket",
        console_socket,
    ),
    case(
        "terminal/console-size",
        "config.md consoleSize",
        console_size,
    ),
    case(
        "terminal/dev-console",
        "config-linux.md /dev/console",
        dev_console,
    ),
    case(
        "terminal/controlling",
        "process.terminal: controlling terminal",
        controlling,
    ),
    case("terminal/owner", "the terminal belongs to the user", owner),
    case("terminal/run", "run with a terminal", run),
    case("terminal/resize", "run: window size", resize),
    case("terminal/exec", "exec --tty", exec),
    case(
        "terminal/exec-console-socket",
        "exec --tty --console-socket",
        exec_socket,
    ),
    case(
        "terminal/interrupt",
        "run: ^C reaches the container",
        interrupt,
    ),
    case(
        "terminal/none",
        "create with a terminal but no socket",
        none,
    ),
];

/// A console socket.
struct Console {
    listener: UnixListener,
    path: PathBuf,
}

impl Console {
    fn new(t: &Test, name: &str) -> Self {
        let path = t.path(name);
        let listener = UnixListener::bind(&path).unwrap();
        Self { listener, path }
    }

    fn option(&self) -> [&str; 2] {
        ["--console-socket", self.path.to_str().unwrap()]
    }

    /// The master that the runtime has sent.
    #[track_caller]
    fn master(&self) -> Terminal {
        assert!(
            sys::readable(&self.listener, Duration::from_secs(10)),
            "nobody connects"
        );
        let (socket, _) = self.listener.accept().unwrap();
        assert!(
            sys::readable(&socket, Duration::from_secs(10)),
            "nothing is sent"
        );
        let (_, mut fds) = sys::receive_fds(socket.as_fd()).unwrap();
        assert_eq!(fds.len(), 1, "one descriptor");
        Terminal::new(fds.remove(0))
    }
}

/// The master's end of a terminal, and what was read of it.
struct Terminal {
    master: File,
    seen: String,
}

impl Terminal {
    fn new(master: OwnedFd) -> Self {
        let (master, seen) = (File::from(master), String::new());
        Self { master, seen }
    }

    fn write(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).unwrap();
    }

    /// Reads until `text` has come.
    #[track_caller]
    fn expect(&mut self, text: &str) -> &str {
        while !self.seen.contains(text) {
            let ready = sys::readable(&self.master, Duration::from_secs(10));
            assert!(ready, "{text:?} does not come, only {:?}", self.seen);
            let mut buffer = [0_u8; 4096];
            // EIO: the other end is closed.
            let length = self.master.read(&mut buffer).unwrap_or(0);
            assert!(
                length > 0,
                "the terminal ends without {text:?}: {:?}",
                self.seen
            );
            self.seen
                .push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
        &self.seen
    }
}

/// A pty that stands for the user's, and the call that runs on it.
fn on_pty(call: crate::runtime::Call, rows: u16, columns: u16) -> (Running, Terminal) {
    let OpenptyResult { master, slave } = openpty(None, None).unwrap();
    sys::set_window_size(slave.as_fd(), rows, columns).unwrap();
    let running = call.spawn_on(&File::from(slave));
    (running, Terminal::new(master))
}

#[track_caller]
fn ends_with(running: Running, code: i32) {
    let (status, _) = running.wait(Duration::from_secs(10));
    assert_eq!(status.expect("ends").code(), Some(code));
}

fn console_socket(t: &Test) {
    let console = Console::new(t, "console");
    let bundle = t
        .bundle()
        .set("/process/terminal", true)
        .sh("tty; read line; echo \"got $line\"; sleep 1000");
    let c = t.create_with(&bundle, &console.option());
    let mut terminal = console.master();
    c.start();
    terminal.expect("/dev/pts/0");
    terminal.write("hello\n");
    terminal.expect("got hello");
    assert_eq!(
        c.output.stdout_now(),
        "",
        "nothing goes to the caller's streams"
    );
}

fn console_size(t: &Test) {
    let console = Console::new(t, "console");
    let bundle = t
        .bundle()
        .set("/process/terminal", true)
        .set("/process/consoleSize", json!({"height": 33, "width": 111}))
        .sh("stty size; sleep 1000");
    let c = t.create_with(&bundle, &console.option());
    let mut terminal = console.master();
    assert_eq!(
        sys::window_size(terminal.master.as_fd()).unwrap(),
        (33, 111)
    );
    c.start();
    terminal.expect("33 111");
}

fn dev_console(t: &Test) {
    let console = Console::new(t, "console");
    let script =
        "stat -c %t:%T /dev/console /dev/pts/0; echo to-console > /dev/console; sleep 1000";
    let bundle = t.bundle().set("/process/terminal", true).sh(script);
    let c = t.create_with(&bundle, &console.option());
    let mut terminal = console.master();
    c.start();
    let seen = terminal.expect("to-console");
    let numbers: Vec<&str> = seen.lines().take(2).map(str::trim).collect();
    assert_eq!(numbers, ["88:0", "88:0"], "one device under both names");
}

fn controlling(t: &Test) {
    let console = Console::new(t, "console");
    // Field 6 is the session, 7 the terminal: 136:0.
    let script = "cut -d' ' -f6,7 /proc/$$/stat; echo by-name > /dev/tty; sleep 1000";
    let bundle = t.bundle().set("/process/terminal", true).sh(script);
    let c = t.create_with(&bundle, &console.option());
    let mut terminal = console.master();
    c.start();
    let seen = terminal.expect("by-name");
    assert_eq!(seen.lines().next().unwrap().trim(), "1 34816");
}

fn owner(t: &Test) {
    let console = Console::new(t, "console");
    let bundle = t
        .bundle()
        .set("/process/terminal", true)
        .set("/process/user", json!({"uid": 1000, "gid": 1000}))
        .sh("stat -c '%u %g %a' /dev/pts/0; echo again > /dev/pts/0; sleep 1000");
    let c = t.create_with(&bundle, &console.option());
    let mut terminal = console.master();
    c.start();
    let seen = terminal.expect("again");
    assert_eq!(seen.lines().next().unwrap().trim(), "1000 5 620");
}

fn run(t: &Test) {
    let script = "stty size; read line; echo \"got $line\"; exit 6";
    let bundle = t.bundle().set("/process/terminal", true).sh(script);
    let (running, mut terminal) = on_pty(t.run_call(&bundle, &[]), 21, 73);
    terminal.expect("21 73");
    terminal.write("word\r");
    terminal.expect("got word");
    ends_with(running, 6);
}

fn resize(t: &Test) {
    let script = "trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done";
    let bundle = t.bundle().set("/process/terminal", true).sh(script);
    let (running, mut terminal) = on_pty(t.run_call(&bundle, &[]), 20, 70);
    terminal.expect("ready");
    sys::set_window_size(terminal.master.as_fd(), 44, 155).unwrap();
    terminal.expect("44 155");
    t.runtime.run(["kill", "c1", "KILL"]).ok();
    ends_with(running, 137);
}

fn exec(t: &Test) {
    let c = t.start(&t.bundle().idle());
    let script = "tty; stty size; read line; echo \"got $line\"; exit 8";
    let (running, mut terminal) = on_pty(c.exec_call(&["--tty"], ["sh", "-c", script]), 22, 77);
    terminal.expect("/dev/pts/0");
    terminal.expect("22 77");
    terminal.write("word\r");
    terminal.expect("got word");
    ends_with(running, 8);
}

fn exec_socket(t: &Test) {
    let c = t.start(&t.bundle().idle());
    let console = Console::new(t, "console");
    let mut options = vec!["--tty", "--detach"];
    options.extend(console.option());
    c.exec(&options, ["sh", "-c", "tty; sleep 1000"]).ok();
    console.master().expect("/dev/pts/0");
}

fn interrupt(t: &Test) {
    let script = "trap 'echo interrupted; exit 9' INT; echo ready; while :; do sleep 0.05; done";
    let bundle = t.bundle().set("/process/terminal", true).sh(script);
    let (running, mut terminal) = on_pty(t.run_call(&bundle, &[]), 24, 80);
    terminal.expect("ready");
    terminal.write("\u{3}");
    terminal.expect("interrupted");
    ends_with(running, 9);
    wait_until("the container to be deleted", || {
        !t.runtime.run(["state", "c1"]).succeeded()
    });
}

fn none(t: &Test) {
    let bundle = t.bundle().set("/process/terminal", true).sh("echo ran");
    t.create_call(&bundle, &[]).run().failure(&["console"]);
    t.run_call(&bundle, &["--detach"])
        .run()
        .failure(&["console"]);
}
