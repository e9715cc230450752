//! The parent's side: opens descriptors, makes the cgroup, clones once, answers what the child
//! asks, and takes everything back when something fails.

#![forbid(unsafe_code)]

mod birth;
mod channel;
pub(crate) mod console_socket;
pub(crate) mod hooks;
pub(crate) mod id_maps;
pub(crate) mod limits;
pub(crate) mod net_devices;
mod netlink;
pub(crate) mod notify_socket;
mod open;
pub(crate) mod pidfd_socket;
pub(crate) mod probe;
pub(crate) mod resctrl;
pub(crate) mod seccomp_agent;
mod serve;
mod subprocess;
mod trace;
pub(crate) mod trees;
mod undo;
mod unix_socket;
pub(crate) mod wait;

pub(crate) use birth::{Child, Cradle, Entrance, Passage, Start, bear};
pub(crate) use net_devices::Moved as MovedDevices;
pub(crate) use open::{Console, Descriptors, Given};
pub(crate) use serve::{Parent, until_executed, until_ready};
pub(crate) use undo::{Poststop, Undo};
