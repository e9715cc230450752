//! Mount options: the one table from which parsing, `features` and the documentation come
//! (config.md, "Linux mount options").
//!
//! What differs from mount(8):
//! - `iversion`, `noiversion`, `silent` and `loud` are known and have no effect. The mount API has no
//!   such flags: file systems decide about inode versions themselves, and messages of a file system
//!   context go to the error instead of the kernel log.
//! - `atime`, `norelatime` and `nostrictatime` only take back an earlier `noatime`, `relatime` and
//!   `strictatime`.
//! - With any flag, a bind mount has exactly the flags that are given, as with runc; without, it keeps
//!   those of its source. How access times are kept changes only where one of them says so.
//! - `sync`, `dirsync`, `lazytime` and `mand` belong to a file system and not to a mount. On a bind
//!   mount they would change the host's file system and are left out with a warning.

#![forbid(unsafe_code)]

use super::kernel::{attr, propagation};
use super::step::Attributes;

/// What an option does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Known, without effect.
    Nothing,
    /// Sets an attribute of the mount.
    Set(u64),
    /// Clears an attribute of the mount.
    Clear(u64),
    /// Sets an attribute of the whole tree.
    SetTree(u64),
    /// Clears an attribute of the whole tree.
    ClearTree(u64),
    /// Chooses how access times are kept.
    Atime(u64),
    /// Chooses how access times are kept in the whole tree.
    AtimeTree(u64),
    /// Takes back an earlier choice of this access time setting.
    NotAtime(u64),
    /// Takes back an earlier choice of this access time setting for the whole tree.
    NotAtimeTree(u64),
    /// Sets a flag of the file system.
    Superblock(&'static str),
    /// Takes back a flag of the file system.
    NotSuperblock(&'static str),
    /// Sets the propagation of the mount.
    Propagation(u64),
    /// Sets the propagation of the whole tree.
    PropagationTree(u64),
    /// Binds one mount.
    Bind,
    /// Binds a whole tree.
    BindTree,
    /// Changes a mount that is there already.
    Remount,
    /// A tmpfs starts with what the directory below it holds.
    CopyUp,
    /// Maps ids on this mount.
    IdMap,
    /// Maps ids on the whole tree.
    IdMapTree,
}

/// Every option with its effect, by name.
pub(crate) const TABLE: &[(&str, Effect)] = &[
    ("async", Effect::NotSuperblock("sync")),
    ("atime", Effect::NotAtime(attr::NOATIME)),
    ("bind", Effect::Bind),
    ("defaults", Effect::Nothing),
    ("dev", Effect::Clear(attr::NODEV)),
    ("diratime", Effect::Clear(attr::NODIRATIME)),
    ("dirsync", Effect::Superblock("dirsync")),
    ("exec", Effect::Clear(attr::NOEXEC)),
    ("idmap", Effect::IdMap),
    ("iversion", Effect::Nothing),
    ("lazytime", Effect::Superblock("lazytime")),
    ("loud", Effect::Nothing),
    ("mand", Effect::Superblock("mand")),
    ("noatime", Effect::Atime(attr::NOATIME)),
    ("nodev", Effect::Set(attr::NODEV)),
    ("nodiratime", Effect::Set(attr::NODIRATIME)),
    ("noexec", Effect::Set(attr::NOEXEC)),
    ("noiversion", Effect::Nothing),
    ("nolazytime", Effect::NotSuperblock("lazytime")),
    ("nomand", Effect::NotSuperblock("mand")),
    ("norelatime", Effect::NotAtime(attr::RELATIME)),
    ("nostrictatime", Effect::NotAtime(attr::STRICTATIME)),
    ("nosuid", Effect::Set(attr::NOSUID)),
    ("nosymfollow", Effect::Set(attr::NOSYMFOLLOW)),
    ("private", Effect::Propagation(propagation::PRIVATE)),
    ("ratime", Effect::AtimeTree(attr::RELATIME)),
    ("rbind", Effect::BindTree),
    ("rdev", Effect::ClearTree(attr::NODEV)),
    ("rdiratime", Effect::ClearTree(attr::NODIRATIME)),
    ("relatime", Effect::Atime(attr::RELATIME)),
    ("remount", Effect::Remount),
    ("rexec", Effect::ClearTree(attr::NOEXEC)),
    ("ridmap", Effect::IdMapTree),
    ("rnoatime", Effect::AtimeTree(attr::NOATIME)),
    ("rnodev", Effect::SetTree(attr::NODEV)),
    ("rnodiratime", Effect::SetTree(attr::NODIRATIME)),
    ("rnoexec", Effect::SetTree(attr::NOEXEC)),
    ("rnorelatime", Effect::NotAtimeTree(attr::RELATIME)),
    ("rnostrictatime", Effect::AtimeTree(attr::RELATIME)),
    ("rnosuid", Effect::SetTree(attr::NOSUID)),
    ("rnosymfollow", Effect::SetTree(attr::NOSYMFOLLOW)),
    ("ro", Effect::Set(attr::RDONLY)),
    ("rprivate", Effect::PropagationTree(propagation::PRIVATE)),
    ("rrelatime", Effect::AtimeTree(attr::RELATIME)),
    ("rro", Effect::SetTree(attr::RDONLY)),
    ("rrw", Effect::ClearTree(attr::RDONLY)),
    ("rshared", Effect::PropagationTree(propagation::SHARED)),
    ("rslave", Effect::PropagationTree(propagation::SLAVE)),
    ("rstrictatime", Effect::AtimeTree(attr::STRICTATIME)),
    ("rsuid", Effect::ClearTree(attr::NOSUID)),
    ("rsymfollow", Effect::ClearTree(attr::NOSYMFOLLOW)),
    (
        "runbindable",
        Effect::PropagationTree(propagation::UNBINDABLE),
    ),
    ("rw", Effect::Clear(attr::RDONLY)),
    ("shared", Effect::Propagation(propagation::SHARED)),
    ("silent", Effect::Nothing),
    ("slave", Effect::Propagation(propagation::SLAVE)),
    ("strictatime", Effect::Atime(attr::STRICTATIME)),
    ("suid", Effect::Clear(attr::NOSUID)),
    ("symfollow", Effect::Clear(attr::NOSYMFOLLOW)),
    ("sync", Effect::Superblock("sync")),
    ("tmpcopyup", Effect::CopyUp),
    ("unbindable", Effect::Propagation(propagation::UNBINDABLE)),
];

/// The effect of an option; `None` where it is the file system's own.
pub(crate) fn effect(name: &str) -> Option<Effect> {
    TABLE
        .binary_search_by(|(known, _)| (*known).cmp(name))
        .ok()
        .and_then(|index| TABLE.get(index))
        .map(|(_, effect)| *effect)
}

/// The options of one mount, taken together. A later option undoes an earlier one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct MountOptions {
    /// Whether it is a bind mount, and then whether of a whole tree.
    pub(crate) bind: Option<bool>,
    /// Whether a mount that is there already is changed.
    pub(crate) remount: bool,
    /// What is set on the mount.
    pub(crate) attributes: Attributes,
    /// Flags of the file system.
    pub(crate) superblock: Vec<&'static str>,
    /// Whether a tmpfs starts with a copy.
    pub(crate) copy_up: bool,
    /// Whether ids are mapped, and then whether in the whole tree.
    pub(crate) idmap: Option<bool>,
    /// Options of the file system itself, in order.
    pub(crate) data: Vec<String>,
}

/// Takes the options together.
pub(crate) fn parse<S: AsRef<str>>(options: &[S]) -> MountOptions {
    let mut parsed = MountOptions::default();
    let mut atime = None;
    let mut atime_tree = None;
    for option in options {
        let option = option.as_ref();
        match effect(option) {
            Some(Effect::Atime(value)) => atime = Some(value),
            Some(Effect::AtimeTree(value)) => atime_tree = Some(value),
            Some(Effect::NotAtime(value)) => atime = atime.filter(|chosen| *chosen != value),
            Some(Effect::NotAtimeTree(value)) => {
                atime_tree = atime_tree.filter(|chosen| *chosen != value);
            }
            Some(effect) => parsed.apply(effect),
            None if option.is_empty() => {}
            None => parsed.data.push(option.to_owned()),
        }
    }
    let attributes = &mut parsed.attributes;
    if let Some(value) = atime {
        attributes.clear |= attr::ATIME;
        attributes.set |= value;
    }
    if let Some(value) = atime_tree {
        attributes.clear_recursive |= attr::ATIME;
        attributes.set_recursive |= value;
    }
    parsed
}

impl MountOptions {
    /// The attributes of a bind mount.
    pub(crate) fn of_bind(&self) -> Attributes {
        const FLAGS: u64 =
            attr::RDONLY | attr::NOSUID | attr::NODEV | attr::NOEXEC | attr::NOSYMFOLLOW;
        const TIMES: u64 = attr::ATIME | attr::NODIRATIME;
        let mut attributes = self.attributes;
        // `diratime` too takes back no more than an earlier option.
        let (set, asked) = (attributes.set, attributes.clear & !attr::NODIRATIME);
        attributes.clear = asked;
        if set | asked == 0 {
            return attributes;
        }
        let chooses_times = set & attr::NODIRATIME != 0 || asked & attr::ATIME != 0;
        let mut clear = asked | (FLAGS & !set);
        if chooses_times {
            clear |= attr::ATIME | (TIMES & !set);
        }
        attributes.clear = clear;
        attributes.may_stay = clear & !asked & FLAGS & !attr::NOSYMFOLLOW;
        attributes
    }

    fn apply(&mut self, effect: Effect) {
        let attributes = &mut self.attributes;
        match effect {
            Effect::Set(flag) => {
                attributes.set |= flag;
                attributes.clear &= !flag;
            }
            Effect::Clear(flag) => {
                attributes.clear |= flag;
                attributes.set &= !flag;
            }
            Effect::SetTree(flag) => {
                attributes.set_recursive |= flag;
                attributes.clear_recursive &= !flag;
            }
            Effect::ClearTree(flag) => {
                attributes.clear_recursive |= flag;
                attributes.set_recursive &= !flag;
            }
            Effect::Propagation(flag) => attributes.propagation = flag,
            Effect::PropagationTree(flag) => {
                attributes.propagation_recursive = flag;
                attributes.propagation = 0;
            }
            Effect::Superblock(name) => {
                if !self.superblock.contains(&name) {
                    self.superblock.push(name);
                }
            }
            Effect::NotSuperblock(name) => self.superblock.retain(|set| *set != name),
            Effect::Bind => self.bind = Some(self.bind.unwrap_or(false)),
            Effect::BindTree => self.bind = Some(true),
            Effect::Remount => self.remount = true,
            Effect::CopyUp => self.copy_up = true,
            Effect::IdMap => self.idmap = Some(false),
            Effect::IdMapTree => self.idmap = Some(true),
            Effect::Nothing
            | Effect::Atime(_)
            | Effect::AtimeTree(_)
            | Effect::NotAtime(_)
            | Effect::NotAtimeTree(_) => {}
        }
    }
}
