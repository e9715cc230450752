//! Compiles OCI seccomp profiles to classic BPF and installs them.
//!
//! [`compile`] turns the `linux.seccomp` object of a container's configuration into a [`Filter`],
//! without a system call; [`install`] hands it to the kernel with one. [`explain`] tells what
//! happens to a system call and which rule says so, [`sim`] runs a program without installing it,
//! [`check`](check()) applies the kernel's rules for programs and [`Dump`] prints them.
//!
//! ```no_run
//! use oci_spec::runtime::LinuxSeccomp;
//! use seccomp::{Options, compile};
//!
//! let profile: LinuxSeccomp = serde_json::from_str(
//!     r#"{ "defaultAction": "SCMP_ACT_ALLOW",
//!          "syscalls": [ { "names": [ "reboot" ], "action": "SCMP_ACT_ERRNO" } ] }"#,
//! )?;
//! let filter = compile(&profile, &Options::default())?;
//! println!("{}", filter.dump());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What a profile means
//!
//! Where the specification is silent, a profile means what libseccomp makes of it under runc:
//!
//! - The machine's own architecture is always covered. A call of an architecture that is neither
//!   that nor listed kills the thread, and so does an x32 call when x32 is not listed.
//! - A rule whose action is the default action has no effect. A rule without conditions beats all
//!   rules with conditions for the same call; among several of either kind the first in the
//!   profile counts. (libseccomp refuses some contradictions between rules with conditions and
//!   settles others by the order of its tree.)
//! - All conditions of a rule must hold; if they name an argument twice, each stands alone and
//!   one is enough.
//! - Architectures with 32-bit arguments, x32 among them, compare the low words only.
//! - Where `socketcall(2)` and `ipc(2)` exist, a rule for a call that they multiplex covers both
//!   ways. A filter cannot see the arguments of a multiplexed call: the condition on the first
//!   one is lost, and others compare what is in the registers.
//! - Calls with numbers above all that the profile names fail with `ENOSYS` unless the default
//!   action lets calls through, as with runc. ARM's private calls are apart from this.
//! - An errno with an action that takes none is refused, as the specification demands.
//!
//! # What this crate does not do
//!
//! It does not set `no_new_privs`, does not connect to the listener's socket, and keeps no cache:
//! compiling costs less than looking one up.

mod action;
mod answers;
mod arch;
mod asm;
mod bpf;
mod check;
mod compile;
mod conditions;
mod dump;
mod error;
mod explain;
mod features;
mod filter;
mod install;
mod options;
mod rules;
pub mod sim;
mod syscalls;
mod tree;

pub use action::Action;
pub use arch::native;
pub use check::{Violation, check};
pub use compile::compile;
pub use dump::Dump;
pub use error::{Error, Warning};
pub use explain::{Call, Decision, Explainer, Source, explain};
pub use features::{actions, archs, flags, operators, supported_flags};
pub use filter::Filter;
pub use install::install;
pub use options::Options;
pub use syscalls::{known_names, syscall_name, syscall_number};
