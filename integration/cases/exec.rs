//! `exec`: what the process gets, how it ends, who it runs as; and the calls
//! on a running container: pause, resume, update, events, ps.

use crate::case::{Case, case};
use crate::cgroup;
use crate::container::{Container, wait_until};
use crate::sys;
use crate::test::Test;
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[
    case("exec/exit-codes", "exec: status of the process", exit_codes),
    case("exec/not-found", "exec: program that is missing", not_found),
    case("exec/streams", "exec: standard streams", streams),
    case("exec/joins-namespaces", "exec: namespaces", namespaces),
    case("exec/joins-cgroups", "exec: cgroups", cgroups),
    case("exec/options", "exec: options", options),
    case("exec/user", "exec --user", user),
    case("exec/process-file", "exec --process", process_file),
    case(
        "exec/process-file-limits",
        "exec --process: rlimits",
        process_file_limits,
    ),
    case("exec/process-defaults", "exec: config's process", defaults),
    case("exec/capabilities", "exec --cap", capabilities),
    case(
        "exec/no-new-privileges",
        "exec: no new privileges",
        no_new_privs,
    ),
    case("exec/detach", "exec --detach and --pid-file", detach),
    case("exec/preserve-fds", "exec --preserve-fds", preserve_fds),
    case("exec/paused", "exec --ignore-paused", paused),
    case(
        "exec/wrong-status",
        "exec: created and stopped",
        wrong_status,
    ),
    case("exec/many", "exec: many at once", many),
    case("exec/pause", "pause and resume", pause),
    case("exec/update", "update", update),
    case("exec/ps", "ps", ps),
    case("exec/events", "events --stats", events),
];

fn idle(t: &Test) -> Container {
    t.start(&t.bundle().idle())
}

fn exit_codes(t: &Test) {
    let c = idle(t);
    for code in [0, 1, 42, 127, 255] {
        t.row(&code.to_string(), || {
            assert_eq!(c.sh(&format!("exit {code}")).code(), code);
        });
    }
    t.row("signal", || assert_eq!(c.sh("kill -KILL $$").code(), 137));
}

fn not_found(t: &Test) {
    let c = idle(t);
    fs::write(c.bundle.join("rootfs/plain"), "text").unwrap();
    for (row, program) in [
        ("missing name", "no-such-program"),
        ("missing path", "/no/such/program"),
        ("not executable", "/plain"),
        ("directory", "/bin"),
    ] {
        t.row(row, || {
            let out = c.exec(&[], [program]).failure(&[]);
            assert!(out.stderr.contains(program), "{out}");
            assert_eq!(c.status(), "running");
        });
    }
    t.row("no program", || drop(c.exec(&[], [""; 0]).failure(&[])));
}

fn streams(t: &Test) {
    let c = idle(t);
    let call = c.exec_call(&[], ["sh", "-c", "cat; echo err >&2"]);
    let out = call.input("to exec\n").run().success();
    assert_eq!(out.stdout, "to exec\n");
    assert!(out.stderr.ends_with("err\n"), "{out}");
}

fn namespaces(t: &Test) {
    let c = idle(t);
    let pid = c.pid();
    for name in ["pid", "net", "ipc", "uts", "mnt", "user", "cgroup"] {
        t.row(name, || {
            let inside = c.exec(&[], ["readlink", &format!("/proc/self/ns/{name}")]);
            let outside = fs::read_link(format!("/proc/{pid}/ns/{name}")).unwrap();
            assert_eq!(inside.success().text(), outside.to_str().unwrap());
        });
    }
    t.row("root", || {
        let root = c.sh("ls -id / /proc/1/root/").success();
        let inodes: Vec<_> = root
            .lines()
            .iter()
            .map(|l| l.split_whitespace().next())
            .collect();
        assert_eq!(inodes[0], inodes[1]);
    });
}

fn cgroups(t: &Test) {
    let c = idle(t);
    let first = fs::read_to_string(format!("/proc/{}/cgroup", c.pid())).unwrap();
    let file = t.path("exec.pid");
    let options = ["--detach", "--pid-file", file.to_str().unwrap()];
    c.exec(&options, ["sleep", "1000"]).ok();
    let pid = fs::read_to_string(&file).unwrap();
    let second = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    assert_eq!(first, second);
    assert!(first.contains(&c.cgroup), "{first}");
}

fn options(t: &Test) {
    let c = idle(t);
    for (row, options, script, expected) in [
        ("cwd", &["--cwd", "/tmp"][..], "pwd", "/tmp"),
        ("env", &["-e", "A=1", "-e", "B=x y"], "echo $A-$B", "1-x y"),
        (
            "env wins over the config's",
            &["--env", "TERM=other"],
            "echo $TERM",
            "other",
        ),
        ("env of the config", &[], "echo $TERM", "xterm"),
        (
            "HOME of the user",
            &["-u", "1000"],
            "echo $HOME",
            "/home/tester",
        ),
        ("user", &["--user", "7:8"], "echo $(id -u):$(id -g)", "7:8"),
        (
            "groups",
            &["-u", "7", "-g", "9", "-g", "10"],
            "id -G",
            "0 9 10",
        ),
        ("no terminal", &[], "test -t 0 || echo none", "none"),
    ] {
        t.row(row, || {
            let out = c.exec(options, ["sh", "-c", script]).success();
            assert_eq!(out.text(), expected);
        });
    }
    for (row, options) in [
        ("cwd missing", &["--cwd", "/no/such/dir"][..]),
        ("cwd relative", &["--cwd", "tmp"]),
        ("unknown option", &["--no-such-option"]),
    ] {
        t.row(row, || drop(c.exec(options, ["true"]).failure(&[])));
    }
}

fn user(t: &Test) {
    let c = idle(t);
    let ids = "echo $(id -u):$(id -g)";
    for (given, expected) in [
        ("0", "0:0"),
        ("1000", "1000:0"),
        ("1000:2000", "1000:2000"),
        ("2147483647", "2147483647:0"),
    ] {
        t.row(given, || {
            let out = c.exec(&["--user", given], ["sh", "-c", ids]).success();
            assert_eq!(out.text(), expected);
        });
    }
    for bad in [
        ":",
        "root",
        "-1",
        "1:",
        "1:-1",
        "1:2:3",
        "4294967295:x",
        "0x10",
        " 0",
        "99999999999",
    ] {
        t.row(&format!("bad {bad:?}"), || {
            c.exec(&["--user", bad], ["sh", "-c", ids]).failure(&[]);
        });
    }
}

fn process(script: &str) -> Value {
    json!({
        "args": ["sh", "-c", script], "cwd": "/tmp", "user": {"uid": 12, "gid": 13},
        "env": ["PATH=/bin", "ONLY=this"], "terminal": false,
    })
}

fn process_file(t: &Test) {
    let _c = idle(t);
    let run = |value: Value| {
        let file = t.new_file("process.json", &value.to_string());
        t.runtime
            .run(["exec", "--process", file.to_str().unwrap(), "c1"])
    };
    let status = "grep -E 'CapEff|NoNewPrivs' /proc/self/status | cut -f2";
    t.row("fields", || {
        let out = run(process("pwd; id -u; id -g; echo $ONLY; echo $TERM")).success();
        assert_eq!(out.lines(), ["/tmp", "12", "13", "this", ""]);
    });
    t.row("capabilities of the config", || {
        let mut value = process(status);
        value["user"] = json!({"uid": 0, "gid": 0});
        assert_eq!(run(value).success().lines(), ["0000000020000420", "0"]);
    });
    t.row("capabilities and no new privileges", || {
        let mut value = process(status);
        value["user"] = json!({"uid": 0, "gid": 0});
        value["noNewPrivileges"] = true.into();
        let set = json!(["CAP_KILL"]);
        value["capabilities"] = json!({"bounding": set, "effective": set, "permitted": set});
        assert_eq!(run(value).success().lines(), ["0000000000000020", "1"]);
    });
    t.row("rlimits", || {
        let mut value = process("ulimit -n");
        value["rlimits"] = json!([{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 80}]);
        assert_eq!(run(value).success().text(), "77");
    });
    t.row("exit code", || assert_eq!(run(process("exit 9")).code(), 9));
    t.row("not JSON", || {
        let file = t.new_file("broken.json", "{");
        t.runtime
            .run(["exec", "--process", file.to_str().unwrap(), "c1"])
            .failure(&[]);
    });
    t.row("missing file", || {
        t.runtime
            .run(["exec", "--process", "/no/such/file", "c1"])
            .failure(&[]);
    });
    t.row("no arguments", || {
        let mut value = process("");
        value["args"] = json!([]);
        run(value).failure(&[]);
    });
}

/// A process file that names no limits leaves those of the caller, who may be unable to raise them to
/// the config's: Podman's health checks run from a unit of the user's systemd.
fn process_file_limits(t: &Test) {
    let limits = json!([{"type": "RLIMIT_NOFILE", "soft": 99, "hard": 101}]);
    let _c = t.start(&t.bundle().idle().set("/process/rlimits", limits));
    let own = std::process::Command::new("sh")
        .args(["-c", "ulimit -n"])
        .output()
        .expect("a shell");
    let file = t.new_file("process.json", &process("ulimit -n").to_string());
    let out = t
        .runtime
        .run(["exec", "--process", file.to_str().unwrap(), "c1"]);
    let own = String::from_utf8_lossy(&own.stdout).trim().to_owned();
    assert_ne!(own, "99");
    assert_eq!(out.success().text(), own);
}

/// Without options the process is as the config's, but for its arguments.
fn defaults(t: &Test) {
    let bundle = t
        .bundle()
        .idle()
        .set("/process/cwd", "/tmp")
        .set(
            "/process/user",
            json!({"uid": 1000, "gid": 2000, "additionalGids": [5]}),
        )
        .env("CONFIG=yes")
        .set("/process/oomScoreAdj", 100);
    let c = t.start(&bundle);
    let script = "pwd; id -u; id -g; id -G; echo $CONFIG; ulimit -n; cat /proc/self/oom_score_adj";
    let out = c.sh(script).success();
    assert_eq!(
        out.lines(),
        ["/tmp", "1000", "2000", "2000 5", "yes", "1024", "100"]
    );
}

fn effective(c: &Container, options: &[&str]) -> Vec<String> {
    let script = "grep -E 'Cap(Inh|Prm|Eff|Bnd|Amb)' /proc/self/status | cut -f2";
    let out = c.exec(options, ["sh", "-c", script]).success();
    out.lines()
        .iter()
        .map(|&line| line.trim_start_matches('0').to_owned())
        .collect()
}

fn capabilities(t: &Test) {
    let c = idle(t);
    let inside = |options: &[&str]| effective(&c, options);
    let first = fs::read_to_string(format!("/proc/{}/status", c.pid())).unwrap();
    assert!(first.contains("CapEff:\t0000000020000420"), "{first}");
    t.row("as the config", || {
        assert_eq!(inside(&[]), ["", "20000420", "20000420", "20000420", ""])
    });
    t.row("one more", || {
        let sets = inside(&["--cap", "CAP_CHOWN"]);
        assert_eq!(
            (&sets[1][..], &sets[2][..], &sets[3][..]),
            ("20000421", "20000421", "20000421")
        );
    });
    t.row("two more, short option", || {
        let sets = inside(&["-c", "CAP_CHOWN", "-c", "CAP_SYS_CHROOT"]);
        assert_eq!(sets[2], "20040421");
    });
    t.row("another user has none in effect", || {
        assert_eq!(inside(&["-u", "1000"])[1..4], ["", "", "20000420"]);
    });
}

fn no_new_privs(t: &Test) {
    let script = "grep NoNewPrivs /proc/self/status | cut -f2";
    for (config, options, expected) in [
        (true, &[][..], "1"),
        (false, &[], "0"),
        (false, &["--no-new-privs"], "1"),
    ] {
        t.row(&format!("{config} {options:?}"), || {
            let c = t.start(&t.bundle().idle().set("/process/noNewPrivileges", config));
            let out = c.exec(options, ["sh", "-c", script]).success();
            assert_eq!(out.text(), expected);
        });
    }
}

fn detach(t: &Test) {
    let c = idle(t);
    let file = t.path("exec.pid");
    let options = ["--detach", "--pid-file", file.to_str().unwrap()];
    let out = c
        .exec(&options, ["sh", "-c", "echo started; exec sleep 1000"])
        .success();
    let pid = fs::read_to_string(&file).unwrap();
    pid.parse::<u32>().expect("a number and nothing else");
    wait_until("output of the detached process", || {
        out.stdout_now().contains("started")
    });
    wait_until("sleep to run", || {
        fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap() == "sleep\x001000\0"
    });
    let inside = fs::read_link(format!("/proc/{pid}/ns/pid")).unwrap();
    assert_eq!(
        inside,
        fs::read_link(format!("/proc/{}/ns/pid", c.pid())).unwrap()
    );
    t.row("pid file in the foreground", || {
        let options = ["--pid-file", file.to_str().unwrap()];
        c.exec(&options, ["true"]).ok();
        assert_ne!(fs::read_to_string(&file).unwrap(), pid);
    });
}

fn preserve_fds(t: &Test) {
    let c = idle(t);
    let file = fs::File::open(t.new_file("passed", "content\n")).unwrap();
    let leak = fs::File::open("/proc/version").unwrap();
    let call = c.exec_call(
        &["--preserve-fds", "1"],
        ["sh", "-c", "cat <&3; ls /proc/self/fd"],
    );
    let out = call.pass(&file, 3).pass(&leak, 9).run().success();
    assert_eq!(out.lines()[0], "content");
    // ls adds the descriptor of the directory that it reads.
    assert_eq!(out.lines()[1..].len(), 5, "0 to 3 and that of ls: {out}");
}

fn paused(t: &Test) {
    let c = idle(t);
    t.runtime.run(["pause", "c1"]).ok();
    assert_eq!(c.status(), "paused");
    c.exec(&[], ["true"]).failure(&["paused"]);
    let (running, stdout, _) = c.exec_call(&["--ignore-paused"], ["echo", "ran"]).spawn();
    assert!(
        !running.ended_within(Duration::from_millis(300)),
        "the cgroup is frozen"
    );
    t.runtime.run(["resume", "c1"]).ok();
    let (status, _) = running.wait(Duration::from_secs(10));
    assert!(status.expect("ends after resume").success());
    assert_eq!(fs::read_to_string(stdout).unwrap(), "ran\n");
}

fn wrong_status(t: &Test) {
    let c = t.create(&t.bundle().args(["true"]));
    t.row("created", || {
        assert_eq!(c.exec(&[], ["echo", "in"]).success().text(), "in");
    });
    c.start();
    c.wait_for("stopped");
    t.row("stopped", || {
        drop(c.exec(&[], ["true"]).failure(&["stopped"]))
    });
}

fn many(t: &Test) {
    let c = idle(t);
    let calls: Vec<_> = (0..8)
        .map(|number| {
            c.exec_call(&[], ["sh", "-c", &format!("exit {number}")])
                .spawn()
                .0
        })
        .collect();
    for (number, running) in calls.into_iter().enumerate() {
        let (status, _) = running.wait(Duration::from_secs(20));
        assert_eq!(status.expect("ends").code(), i32::try_from(number).ok());
    }
}

fn pause(t: &Test) {
    let c = t.start(&t.bundle().sh("while :; do echo x; sleep 0.01; done"));
    c.wait_output("x");
    t.runtime.run(["pause", "c1"]).ok();
    assert_eq!(c.status(), "paused");
    let then = c.output.stdout_now().len();
    let (silent, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    assert!(!sys::readable(&silent, Duration::from_millis(200)));
    assert_eq!(
        c.output.stdout_now().len(),
        then,
        "the container still runs"
    );
    t.row("again", || {
        drop(t.runtime.run(["pause", "c1"]).failure(&[]))
    });
    t.runtime.run(["resume", "c1"]).ok();
    assert_eq!(c.status(), "running");
    wait_until("output after resume", || c.output.stdout_now().len() > then);
    t.row("resume again", || {
        drop(t.runtime.run(["resume", "c1"]).failure(&[]))
    });
    t.row("paused, delete --force", || {
        t.runtime.run(["pause", "c1"]).ok();
        t.runtime.run(["delete", "--force", "c1"]).ok();
        t.runtime.run(["state", "c1"]).failure(&["does not exist"]);
    });
}

fn update(t: &Test) {
    let c = idle(t);
    let pids = || cgroup::read("pids", &c.cgroup, "pids.max");
    for (row, args, expected) in [
        ("limit", ["--pids-limit", "23"], "23"),
        ("none", ["--pids-limit", "-1"], "max"),
    ] {
        t.row(row, || {
            t.runtime.run(["update", args[0], args[1], "c1"]).ok();
            assert_eq!(pids(), expected);
        });
    }
    t.row("file", || {
        let file = t.new_file("resources.json", r#"{"pids": {"limit": 31}}"#);
        t.runtime
            .run(["update", "-r", file.to_str().unwrap(), "c1"])
            .ok();
        assert_eq!(pids(), "31");
    });
    t.row("standard input", || {
        let call = t.runtime.call(["update", "--resources", "-", "c1"]);
        call.input(r#"{"pids": {"limit": 32}}"#).run().ok();
        assert_eq!(pids(), "32");
    });
    t.row("bad value", || {
        drop(
            t.runtime
                .run(["update", "--memory", "lots", "c1"])
                .failure(&[]),
        )
    });
}

fn ps(t: &Test) {
    let c = t.start(&t.bundle().sh("sleep 1000 & sleep 1001 & wait"));
    let pids = || {
        t.runtime
            .run(["ps", "--format", "json", "c1"])
            .success()
            .json()
    };
    wait_until("three processes", || pids().as_array().unwrap().len() == 3);
    assert!(pids().as_array().unwrap().contains(&json!(c.pid())));
    let table = t.runtime.run(["ps", "c1"]).success();
    assert!(table.lines()[0].contains("PID"), "{table}");
    assert_eq!(table.lines().len(), 4, "{table}");
    let table = t.runtime.run(["ps", "c1", "-o", "pid,comm"]).success();
    assert_eq!(
        table.lines()[0].split_whitespace().collect::<Vec<_>>(),
        ["PID", "COMMAND"]
    );
}

fn events(t: &Test) {
    let c = idle(t);
    let event = t.runtime.run(["events", "--stats", "c1"]).success().json();
    assert_eq!(event["type"], "stats");
    assert_eq!(event["id"], "c1");
    let current = event["data"]["pids"]["current"]
        .as_u64()
        .expect("pids.current");
    let kernel: u64 = cgroup::read("pids", &c.cgroup, "pids.current")
        .parse()
        .unwrap();
    assert_eq!(current, kernel);
    assert!(
        event["data"]["memory"]["usage"]["usage"].as_u64().unwrap() > 0,
        "{event}"
    );
}
