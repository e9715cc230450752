//! What is told before a program starts: warnings, the pid file.

use crate::bundle::Bundle;
use crate::case::{Case, case};
use crate::output::Output;
use crate::runtime::Kind;
use crate::test::Test;
use serde_json::{Value, json};
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
        "run, exec: the pid file is there before the program",
        pid_file_first,
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
        t.skip("runc writes the file of an exec when the program may run already");
    }
    let option = |path: &Path| ["--pid-file".to_owned(), path.to_str().unwrap().to_owned()];
    let script = |name: &str| format!("test -s /case/{name} && echo there");
    t.row("run", || {
        let bundle = with_case_directory(t, t.bundle()).sh(&script("run.pid"));
        let option = option(&t.path("run.pid"));
        let out = t
            .run_call(&bundle, &option.each_ref().map(String::as_str))
            .run();
        assert_eq!(out.success().text(), "there");
    });
    let container = t.start(&with_case_directory(t, t.bundle()).idle());
    for number in 0..10 {
        let name = format!("exec{number}.pid");
        t.row(&name, || {
            let option = option(&t.path(&name));
            let option = option.each_ref().map(String::as_str);
            let out = container.exec(&option, ["sh", "-c", &script(&name)]);
            assert_eq!(out.success().text(), "there");
        });
    }
}
