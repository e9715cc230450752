//! What is told before a program starts: warnings, the pid file.

use crate::bundle::Bundle;
use crate::case::{Case, case};
use crate::container::wait_until;
use crate::output::Output;
use crate::runtime::Kind;
use crate::test::Test;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[
    case(
        "announce/warnings-first",
        "run, create, exec: warnings come before the program",
        warnings_first,
    ),
    case(
        "announce/pid-file-first",
        "run: the pid file is there before the program",
        pid_file_first,
    ),
    case(
        "announce/pid-file-of-exec",
        "exec: the pid file is there when the command ends, and the program does not run without it",
        pid_file_of_exec,
    ),
];

/// A process with a capability that no kernel knows.
fn process(script: &str) -> Value {
    json!({
        "args": ["sh", "-c", script], "cwd": "/", "user": {"uid": 0, "gid": 0},
        "env": ["PATH=/bin"], "terminal": false,
        "capabilities": {"bounding": ["CAP_NO_SUCH"]},
    })
}

/// The warning is there, and the program's own words are the last line.
#[track_caller]
fn check(output: &Output) {
    assert!(output.stderr.contains("CAP_NO_SUCH"), "{output}");
    assert_eq!(output.last_error(), "the program", "{output}");
}

fn warnings_first(t: &Test) {
    if t.runtime.kind != Kind::Oxrun {
        t.skip("no other runtime promises this");
    }
    let script = "echo the program >&2";
    let file = t.new_file("process.json", &process(script).to_string());
    t.row("run", || {
        check(
            &t.run(&t.bundle().set("/process", process(script)))
                .success(),
        );
    });
    t.row("create", || {
        let container = t.create(&t.bundle().set("/process", process(script)));
        assert!(container.output.stderr.contains("CAP_NO_SUCH"));
    });
    t.row("exec of a process file", || {
        let container = t.start(&t.bundle().idle());
        check(&container.exec(&["--process", file.to_str().unwrap()], [""; 0]));
    });
}

/// A bundle with the case's directory at `/case`.
fn with_case_directory(t: &Test, bundle: Bundle) -> Bundle {
    bundle.bind(&t.dir, "/case", &["rbind", "ro"])
}

fn pid_file_first(t: &Test) {
    if t.runtime.kind != Kind::Oxrun {
        t.skip("runc 1.1.5 writes the file when the program may run already");
    }
    for number in 0..10 {
        let name = format!("run{number}.pid");
        t.row(&name, || {
            let script = format!("test -s /case/{name} && echo there");
            let bundle = with_case_directory(t, t.bundle()).sh(&script);
            let option = ["--pid-file", t.path(&name).to_str().unwrap()].map(str::to_owned);
            let out = t.run_call(&bundle, &option.each_ref().map(String::as_str));
            assert_eq!(out.run().success().text(), "there");
        });
    }
}

fn pid_file_of_exec(t: &Test) {
    let bundle = t.bundle().bind(&t.dir, "/case", &["rbind"]);
    let container = t.start(&bundle.idle());
    let mark = t.path("mark");
    let exec = |options: &[&str], file: &Path, program: &str| {
        let pid_file = ["--pid-file", file.to_str().unwrap()];
        container.exec(&[options, &pid_file].concat(), [program, "/case/mark"])
    };
    let told = t.path("exec.pid");
    for (row, options) in [("in front", &[][..]), ("detached", &["--detach"])] {
        t.row(row, || {
            exec(options, &told, "touch").ok();
            let number = fs::read_to_string(&told).expect("the pid file");
            assert!(number.parse::<u32>().is_ok(), "{number:?}");
            wait_until("the program ran", || mark.exists());
            fs::remove_file(&mark).unwrap();
            fs::remove_file(&told).unwrap();
        });
    }
    t.row("no such program", || {
        exec(&[], &told, "nosuch").failure(&[]);
        assert!(!told.exists(), "the number of nobody");
        assert!(!t.path(".exec.pid").exists(), "half a file");
    });
    t.row("in a missing directory", || {
        if t.runtime.kind != Kind::Oxrun {
            return; // they find out when the program runs
        }
        exec(&[], &t.path("nosuch/exec.pid"), "touch").failure(&["pid file"]);
        assert!(!mark.exists(), "the program ran");
    });
}
