//! The container's mounts, in the configuration's order (config.md, "Mounts").

#![forbid(unsafe_code)]

use std::path::{Component, Path, PathBuf};

use oci_spec::runtime::{Mount, Spec};

use super::builder::{Builder, at_most, c_path, c_string, clean, quoted};
use super::kernel::{attr, propagation};
use super::mount_options::{self, MountOptions};
use super::namespaces::{id_maps, ranges};
use super::root::Context;
use super::step::{
    Attributes, Entry, IdMapping, MountStep, NamespaceKind, Param, Source, Step, TargetKind,
};
use super::{IdMaps, OpenKind, cgroup_mounts};
use crate::error::{Error, Result};
use crate::facts::Facts;

const MOUNTS: usize = 8192;

/// What may be mounted inside `/proc`: files that tell a container about itself what the host's
/// procfs does not. Anything else there could hide or fake what the runtime relies on.
const INSIDE_PROC: &[&str] = &[
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/slabinfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/sys/crypto/fips_enabled",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/uptime",
];

/// File systems whose instances share state with the host's or have no storage: `ro` belongs to the
/// mount there, and as a flag of the file system could reach the host's mounts.
const VIRTUAL: &[&str] = &[
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "proc",
    "pstore",
    "ramfs",
    "resctrl",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "sysfs",
    "tmpfs",
    "tracefs",
];

/// One mount of the configuration with what was found out about it.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) field: String,
    pub(crate) mount: &'a Mount,
    pub(crate) fstype: &'a str,
    /// The destination, inside the root.
    pub(crate) target: PathBuf,
    /// The same from `/` on, for comparing.
    pub(crate) cleaned: String,
    pub(crate) options: MountOptions,
}

/// Plans all mounts. Returns the steps that make some of them read-only when everything is in place.
pub(crate) fn plan(b: &mut Builder, context: &Context<'_>) -> Result<Vec<Entry>> {
    let mounts = context.spec.mounts().as_deref().unwrap_or_default();
    at_most("mounts", mounts.len(), MOUNTS)?;
    let mut later = Vec::new();
    for (index, mount) in mounts.iter().enumerate() {
        let wanted = wanted(b, context, format!("mounts[{index}]"), mount)?;
        if let Some(read_only) = one(b, context, wanted)? {
            later.push(read_only);
        }
    }
    Ok(later)
}

/// What the configuration has for `/dev`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dev {
    /// The directory of the root file system.
    Directory,
    /// A new file system.
    New,
    /// A bind mount, in which nothing may be made.
    Bound,
}

impl Dev {
    pub(crate) fn of(spec: &Spec) -> Self {
        let mounts = spec.mounts().as_deref().unwrap_or_default();
        let here = mounts
            .iter()
            .filter(|mount| clean(mount.destination()) == "/dev");
        here.map(|mount| {
            let options = mount_options::parse(mount.options().as_deref().unwrap_or_default());
            if options.bind.is_some() || mount.typ().as_deref() == Some("bind") {
                Self::Bound
            } else {
                Self::New
            }
        })
        .max_by_key(|dev| *dev == Self::Bound)
        .unwrap_or(Self::Directory)
    }
}

fn wanted<'a>(
    b: &mut Builder,
    context: &Context<'_>,
    field: String,
    mount: &'a Mount,
) -> Result<Wanted<'a>> {
    let destination = mount.destination();
    if !destination.is_absolute() {
        b.warn(
            &format!("{field}.destination"),
            format_args!(
                "{destination:?}: relative destination path is **deprecated**, using it as relative to /"
            ),
        );
    }
    let mut options = mount_options::parse(mount.options().as_deref().unwrap_or_default());
    let fstype = mount.typ().as_deref().unwrap_or_default();
    if fstype == "bind" && options.bind.is_none() {
        options.bind = Some(false);
    }
    // As with runc, a destination may be given as the host has it.
    let target = match inside_root(context, destination)? {
        Some(inside) => inside,
        None => destination.clone(),
    };
    let wanted = Wanted {
        cleaned: clean(&target),
        target,
        field,
        mount,
        fstype,
        options,
    };
    wanted.check()?;
    // mount(2) ignores them, and so did every runtime for years: configurations have them.
    if let Some(option) = wanted.options.data.first()
        && wanted.options.bind.is_some()
    {
        b.warn(
            &format!("{}.options", wanted.field),
            format_args!(
                "{}: has no effect on a bind mount, which keeps the options of its file system",
                quoted(option)
            ),
        );
    }
    Ok(wanted)
}

impl Wanted<'_> {
    fn check(&self) -> Result<()> {
        let options = format!("{}.options", self.field);
        let is_bind = self.options.bind.is_some();
        if let Some(option) = self.options.data.first()
            && self.options.remount
            && !is_bind
        {
            return Err(Error::config(
                &options,
                format_args!(
                    "{}: remounts cannot have any filesystem-specific options applied",
                    quoted(option)
                ),
            ));
        }
        if self.options.copy_up && (is_bind || self.fstype != "tmpfs") {
            return Err(Error::config(&options, "\"tmpcopyup\" is only for tmpfs"));
        }
        if is_bind || self.options.remount {
            return self.check_proc();
        }
        if matches!(self.fstype, "" | "none") {
            return Err(Error::config(
                &format!("{}.type", self.field),
                "must name a file system unless the options hold \"bind\" or \"rbind\"",
            ));
        }
        self.check_proc()
    }

    /// Nothing but a procfs on `/proc`, and few files inside it.
    fn check_proc(&self) -> Result<()> {
        let field = format!("{}.destination", self.field);
        if self.cleaned == "/proc" {
            let may_be_proc = self.options.bind.is_some() || self.fstype == "proc";
            if !may_be_proc && !self.options.remount {
                return Err(Error::config(
                    &field,
                    "\"/proc\" cannot be mounted because it is not of type proc",
                ));
            }
        } else if self.cleaned.starts_with("/proc/") && !self.covers_proc() {
            return Err(Error::config(
                &field,
                format_args!(
                    "{} cannot be mounted because it is inside /proc",
                    quoted(&self.cleaned)
                ),
            ));
        }
        Ok(())
    }

    fn covers_proc(&self) -> bool {
        INSIDE_PROC.contains(&self.cleaned.as_str())
    }

    /// The mount with everything but its source.
    pub(crate) fn step(&self, source: Source, attributes: Attributes) -> Result<MountStep> {
        let is_bind = self.options.bind.is_some();
        Ok(MountStep {
            source,
            target: c_path(&format!("{}.destination", self.field), &self.target)?,
            target_kind: if is_bind {
                TargetKind::LikeSource
            } else {
                TargetKind::Directory
            },
            attributes,
            idmap: None,
            copy_up: self.options.copy_up,
            inherit_mode: !is_bind
                && self.fstype == "tmpfs"
                && !self.options.data.iter().any(|o| o.starts_with("mode=")),
            strict_target: matches!(self.fstype, "proc" | "sysfs")
                || matches!(self.cleaned.as_str(), "/proc" | "/sys"),
            may_cover_proc: self.covers_proc(),
            procfs_only: is_bind && self.cleaned == "/proc",
        })
    }
}

fn one(b: &mut Builder, context: &Context<'_>, wanted: Wanted<'_>) -> Result<Option<Entry>> {
    if wanted.options.remount {
        let step = Step::SetAttributes {
            target: c_path(&format!("{}.destination", wanted.field), &wanted.target)?,
            attributes: wanted.options.attributes,
        };
        b.step(wanted.field, step);
        return Ok(None);
    }
    if wanted.options.bind.is_some() {
        return bind(b, context, &wanted).map(|()| None);
    }
    if matches!(wanted.fstype, "cgroup" | "cgroup2") {
        return cgroup_mounts::plan(b, context, &wanted).map(|()| None);
    }
    filesystem(b, context, &wanted)
}

/// A tree of the host: cloned by the parent where that may mount, otherwise by the child.
pub(crate) fn host_tree(
    b: &mut Builder,
    facts: &Facts,
    field: &str,
    path: &Path,
    recursive: bool,
    idmap: Option<IdMapping>,
) -> Result<Source> {
    let path = c_path(field, path)?;
    if !facts.may_mount {
        return Ok(Source::HostPath { path, recursive });
    }
    let what = OpenKind::Tree {
        path,
        recursive,
        idmap,
    };
    Ok(Source::Tree(b.open(field, what)?))
}

fn bind(b: &mut Builder, context: &Context<'_>, wanted: &Wanted<'_>) -> Result<()> {
    let field = format!("{}.source", wanted.field);
    let source = wanted.mount.source().as_deref();
    let Some(source) = source.filter(|path| !path.as_os_str().is_empty()) else {
        return Err(Error::config(&field, "is required for a bind mount"));
    };
    let path = context.options.bundle.join(source);
    let recursive = wanted.options.bind == Some(true);
    for flag in &wanted.options.superblock {
        b.warn(
            &format!("{}.options", wanted.field),
            format_args!("{flag:?} has no effect on a bind mount"),
        );
    }
    let idmap = id_mapping(b, context, wanted)?;
    let tree = match inside_root(context, &path)? {
        // Earlier mounts of the container are part of it.
        Some(path) => Source::Inside {
            path: c_path(&field, &path)?,
            recursive,
        },
        None => host_tree(b, context.facts, &field, &path, recursive, idmap)?,
    };
    let mut attributes = wanted.options.of_bind();
    default_propagation(&mut attributes, recursive, context.spec);
    let idmap = idmap.filter(|_| !matches!(tree, Source::Tree(_)));
    let step = MountStep {
        idmap,
        ..wanted.step(tree, attributes)?
    };
    b.step(wanted.field.clone(), Step::Mount(step));
    Ok(())
}

/// A path of the host that lies in the container's root file system, as it is inside.
fn inside_root(context: &Context<'_>, path: &Path) -> Result<Option<PathBuf>> {
    let rootfs = super::root::path(context.spec, context.options)?;
    let inside = path.strip_prefix(&rootfs).ok();
    // A path with ".." may lead out again.
    let plain = |path: &Path| !path.components().any(|part| part == Component::ParentDir);
    let inside = inside.filter(|inside| rootfs != Path::new("/") && plain(inside));
    Ok(inside.map(|inside| Path::new("/").join(inside)))
}

/// The clone of a tree is a peer of the host's mounts. Unless the configuration wants that, it only
/// receives from them.
fn default_propagation(attributes: &mut Attributes, recursive: bool, spec: &Spec) {
    let top_is_all = !recursive && attributes.propagation != 0;
    if attributes.propagation_recursive == 0 && !top_is_all {
        attributes.propagation_recursive = tree_propagation(spec);
    }
}

/// The propagation of trees from the host, by `linux.rootfsPropagation`; 0 keeps what they have.
pub(crate) fn tree_propagation(spec: &Spec) -> u64 {
    let linux = spec.linux().as_ref();
    match linux.and_then(|l| l.rootfs_propagation().as_deref()) {
        Some("shared" | "rshared") => 0,
        Some("private" | "rprivate" | "unbindable" | "runbindable") => propagation::PRIVATE,
        _ => propagation::SLAVE,
    }
}

fn filesystem(
    b: &mut Builder,
    context: &Context<'_>,
    wanted: &Wanted<'_>,
) -> Result<Option<Entry>> {
    let field = &wanted.field;
    let params = params(b, context, wanted)?;
    let source = Source::Filesystem {
        fstype: c_string(&format!("{field}.type"), wanted.fstype)?,
        params,
        fallback: sysfs_fallback(b, context, wanted)?,
    };
    let mut attributes = wanted.options.attributes;
    // Later mounts and devices need room in a tmpfs and in /dev.
    let late = attributes.set & attr::RDONLY != 0
        && (wanted.fstype == "tmpfs" || wanted.cleaned == "/dev");
    if late {
        attributes.set &= !attr::RDONLY;
    }
    let step = MountStep {
        idmap: id_mapping(b, context, wanted)?,
        ..wanted.step(source, attributes)?
    };
    let target = step.target.clone();
    b.step(field.clone(), Step::Mount(step));
    Ok(late.then(|| Entry {
        step: Step::SetAttributes {
            target,
            attributes: Attributes {
                set: attr::RDONLY,
                ..Attributes::default()
            },
        },
        field: field.clone(),
    }))
}

/// A sysfs belongs to the network namespace that it is mounted from. A user namespace that does not
/// own that gets the host's.
fn sysfs_fallback(
    b: &mut Builder,
    context: &Context<'_>,
    wanted: &Wanted<'_>,
) -> Result<Option<Box<Source>>> {
    let foreign = context.namespaces.has(NamespaceKind::User)
        && !context.namespaces.is_new(NamespaceKind::Network);
    if wanted.fstype != "sysfs" || !foreign {
        return Ok(None);
    }
    let tree = host_tree(
        b,
        context.facts,
        &wanted.field,
        Path::new("/sys"),
        true,
        None,
    )?;
    Ok(Some(Box::new(tree)))
}

fn params(b: &mut Builder, context: &Context<'_>, wanted: &Wanted<'_>) -> Result<Vec<Param>> {
    let field = format!("{}.options", wanted.field);
    let mut params = Vec::new();
    if let Some(source) = wanted.mount.source().as_deref()
        && !source.as_os_str().is_empty()
    {
        params.push(Param::Text {
            key: c"source".into(),
            value: c_path(&format!("{}.source", wanted.field), source)?,
        });
    }
    for flag in &wanted.options.superblock {
        params.push(Param::Flag(c_string(&field, flag)?));
    }
    if wanted.options.attributes.set & attr::RDONLY != 0 && !VIRTUAL.contains(&wanted.fstype) {
        params.push(Param::Flag(c"ro".into()));
    }
    for option in &wanted.options.data {
        params.push(match option.split_once('=') {
            Some((key, value)) => Param::Text {
                key: c_string(&field, key)?,
                value: c_string(&field, value)?,
            },
            None => Param::Flag(c_string(&field, option)?),
        });
    }
    params.extend(label(b, context, wanted)?);
    Ok(params)
}

/// The SELinux context of a file system that keeps none of its own.
fn label(b: &mut Builder, context: &Context<'_>, wanted: &Wanted<'_>) -> Result<Option<Param>> {
    let linux = context.spec.linux().as_ref();
    let Some(label) = linux
        .and_then(|l| l.mount_label().as_deref())
        .filter(|label| !label.is_empty())
    else {
        return Ok(None);
    };
    let has_own = wanted.options.data.iter().any(|o| o.contains("context="));
    if has_own || matches!(wanted.fstype, "proc" | "sysfs" | "mqueue") {
        return Ok(None);
    }
    let value = c_string("linux.mountLabel", label)?;
    if !context.facts.selinux {
        b.warn(
            "linux.mountLabel",
            "SELinux is not enabled; no label is set",
        );
        return Ok(None);
    }
    Ok(Some(Param::Text {
        key: c"context".into(),
        value,
    }))
}

/// The id maps of a mount: its own, or the container's.
fn id_mapping(
    b: &mut Builder,
    context: &Context<'_>,
    wanted: &Wanted<'_>,
) -> Result<Option<IdMapping>> {
    let field = &wanted.field;
    let uids = ranges(
        &format!("{field}.uidMappings"),
        wanted.mount.uid_mappings().as_deref(),
    )?;
    let gids = ranges(
        &format!("{field}.gidMappings"),
        wanted.mount.gid_mappings().as_deref(),
    )?;
    if uids.is_empty() != gids.is_empty() {
        return Err(Error::config(
            field,
            "uidMappings and gidMappings must be given together",
        ));
    }
    if uids.is_empty() && wanted.options.idmap.is_none() {
        return Ok(None);
    }
    let what = if uids.is_empty() {
        container_maps(context, field)?
    } else {
        OpenKind::IdMapNamespace(IdMaps {
            uids,
            gids,
            with_helpers: false,
            deny_setgroups: false,
        })
    };
    let slot = b.open(field.clone(), what)?;
    Ok(Some(IdMapping {
        slot,
        recursive: wanted.options.idmap == Some(true),
    }))
}

fn container_maps(context: &Context<'_>, field: &str) -> Result<OpenKind> {
    let kind = NamespaceKind::User;
    if let Some(path) = context.namespaces.joined(kind) {
        let path = c_path(&format!("{}.path", context.namespaces.field(kind)), path)?;
        return Ok(OpenKind::Namespace { path, kind });
    }
    if context.namespaces.has(kind) {
        return Ok(OpenKind::IdMapNamespace(id_maps(
            context.spec,
            context.facts,
        )?));
    }
    Err(Error::config(
        &format!("{field}.options"),
        "\"idmap\" and \"ridmap\" need uidMappings and gidMappings, as the container has no user namespace",
    ))
}
