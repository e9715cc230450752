//! Which mount trees of the host are cloned when: before the clone, or when the child asks.

#![forbid(unsafe_code)]

use super::builder::Builder;
use super::step::{Entry, Slot, Source, Step};
use super::{Birth, CreateOptions, Open, OpenKind};

/// Puts requests for trees into the steps. `first` is the step before which none is used.
pub(crate) fn request(
    b: &mut Builder,
    birth: &mut Birth,
    options: &CreateOptions<'_>,
    first: usize,
) {
    // systemd makes the cgroup for the process: there is nothing to clone before.
    birth.trees_in_namespace |= options.cgroup.unit().is_some() && clones_cgroups(b);
    if birth.trees_in_namespace {
        let slots = (0_u16..).zip(&b.opens).filter(|(_, open)| is_tree(open));
        let slots = slots.map(|(number, _)| Slot(number)).collect();
        insert(b, vec![(first, slots)]);
    } else {
        let runs = late_runs(b, first);
        insert(b, runs);
    }
}

/// Runs of bind mounts behind a file system that the child mounts. A mount namespace lists its
/// mounts by when they were made (since Linux 6.8), and who reads the list takes that for the
/// configuration's order. Trees that no new file system comes before may be made early.
fn late_runs(b: &Builder, first: usize) -> Vec<(usize, Vec<Slot>)> {
    let mut runs: Vec<(usize, Vec<Slot>)> = Vec::new();
    let mut made_new = false;
    for (index, entry) in b.steps.iter().enumerate().skip(first) {
        let Step::Mount(mount) = &entry.step else {
            continue;
        };
        let Source::Tree(slot) = mount.source else {
            made_new = true;
            continue;
        };
        let open = b.opens.get(usize::from(slot.0));
        if !open.is_some_and(|open| matches!(open.what, OpenKind::Tree { .. })) {
            continue;
        }
        if made_new {
            runs.push((index, vec![slot]));
            made_new = false;
        } else if let Some((_, run)) = runs.last_mut() {
            run.push(slot);
        }
    }
    runs
}

/// Puts a request in front of each of these steps, which are in ascending order.
fn insert(b: &mut Builder, requests: Vec<(usize, Vec<Slot>)>) {
    for (at, slots) in requests.into_iter().rev() {
        for slot in &slots {
            if let Some(open) = b.opens.get_mut(usize::from(slot.0)) {
                open.on_request = true;
            }
        }
        if !slots.is_empty() {
            let entry = Entry {
                step: Step::Receive(slots),
                field: "mounts".to_owned(),
            };
            b.steps.insert(at, entry);
        }
    }
}

fn clones_cgroups(b: &Builder) -> bool {
    let cgroup = |open: &Open| matches!(open.what, OpenKind::CgroupTree { .. });
    b.opens.iter().any(cgroup)
}

fn is_tree(open: &Open) -> bool {
    matches!(
        open.what,
        OpenKind::Tree { .. } | OpenKind::CgroupTree { .. }
    )
}
