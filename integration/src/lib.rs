//! Harness for cases that run real containers, and the cases themselves.
//!
//! A case is a small function that builds a bundle, runs a container with the
//! runtime under test and asserts what the container or the kernel shows. The
//! same cases run against any runtime with runc's command line: set
//! `OXRUN_TEST_RUNTIME` to its path, or let the `differences` command compare
//! several.
//!
//! Every case runs in a process of its own, in new mount and PID namespaces
//! with a tmpfs for its files (see [`isolate`]); when it ends, however it ends,
//! the kernel takes everything away but cgroups, which the runner removes.

#![allow(clippy::disallowed_methods)]
// a runtime seen from outside has no event to wait for

// The harness is a test program: it prints, and its panics are its assertions.
#![allow(clippy::print_stdout, clippy::print_stderr)]

pub mod bundle;
pub mod case;
pub mod cgroup;
pub mod conformance;
pub mod container;
pub mod differences;
pub mod exec;
pub mod guest;
pub mod isolate;
pub mod manager;
pub mod mountinfo;
pub mod need;
pub mod outcome;
pub mod output;
pub mod panics;
pub mod rootfs;
pub mod runner;
pub mod runtime;
pub mod suite;
pub mod sys;
pub mod test;
pub mod traces;

#[path = "../cases/cases.rs"]
pub mod cases;
