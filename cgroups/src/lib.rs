//! Control groups for container runtimes: version 1, hybrid, version 2, and systemd.
//!
//! ```no_run
//! use cgroups::{Host, Request, plan};
//!
//! # fn main() -> Result<(), cgroups::Error> {
//! let host = Host::probe()?; //                              facts, read once
//! let plan = plan(&host, &Request { id: "c1", ..Request::default() })?; // pure
//! println!("{plan}"); //                                     every step, before it is taken
//! let cgroup = plan.create()?; //                            limits hold before anything is inside
//! let entry = cgroup.entry()?; //                            for clone3(2), or for the child to write
//! // … clone, run, wait …
//! cgroup.remove()?;
//! # Ok(()) }
//! ```
//!
//! [`plan()`] decides from plain data where the cgroup goes ([`Plan::groups`]) and what is
//! written there ([`Plan::writes`], from the tables in [`limits`]). [`Plan::create`] does it,
//! and undoes it on an error. A [`Cgroup`] has the verbs; [`Cgroup::record`] and
//! [`Cgroup::open`] carry it from one program to the next.
//!
//! # How a process gets in
//! An [`Entry`] never makes anybody write another process's id to `cgroup.procs`: the
//! kernel answers that with an RCU grace period of 5 to 12 ms. On version 2 the child is
//! cloned into the directory; on version 1 it writes `0` to `tasks` itself.
//!
//! # systemd
//! With [`ManagerKind::Systemd`] the scope needs a process to begin with: clone the child
//! with what [`Cgroup::entry`] gives, let it wait, and call [`Cgroup::attach_unit`] with its id.
//!
//! # Version 2 and version 1's settings
//! Shares, block weights and memory-plus-swap are converted ([`limits::convert`]). Settings
//! that only version 1 has (`swappiness`, `disableOOMKiller`, `useHierarchy`, `kernelTCP`,
//! `realtimePeriod`, `realtimeRuntime`, `leafWeight`, `network`) are passed over on version 2, as
//! runc and crun do; `unified` on version 1 is an error.
//!
//! The crate starts no thread, prints nothing, and keeps no state of its own.

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
pub use error::{Error, reason};
pub use events::{MemoryEvent, OomEvents};
pub use freeze::FreezerState;
pub use host::{Hierarchy, Host, Layout, Mount, OwnCgroup, Wanted, mounts, own_cgroups};
pub use plan::{Group, ManagerKind, Plan, Request, plan};
