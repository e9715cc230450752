//! Which namespaces are made, which are joined, and in what order (config-linux.md, "Namespaces").

#![forbid(unsafe_code)]

use std::path::Path;

use oci_spec::runtime::{LinuxIdMapping, LinuxNamespaceType, Spec};

use super::builder::{Builder, at_most, c_path};
use super::kernel::clone_flag;
use super::step::{NamespaceKind, Request, Slot, Step};
use super::{Birth, CreateOptions, IdMaps, IdRange, OpenKind};
use crate::error::{Error, Result};
use crate::facts::Facts;

/// The kernel takes no longer map (user_namespaces(7)).
const MAP_LINES: usize = 340;

/// One element of `linux.namespaces`.
#[derive(Clone, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) kind: NamespaceKind,
    /// A namespace file to join; `None` makes a new one.
    pub(crate) path: Option<&'a Path>,
    pub(crate) field: String,
}

/// The container's namespaces.
#[derive(Clone, Debug, Default)]
pub(crate) struct Namespaces<'a>(Vec<Wanted<'a>>);

/// The names of config-linux.md with ours, for `features` too.
pub(crate) const KINDS: &[(&str, NamespaceKind)] = &[
    ("cgroup", NamespaceKind::Cgroup),
    ("ipc", NamespaceKind::Ipc),
    ("mount", NamespaceKind::Mount),
    ("network", NamespaceKind::Network),
    ("pid", NamespaceKind::Pid),
    ("time", NamespaceKind::Time),
    ("user", NamespaceKind::User),
    ("uts", NamespaceKind::Uts),
];

fn kind_of(typ: LinuxNamespaceType) -> NamespaceKind {
    match typ {
        LinuxNamespaceType::Mount => NamespaceKind::Mount,
        LinuxNamespaceType::Cgroup => NamespaceKind::Cgroup,
        LinuxNamespaceType::Uts => NamespaceKind::Uts,
        LinuxNamespaceType::Ipc => NamespaceKind::Ipc,
        LinuxNamespaceType::User => NamespaceKind::User,
        LinuxNamespaceType::Pid => NamespaceKind::Pid,
        LinuxNamespaceType::Network => NamespaceKind::Network,
        LinuxNamespaceType::Time => NamespaceKind::Time,
    }
}

/// The name that config-linux.md has for it.
pub(crate) fn name_of(kind: NamespaceKind) -> &'static str {
    KINDS
        .iter()
        .find(|(_, known)| *known == kind)
        .map_or("", |(name, _)| name)
}

impl<'a> Namespaces<'a> {
    /// Those of the configuration. One of a kind at most, and absolute paths.
    pub(crate) fn of(spec: &'a Spec) -> Result<Self> {
        let list = spec.linux().as_ref().and_then(|l| l.namespaces().as_ref());
        let mut wanted: Vec<Wanted<'a>> = Vec::new();
        for (index, namespace) in list.into_iter().flatten().enumerate() {
            let field = format!("linux.namespaces[{index}]");
            let kind = kind_of(namespace.typ());
            if wanted.iter().any(|other| other.kind == kind) {
                return Err(Error::config(
                    &field,
                    format_args!("duplicated ns {:?}", name_of(kind)),
                ));
            }
            let path = namespace
                .path()
                .as_deref()
                .filter(|path| !path.as_os_str().is_empty());
            if let Some(path) = path
                && !path.is_absolute()
            {
                return Err(Error::config(
                    &format!("{field}.path"),
                    format_args!("{path:?} is not an absolute path"),
                ));
            }
            wanted.push(Wanted { kind, path, field });
        }
        Ok(Self(wanted))
    }

    pub(crate) fn get(&self, kind: NamespaceKind) -> Option<&Wanted<'a>> {
        self.0.iter().find(|wanted| wanted.kind == kind)
    }

    /// Whether the container has its own, new or joined.
    pub(crate) fn has(&self, kind: NamespaceKind) -> bool {
        self.get(kind).is_some()
    }

    pub(crate) fn is_new(&self, kind: NamespaceKind) -> bool {
        self.get(kind).is_some_and(|wanted| wanted.path.is_none())
    }

    pub(crate) fn joined(&self, kind: NamespaceKind) -> Option<&'a Path> {
        self.get(kind).and_then(|wanted| wanted.path)
    }

    /// The field to blame for a namespace.
    pub(crate) fn field(&self, kind: NamespaceKind) -> String {
        self.get(kind).map_or_else(
            || "linux.namespaces".to_owned(),
            |wanted| wanted.field.clone(),
        )
    }

    /// Joined ones but for the user and the PID namespace, the mount namespace last.
    fn joined_others(&self) -> Vec<&Wanted<'a>> {
        let mut others: Vec<&Wanted<'a>> = self
            .0
            .iter()
            .filter(|wanted| {
                wanted.path.is_some()
                    && !matches!(wanted.kind, NamespaceKind::User | NamespaceKind::Pid)
            })
            .collect();
        others.sort_by_key(|wanted| wanted.kind);
        others
    }

    /// `CLONE_NEW*` flags of the new ones among these kinds.
    fn new_flags(&self, kinds: &[NamespaceKind]) -> i32 {
        kinds
            .iter()
            .filter(|kind| self.is_new(**kind))
            .fold(0, |flags, kind| flags | clone_flag(*kind))
    }
}

/// Plans birth, joining and making, up to the point where the process is in
/// all its namespaces.
pub(crate) fn enter(
    b: &mut Builder,
    namespaces: &Namespaces<'_>,
    spec: &Spec,
    facts: &Facts,
    options: &CreateOptions<'_>,
) -> Result<Birth> {
    let mut birth = Birth {
        trees_in_namespace: namespaces.has(NamespaceKind::User)
            && namespaces.has(NamespaceKind::Mount)
            && facts.may_mount,
        ..Birth::default()
    };
    if options.cgroup.unit().is_some() {
        b.step("linux.cgroupsPath", Step::Ask(Request::AttachUnit));
    }
    b.step("linux.cgroupsPath", Step::EnterCgroup);
    match namespaces.get(NamespaceKind::User) {
        None => {
            birth.clone_flags = flags_word(namespaces.new_flags(AT_BIRTH));
            // Root of a user namespace could not come back to the host's PID namespace.
            let way_back = !facts.in_user_namespace;
            if way_back {
                join_pid(b, namespaces, &mut birth)?;
            }
            join_others(b, namespaces)?;
            if !way_back && namespaces.joined(NamespaceKind::Pid).is_some() {
                set_ns(b, namespaces, NamespaceKind::Pid)?;
                fork_again(b, namespaces, &mut birth);
            }
        }
        Some(user) => match user.path {
            None => new_user_namespace(b, namespaces, facts, &mut birth)?,
            Some(_) => join_user_namespace(b, namespaces, facts, &mut birth)?,
        },
    }
    let cgroup = namespaces.new_flags(&[NamespaceKind::Cgroup]);
    unshare(b, &namespaces.field(NamespaceKind::Cgroup), cgroup);
    if namespaces.is_new(NamespaceKind::Time) {
        let field = namespaces.field(NamespaceKind::Time);
        unshare(b, &field, clone_flag(NamespaceKind::Time));
        let lines = time_offsets(spec);
        b.step("linux.timeOffsets", Step::TimeOffsets { lines });
    }
    Ok(birth)
}

/// What clone3(2) makes where there is no user namespace: all but the cgroup namespace, which takes
/// its root from the cgroup that the process is in, and the time namespace, which children enter.
const AT_BIRTH: &[NamespaceKind] = &[
    NamespaceKind::Pid,
    NamespaceKind::Network,
    NamespaceKind::Ipc,
    NamespaceKind::Uts,
    NamespaceKind::Mount,
];

/// What is made by root of the user namespace, which is then its owner. An IPC namespace that is
/// made together with the user namespace has a message queue file system of the overflow user.
const AFTER_USER: &[NamespaceKind] = &[
    NamespaceKind::Network,
    NamespaceKind::Ipc,
    NamespaceKind::Uts,
    NamespaceKind::Mount,
];

fn flags_word(flags: i32) -> u64 {
    u64::from(flags.unsigned_abs())
}

fn open_namespace(b: &mut Builder, wanted: &Wanted<'_>, path: &Path) -> Result<Slot> {
    let field = format!("{}.path", wanted.field);
    let path = c_path(&field, path)?;
    let kind = wanted.kind;
    b.open(field, OpenKind::Namespace { path, kind })
}

fn set_ns(b: &mut Builder, namespaces: &Namespaces<'_>, kind: NamespaceKind) -> Result<()> {
    if let Some(wanted) = namespaces.get(kind)
        && let Some(path) = wanted.path
    {
        let slot = open_namespace(b, wanted, path)?;
        b.step(wanted.field.clone(), Step::SetNs { slot, kind });
    }
    Ok(())
}

fn join_others(b: &mut Builder, namespaces: &Namespaces<'_>) -> Result<()> {
    for wanted in namespaces.joined_others() {
        set_ns(b, namespaces, wanted.kind)?;
    }
    Ok(())
}

/// The parent joins a PID namespace for its children.
fn join_pid(b: &mut Builder, namespaces: &Namespaces<'_>, birth: &mut Birth) -> Result<()> {
    if let Some(wanted) = namespaces.get(NamespaceKind::Pid)
        && let Some(path) = wanted.path
    {
        birth.join_pid = Some(open_namespace(b, wanted, path)?);
    }
    Ok(())
}

fn fork_again(b: &mut Builder, namespaces: &Namespaces<'_>, birth: &mut Birth) {
    b.step(namespaces.field(NamespaceKind::Pid), Step::ForkAgain);
    birth.forks_again = true;
}

fn unshare(b: &mut Builder, field: &str, flags: i32) {
    if flags != 0 {
        b.step(field, Step::Unshare { flags });
    }
}

fn new_user_namespace(
    b: &mut Builder,
    namespaces: &Namespaces<'_>,
    facts: &Facts,
    birth: &mut Birth,
) -> Result<()> {
    let field = namespaces.field(NamespaceKind::User);
    let user = clone_flag(NamespaceKind::User);
    join_pid(b, namespaces, birth)?;
    // Namespaces that another user namespace owns can only be joined before the process gives up
    // its power over them. Then the new user namespace cannot be made by the clone.
    let first_join = facts.may_mount && !namespaces.joined_others().is_empty();
    if first_join {
        join_others(b, namespaces)?;
        unshare(b, &field, user);
    } else {
        birth.clone_flags = flags_word(user | namespaces.new_flags(&[NamespaceKind::Pid]));
    }
    b.step("linux.uidMappings", Step::Ask(Request::WriteIdMaps));
    b.step(field.clone(), Step::BecomeRoot);
    if first_join && namespaces.is_new(NamespaceKind::Pid) {
        unshare(
            b,
            &namespaces.field(NamespaceKind::Pid),
            clone_flag(NamespaceKind::Pid),
        );
        fork_again(b, namespaces, birth);
    }
    if !first_join {
        join_others(b, namespaces)?;
    }
    unshare(b, "linux.namespaces", namespaces.new_flags(AFTER_USER));
    Ok(())
}

fn join_user_namespace(
    b: &mut Builder,
    namespaces: &Namespaces<'_>,
    facts: &Facts,
    birth: &mut Birth,
) -> Result<()> {
    if facts.may_mount {
        join_pid(b, namespaces, birth)?;
        join_others(b, namespaces)?;
    }
    set_ns(b, namespaces, NamespaceKind::User)?;
    b.step(namespaces.field(NamespaceKind::User), Step::BecomeRoot);
    if !facts.may_mount {
        join_others(b, namespaces)?;
        if namespaces.joined(NamespaceKind::Pid).is_some() {
            set_ns(b, namespaces, NamespaceKind::Pid)?;
            fork_again(b, namespaces, birth);
        }
    }
    if namespaces.is_new(NamespaceKind::Pid) {
        unshare(
            b,
            &namespaces.field(NamespaceKind::Pid),
            clone_flag(NamespaceKind::Pid),
        );
        fork_again(b, namespaces, birth);
    }
    unshare(b, "linux.namespaces", namespaces.new_flags(AFTER_USER));
    Ok(())
}

/// The lines of `timens_offsets` (time_namespaces(7)).
fn time_offsets(spec: &Spec) -> Vec<u8> {
    let offsets = spec
        .linux()
        .as_ref()
        .and_then(|l| l.time_offsets().as_ref());
    let mut lines: Vec<String> = offsets
        .into_iter()
        .flatten()
        .map(|(clock, offset)| {
            format!(
                "{clock} {} {}\n",
                offset.secs().unwrap_or(0),
                offset.nanosecs().unwrap_or(0)
            )
        })
        .collect();
    lines.sort();
    lines.concat().into_bytes()
}

/// The id maps of the configuration.
pub(crate) fn id_maps(spec: &Spec, facts: &Facts) -> Result<IdMaps> {
    let linux = spec.linux().as_ref();
    let uids = ranges(
        "linux.uidMappings",
        linux.and_then(|l| l.uid_mappings().as_deref()),
    )?;
    let gids = ranges(
        "linux.gidMappings",
        linux.and_then(|l| l.gid_mappings().as_deref()),
    )?;
    // Without privilege a process may map its own id alone (user_namespaces(7)).
    let own =
        |map: &[IdRange], id: u32| matches!(map, [only] if only.count == 1 && only.outside == id);
    let with_helpers = facts.euid != 0 && !(own(&uids, facts.euid) && own(&gids, facts.egid));
    Ok(IdMaps {
        deny_setgroups: facts.euid != 0 && !with_helpers,
        with_helpers,
        uids,
        gids,
    })
}

/// The lines of one map.
pub(crate) fn ranges(field: &str, mappings: Option<&[LinuxIdMapping]>) -> Result<Vec<IdRange>> {
    let mappings = mappings.unwrap_or_default();
    at_most(field, mappings.len(), MAP_LINES)?;
    let mut ranges = Vec::with_capacity(mappings.len());
    for (index, mapping) in mappings.iter().enumerate() {
        let range = IdRange {
            inside: mapping.container_id(),
            outside: mapping.host_id(),
            count: mapping.size(),
        };
        let fits = |first: u32| first.checked_add(range.count).is_some();
        if range.count == 0 || !fits(range.inside) || !fits(range.outside) {
            return Err(Error::config(
                &format!("{field}[{index}]"),
                format_args!(
                    "{} ids from {} (outside {}) are no range of ids; size must be at least 1 and the last id at most {}",
                    range.count,
                    range.inside,
                    range.outside,
                    u32::MAX - 1
                ),
            ));
        }
        ranges.push(range);
    }
    Ok(ranges)
}

/// Whether an id of the container exists in the map.
pub(crate) fn maps_id(map: &[IdRange], id: u32) -> bool {
    map.iter()
        .any(|range| id >= range.inside && id - range.inside < range.count)
}
