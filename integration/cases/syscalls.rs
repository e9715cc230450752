//! What `run` asks of the kernel, as strace shows it: these hold for oxrun, whose
//! design promises them; other runtimes are skipped. How many calls they are, the
//! benchmark's budget holds (`integration/bench/run --budget`).

use crate::bundle::Bundle;
use crate::case::{Case, case};
use crate::need::Need;
use crate::runtime::{Call, Kind};
use crate::test::Test;
use std::fs;

/// Cases of this topic.
pub(super) const CASES: &[Case] = &[
    case("syscalls/one-clone", "run: one process is made", one_clone).needs(STRACE),
    case(
        "syscalls/no-move",
        "run: no process moves between cgroups",
        no_move,
    )
    .needs(STRACE),
    case(
        "syscalls/by-descriptor",
        "mounts: targets are descriptors",
        by_descriptor,
    )
    .needs(STRACE),
    case(
        "syscalls/no-loose-tree",
        "run: each mount that is made lies somewhere",
        no_loose_tree,
    )
    .needs(STRACE),
    case(
        "syscalls/no-copied-mount",
        "run: the host's mounts are not copied",
        no_copied_mount,
    )
    .needs(&[Need::Program("strace"), Need::Kernel(7, 1)]),
];

const STRACE: &[Need] = &[Need::Program("strace")];

/// One line of the trace: the process and its call.
struct Line {
    pid: u32,
    text: String,
}

impl Line {
    fn name(&self) -> &str {
        self.text.split('(').next().unwrap_or_default()
    }
}

/// The calls of `run` of a bundle, in order, those of all processes.
fn trace(t: &Test, bundle: &Bundle, filter: &[&str]) -> Vec<Line> {
    trace_call(t, t.run_call(bundle, &[]), filter)
}

fn trace_call(t: &Test, call: Call, filter: &[&str]) -> Vec<Line> {
    if t.runtime.kind != Kind::Oxrun {
        t.skip("only oxrun promises this");
    }
    let file = t.path("trace");
    let mut words = vec!["strace", "-f", "-s", "4096", "-o", file.to_str().unwrap()];
    words.extend(filter);
    call.under(&words).limit(30).run().ok();
    let text = fs::read_to_string(file).expect("the trace");
    text.lines().filter_map(parse).collect()
}

/// Ends and second halves of calls, signals and exits are left out.
fn parse(line: &str) -> Option<Line> {
    let (pid, text) = line.split_once(' ')?;
    let text = text.trim_start();
    let call = !text.starts_with(['+', '-', '<']);
    call.then(|| Line {
        pid: pid.parse().unwrap_or(0),
        text: text.to_owned(),
    })
}

fn is_refused(text: &str) -> bool {
    text.contains(" = -1 ")
}

/// Whether a call makes a mount namespace with no mount in it, a flag that strace does not know yet.
fn begins_empty(line: &Line) -> bool {
    line.name() == "clone3" && line.text.contains("|0x2000000000")
}

/// A new mount namespace begins empty where nobody looks for the host's files in it.
fn no_copied_mount(t: &Test) {
    let filter = ["-e", "trace=clone3,pivot_root,umount2,chroot"];
    let bundle = t.bundle().args(["true"]);
    let source = t.new_dir("source");
    let below = t.new_dir("below");
    let options = format!("lowerdir={}:{}", source.display(), below.display());
    for (row, bundle, wanted) in [
        ("default", bundle.clone(), true),
        (
            "bind mount",
            bundle.clone().bind(&source, "/bound", &["rbind"]),
            true,
        ),
        (
            "hook after the start",
            bundle.clone().hook_sh("startContainer", "true"),
            true,
        ),
        (
            "hook before the root",
            bundle.clone().hook_sh("createContainer", "true"),
            false,
        ),
        (
            "hook of the runtime",
            bundle.clone().hook_sh("prestart", "true"),
            false,
        ),
        (
            "user namespace",
            bundle.clone().user_namespace(100_000, 1000),
            false,
        ),
        (
            "paths of the host",
            bundle.clone().mount("/mnt", "overlay", "none", &[&options]),
            false,
        ),
    ] {
        t.row(row, || {
            let lines = trace(t, &bundle, &filter);
            let empty = lines
                .iter()
                .any(|line| begins_empty(line) && !is_refused(&line.text));
            let pivots = lines.iter().any(|line| line.name() == "pivot_root");
            assert_eq!((empty, pivots), (wanted, !wanted), "{row}");
        });
    }
}

fn one_clone(t: &Test) {
    let filter = ["-e", "trace=clone,clone3,fork,vfork"];
    let lines = trace(t, &t.bundle().args(["true"]), &filter);
    // Calls that are newer than strace it shows whatever it is asked for.
    let known = lines
        .iter()
        .filter(|line| !line.name().starts_with("syscall_0x"));
    let texts: Vec<_> = known.map(|line| &line.text).collect();
    let container: Vec<_> = texts
        .iter()
        .filter(|text| text.contains("CLONE_NEWPID") && !is_refused(text))
        .collect();
    assert_eq!(container.len(), 1, "{texts:#?}");
    // No helper on the way: the other clones, if any, are threads.
    let others = texts.iter().filter(|text| !text.contains("CLONE_NEWPID"));
    let processes: Vec<_> = others
        .filter(|text| !text.contains("CLONE_THREAD"))
        .collect();
    assert!(processes.is_empty(), "{processes:#?}");
}

/// A process is born in its cgroup2; in v1 trees, where that is not possible,
/// the child itself or the parent writes the number once for each tree.
fn no_move(t: &Test) {
    let lines = trace(
        t,
        &t.bundle().args(["true"]),
        &["-e", "trace=openat,open,openat2"],
    );
    let opened: Vec<_> = lines
        .iter()
        .filter(|line| line.text.contains("cgroup.procs") || line.text.contains("/tasks\""))
        .map(|line| &line.text)
        .collect();
    if crate::cgroup::is_v2() {
        assert!(opened.is_empty(), "{opened:#?}");
    } else {
        let trees = crate::cgroup::roots().len();
        assert!(
            opened.len() <= trees,
            "more than one for each tree: {opened:#?}"
        );
    }
}

/// From the birth of the child to the change of its root, no mount takes a path and
/// nothing is opened by a path of the host's /proc. A process of exec never does either.
fn by_descriptor(t: &Test) {
    let source = t.new_dir("source");
    let mounts = |bundle: Bundle| {
        bundle
            .bind(&source, "/bound", &["rbind", "ro", "nosuid"])
            .bind(&source, "/tmp", &["bind", "rprivate"])
            .mount("/home", "tmpfs", "tmpfs", &["tmpcopyup", "size=64k"])
            .mount("/mnt", "tmpfs", "tmpfs", &["rro", "mode=700"])
            .writable()
    };
    for (row, bundle) in [
        ("default", t.bundle()),
        ("binds and tmpfs", mounts(t.bundle())),
        (
            "user namespace",
            mounts(t.bundle().user_namespace(100_000, 1000)),
        ),
    ] {
        t.row(row, || {
            let lines = trace(t, &bundle.args(["true"]), &[]);
            let changes = |line: &Line| matches!(line.name(), "pivot_root" | "chroot");
            let change = lines
                .iter()
                .position(changes)
                .expect("a change of the root");
            no_paths(&lines[..change], lines[change].pid);
        });
    }
    for (row, bundle) in [
        ("exec", t.bundle()),
        (
            "exec in a user namespace",
            t.bundle().user_namespace(100_000, 1000),
        ),
    ] {
        t.row(row, || {
            let container = t.start(&bundle.idle());
            let lines = trace_call(t, container.exec_call(&[], ["true"]), &[]);
            let end = lines.iter().rposition(|line| line.name() == "execve");
            let end = end.expect("the program is executed");
            no_paths(&lines[..end], lines[end].pid);
        });
    }
}

/// No call of this process takes a path for a mount or a file of procfs.
#[track_caller]
fn no_paths(lines: &[Line], pid: u32) {
    let own: Vec<&Line> = lines.iter().filter(|line| line.pid == pid).collect();
    assert!(own.len() > 10, "the process is traced");
    let mut entered = None;
    let mut wrong = Vec::new();
    for (at, Line { text, .. }) in own.iter().enumerate() {
        if let Some(directory) = text.strip_prefix("fchdir(") {
            // What follows the number is ")", or that the call took a while.
            let end = directory.find(|letter: char| !letter.is_ascii_digit());
            entered = end.and_then(|end| directory.get(..end));
        }
        let before = own.get(..at).unwrap_or_default();
        let is_made = |name: &str| {
            let making = format!("mkdirat({}, {name}, ", entered.unwrap_or_default());
            before.iter().any(|line| line.text.starts_with(&making))
        };
        if by_path(text, is_made) {
            wrong.push(text);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn by_path(text: &str, is_made: impl Fn(&str) -> bool) -> bool {
    let word = |index: usize| text.split_once('(')?.1.split(", ").nth(index);
    if text.starts_with("mount(") {
        // Changing propagation of the whole tree is the only call without a descriptor; a new file
        // system is mounted on the directory that was entered by one, or on an entry that the process
        // has made in it.
        let target = word(1).unwrap_or_default();
        let is_entry = !target.contains('/') && is_made(target);
        return !matches!(target, "\"/\"" | "\".\"") && !is_entry;
    }
    if text.starts_with("move_mount(") {
        // In a namespace that begins empty there is nothing but "/".
        let target = word(3).unwrap_or_default();
        return target.contains('/') && target != "\"/\"";
    }
    // Relative to the container's root "/proc" is a mount point, not the host's.
    let opens = ["open(", "openat(", "openat2("];
    let opened = opens.iter().any(|call| text.starts_with(call));
    opened && text.contains("\"/proc") && !text.contains("RESOLVE_IN_ROOT")
}

/// Closing a mount that lies nowhere makes the kernel wait for a grace period of RCU. The seal's is the
/// only one: it comes before the program that makes the container.
fn no_loose_tree(t: &Test) {
    const CALLS: &str = "trace=execve,execveat,clone3,clone,open_tree,fsmount,move_mount";
    let lines = trace(t, &t.bundle().args(["true"]), &["-e", CALLS]);
    let birth = lines
        .iter()
        .position(|line| line.name().starts_with("clone"))
        .expect("a clone");
    let begin = lines[..birth]
        .iter()
        .rposition(|line| line.name().starts_with("exec"))
        .expect("an execution");
    let succeeded = |line: &&Line| !line.text.contains(" = -1 ");
    // open_tree_attr, which this strace may not know.
    let makes = ["open_tree", "open_tree_attr", "syscall_0x1d3", "fsmount"];
    let done: Vec<_> = lines[begin..].iter().filter(succeeded).collect();
    let count = |names: &[&str]| {
        done.iter()
            .filter(|line| names.contains(&line.name()))
            .count()
    };
    let texts: Vec<_> = done.iter().map(|line| &line.text).collect();
    let attached = count(&["move_mount"]);
    assert!(attached > 0, "{texts:#?}");
    assert_eq!(count(&makes), attached, "{texts:#?}");
}
