//! Hooks: what they see, and how they fail.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::plan::step::HookStep;
use crate::sys::Call;

fn hook(stage: &Stage, script: &str) -> HookStep {
    let path = stage.path("hook.sh");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let state = br#"{"pid":          ,"id":"x"}"#.to_vec();
    HookStep {
        path: text(path.to_str().unwrap()),
        argv: CStringArray::new(vec![c"zero".into(), c"one".into()]),
        envp: CStringArray::new(vec![c"ONLY=this".into()]),
        inherits_env: false,
        timeout_ms: Some(10_000),
        pid_offset: 7,
        state,
    }
}

#[test]
fn a_hook_sees_its_own_environment_and_the_state() {
    on_stage("hook", sees_only_its_own);
    on_stage("hook without close_range", |stage| {
        testing::refuse(&[libc::SYS_close_range], libc::ENOSYS);
        sees_only_its_own(stage)
    });
    on_stage("hook when all is closed", |mut stage| {
        let _passed_on = leak(nix::unistd::dup(std::io::stderr()).unwrap());
        testing::refuse(&[libc::SYS_close_range], libc::ENOSYS);
        stage.must(Step::CloseFrom { first: 200 });
        sees_only_its_own(stage)
    });
}

fn sees_only_its_own(mut stage: Stage) -> bool {
    let out = stage.path("out");
    let out = out.to_str().unwrap();
    let script = format!(
        "cat > {out}.state; env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= > {out}.env; pwd > {out}.cwd; echo $1 > {out}.arg; umask > {out}.umask; \
             grep SigBlk /proc/self/status > {out}.signals; ls /proc/self/fd > {out}.fds"
    );
    let step = hook(&stage, &script);
    let leaked = nix::unistd::dup(std::io::stderr()).unwrap();
    let cwd = match stage.child.root {
        Some(_) => stage.root.clone(),
        None => "/".into(),
    };
    stage.must(Step::Hooks(vec![step]));
    drop(leaked);
    let read = |name: &str| fs::read_to_string(stage.path(&format!("out.{name}"))).unwrap();
    let pid = fs::read_link("/proc/self").unwrap();
    let state: serde_json::Value = serde_json::from_str(&read("state")).unwrap();
    assert_eq!(state["pid"].to_string(), pid.to_str().unwrap());
    assert_eq!(read("env"), "ONLY=this\n");
    assert_eq!(read("cwd"), format!("{}\n", cwd.display()));
    assert_eq!(read("arg"), "one\n");
    assert_eq!(read("umask"), "0022\n");
    assert!(read("signals").contains("0000000000000000"));
    // ls has its own descriptor of the directory beside 0 to 2.
    assert!(read("fds").lines().count() <= 4, "{}", read("fds"));
    true
}

#[test]
fn a_hook_that_fails_is_named_with_its_status() {
    on_stage("failing hook", |mut stage| {
        let good = hook(&stage, "exit 0");
        let mut bad = hook(&stage, "exit 0");
        bad.path = c"/bin/false".into();
        let fault = stage.perform(Step::Hooks(vec![good, bad])).unwrap_err();
        assert_eq!((fault.call, fault.errno), (Call::HookExit, 0));
        assert_eq!(fault.detail, (1 << 16) | (1 << 8));
        let killed = hook(&stage, "kill -9 $$");
        let fault = stage.perform(Step::Hooks(vec![killed])).unwrap_err();
        assert_eq!(fault.detail, 9);
        let mut missing = hook(&stage, "");
        missing.path = c"/does/not/exist".into();
        let fault = stage.perform(Step::Hooks(vec![missing])).unwrap_err();
        (fault.call, fault.errno, fault.detail) == (Call::Execve, libc::ENOENT, 0)
    });
}

#[test]
fn a_hook_that_lasts_too_long_is_killed() {
    on_stage("slow hook", |mut stage| {
        let mut slow = hook(&stage, "exec sleep 20");
        slow.timeout_ms = Some(100);
        let start = std::time::Instant::now();
        let fault = stage.perform(Step::Hooks(vec![slow])).unwrap_err();
        assert_eq!(fault.call, Call::HookTimeout);
        start.elapsed() < std::time::Duration::from_secs(5)
    });
}

#[test]
fn a_large_state_that_nobody_reads_holds_nothing_up() {
    on_stage("unread state", |mut stage| {
        let mut step = hook(&stage, "exit 0");
        step.state.resize(1 << 20, b' ');
        stage.must(Step::Hooks(vec![step]));
        true
    });
}
