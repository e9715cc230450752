//! What a person who looks for a fault sees of a birth: debug messages for the `log` facade.
//!
//! Where runc says the same, the words are runc's: people and its test suite look for them.

#![forbid(unsafe_code)]

use log::{Level, debug, log_enabled};

use crate::plan::step::Step;
use crate::plan::{Plan, render};

/// What is about to be done.
pub(crate) fn planned(plan: &Plan) {
    if !log_enabled!(Level::Debug) {
        return;
    }
    let steps = plan.steps.len();
    debug!("nsexec container setup: one clone, then {steps} steps");
    filter_flags(plan);
    for line in render::lines(plan) {
        debug!("{}: {} [{}]", line.step, line.text, line.field);
        if line.step == "clone" {
            birth_affinity(plan);
        }
    }
}

/// What is asked of seccomp(2) besides the filter.
fn filter_flags(plan: &Plan) {
    if let Some(filter) = &plan.seccomp {
        debug!("seccomp filter flags: {}", filter.flags());
    }
}

/// The CPUs that an exec process starts with, as a mask.
fn birth_affinity(plan: &Plan) {
    if let Some(Step::CpuAffinity { mask }) = plan.steps.first().map(|entry| &entry.step) {
        let digits: String = mask
            .iter()
            .rev()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        debug!("nsexec: affinity: 0x{}", digits.trim_start_matches('0'));
    }
}

/// The process exists.
pub(crate) fn born(pid: i32) {
    debug!("child process in init(): process {pid} walks the steps");
}

/// Every step before the start is done.
pub(crate) fn ready(pid: i32) {
    debug!("init: process {pid} is ready");
}

/// The program of `run` or `exec` is to be executed.
pub(crate) fn executing(plan: &Plan) {
    let init = if plan.rootfs.is_some() {
        "init"
    } else {
        "setns_init"
    };
    debug!("{init}: about to exec");
}

/// The program runs.
pub(crate) fn executed() {
    debug!("init: closing the pipe to signal completion");
}
