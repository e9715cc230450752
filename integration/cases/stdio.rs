//! Descriptors that callers pass: LISTEN_FDS, pidfds, closed streams, pipes.

use crate::case::{Case, case};
use crate::runtime::Kind;
use crate::sys;
use crate::test::Test;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::time::Duration;

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[
    case("stdio/listen-fds", "sd_listen_fds(3)", listen_fds),
    case(
        "stdio/listen-fds-and-preserve-fds",
        "run --preserve-fds with LISTEN_FDS",
        both,
    ),
    case(
        "stdio/pidfd-socket",
        "run and exec --pidfd-socket",
        pidfd_socket,
    ),
    case(
        "stdio/pipe-closes",
        "the runtime keeps no stream open",
        pipe_closes,
    ),
    case(
        "stdio/owner",
        "streams of a container with another user",
        owner,
    ),
    case(
        "stdio/create-returns",
        "create keeps no stream of its own",
        create_returns,
    ),
];

/// What a socket-activating service manager does last before it executes the program.
const ACTIVATE: [&str; 4] = ["sh", "-c", "LISTEN_PID=$$ exec \"$@\"", "sh"];

fn listen_fds(t: &Test) {
    let file = File::open(t.new_file("passed", "content\n")).unwrap();
    let script = "echo $LISTEN_FDS $LISTEN_PID; cat <&3; ls /proc/self/fd | wc -l";
    let call = t.run_call(&t.bundle().sh(script), &[]).pass(&file, 3);
    let out = call
        .under(ACTIVATE)
        .env("LISTEN_FDS", "1")
        .env("LISTEN_FDNAMES", "a")
        .run()
        .success();
    // The program is process 1; ls adds the descriptor of its directory.
    assert_eq!(out.lines(), ["1 1", "content", "5"]);
}

fn both(t: &Test) {
    let first = File::open(t.new_file("first", "first\n")).unwrap();
    let second = File::open(t.new_file("second", "second\n")).unwrap();
    let bundle = t
        .bundle()
        .sh("echo $LISTEN_FDS; cat <&3; cat <&4; ls /proc/self/fd | wc -l");
    let call = t.run_call(&bundle, &["--preserve-fds", "1"]);
    let out = call
        .pass(&first, 3)
        .pass(&second, 4)
        .under(ACTIVATE)
        .env("LISTEN_FDS", "1")
        .run()
        .success();
    assert_eq!(out.lines(), ["1", "first", "second", "6"]);
}

fn pidfd_socket(t: &Test) {
    if t.runtime.kind != Kind::Oxrun {
        t.skip("newer than the runtimes of distributions");
    }
    let path = t.path("pidfd.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let option = ["--pidfd-socket", path.to_str().unwrap()];
    let receive = || -> (Vec<u8>, OwnedFd) {
        assert!(
            sys::readable(&listener, Duration::from_secs(10)),
            "nobody connects"
        );
        let (socket, _) = listener.accept().unwrap();
        let (name, mut fds) = sys::receive_fds(socket.as_fd()).unwrap();
        assert_eq!(fds.len(), 1);
        (name, fds.remove(0))
    };
    let pid_of = |fd: &OwnedFd| -> String {
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd()));
        let info = info.expect("fdinfo");
        let line = info.lines().find_map(|line| line.strip_prefix("Pid:"));
        line.expect("a pidfd").trim().to_owned()
    };
    let c = t.create_with(&t.bundle().idle(), &option);
    let (_, first) = receive();
    assert_eq!(pid_of(&first), c.pid().to_string());
    c.start();
    let file = t.path("exec.pid");
    let mut options = vec!["--detach", "--pid-file", file.to_str().unwrap()];
    options.extend(option);
    c.exec(&options, ["sleep", "1000"]).ok();
    let (_, second) = receive();
    assert_eq!(pid_of(&second), std::fs::read_to_string(&file).unwrap());
    sys::pidfd_send_signal(first.as_fd(), libc::SIGKILL).unwrap();
    c.wait_for("stopped");
}

/// When the program closes its standard output the reader sees the end, though the
/// container and its runtime go on.
fn pipe_closes(t: &Test) {
    let (ours, theirs) = nix::unistd::pipe().unwrap();
    let bundle = t.bundle().sh("exec 0<&-; sleep 1000");
    let c = t.create_call(&bundle, &[]).stdin(theirs).run();
    let c = t.guard(&bundle, c.success());
    c.start();
    assert!(
        sys::readable(&ours, Duration::from_secs(10)),
        "somebody holds the pipe open"
    );
    let mut rest = Vec::new();
    File::from(ours).read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty());
}

/// /dev/stdout works for a user who is not root, when the stream is a pipe.
fn owner(t: &Test) {
    let (ours, theirs) = nix::unistd::pipe().unwrap();
    let user = serde_json::json!({"uid": 1000, "gid": 1000});
    let bundle = t
        .bundle()
        .set("/process/user", user)
        .sh("echo by name > /dev/stdin");
    t.run_call(&bundle, &[]).stdin(theirs).run().ok();
    let mut text = String::new();
    File::from(ours).read_to_string(&mut text).unwrap();
    assert_eq!(text, "by name\n");
}

fn create_returns(t: &Test) {
    let c = t.create(&t.bundle().sh("echo out; sleep 1000"));
    assert!(c.output.elapsed < Duration::from_secs(10));
    c.start();
    c.wait_output("out");
}
