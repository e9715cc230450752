//! The container's root: built below its place on the host, then made the root, then restricted.

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

use oci_spec::runtime::Spec;

use super::builder::{Builder, at_most, c_path, clean};
use super::kernel::propagation;
use super::mounts::{self, Dev, host_tree, tree_propagation};
use super::namespaces::Namespaces;
use super::step::{Attributes, Entry, MountStep, NamespaceKind, Source, Step, TargetKind};
use super::{CreateOptions, devices};
use crate::error::{Error, Result};
use crate::facts::Facts;

/// Masked or read-only paths; Kubernetes masks some for every CPU.
const PATHS: usize = 16_384;

/// What the root and the mounts of a container are planned with.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) spec: &'a Spec,
    pub(crate) namespaces: &'a Namespaces<'a>,
    pub(crate) facts: &'a Facts,
    pub(crate) options: &'a CreateOptions<'a>,
}

impl Context<'_> {
    fn own_mounts(&self) -> bool {
        self.namespaces.has(NamespaceKind::Mount)
    }
}

/// Where the root file system is on the host.
pub(crate) fn path(spec: &Spec, options: &CreateOptions<'_>) -> Result<PathBuf> {
    let Some(root) = spec.root() else {
        return Err(Error::config("root", "root must be specified"));
    };
    if root.path().as_os_str().is_empty() {
        return Err(Error::config("root.path", "must not be empty"));
    }
    Ok(options.bundle.join(root.path()))
}

/// The options of `linux.rootfsPropagation` with their flags.
const PROPAGATION: &[(&str, u64)] = &[
    ("private", propagation::PRIVATE),
    ("rprivate", propagation::PRIVATE | propagation::REC),
    ("rshared", propagation::SHARED | propagation::REC),
    ("rslave", propagation::SLAVE | propagation::REC),
    ("runbindable", propagation::UNBINDABLE | propagation::REC),
    ("shared", propagation::SHARED),
    ("slave", propagation::SLAVE),
    ("unbindable", propagation::UNBINDABLE),
];

/// `linux.rootfsPropagation` as flags; `None` where it is absent.
fn rootfs_propagation(context: &Context<'_>) -> Result<Option<u64>> {
    let field = "linux.rootfsPropagation";
    let linux = context.spec.linux().as_ref();
    let Some(name) = linux
        .and_then(|l| l.rootfs_propagation().as_deref())
        .filter(|name| !name.is_empty())
    else {
        return Ok(None);
    };
    let Some((_, flags)) = PROPAGATION.iter().find(|(known, _)| *known == name) else {
        let allowed: Vec<&str> = PROPAGATION.iter().map(|(known, _)| *known).collect();
        return Err(Error::config(
            field,
            format_args!(
                "rootfsPropagation={name} is not supported; allowed are {}",
                allowed.join(", ")
            ),
        ));
    };
    // The mounts below `/` would stay reachable, and unmounting them would not reach the peers.
    if context.options.no_pivot && flags & propagation::PRIVATE != 0 {
        return Err(Error::config(
            field,
            "rootfsPropagation of [r]private is not safe without pivot_root",
        ));
    }
    Ok(Some(*flags))
}

/// Everything inside the root but what needs it to be `/`. Returns steps that make mounts read-only
/// once nothing more is made in them.
pub(crate) fn build(b: &mut Builder, context: &Context<'_>) -> Result<Vec<Entry>> {
    let path = path(context.spec, context.options)?;
    if context.own_mounts() {
        // Whatever the container's root becomes: what happens in this copy of the host's mounts must
        // not reach the host. Trees that are to be shared are cloned from the host itself.
        let flags = propagation::SLAVE | propagation::REC;
        b.step("linux.rootfsPropagation", Step::Propagation { flags });
        let source = host_tree(b, context.facts, "root.path", &path, true, None)?;
        let attributes = Attributes {
            propagation_recursive: match tree_propagation(context.spec) {
                0 => propagation::SHARED,
                flag => flag,
            },
            ..Attributes::default()
        };
        let path = c_path("root.path", &path)?;
        let step = Step::Root {
            source,
            path,
            attributes,
        };
        b.step("root.path", step);
        mask_source(b, context)?;
    } else {
        let path = c_path("root.path", &path)?;
        b.step("root.path", Step::OpenRoot { path });
        if is_read_only(context.spec) {
            bind_on_itself(b);
        }
        if context
            .spec
            .mounts()
            .as_ref()
            .is_some_and(|m| !m.is_empty())
        {
            b.warn(
                "mounts",
                "are made in the caller's mount namespace, as the container has none, and stay when it is gone",
            );
        }
    }
    let read_only = mounts::plan(b, context)?;
    let makes_devices = match Dev::of(context.spec) {
        Dev::Bound => false,
        Dev::New => true,
        // Without mounts of its own it could be the host's `/dev`.
        Dev::Directory => context.own_mounts(),
    };
    if makes_devices {
        devices::plan(b, context)?;
    }
    Ok(read_only)
}

/// Makes the root `/`.
pub(crate) fn change(b: &mut Builder, context: &Context<'_>) -> Result<()> {
    let step = if !context.own_mounts() {
        Step::Chroot
    } else if context.options.no_pivot {
        let detach = &context.facts.kernel_mounts;
        Step::MoveRoot {
            detach: detach
                .iter()
                .map(|path| c_path("root", path))
                .collect::<Result<_>>()?,
        }
    } else {
        Step::PivotRoot
    };
    b.step("root.path", step);
    Ok(())
}

/// The root mount's own propagation, last of all: of an unbindable mount no path can be restricted.
pub(crate) fn propagate(b: &mut Builder, context: &Context<'_>) -> Result<()> {
    let propagation = rootfs_propagation(context)?;
    if let Some(flags) = propagation
        && context.own_mounts()
    {
        b.step("linux.rootfsPropagation", Step::RootPropagation { flags });
    }
    Ok(())
}

/// The root read-only.
pub(crate) fn finish(b: &mut Builder, context: &Context<'_>) {
    if is_read_only(context.spec) {
        b.step("root.readonly", Step::ReadonlyRoot);
    }
}

fn is_read_only(spec: &Spec) -> bool {
    let root = spec.root().as_ref();
    root.and_then(|root| root.readonly()) == Some(true)
}

/// A directory of the caller's mount namespace becomes a mount, which can be made read-only.
fn bind_on_itself(b: &mut Builder) {
    b.warn(
        "root.readonly",
        "the root file system is mounted on itself in the caller's mount namespace, as the container has none, and stays so when it is gone",
    );
    let step = MountStep {
        source: Source::Inside {
            path: c"/".into(),
            recursive: true,
        },
        target: c"/".into(),
        target_kind: TargetKind::Directory,
        attributes: Attributes::default(),
        idmap: None,
        copy_up: false,
        inherit_mode: false,
        strict_target: false,
        may_cover_proc: false,
        procfs_only: false,
    };
    b.step("root.readonly", Step::Mount(step));
}

/// Read-only and masked paths, each once.
pub(crate) fn restrict(b: &mut Builder, context: &Context<'_>) -> Result<()> {
    let linux = context.spec.linux().as_ref();
    let read_only = linux.and_then(|l| l.readonly_paths().as_deref());
    let masked = linux.and_then(|l| l.masked_paths().as_deref());
    let (read_only, masked) = (read_only.unwrap_or_default(), masked.unwrap_or_default());
    if !context.own_mounts() {
        if read_only.is_empty() && masked.is_empty() {
            return Ok(());
        }
        let field = if masked.is_empty() {
            "linux.readonlyPaths"
        } else {
            "linux.maskedPaths"
        };
        return Err(Error::config(
            field,
            "unable to restrict sys entries without a private MNT namespace",
        ));
    }
    for (field, path) in unique("linux.readonlyPaths", read_only)? {
        let step = Step::ReadonlyPath {
            path: c_path(&field, path)?,
        };
        b.step(field, step);
    }
    for (field, path) in unique("linux.maskedPaths", masked)? {
        let step = Step::MaskPath {
            path: c_path(&field, path)?,
        };
        b.step(field, step);
    }
    Ok(())
}

/// The host's null device, taken while the host's `/dev` is still the one that is seen.
fn mask_source(b: &mut Builder, context: &Context<'_>) -> Result<()> {
    let linux = context.spec.linux().as_ref();
    let masks = linux
        .and_then(|l| l.masked_paths().as_deref())
        .is_some_and(|paths| !paths.is_empty());
    if masks && context.own_mounts() {
        let field = "linux.maskedPaths";
        let null = Path::new("/dev/null");
        let source = host_tree(b, context.facts, field, null, false, None)?;
        b.step(field, Step::MaskSource { source });
    }
    Ok(())
}

fn unique<'a>(field: &str, paths: &'a [String]) -> Result<Vec<(String, &'a Path)>> {
    at_most(field, paths.len(), PATHS)?;
    let mut seen = std::collections::BTreeSet::new();
    let mut unique = Vec::with_capacity(paths.len());
    for (index, path) in paths.iter().enumerate() {
        let field = format!("{field}[{index}]");
        let path = Path::new(path);
        if !path.is_absolute() {
            return Err(Error::config(
                &field,
                format_args!("{path:?} is not an absolute path"),
            ));
        }
        if seen.insert(clean(path)) {
            unique.push((field, path));
        }
    }
    Ok(unique)
}
