//! What `mounts` of type `cgroup` and `cgroup2` become, which depends on the host's hierarchies.

#![forbid(unsafe_code)]

use std::path::PathBuf;

use cgroups::{Hierarchy, Layout};

use super::OpenKind;
use super::builder::{Builder, c_path, c_string};
use super::kernel::{attr, propagation};
use super::mounts::{Wanted, host_tree};
use super::root::Context;
use super::step::{Attributes, MountStep, NamespaceKind, Param, Source, Step};
use crate::error::Result;

/// Plans one mount of type `cgroup` or `cgroup2`.
pub(crate) fn plan(b: &mut Builder, context: &Context<'_>, wanted: &Wanted<'_>) -> Result<()> {
    let host = &context.facts.cgroups;
    match (host.layout, &host.v2) {
        (Layout::V2, Some(hierarchy)) => unified(b, context, wanted, hierarchy),
        _ if wanted.fstype == "cgroup" => legacy(b, context, wanted),
        _ => {
            let source = new_filesystem("cgroup2", Vec::new(), None)?;
            push(b, wanted, None, source, own_attributes(context, wanted))
        }
    }
}

/// The container's directory in a hierarchy; where it gets none, that is the caller's.
fn own_directory(context: &Context<'_>, hierarchy: &Hierarchy) -> PathBuf {
    let groups = context.options.cgroup.groups();
    let own = groups
        .iter()
        .find(|group| group.mount_point == hierarchy.mount_point);
    own.map_or_else(|| hierarchy.own_directory(), cgroups::Group::path)
}

/// The name of a version 1 hierarchy's directory below `/sys/fs/cgroup`.
fn directory_name(hierarchy: &Hierarchy) -> String {
    let names: Vec<&str> = hierarchy
        .controllers
        .iter()
        .map(|name| name.strip_prefix("name=").unwrap_or(name))
        .collect();
    names.join(",")
}

/// Without a cgroup namespace of its own a user namespace would see, and with write access change,
/// what belongs to others (CVE-2023-25809).
fn only_own_subtree(context: &Context<'_>) -> bool {
    context.namespaces.has(NamespaceKind::User) && !context.namespaces.has(NamespaceKind::Cgroup)
}

fn own_attributes(context: &Context<'_>, wanted: &Wanted<'_>) -> Attributes {
    let mut attributes = wanted.options.attributes;
    if only_own_subtree(context) {
        attributes.set |= attr::RDONLY;
        attributes.clear &= !attr::RDONLY;
    }
    attributes
}

fn unified(
    b: &mut Builder,
    context: &Context<'_>,
    wanted: &Wanted<'_>,
    hierarchy: &Hierarchy,
) -> Result<()> {
    let source = if only_own_subtree(context) {
        subtree(b, context, wanted, hierarchy)?
    } else {
        let fallback = fallback(b, context, wanted, hierarchy)?;
        new_filesystem("cgroup2", Vec::new(), fallback)?
    };
    push(b, wanted, None, source, own_attributes(context, wanted))
}

fn legacy(b: &mut Builder, context: &Context<'_>, wanted: &Wanted<'_>) -> Result<()> {
    let attributes = own_attributes(context, wanted);
    let read_only = attributes.set & attr::RDONLY;
    let writable = Attributes {
        set: attributes.set & !attr::RDONLY,
        ..attributes
    };
    let mode = Param::Text {
        key: c"mode".into(),
        value: c"755".into(),
    };
    let tmpfs = new_filesystem("tmpfs", vec![mode], None)?;
    push(b, wanted, None, tmpfs, writable)?;
    for hierarchy in &context.facts.cgroups.v1 {
        one_hierarchy(b, context, wanted, hierarchy, attributes)?;
    }
    if read_only != 0 {
        let target = target(wanted, None)?;
        let attributes = Attributes {
            set: attr::RDONLY,
            ..Attributes::default()
        };
        b.step(
            wanted.field.clone(),
            Step::SetAttributes { target, attributes },
        );
    }
    Ok(())
}

fn one_hierarchy(
    b: &mut Builder,
    context: &Context<'_>,
    wanted: &Wanted<'_>,
    hierarchy: &Hierarchy,
    attributes: Attributes,
) -> Result<()> {
    let source = if context.namespaces.has(NamespaceKind::Cgroup) {
        let fallback = fallback(b, context, wanted, hierarchy)?;
        new_filesystem("cgroup", selection(wanted, hierarchy)?, fallback)?
    } else {
        subtree(b, context, wanted, hierarchy)?
    };
    let name = directory_name(hierarchy);
    push(b, wanted, Some(&name), source, attributes)?;
    if hierarchy.controllers.len() > 1 {
        for controller in &hierarchy.controllers {
            let path = target(wanted, Some(controller))?;
            let to = c_string(&wanted.field, &name)?;
            b.step(wanted.field.clone(), Step::Symlink { path, to });
        }
    }
    Ok(())
}

/// The parameters that choose the hierarchy: its controllers, or its name.
fn selection(wanted: &Wanted<'_>, hierarchy: &Hierarchy) -> Result<Vec<Param>> {
    hierarchy
        .controllers
        .iter()
        .map(|controller| {
            Ok(match controller.split_once('=') {
                Some((key, value)) => Param::Text {
                    key: c_string(&wanted.field, key)?,
                    value: c_string(&wanted.field, value)?,
                },
                None => Param::Flag(c_string(&wanted.field, controller)?),
            })
        })
        .collect()
}

fn new_filesystem(
    fstype: &str,
    mut params: Vec<Param>,
    fallback: Option<Source>,
) -> Result<Source> {
    let source = if fstype == "tmpfs" { "tmpfs" } else { "cgroup" };
    params.insert(
        0,
        Param::Text {
            key: c"source".into(),
            value: c_string("mounts", source)?,
        },
    );
    Ok(Source::Filesystem {
        fstype: c_string("mounts", fstype)?,
        params,
        fallback: fallback.map(Box::new),
    })
}

/// What to show where the file system cannot be mounted: the same part of it.
fn fallback(
    b: &mut Builder,
    context: &Context<'_>,
    wanted: &Wanted<'_>,
    hierarchy: &Hierarchy,
) -> Result<Option<Source>> {
    if !context.namespaces.has(NamespaceKind::Cgroup) {
        return hosts_tree(b, context, wanted, hierarchy);
    }
    // Only where a user namespace owns something that the kernel wants to be the first one's it refuses.
    let is_hosts_root = context.facts.may_mount && !context.facts.in_user_namespace;
    if is_hosts_root && !context.namespaces.has(NamespaceKind::User) {
        return Ok(None);
    }
    // A cgroup that systemd makes can be cloned only when the process is in it, by a helper: not
    // worth it for this.
    if context.options.cgroup.unit().is_some() && context.facts.may_mount {
        return Ok(None);
    }
    subtree(b, context, wanted, hierarchy).map(Some)
}

/// The caller's view of the hierarchy, for a container without a cgroup namespace of its own. A new
/// instance is refused where another user namespace than the caller's owns the cgroup namespace.
fn hosts_tree(
    b: &mut Builder,
    context: &Context<'_>,
    wanted: &Wanted<'_>,
    hierarchy: &Hierarchy,
) -> Result<Option<Source>> {
    if !context.facts.in_user_namespace {
        return Ok(None);
    }
    let (facts, path) = (context.facts, &hierarchy.mount_point);
    host_tree(b, facts, &wanted.field, path, false, None).map(Some)
}

/// The container's own cgroup directory. An ordinary user may get none: then the caller's, in which
/// the container is.
fn subtree(
    b: &mut Builder,
    context: &Context<'_>,
    wanted: &Wanted<'_>,
    hierarchy: &Hierarchy,
) -> Result<Source> {
    let own = c_path(&wanted.field, &own_directory(context, hierarchy))?;
    if context.facts.may_mount {
        let slot = b.open(wanted.field.clone(), OpenKind::CgroupTree { path: own })?;
        return Ok(Source::Tree(slot));
    }
    let callers = c_path(&wanted.field, &hierarchy.own_directory())?;
    let tree = |path| Source::HostPath {
        path,
        recursive: false,
    };
    Ok(if own == callers {
        tree(own)
    } else {
        Source::FirstOf(vec![tree(own), tree(callers)])
    })
}

fn target(wanted: &Wanted<'_>, name: Option<&str>) -> Result<Box<std::ffi::CStr>> {
    let field = format!("{}.destination", wanted.field);
    let mut path = wanted.target.clone();
    if let Some(name) = name {
        path.push(name);
    }
    c_path(&field, &path)
}

fn push(
    b: &mut Builder,
    wanted: &Wanted<'_>,
    name: Option<&str>,
    source: Source,
    mut attributes: Attributes,
) -> Result<()> {
    let cloned = !matches!(source, Source::Filesystem { .. });
    // A clone of one mount: there is nothing below that could need it too.
    if cloned && attributes.propagation | attributes.propagation_recursive == 0 {
        attributes.propagation = propagation::SLAVE;
    }
    let step = MountStep {
        target: target(wanted, name)?,
        inherit_mode: false,
        ..wanted.step(source, attributes)?
    };
    b.step(wanted.field.clone(), Step::Mount(step));
    Ok(())
}
