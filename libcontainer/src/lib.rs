//! Runs OCI containers on Linux: plan, launch, init.
//!
//! [`Create`] and [`Exec`] say what is wanted, [`Container`] is one that exists. A configuration and
//! facts about the host become a [`plan::Plan`] without any system call; the parent clones once, and
//! the child walks the plan with raw system calls, without heap, locks or unwinding, which is what
//! makes this safe in a program with threads.
//!
//! What this crate does not do: print, start threads, install signal handlers, change the calling
//! process's environment or working directory.

pub mod container;
pub mod error;
pub mod facts;
pub mod features;
pub(crate) mod init;
pub(crate) mod launch;
pub(crate) mod path;
pub mod plan;
pub(crate) mod procfs;
mod seal;
pub mod spec;
pub(crate) mod store;
pub(crate) mod sync;
pub(crate) mod sys;
mod validate;

pub use cgroups::{MemoryEvent, OomEvents, reason, stats::Stats};
pub use container::{
    Container, Create, Exec, ExecChanges, ExecProcess, Exit, ManagerKind, Process, ProcessOptions,
    State, Status, Terminal,
};
pub use error::{Error, ErrorKind, Result};
pub use launch::notify_socket::NotifySocket;
pub use plan::step::WindowSize;
pub use seal::seal;
