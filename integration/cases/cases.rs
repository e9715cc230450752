//! The cases by topic.

mod caps;
mod check;
mod devices;
mod foreground;
mod harness;
mod hostname;
mod lifecycle;
mod masks;
mod process;
mod rootfs;
mod sysctl;

use crate::case::Case;

/// One table of cases for each topic.
pub const TOPICS: &[&[Case]] = &[
    harness::CASES,
    lifecycle::CASES,
    foreground::CASES,
    process::CASES,
    caps::CASES,
    hostname::CASES,
    rootfs::CASES,
    masks::CASES,
    devices::CASES,
    sysctl::CASES,
];
