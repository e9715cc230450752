//! Commands and options that have no topic of their own.

use crate::case::{Case, case};
use crate::cgroup;
use crate::container::wait_until;
use crate::need::Need;
use crate::runtime::Kind;
use crate::test::Test;
use crate::traces::Traces;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[
    case("commands/plan", "plan", plan),
    case("commands/completion", "completion bash", completion).needs(BASH),
    case("commands/list", "list", list),
    case("commands/log", "--log, --log-format, --debug", log),
    case("commands/spec", "spec, then run", spec),
    case(
        "commands/events",
        "events: statistics and want of memory",
        events,
    ),
    case("commands/exec-cgroup", "exec --cgroup", exec_cgroup).needs(PIDS_V1),
    case(
        "commands/keyring",
        "create: session keyring, --no-new-keyring",
        keyring,
    ),
    case("commands/no-pivot", "create: --no-pivot", no_pivot),
    case("commands/no-cgroup", "--cgroup-manager disabled", no_cgroup),
    case(
        "commands/labels",
        "config.md apparmorProfile, selinuxLabel; mountLabel",
        labels,
    ),
];

const BASH: &[Need] = &[Need::Program("bash")];
const PIDS_V1: &[Need] = &[Need::CgroupV1("pids")];

fn only_oxrun(t: &Test) {
    if t.runtime.kind != Kind::Oxrun {
        t.skip("only oxrun has this");
    }
}

fn plan(t: &Test) {
    only_oxrun(t);
    let bundle = t
        .bundle()
        .mount("/mnt", "tmpfs", "tmpfs", &["nosuid"])
        .idle();
    bundle.write();
    let dir = bundle.dir.to_str().unwrap();
    let before = t.traces();
    let text = t
        .runtime
        .run(["plan", "--bundle", dir, &bundle.id])
        .success();
    let json = t
        .runtime
        .run(["plan", "--bundle", dir, "--format", "json"])
        .success()
        .json();
    Traces::assert_none_since(&before, &t.runtime.root, &t.cgroup);
    let steps = json["steps"].as_array().expect("steps");
    let of = |field: &str| -> Vec<&Value> {
        steps.iter().filter(|step| step["field"] == field).collect()
    };
    let number = bundle.config["mounts"].as_array().unwrap().len() - 1;
    let mount = format!("mounts[{number}]");
    t.row("a mount is there, under its field", || {
        let [step] = of(&mount)[..] else {
            panic!("{mount}: {steps:#?}");
        };
        assert!(step["text"].as_str().unwrap().contains("/mnt"), "{step}");
        assert!(text.stdout.contains(&mount), "{text}");
    });
    t.row("the program comes last", || {
        assert_eq!(steps.last().unwrap()["field"], "process.args");
    });
    t.row(
        "every step says where it comes from and what it does",
        || {
            for step in steps {
                let words = ["step", "field", "text"].map(|key| step[key].as_str());
                assert!(
                    words.iter().all(|word| word.is_some_and(|w| !w.is_empty())),
                    "{step}"
                );
            }
        },
    );
    t.row("a wrong configuration is refused as create would", || {
        let bundle = t.bundle().set("/process/cwd", "relative");
        bundle.write();
        let dir = bundle.dir.to_str().unwrap();
        drop(
            t.runtime
                .run(["plan", "--bundle", dir])
                .failure(&["process.cwd"]),
        );
    });
}

/// What bash offers for the last of these words.
fn offered(file: &Path, words: &str) -> Vec<String> {
    let script = format!(
        ". {}; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
         COMP_LINE='{words}'; COMP_POINT=${{#COMP_LINE}}; _oxrun; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        file.display()
    );
    let output = Command::new("bash")
        .args(["-c", &script])
        .output()
        .expect("bash");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(|line| line.trim().to_owned()).collect()
}

fn completion(t: &Test) {
    only_oxrun(t);
    for shell in ["bash", "zsh", "fish"] {
        t.row(shell, || {
            let out = t.runtime.run(["completion", shell]).success();
            assert!(
                out.stdout.contains("exec") && out.stdout.contains("preserve-fds"),
                "{out}"
            );
        });
    }
    let text = t.runtime.run(["completion", "bash"]).success().stdout;
    let file = t.new_file("completion.bash", &text);
    for (words, expected) in [
        ("oxrun cre", &["create"][..]),
        ("oxrun res", &["resume"]),
        ("oxrun exec --pre", &["--preserve-fds"]),
    ] {
        t.row(words, || assert_eq!(offered(&file, words), expected));
    }
    t.row("an unknown shell", || {
        drop(t.runtime.run(["completion", "nosuch"]).failure(&["nosuch"]));
    });
}

fn list(t: &Test) {
    let one = t.start(&t.bundle().idle());
    let two = t.create(&t.bundle().idle());
    t.row("json", || {
        let listed = t.runtime.run(["list", "--format", "json"]).success().json();
        let of = |index: usize, key: &str| listed[index][key].clone();
        assert_eq!([of(0, "id"), of(1, "id")], ["c1", "c2"]);
        assert_eq!([of(0, "status"), of(1, "status")], ["running", "created"]);
        assert_eq!(of(0, "pid"), one.pid());
        assert_eq!(of(0, "bundle"), one.bundle.to_str().unwrap());
    });
    t.row("table", || {
        let out = t.runtime.run(["list"]).success();
        let words: Vec<Vec<&str>> = out
            .lines()
            .iter()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(&words[0][..3], ["ID", "PID", "STATUS"]);
        assert_eq!(&words[1][..3], ["c1", &one.pid().to_string(), "running"]);
        assert_eq!(words[2][0], two.id);
    });
    t.row("quiet", || {
        let out = t.runtime.run(["list", "--quiet"]).success();
        assert_eq!(out.lines(), ["c1", "c2"]);
    });
}

fn log(t: &Test) {
    let file = t.path("log");
    let globals = |format| ["--log", file.to_str().unwrap(), "--log-format", format];
    t.row("json", || {
        let out = t
            .runtime
            .call(["state", "nobody"])
            .globals(globals("json"))
            .run();
        let text = fs::read_to_string(&file).expect("the log");
        let line: Value = serde_json::from_str(text.lines().last().unwrap()).expect("JSON");
        assert_eq!(line["level"], "error");
        assert!(
            line["time"]
                .as_str()
                .is_some_and(|time| time.starts_with("20")),
            "{line}"
        );
        if t.runtime.kind != Kind::Crun {
            assert_eq!(line["msg"], "container does not exist");
            assert_eq!(out.last_error(), "container does not exist");
        }
    });
    t.row("text", || {
        fs::remove_file(&file).unwrap();
        drop(
            t.runtime
                .call(["state", "nobody"])
                .globals(globals("text"))
                .run(),
        );
        let text = fs::read_to_string(&file).expect("the log");
        assert!(
            text.contains("nobody") || text.contains("level=error msg="),
            "{text}"
        );
    });
    t.row("debug", || {
        fs::remove_file(&file).unwrap();
        let call = t
            .runtime
            .call(["list"])
            .globals(globals("json"))
            .globals(["--debug"]);
        call.run().ok();
        let text = fs::read_to_string(&file).unwrap_or_default();
        if t.runtime.kind == Kind::Oxrun {
            assert!(text.contains("\"level\":\"debug\""), "{text}");
        }
    });
}

fn spec(t: &Test) {
    let dir = t.new_dir("fresh");
    let call = || t.runtime.call(["spec"]).cwd(&dir);
    call().run().ok();
    let text = fs::read_to_string(dir.join("config.json")).expect("config.json");
    let mut config: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(config["process"]["args"], json!(["sh"]));
    t.row("what is there stays", || {
        drop(call().run().failure(&["exists"]));
    });
    t.row("what it writes runs", || {
        let mut bundle = t.bundle();
        config["process"]["terminal"] = json!(false);
        config["process"]["args"] = json!(["echo", "ran"]);
        config["linux"]["cgroupsPath"] = bundle.config["linux"]["cgroupsPath"].clone();
        bundle.config = config;
        assert_eq!(t.run(&bundle).success().text(), "ran");
    });
}

fn events(t: &Test) {
    if t.runtime.kind == Kind::Crun {
        t.skip("crun has no events");
    }
    let memory = json!({"limit": 20 << 20, "swap": 20 << 20});
    let container = t.start(&t.bundle().idle().set("/linux/resources/memory", memory));
    let call = t
        .runtime
        .call(["events", "--interval", "100ms", &container.id]);
    let (running, stdout, _) = call.limit(30).spawn();
    let lines = |kind: &str| -> usize {
        let text = fs::read_to_string(&stdout).unwrap_or_default();
        let whole = text.lines().filter(|line| line.ends_with('}'));
        let values = whole.map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        values
            .filter(|value| value["type"] == kind && value["id"] == "c1")
            .count()
    };
    wait_until("three statistics", || lines("stats") >= 3);
    assert_eq!(lines("oom"), 0);
    t.row("want of memory", || {
        if cgroup::v1_root("memory").is_none() && !cgroup::is_v2() {
            return;
        }
        let out = container.exec(
            &[],
            ["dd", "if=/dev/zero", "of=/dev/null", "bs=60M", "count=1"],
        );
        assert!(!out.succeeded(), "{out}");
        wait_until("an event", || lines("oom") >= 1);
    });
    container.kill("KILL").ok();
    assert!(
        running.ended_within(Duration::from_secs(10)),
        "it ends with the container"
    );
}

fn exec_cgroup(t: &Test) {
    if t.runtime.kind == Kind::Crun {
        t.skip("crun's --cgroup has another form");
    }
    let container = t.start(&t.bundle().idle());
    let own = cgroup::v1_root("pids")
        .expect("pids")
        .join(container.cgroup.trim_start_matches('/'));
    fs::create_dir(own.join("below")).expect("a cgroup below the container's");
    let line = |out: crate::output::Output| -> String {
        let text = out.success().stdout;
        let found = text.lines().find(|line| line.contains(":pids:"));
        found.expect("pids").to_owned()
    };
    let file = t.path("exec.pid");
    let options = [
        "--cgroup",
        "pids:below",
        "--detach",
        "--pid-file",
        file.to_str().unwrap(),
    ];
    container.exec(&options, ["sleep", "1000"]).ok();
    let pid = fs::read_to_string(&file).unwrap();
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let ends = |name: &str, end: &str| {
        let line = text
            .lines()
            .find(|line| line.contains(&format!(":{name}:")));
        assert!(line.unwrap().ends_with(end), "{text}");
    };
    ends("pids", &format!("{}/below", container.cgroup));
    ends("memory", &container.cgroup);
    t.row("without", || {
        assert!(!line(container.sh("cat /proc/self/cgroup")).ends_with("/below"));
    });
    for wrong in ["pids:missing", "nosuch:below", "pids:../.."] {
        t.row(wrong, || {
            drop(container.exec(&["--cgroup", wrong], ["true"]).failure(&[]))
        });
    }
    container.kill("KILL").ok();
    container.wait_for("stopped");
    wait_until("the cgroup to be empty", || {
        fs::remove_dir(own.join("below")).is_ok()
    });
}

fn keyring(t: &Test) {
    // The kernel may show the keyring of a container that has ended a little longer.
    let new = || t.bundle().remove("/linux/maskedPaths").sh("cat /proc/keys");
    let named = |out: &crate::output::Output, id: &str| out.stdout.contains(&format!("_ses.{id}:"));
    let bundle = new();
    let out = t.run(&bundle).success();
    assert!(named(&out, &bundle.id), "{out}");
    let bundle = new();
    let out = t.run_call(&bundle, &["--no-new-keyring"]).run().success();
    assert!(!named(&out, &bundle.id), "{out}");
}

fn no_pivot(t: &Test) {
    let bundle = t
        .bundle()
        .sh("ls -d /bin/busybox /root 2>/dev/null; ls /; stat -c %i /");
    let with = t.run(&bundle).success();
    let without = t.run_call(&bundle, &["--no-pivot"]).run().success();
    assert_eq!(with.stdout, without.stdout, "the same root");
    t.row("create, start, exec", || {
        let container = t.create_with(&t.bundle().idle(), &["--no-pivot"]);
        container.start();
        let out = container.sh("ls /").success();
        assert!(with.stdout.contains(out.text()), "{out}");
    });
}

fn no_cgroup(t: &Test) {
    if t.runtime.kind == Kind::Runc {
        t.skip("runc has no --cgroup-manager");
    }
    let bundle = t
        .bundle()
        .remove("/linux/resources")
        .sh("cat /proc/self/cgroup");
    let bundle = bundle.without_namespace("cgroup");
    let before = t.traces();
    let out = t
        .run_call(&bundle, &[])
        .globals(["--cgroup-manager", "disabled"])
        .run()
        .success();
    assert!(
        !out.stdout.contains(&format!("{}/{}", t.cgroup, bundle.id)),
        "{out}"
    );
    Traces::assert_none_since(&before, &t.runtime.root, &t.cgroup);
}

/// A label that nothing enforces is refused, not left out.
fn labels(t: &Test) {
    if t.runtime.kind == Kind::Crun {
        t.skip("crun ignores labels where the machine has no such module");
    }
    let module = |name: &str| Path::new("/sys/kernel/security").join(name).exists();
    let selinux = Path::new("/sys/fs/selinux/enforce").exists();
    for (row, there, pointer, phrase) in [
        (
            "apparmorProfile",
            module("apparmor"),
            "/process/apparmorProfile",
            "apparmor",
        ),
        ("selinuxLabel", selinux, "/process/selinuxLabel", "selinux"),
    ] {
        if there {
            continue;
        }
        t.row(row, || {
            let bundle = t.bundle().set(pointer, "no-such-label").args(["true"]);
            drop(t.run(&bundle).failure(&[phrase]));
        });
    }
    t.row("mountLabel", || {
        if t.runtime.kind == Kind::Oxrun && !selinux {
            let bundle = t
                .bundle()
                .set("/linux/mountLabel", "no-such-label")
                .args(["true"]);
            let out = t.run(&bundle).success();
            let warnings = out.stderr.matches("linux.mountLabel").count();
            assert_eq!(warnings, 1, "one warning says that none is set: {out}");
        }
    });
}
