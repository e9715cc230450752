//! What callers read by machine: engines and suites take errors apart by their
//! words and outputs by their fields, so both must stay what runc made of them.

use crate::case::{Case, case};
use crate::container::Container;
use crate::output::Output;
use crate::test::Test;
use serde_json::Value;
use std::fs;

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[
    case("parsed/version", "--version", version),
    case("parsed/log-json", "--log with --log-format json", log_json),
    case("parsed/log-text", "--log", log_text),
    case("parsed/no-container", "errors: unknown id", no_container),
    case("parsed/not-running", "errors: stopped", not_running),
    case("parsed/programs", "errors: programs", programs),
    case("parsed/exit-codes", "exit codes of failures", exit_codes),
    case("parsed/state", "state", state),
    case("parsed/list", "list", list),
    case("parsed/ps", "ps", ps),
    case("parsed/events", "events --stats", events),
    case("parsed/features", "features", features),
];

/// Programs that cannot be executed, and the words by which Docker tells 127 from 126.
const PROGRAMS: &[(&str, &[&str])] = &[
    ("nosuch", &["executable file not found in $PATH"]),
    ("/nosuch", &["no such file or directory"]),
    ("/plain", &["permission denied"]),
    ("/tmp", &["is a directory", "permission denied"]),
];

fn version(t: &Test) {
    // go-runc looks for the name, `commit: ` and `spec: ` at the beginnings of lines.
    let output = t.runtime.run(["--version"]).success();
    let lines = output.lines();
    let (name, number) = lines[0]
        .split_once(" version ")
        .expect("NAME version NUMBER");
    assert!(!name.contains(' '), "{output}");
    assert!(number.starts_with(|c: char| c.is_ascii_digit()), "{output}");
    for word in ["commit: ", "spec: "] {
        let value = lines.iter().find_map(|line| line.strip_prefix(word));
        assert!(value.is_some_and(|value| !value.is_empty()), "{output}");
    }
    let spec = lines.iter().find_map(|line| line.strip_prefix("spec: "));
    assert!(spec.is_some_and(|spec| spec.starts_with("1.")), "{output}");
}

/// The last entry of a log in JSON: what Docker and Kubernetes show their users.
fn last_entry(path: &std::path::Path) -> Value {
    let text = fs::read_to_string(path).expect("a log");
    let last = text.lines().next_back().expect("an entry");
    let entry: Value = serde_json::from_str(last).expect("an object a line");
    assert_eq!(entry["level"], "error", "{text}");
    let time = entry["time"].as_str().expect("a time");
    assert!(time.len() >= 20 && time.as_bytes()[10] == b'T', "{text}");
    entry
}

fn log_json(t: &Test) {
    let missing = t.bundle().args(["nosuch"]);
    let create = ["create", "--bundle", missing.dir.to_str().unwrap(), "c2"];
    missing.write();
    for (label, args, phrase) in [
        ("create", &create[..], "executable file not found in $PATH"),
        ("start", &["start", "nobody"], "container does not exist"),
        (
            "kill",
            &["kill", "nobody", "KILL"],
            "container does not exist",
        ),
    ] {
        t.row(label, || {
            let log = t.path(&format!("{label}.log"));
            let globals = ["--log", log.to_str().unwrap(), "--log-format", "json"];
            let call = t.runtime.call(args).globals(globals);
            let output = call.run().failure(&[phrase]);
            let entry = last_entry(&log);
            let message = entry["msg"].as_str().expect("a message");
            assert!(message.contains(phrase), "{message}: {output}");
        });
    }
}

fn log_text(t: &Test) {
    let log = t.path("log");
    let globals = ["--log", log.to_str().unwrap()];
    t.runtime
        .call(["start", "nobody"])
        .globals(globals)
        .run()
        .failure(&[]);
    let text = fs::read_to_string(&log).unwrap();
    let last = text.lines().next_back().expect("an entry");
    assert!(last.starts_with("time=\""), "{text}");
    assert!(last.contains("level=error msg="), "{text}");
    assert!(last.contains("container does not exist"), "{text}");
}

fn no_container(t: &Test) {
    // containerd and CRI-O look for these words to tell "gone" from "broken".
    for args in [
        &["state", "nobody"][..],
        &["kill", "nobody", "KILL"],
        &["delete", "nobody"],
        &["start", "nobody"],
        &["exec", "nobody", "true"],
    ] {
        t.row(args[0], || {
            t.runtime.run(args).failure(&["container does not exist"]);
        });
    }
}

fn not_running(t: &Test) {
    let c = t.start(&t.bundle().args(["true"]));
    c.wait_for("stopped");
    // What containerd takes for "the process is gone already".
    let gone = [
        "container not running",
        "process already finished",
        "no such process",
    ];
    t.row("kill", || drop(c.kill("KILL").failure(&gone)));
    t.row("exec", || {
        let words = [
            "cannot exec in a stopped container",
            "container not running",
        ];
        drop(c.exec(&[], ["true"]).failure(&words));
    });
    t.row("pause", || {
        drop(t.runtime.run(["pause", "c1"]).failure(&["not running"]));
    });
}

fn with_plain_file(t: &Test) -> crate::bundle::Bundle {
    let bundle = t.bundle();
    fs::write(bundle.inside("plain"), "text").unwrap();
    bundle
}

fn programs(t: &Test) {
    for (program, phrases) in PROGRAMS {
        t.row(&format!("run {program}"), || {
            t.run(&with_plain_file(t).args([*program])).failure(phrases);
        });
    }
    let c = t.start(&with_plain_file(t).idle());
    for (program, phrases) in PROGRAMS {
        t.row(&format!("exec {program}"), || {
            c.exec(&[], [*program]).failure(phrases);
        });
    }
}

fn exit_codes(t: &Test) {
    let code = |label: &str, expected: i32, run: &dyn Fn() -> Output| {
        t.row(label, || {
            let output = run();
            assert_eq!(output.code(), expected, "{output}");
        });
    };
    code("run", 1, &|| t.run(&t.bundle().args(["nosuch"])));
    code("unknown id", 1, &|| t.runtime.run(["state", "nobody"]));
    code("program of run", 43, &|| t.run(&t.bundle().sh("exit 43")));
    let c = t.start(&t.bundle().idle());
    code("exec", 255, &|| c.exec(&[], ["nosuch"]));
    code("program of exec", 44, &|| c.sh("exit 44"));
}

/// The fields of a container, in `state` and in `list`.
fn check_container(t: &Test, value: &Value, c: &Container, bundle: &std::path::Path) {
    let version = value["ociVersion"].as_str().expect("ociVersion");
    assert!(version.starts_with("1."), "{value}");
    assert_eq!(value["id"], "c1");
    assert_eq!(value["pid"], c.pid());
    assert_eq!(value["status"], "running");
    assert_eq!(value["bundle"], bundle.to_str().unwrap());
    assert_eq!(value["rootfs"], bundle.join("rootfs").to_str().unwrap());
    let created = value["created"].as_str().expect("created");
    assert!(
        created.ends_with('Z') && created.as_bytes()[10] == b'T',
        "{value}"
    );
    assert_eq!(value["annotations"]["key"], "value");
    assert!(value["owner"].is_string(), "{value}");
    assert!(t.runtime.root.is_dir());
}

fn annotated(t: &Test) -> (Container, std::path::PathBuf) {
    let bundle = t.bundle().idle();
    let bundle = bundle.set("/annotations", serde_json::json!({"key": "value"}));
    (t.start(&bundle), bundle.dir)
}

fn state(t: &Test) {
    let (c, bundle) = annotated(t);
    check_container(t, &c.state(), &c, &bundle);
}

fn list(t: &Test) {
    t.row("empty", || {
        let text = t.runtime.run(["list", "--format", "json"]).success();
        // runc prints the null of an empty Go slice; callers take both.
        let value = text.json();
        assert!(value.is_null() || value.as_array().is_some_and(Vec::is_empty));
        assert_eq!(t.runtime.run(["list", "--quiet"]).success().stdout, "");
    });
    let (c, bundle) = annotated(t);
    t.row("json", || {
        let value = t.runtime.run(["list", "--format=json"]).success().json();
        assert_eq!(value.as_array().map(Vec::len), Some(1), "{value}");
        check_container(t, &value[0], &c, &bundle);
    });
    t.row("quiet", || {
        assert_eq!(t.runtime.run(["list", "-q"]).success().stdout, "c1\n");
    });
    t.row("table", || {
        let output = t.runtime.run(["list"]).success();
        let words =
            |line: usize| -> Vec<&str> { output.lines()[line].split_whitespace().collect() };
        assert_eq!(
            words(0),
            ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
        );
        assert_eq!(words(1)[..3], ["c1", &c.pid().to_string(), "running"]);
    });
}

fn ps(t: &Test) {
    let c = t.start(&t.bundle().args(["sleep", "1000"]));
    t.row("json", || {
        let value = t
            .runtime
            .run(["ps", "--format", "json", "c1"])
            .success()
            .json();
        assert_eq!(value, serde_json::json!([c.pid()]));
    });
    t.row("table", || {
        // containerd and Docker look for the column PID of ps(1).
        let output = t
            .runtime
            .run(["ps", "--format", "table", "c1", "-ef"])
            .success();
        let lines = output.lines();
        let column = lines[0].split_whitespace().position(|word| word == "PID");
        let column = column.expect("a column PID");
        assert_eq!(lines.len(), 2, "{output}");
        let pid = lines[1].split_whitespace().nth(column);
        assert_eq!(pid, Some(c.pid().to_string().as_str()));
    });
}

fn events(t: &Test) {
    let c = t.start(&t.bundle().idle());
    let event = t.runtime.run(["events", "--stats", &c.id]).success().json();
    assert_eq!(event["type"], "stats");
    assert_eq!(event["id"], "c1");
    for (pointer, controller) in [
        ("/data/cpu/usage/total", "cpuacct"),
        ("/data/cpu/usage/kernel", "cpuacct"),
        ("/data/cpu/usage/user", "cpuacct"),
        ("/data/cpu/throttling", "cpu"),
        ("/data/memory/usage/usage", "memory"),
        ("/data/memory/usage/limit", "memory"),
        ("/data/memory/usage/failcnt", "memory"),
        ("/data/memory/raw", "memory"),
        ("/data/pids/current", "pids"),
        ("/data/blkio", "blkio"),
    ] {
        let is_there = crate::cgroup::is_v2() || crate::cgroup::v1_root(controller).is_some();
        t.row(pointer, || {
            let value = event.pointer(pointer);
            let found = value.is_some_and(|value| value.is_number() || value.is_object());
            assert!(found || !is_there, "{event}");
        });
    }
}

fn features(t: &Test) {
    let value = t.runtime.run(["features"]).success().json();
    for pointer in ["/ociVersionMin", "/ociVersionMax"] {
        let version = value.pointer(pointer).and_then(Value::as_str);
        assert!(
            version.is_some_and(|v| v.starts_with("1.")),
            "{pointer}: {value}"
        );
    }
    for (pointer, members) in [
        ("/hooks", &["prestart", "createRuntime", "poststop"][..]),
        ("/mountOptions", &["bind", "rbind", "ro", "rro", "nosuid"]),
        (
            "/linux/namespaces",
            &["cgroup", "ipc", "mount", "network", "pid", "user", "uts"],
        ),
        ("/linux/capabilities", &["CAP_CHOWN", "CAP_SYS_ADMIN"]),
        (
            "/linux/seccomp/actions",
            &["SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_NOTIFY"],
        ),
        (
            "/linux/seccomp/operators",
            &["SCMP_CMP_EQ", "SCMP_CMP_MASKED_EQ"],
        ),
        (
            "/linux/seccomp/archs",
            &["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"],
        ),
    ] {
        t.row(pointer, || {
            let list = value.pointer(pointer).and_then(Value::as_array);
            let list = list.unwrap_or_else(|| panic!("no list: {value}"));
            for member in members {
                assert!(
                    list.iter().any(|found| found == member),
                    "{member}: {list:?}"
                );
            }
        });
    }
    for pointer in [
        "/linux/cgroup/v1",
        "/linux/cgroup/v2",
        "/linux/cgroup/systemd",
        "/linux/seccomp/enabled",
    ] {
        t.row(pointer, || {
            assert_eq!(value.pointer(pointer), Some(&Value::Bool(true)))
        });
    }
    for pointer in ["/linux/apparmor/enabled", "/linux/selinux/enabled"] {
        t.row(pointer, || {
            assert!(
                value.pointer(pointer).is_some_and(Value::is_boolean),
                "{value}"
            );
        });
    }
}
