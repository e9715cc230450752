//! Failures of the container's process in words.

use super::super::step::Step;
use super::super::{Plan, render};
use super::host::*;
use crate::ErrorKind;
use crate::sync::Failure;
use crate::sys::Call;

fn failure(plan: &Plan, which: fn(&Step) -> bool, call: Call, errno: i32, detail: u32) -> Failure {
    let step = plan
        .steps
        .iter()
        .position(|entry| which(&entry.step))
        .expect("such a step");
    Failure {
        step: u16::try_from(step).expect("a small plan"),
        call: call as u16,
        errno,
        detail,
    }
}

fn find_program(step: &Step) -> bool {
    matches!(step, Step::FindProgram)
}

#[test]
fn programs_that_cannot_run_have_the_phrases_that_engines_know() {
    let bare = plan_of(DEFAULT, &facts()).expect("a plan");
    let path = plan_of(&patched(r#"{"process":{"args":["/bin/x"]}}"#), &facts()).expect("a plan");
    let start = "unable to start container process: exec: ";
    for (plan, call, errno, expected) in [
        (
            &bare,
            Call::ProgramNotFound,
            libc::ENOENT,
            "\"sh\": executable file not found in $PATH",
        ),
        (
            &bare,
            Call::ProgramNotExecutable,
            libc::EACCES,
            "\"sh\": permission denied",
        ),
        (
            &path,
            Call::ProgramNotFound,
            libc::ENOENT,
            "\"/bin/x\": stat /bin/x: no such file or directory",
        ),
        (
            &path,
            Call::ProgramNotExecutable,
            libc::EACCES,
            "\"/bin/x\": permission denied",
        ),
        (
            &path,
            Call::ProgramIsDirectory,
            libc::EISDIR,
            "\"/bin/x\": is a directory",
        ),
    ] {
        let error = render::failure(plan, &failure(plan, find_program, call, errno, 0));
        assert_eq!(error.to_string(), format!("{start}{expected}"));
        assert_eq!(
            (error.kind(), error.errno()),
            (ErrorKind::Program, Some(errno))
        );
    }
}

#[test]
fn a_program_that_was_found_may_still_fail() {
    let plan = plan_of(DEFAULT, &facts()).expect("a plan");
    let told = failure(
        &plan,
        |step| matches!(step, Step::Exec),
        Call::Execve,
        libc::ENOENT,
        3,
    );
    assert_eq!(
        render::failure(&plan, &told).to_string(),
        "unable to start container process: exec /usr/bin/sh: no such file or directory; its interpreter or loader may be missing in the root file system"
    );
}

#[test]
fn a_mount_that_fails_names_field_call_and_hint() {
    let plan = plan_of(DEFAULT, &facts()).expect("a plan");
    let mount = |step: &Step| matches!(step, Step::Mount(_));
    let error = render::failure(&plan, &failure(&plan, mount, Call::Fsmount, libc::EPERM, 0));
    assert_eq!(
        error.to_string(),
        "unable to start container process: error during container init: error mounting mounts[0]: proc on /proc: fsmount: operation not permitted; the user namespace does not own the PID namespace, or the host's /proc is masked"
    );
    let tmpfs =
        |step: &Step| matches!(step, Step::Mount(step) if step.target.to_bytes() == b"/dev");
    let error = render::failure(
        &plan,
        &failure(&plan, tmpfs, Call::Fsconfig, libc::EINVAL, 2),
    );
    assert!(
        error.to_string().contains("on /dev: nosuid,strictatime: option size=65536k: fsconfig: invalid argument; the file system does not take this option"),
        "{error}"
    );
    let error = render::failure(&plan, &failure(&plan, mount, Call::TargetOnProcfs, 0, 0));
    assert!(
        error
            .to_string()
            .ends_with("the mount target lies on a procfs"),
        "{error}"
    );
}

#[test]
fn a_hook_that_fails_has_runcs_phrase() {
    let config = patched(r#"{"hooks":{"createContainer":[{"path":"/a"},{"path":"/b"}]}}"#);
    let plan = plan_of(&config, &facts()).expect("a plan");
    let hooks = |step: &Step| matches!(step, Step::Hooks(_));
    let told = failure(&plan, hooks, Call::HookExit, 0, 1 << 16 | 3 << 8);
    let error = render::failure(&plan, &told).to_string();
    assert!(
        error.ends_with("error running createContainer hook #1: /b: exit status 3"),
        "{error}"
    );
    let told = failure(&plan, hooks, Call::HookExit, 0, 9);
    let error = render::failure(&plan, &told).to_string();
    assert!(
        error.ends_with("hook #0: /a: killed by signal 9 (killed)"),
        "{error}"
    );
}

/// Reports come from another process: nothing in them may be taken for granted.
#[test]
fn any_report_is_told() {
    let plan = plan_of(DEFAULT, &facts()).expect("a plan");
    for step in (0..80).chain([u16::MAX]) {
        for call in (0..120).chain([u16::MAX]) {
            let report = Failure {
                step,
                call,
                errno: -1,
                detail: u32::MAX,
            };
            assert!(!render::failure(&plan, &report).to_string().is_empty());
        }
    }
}
