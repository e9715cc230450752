//! `run`: exit codes, detaching, signals, the streams.

use crate::case::{Case, case};
use crate::container::wait_until;
use crate::sys;
use crate::test::Test;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[
    case(
        "foreground/exit-codes",
        "run: exit status of the container",
        exit_codes,
    ),
    case("foreground/killed", "run: 128 plus the signal", killed),
    case(
        "foreground/deleted-afterwards",
        "run: container is removed",
        deleted_afterwards,
    ),
    case("foreground/keep", "run --keep", keep),
    case("foreground/detach", "run --detach", detach),
    case(
        "foreground/signals-are-forwarded",
        "run: signals",
        forwards_signals,
    ),
    case("foreground/streams", "run: standard streams", streams),
    case(
        "foreground/stdin-end",
        "run: end of standard input",
        stdin_end,
    ),
    case(
        "foreground/detached-streams",
        "run --detach: inherited streams",
        detached_streams,
    ),
    case(
        "foreground/ignored-signals-are-reset",
        "signals ignored by the caller",
        nohup,
    ),
    case(
        "foreground/umask-of-caller",
        "umask of the caller has no effect",
        caller_umask,
    ),
    case(
        "foreground/preserve-fds",
        "run --preserve-fds",
        preserve_fds,
    ),
    case(
        "foreground/only-standard-fds",
        "runtime.md: no leaked descriptors",
        only_standard_fds,
    ),
    case(
        "foreground/orphans-end",
        "run: processes left behind",
        orphans,
    ),
    case(
        "foreground/quick-end",
        "run: a program that ends at once",
        quick_end,
    ),
];

fn exit_codes(t: &Test) {
    for code in [0, 1, 2, 42, 125, 127, 255] {
        t.row(&code.to_string(), || {
            assert_eq!(t.run(&t.bundle().sh(&format!("exit {code}"))).code(), code);
        });
    }
}

fn killed(t: &Test) {
    // Process 1 of a PID namespace is not killed by its own signals: use the outer namespace.
    for (signal, number) in [("TERM", 15), ("KILL", 9), ("SEGV", 11), ("HUP", 1)] {
        t.row(signal, || {
            let bundle = t
                .bundle()
                .without_namespace("pid")
                .sh(&format!("kill -{signal} $$; sleep 9"));
            assert_eq!(t.run(&bundle).code(), 128 + number);
        });
    }
}

fn deleted_afterwards(t: &Test) {
    let before = t.traces();
    t.run(&t.bundle().args(["true"])).ok();
    t.runtime.run(["state", "c1"]).failure(&["does not exist"]);
    let left = crate::cgroup::existing(&format!("{}/c1", t.cgroup));
    assert!(left.is_empty(), "{left:?}");
    let now = t.traces();
    let states = |traces: &crate::traces::Traces| {
        traces
            .found
            .iter()
            .filter(|text| text.starts_with("state "))
            .count()
    };
    assert_eq!(states(&before), states(&now));
}

fn keep(t: &Test) {
    let bundle = t.bundle().sh("exit 4");
    let out = t.run_call(&bundle, &["--keep"]).run();
    assert_eq!(out.code(), 4, "{out}");
    let mut c = t.guard(&bundle, out);
    assert_eq!(c.status(), "stopped");
    c.delete().ok();
}

fn detach(t: &Test) {
    let bundle = t.bundle().idle();
    let file = t.path("pid");
    let options = ["--detach", "--pid-file", file.to_str().unwrap()];
    let c = t.guard(&bundle, t.run_call(&bundle, &options).run().success());
    assert_eq!(c.status(), "running");
    assert_eq!(fs::read_to_string(file).unwrap(), c.pid().to_string());
}

fn forwards_signals(t: &Test) {
    let script = "trap 'echo hup' HUP; trap 'echo term; exit 7' TERM; echo ready; \
                  while :; do sleep 1000 & wait $!; done";
    let bundle = t.bundle().sh(script);
    let (running, stdout, _) = t.run_call(&bundle, &[]).spawn();
    let text = || fs::read_to_string(&stdout).unwrap();
    wait_until("the container to be ready", || text().contains("ready"));
    running.signal(libc::SIGHUP);
    wait_until("the first signal", || text().contains("hup"));
    running.signal(libc::SIGTERM);
    let (status, _) = running.wait(Duration::from_secs(10));
    assert_eq!(status.expect("ends").code(), Some(7), "{}", text());
    assert!(text().contains("term"));
}

fn streams(t: &Test) {
    let bundle = t.bundle().sh("cat; echo to-stderr >&2");
    let out = t
        .run_call(&bundle, &[])
        .input("from the caller\n")
        .run()
        .success();
    assert_eq!(out.stdout, "from the caller\n");
    assert!(out.stderr.ends_with("to-stderr\n"), "{out}");
}

fn stdin_end(t: &Test) {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let bundle = t.bundle().sh("cat; echo end");
    let (running, stdout, _) = t
        .run_call(&bundle, &[])
        .stdin(std::os::fd::OwnedFd::from(theirs))
        .spawn();
    ours.write_all(b"part one\n").unwrap();
    wait_until("input to arrive", || {
        fs::read_to_string(&stdout).unwrap().contains("one")
    });
    drop(ours);
    let (status, _) = running.wait(Duration::from_secs(10));
    assert!(status.expect("ends with its input").success());
    assert_eq!(fs::read_to_string(stdout).unwrap(), "part one\nend\n");
}

fn detached_streams(t: &Test) {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let bundle = t
        .bundle()
        .sh("read line; echo \"got $line\" >&0; sleep 1000");
    let call = t
        .create_call(&bundle, &[])
        .stdin(std::os::fd::OwnedFd::from(theirs));
    let c = t.guard(&bundle, call.run().success());
    c.start();
    ours.write_all(b"hello\n").unwrap();
    let mut answer = [0_u8; 10];
    ours.read_exact(&mut answer)
        .expect("an answer over the passed stream");
    assert_eq!(&answer, b"got hello\n");
}

fn nohup(t: &Test) {
    let bundle = t.bundle().args(["grep", "SigIgn", "/proc/self/status"]);
    let call = t
        .run_call(&bundle, &[])
        .ignoring(libc::SIGHUP)
        .ignoring(libc::SIGUSR1);
    let out = call.run().success();
    let hex = out.text().trim_start_matches("SigIgn:").trim();
    let mask = u64::from_str_radix(hex, 16).expect("a signal mask");
    for signal in [libc::SIGHUP, libc::SIGUSR1] {
        assert_eq!(
            mask >> (signal - 1) & 1,
            0,
            "signal {signal} is still ignored: {mask:x}"
        );
    }
}

fn caller_umask(t: &Test) {
    let bundle = t.bundle().sh("umask; stat -c %a /dev/null /dev/shm /dev");
    let out = t.run_call(&bundle, &[]).umask(0o177).run().success();
    assert_eq!(out.lines(), ["0022", "666", "1777", "755"]);
}

fn preserve_fds(t: &Test) {
    let file = fs::File::open(t.new_file("passed", "content of the file\n")).unwrap();
    let other = fs::File::open("/dev/null").unwrap();
    let bundle = t.bundle().sh("cat <&4; ls /proc/self/fd");
    let call = t.run_call(&bundle, &["--preserve-fds", "2"]);
    let out = call.pass(&other, 3).pass(&file, 4).run().success();
    let lines = out.lines();
    assert_eq!(lines[0], "content of the file");
    // ls adds the descriptor of the directory that it reads.
    assert_eq!(lines[1..].len(), 6, "0 to 4 and that of ls: {lines:?}");
}

fn only_standard_fds(t: &Test) {
    let leak = sys::open_path("/").unwrap();
    let file = fs::File::open("/proc/version").unwrap();
    let bundle = t.bundle().args(["ls", "-l", "/proc/self/fd"]);
    let out = t
        .run_call(&bundle, &[])
        .pass(&leak, 17)
        .pass(&file, 233)
        .run()
        .success();
    let links: Vec<&str> = out
        .lines()
        .iter()
        .filter_map(|l| l.split_once(" -> "))
        .map(|p| p.1)
        .collect();
    // ls has closed the directory by the time it reads the links.
    assert_eq!(links.len(), 3, "the streams: {links:?}");
}

fn orphans(t: &Test) {
    let bundle = t.bundle().sh("(sleep 1000 &) ; exit 5");
    let out = t.run_call(&bundle, &[]).limit(10).run();
    assert_eq!(out.code(), 5);
}

fn quick_end(t: &Test) {
    for round in 0..10 {
        let out = t.run_call(&t.bundle().args(["true"]), &[]).limit(10).run();
        assert!(out.succeeded(), "round {round}: {out}");
    }
}
