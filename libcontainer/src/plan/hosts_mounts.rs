//! Whether the container's process needs the host's mounts before its root is made.

#![forbid(unsafe_code)]

use super::Birth;
use super::builder::Builder;
use super::step::{NamespaceKind, Request, Source, Step};
use crate::facts::Facts;

/// File systems of which no parameter leads to a file: others may name one of the host's.
const WITHOUT_PATHS: [&core::ffi::CStr; 10] = [
    c"bpf",
    c"cgroup",
    c"cgroup2",
    c"devpts",
    c"hugetlbfs",
    c"mqueue",
    c"proc",
    c"ramfs",
    c"sysfs",
    c"tmpfs",
];

/// Whether the new mount namespace may begin empty: everything of the host's comes as a descriptor.
///
/// Not in a user namespace, where procfs and sysfs may be mounted only beside others that are seen
/// already, and trees must be copies that the kernel has made for it. Not with hooks: they look for the
/// host's files.
pub(super) fn are_dispensable(b: &Builder, birth: &Birth, facts: &Facts) -> bool {
    let is_made = birth.makes(NamespaceKind::Mount) && !birth.trees_in_namespace;
    let may_be = !facts.in_user_namespace && facts.may_change_root;
    // Without pivot_root(2) the caller has asked for another way.
    let is_pivot = |step: &Step| matches!(step, Step::PivotRoot);
    let mut before = b.steps.iter().map(|entry| &entry.step);
    is_made
        && may_be
        && before
            .find(|step| is_pivot(step) || looks(step))
            .is_some_and(is_pivot)
}

/// Whether a step looks for something in the host's file system.
fn looks(step: &Step) -> bool {
    match step {
        Step::Root { source, .. } | Step::MaskSource { source } => leads_to_host(source),
        Step::Mount(mount) => leads_to_host(&mount.source),
        Step::Device(device) => device.bind.as_ref().is_some_and(leads_to_host),
        Step::Hooks(_) | Step::Ask(Request::RunHooks) => true,
        _ => false,
    }
}

fn leads_to_host(source: &Source) -> bool {
    match source {
        Source::Tree(_) | Source::Inside { .. } => false,
        Source::HostPath { .. } => true,
        Source::FirstOf(sources) => sources.iter().any(leads_to_host),
        Source::Filesystem {
            fstype, fallback, ..
        } => !WITHOUT_PATHS.contains(&&**fstype) || fallback.as_deref().is_some_and(leads_to_host),
    }
}
