//! Which devices a container may use: rules, and the two ways to enforce them
//! (version 1's control files, version 2's eBPF program).

pub mod bpf;
pub mod program;
pub mod rules;
