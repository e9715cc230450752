//! The very words in which engines call a runtime: options in their places and spellings. What the
//! commands do is held elsewhere, what they print by `parsed` and `texts`, terminals by `terminal`,
//! sockets by `stdio`, and `--cgroup-manager disabled` by `commands`.

use crate::case::{Case, case};
use crate::container::wait_until;
use crate::output::Output;
use crate::runtime::Kind;
use crate::test::Test;
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs;

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[
    case("callers/containerd", "as go-runc calls", containerd),
    case("callers/conmon", "as conmon and Podman call", conmon),
];

fn skip_crun(t: &Test) {
    if t.runtime.kind == Kind::Crun {
        t.skip("crun has fewer options");
    }
}

/// A caller with global options of its own.
struct Caller<'a> {
    t: &'a Test,
    globals: Vec<String>,
}

impl Caller<'_> {
    #[track_caller]
    fn call<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Output {
        let call = self.t.runtime.call(args).globals(&self.globals);
        call.run().success()
    }

    #[track_caller]
    fn call_with(&self, args: &[&str], input: &str) -> Output {
        let call = self.t.runtime.call(args).globals(&self.globals);
        call.input(input).run().success()
    }

    fn status(&self, id: &str) -> Value {
        self.call(["state", id]).json()["status"].clone()
    }

    fn wait_for(&self, id: &str, status: &str) {
        wait_until(status, || self.status(id) == status);
    }
}

/// A process for `exec --process`.
fn process(t: &Test, script: &str) -> String {
    let process = json!({"cwd": "/", "args": ["sh", "-c", script], "env": ["PATH=/bin"],
        "user": {"uid": 0, "gid": 0}});
    let file = t.new_file("process.json", &process.to_string());
    file.to_str().unwrap().to_owned()
}

fn pid_in(file: &str) -> u32 {
    fs::read_to_string(file).unwrap().parse().expect("a number")
}

fn containerd(t: &Test) {
    skip_crun(t);
    let log = t.path("log.json").to_str().unwrap().to_owned();
    let globals = ["--debug", "--log", &log, "--log-format", "json"];
    let caller = Caller {
        t,
        globals: globals.map(str::to_owned).to_vec(),
    };
    let file = t.path("pid").to_str().unwrap().to_owned();
    let bundle = t.bundle().idle();
    bundle.write();
    let (dir, id) = (bundle.dir.to_str().unwrap(), bundle.id.as_str());
    let create = ["create", "--bundle", dir, "--pid-file", &file];
    // Standard streams of a container that only the state directory ends with are files.
    let created = t
        .runtime
        .call(create.iter().chain(&["--no-new-keyring", id]));
    let c = t.guard(&bundle, created.globals(&caller.globals).run());
    assert_eq!(pid_in(&file), c.pid());
    t.row("start, state", || {
        caller.call(["start", id]).ok();
        caller.wait_for(id, "running");
    });
    t.row("exec", || {
        let process = process(t, "exec sleep 1000");
        let exec = [
            "exec",
            "--process",
            &process,
            "--detach",
            "--pid-file",
            &file,
        ];
        caller.call(exec.iter().chain(&[id])).ok();
        let pid = pid_in(&file);
        let all = caller.call(["ps", "--format", "json", id]).json();
        assert!(all.as_array().unwrap().contains(&pid.into()), "{all}");
    });
    t.row("ps", || {
        let table = caller.call(["ps", "--format", "table", id, "-o", "pid,cmd"]);
        // The shell, its sleep, and that of exec.
        assert_eq!(table.lines().len(), 4, "{table}");
    });
    t.row("events", || {
        let event = caller.call(["events", "--stats", id]).json();
        assert_eq!(event["type"], "stats");
    });
    t.row("pause, resume", || {
        caller.call(["pause", id]).ok();
        caller.wait_for(id, "paused");
        caller.call(["resume", id]).ok();
        caller.wait_for(id, "running");
    });
    t.row("update", || {
        let resources = json!({"pids": {"limit": 77}}).to_string();
        drop(caller.call_with(&["update", "--resources=-", id], &resources));
        let event = caller.call(["events", "--stats", id]).json();
        assert_eq!(event["data"]["pids"]["limit"], 77, "{event}");
    });
    t.row("list", || {
        let list = caller.call(["list", "--format=json"]).json();
        assert_eq!(list[0]["id"], id, "{list}");
    });
    t.row("kill, delete", || {
        caller.call(["kill", "--all", id, "9"]).ok();
        caller.wait_for(id, "stopped");
        caller.call(["delete", id]).ok();
        caller.call(["delete", "--force", id]).ok();
    });
    t.row("the log is JSON, line by line", || {
        let text = fs::read_to_string(&log).unwrap();
        for line in text.lines() {
            let entry: Value = serde_json::from_str(line).expect(line);
            for member in ["level", "msg", "time"] {
                assert!(entry[member].is_string(), "{line}");
            }
        }
    });
    for rootless in ["--rootless=false", "--rootless=auto"] {
        t.row(rootless, || {
            let call = t.runtime.call(["list"]).globals([rootless]);
            call.run().ok();
        });
    }
}

fn conmon(t: &Test) {
    skip_crun(t);
    let log = t.path("oci-log").to_str().unwrap().to_owned();
    let caller = Caller {
        t,
        globals: vec!["--log-format=json".to_owned(), "--log".to_owned(), log],
    };
    let file = t.path("pid").to_str().unwrap().to_owned();
    let bundle = t.bundle().idle();
    bundle.write();
    let (dir, id) = (bundle.dir.to_str().unwrap(), bundle.id.as_str());
    let create = ["create", "--bundle", dir, "--pid-file", &file, id];
    let created = t.runtime.call(create).globals(&caller.globals).run();
    let c = t.guard(&bundle, created);
    assert_eq!(pid_in(&file), c.pid());
    caller.call(["start", id]).ok();
    t.row("exec", || {
        let process = process(t, "exec sleep 1000");
        let exec = [
            "exec",
            "--pid-file",
            &file,
            "--process",
            &process,
            "--detach",
            id,
        ];
        caller.call(exec).ok();
        assert_ne!(pid_in(&file), c.pid());
    });
    t.row("update", || {
        let resources = t.new_file("resources.json", r#"{"pids": {"limit": 78}}"#);
        let option = format!("--resources={}", resources.display());
        caller.call(["update", &option, id]).ok();
        let event = caller.call(["events", "--stats", id]).json();
        assert_eq!(event["data"]["pids"]["limit"], 78, "{event}");
    });
    t.row("kill, delete", || {
        caller.call(["kill", "--all", id, "KILL"]).ok();
        caller.wait_for(id, "stopped");
        caller.call(["delete", "--force", id]).ok();
    });
}
