//! Control groups for container runtimes.

#![deny(unsafe_code)]

mod cgroup;
mod create;
mod delegate;
pub mod devices;
mod dir;
mod enter;
mod error;
mod events;
mod freeze;
mod host;
mod kill;
pub mod limits;
mod path;
mod plan;
mod remove;
pub mod stats;
mod subtree;
pub mod systemd;
mod update;
mod wait;
mod walk;

pub use cgroup::{Cgroup, Member, Record};
pub use enter::{Entry, SubCgroups};
pub use error::Error;
pub use events::{MemoryEvent, OomEvents};
pub use freeze::FreezerState;
pub use host::{Hierarchy, Host, Layout, Mount, OwnCgroup, mounts, own_cgroups};
pub use plan::{Group, ManagerKind, Plan, Request, plan};
