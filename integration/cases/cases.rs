//! The cases by topic.

mod affinity;
mod announce;
mod callers;
mod caps;
mod cgroups;
mod check;
mod commands;
mod devices;
mod embed;
mod exec;
mod foreground;
mod harness;
mod hooks;
mod hostname;
mod leftovers;
mod lifecycle;
mod limits;
mod masks;
mod mounts;
mod namespaces;
mod netdevices;
mod notify;
mod parsed;
mod process;
mod resctrl;
mod rootfs;
mod rootless;
mod sdnotify;
mod seccomp;
mod seccomp_calls;
mod security;
mod stdio;
mod syscalls;
mod sysctl;
mod terminal;
mod texts;
mod updates;
mod userns;

use crate::case::Case;

/// One table of cases for each topic.
pub const TOPICS: &[&[Case]] = &[
    harness::CASES,
    lifecycle::CASES,
    foreground::CASES,
    process::CASES,
    affinity::CASES,
    caps::CASES,
    hostname::CASES,
    rootfs::CASES,
    masks::CASES,
    devices::CASES,
    sysctl::CASES,
    limits::CASES,
    updates::CASES,
    cgroups::CASES,
    mounts::CASES,
    namespaces::CASES,
    seccomp::CASES,
    seccomp_calls::CASES,
    userns::CASES,
    exec::CASES,
    parsed::CASES,
    callers::CASES,
    announce::CASES,
    commands::CASES,
    sdnotify::CASES,
    resctrl::CASES,
    embed::CASES,
    hooks::CASES,
    leftovers::CASES,
    terminal::CASES,
    texts::CASES,
    netdevices::CASES,
    notify::CASES,
    rootless::CASES,
    stdio::CASES,
    security::CASES,
    syscalls::CASES,
];
