//! On which CPUs the container's processes may run.

use crate::case::{Case, case};
use crate::need::Need;
use crate::test::Test;
use serde_json::{Value, json};

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[
    case(
        "affinity/create",
        "the caller's CPU affinity is not the container's",
        create,
    )
    .needs(&NEEDS),
    case("affinity/exec", "config.md process.execCPUAffinity", exec).needs(&NEEDS),
];

const NEEDS: [Need; 2] = [Need::Cpus(2), Need::Program("taskset")];

/// Prints the CPUs of the process, as proc_pid_status(5) lists them.
const SHOW: [&str; 3] = ["grep", "Cpus_allowed_list", "/proc/self/status"];

/// What [`SHOW`] printed.
fn cpus(text: &str) -> String {
    text.trim_start_matches("Cpus_allowed_list:")
        .trim()
        .to_owned()
}

/// The CPUs of a container that nothing restricts.
fn all(t: &Test) -> String {
    let out = t.run(&t.bundle().args(SHOW)).success();
    cpus(out.text())
}

fn create(t: &Test) {
    let all = all(t);
    assert_ne!(all, "0");
    t.row("run", || {
        let bundle = t.bundle().args(SHOW);
        let call = t.run_call(&bundle, &[]).under(["taskset", "-c", "0"]);
        assert_eq!(cpus(call.run().success().text()), all);
    });
    t.row("within the cpuset", || {
        let bundle = t.bundle().set("/linux/resources/cpu/cpus", "1").args(SHOW);
        let call = t.run_call(&bundle, &[]).under(["taskset", "-c", "0"]);
        assert_eq!(cpus(call.run().success().text()), "1");
    });
    t.row("exec", || {
        let bundle = t.bundle().idle();
        let _c = t.start(&bundle);
        let args = ["exec", &bundle.id];
        let call = t.runtime.call(args.into_iter().chain(SHOW));
        let out = call.under(["taskset", "-c", "0"]).run().success();
        assert_eq!(cpus(out.text()), all);
    });
}

fn exec(t: &Test) {
    let all = all(t);
    let of_config = t.bundle().set(
        "/process/execCPUAffinity",
        json!({"initial": "0", "final": "1"}),
    );
    let id = of_config.id.clone();
    let _c = t.start(&of_config.idle());
    t.row("not for the first process", || {
        let out = t
            .runtime
            .run(["exec", &id, "grep", "Cpus_allowed_list", "/proc/1/status"]);
        assert_eq!(cpus(out.success().text()), all);
    });
    t.row("final, of config.json", || {
        let out = t.runtime.run(["exec", id.as_str()].into_iter().chain(SHOW));
        assert_eq!(cpus(out.success().text()), "1");
    });
    for (label, affinity, expected) in [
        ("final, of the process file", json!({"final": "0"}), "0"),
        ("final list", json!({"initial": "1", "final": "0-1"}), "0-1"),
        ("initial alone", json!({"initial": "1"}), "1"),
    ] {
        t.row(label, || {
            let process = t.new_file("process.json", &process(affinity).to_string());
            let args = ["exec", "--process", process.to_str().unwrap(), &id];
            assert_eq!(cpus(t.runtime.run(args).success().text()), expected);
        });
    }
    for (label, affinity) in [
        ("not a list", json!({"final": "a"})),
        ("no such CPU", json!({"initial": "8000"})),
        ("range backwards", json!({"final": "1-0"})),
    ] {
        t.row(label, || {
            let process = t.new_file("process.json", &process(affinity).to_string());
            let args = ["exec", "--process", process.to_str().unwrap(), &id];
            let out = t.runtime.run(args).failure(&["execCPUAffinity"]);
            assert!(!out.stdout.contains("Cpus"), "{out}");
        });
    }
}

fn process(affinity: Value) -> Value {
    json!({
        "args": SHOW, "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0},
        "execCPUAffinity": affinity
    })
}
