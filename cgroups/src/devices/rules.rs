//! Device rules and what they come to. Pure.
//!
//! The rules of a configuration are applied one after the other, as if each were
//! written to version 1's `devices.allow` or `devices.deny`
//! (`Documentation/admin-guide/cgroup-v1/devices.rst`). What they come to is an
//! [`AccessList`]: a default, and exceptions from it.

use std::collections::BTreeMap;
use std::fmt;

use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// A kind of device node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// A block device.
    Block,
    /// A character device.
    Char,
}

impl Kind {
    /// The letter of the kind in the kernel's files.
    pub fn letter(self) -> char {
        match self {
            Kind::Block => 'b',
            Kind::Char => 'c',
        }
    }
}

/// A set of `r` (read), `w` (write) and `m` (mknod).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Access(u8);

impl Access {
    /// mknod(2), as `BPF_DEVCG_ACC_MKNOD`.
    pub const MKNOD: Access = Access(1);
    /// Reading, as `BPF_DEVCG_ACC_READ`.
    pub const READ: Access = Access(2);
    /// Writing, as `BPF_DEVCG_ACC_WRITE`.
    pub const WRITE: Access = Access(4);
    /// All three.
    pub const ALL: Access = Access(7);

    /// The bits, as the kernel's eBPF interface has them.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// The set with the lowest three of these bits.
    pub fn from_bits(bits: u8) -> Access {
        Access(bits & 7)
    }

    /// Parses letters such as `rwm`.
    pub fn parse(letters: &str) -> Option<Access> {
        letters
            .bytes()
            .try_fold(Access::default(), |set, letter| match letter {
                b'm' => Some(set | Access::MKNOD),
                b'r' => Some(set | Access::READ),
                b'w' => Some(set | Access::WRITE),
                // Nothing more than the others; callers write it all the same.
                b'a' => Some(set),
                _ => None,
            })
    }

    /// Whether the set is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What both have.
    #[must_use]
    pub fn and(self, other: Access) -> Access {
        Access(self.0 & other.0)
    }

    /// What this has and the other has not.
    #[must_use]
    pub fn without(self, other: Access) -> Access {
        Access(self.0 & !other.0)
    }
}

impl std::ops::BitOr for Access {
    type Output = Access;

    fn bitor(self, other: Access) -> Access {
        Access(self.0 | other.0)
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (bit, letter) in [
            (Access::READ, 'r'),
            (Access::WRITE, 'w'),
            (Access::MKNOD, 'm'),
        ] {
            if !self.and(bit).is_empty() {
                write!(f, "{letter}")?;
            }
        }
        Ok(())
    }
}

/// The devices that an exception is about; no number means every number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Devices {
    /// Block or character devices.
    pub kind: Kind,
    /// The major number.
    pub major: Option<u32>,
    /// The minor number.
    pub minor: Option<u32>,
}

impl fmt::Display for Devices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |number: Option<u32>| number.map_or("*".to_owned(), |n| n.to_string());
        write!(
            f,
            "{} {}:{}",
            self.kind.letter(),
            number(self.major),
            number(self.minor)
        )
    }
}

/// One rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Whether it allows or denies.
    pub allow: bool,
    /// Which devices; none for every device of both kinds, which makes the rule
    /// a new start.
    pub devices: Option<Devices>,
    /// Which kinds of access.
    pub access: Access,
}

impl Rule {
    const fn allow(kind: Kind, major: Option<u32>, minor: Option<u32>, access: Access) -> Rule {
        Rule {
            allow: true,
            devices: Some(Devices { kind, major, minor }),
            access,
        }
    }

    /// Reads a rule of `linux.resources.devices`.
    ///
    /// Numbers that are absent or -1, and an access that is absent or empty, mean all.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn from_spec(index: usize, rule: &LinuxDeviceCgroup) -> Result<Rule, Error> {
        let field = |name: &str| format!("linux.resources.devices[{index}].{name}");
        let number = |name: &str, number: Option<i64>| match number {
            None | Some(-1) => Ok(None),
            Some(number) => u32::try_from(number).map(Some).map_err(|_| {
                Error::invalid(
                    field(name),
                    number.to_string(),
                    "must be -1 (all) to 4294967295",
                )
            }),
        };
        let letters = rule
            .access()
            .as_deref()
            .filter(|letters| !letters.is_empty());
        let access = match letters {
            None => Access::ALL,
            Some(letters) => Access::parse(letters).ok_or_else(|| {
                Error::invalid(
                    field("access"),
                    letters,
                    "must consist of the letters r, w and m",
                )
            })?,
        };
        let kind = match rule.typ().unwrap_or_default() {
            LinuxDeviceType::A => None,
            LinuxDeviceType::B => Some(Kind::Block),
            LinuxDeviceType::C => Some(Kind::Char),
            other => {
                let allowed = "must be \"a\", \"b\" or \"c\"";
                return Err(Error::invalid(field("type"), other.as_str(), allowed));
            }
        };
        let (major, minor) = (
            number("major", rule.major())?,
            number("minor", rule.minor())?,
        );
        let devices = kind.map(|kind| Devices { kind, major, minor });
        Ok(Rule {
            allow: rule.allow(),
            devices,
            access,
        })
    }
}

/// What every container may use, whatever its configuration says (the devices that
/// "Default Devices" of config-linux.md promises): making any node, using these.
pub const DEFAULT: [Rule; 12] = {
    const fn node(major: u32, minor: Option<u32>) -> Rule {
        Rule::allow(Kind::Char, Some(major), minor, Access::ALL)
    }
    [
        Rule::allow(Kind::Char, None, None, Access::MKNOD),
        Rule::allow(Kind::Block, None, None, Access::MKNOD),
        node(1, Some(3)),    // null
        node(1, Some(8)),    // random
        node(1, Some(7)),    // full
        node(5, Some(0)),    // tty
        node(1, Some(5)),    // zero
        node(1, Some(9)),    // urandom
        node(5, Some(1)),    // console
        node(136, None),     // pts/*
        node(5, Some(2)),    // ptmx
        node(10, Some(200)), // net/tun: taken away once by runc 1.2, and missed by VPN users
    ]
};

/// What a list of rules comes to.
#[derive(Clone, Debug, Default)]
pub struct AccessList {
    /// What holds where no exception does.
    pub allow_by_default: bool,
    /// The exceptions and the access they are about, never empty.
    pub exceptions: BTreeMap<Devices, Access>,
    /// Which exception was made first: version 1 lists them in the order in which
    /// they are written, which is to be that of the rules.
    order: BTreeMap<Devices, usize>,
}

impl PartialEq for AccessList {
    fn eq(&self, other: &AccessList) -> bool {
        self.allow_by_default == other.allow_by_default && self.exceptions == other.exceptions
    }
}

impl Eq for AccessList {}

impl AccessList {
    /// The list for a configuration: nothing is allowed to begin with, the rules
    /// of the configuration are applied in order, and [`DEFAULT`] after them.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a bad rule, and for one that takes a part out of a
    /// rule with a wildcard: the kernel's version 1 controller silently does
    /// nothing then, and a deny rule without effect must not pass for one.
    pub fn from_spec(rules: &[LinuxDeviceCgroup]) -> Result<AccessList, Error> {
        let mut list = AccessList::default();
        for (index, rule) in rules.iter().enumerate() {
            let rule = Rule::from_spec(index, rule)?;
            if !list.apply(&rule) {
                return Err(Error::invalid(
                    format!("linux.resources.devices[{index}]"),
                    rule.devices
                        .map(|devices| devices.to_string())
                        .unwrap_or_default(),
                    "cannot be an exception from an earlier rule with a wildcard",
                ));
            }
        }
        if !list.allow_by_default {
            for rule in &DEFAULT {
                list.apply(rule);
            }
        }
        Ok(list)
    }

    /// Applies one rule; says false, and does nothing, if the rule would take a
    /// part out of an exception with a wildcard.
    pub fn apply(&mut self, rule: &Rule) -> bool {
        let Some(devices) = rule.devices else {
            *self = AccessList {
                allow_by_default: rule.allow,
                ..AccessList::default()
            };
            return true;
        };
        if rule.access.is_empty() {
            return true;
        }
        if rule.allow != self.allow_by_default {
            let last = self.order.len();
            self.order.entry(devices).or_insert(last);
            let access = self.exceptions.entry(devices).or_default();
            *access = *access | rule.access;
            return true;
        }
        for wider in [
            Devices {
                major: None,
                ..devices
            },
            Devices {
                minor: None,
                ..devices
            },
            Devices {
                major: None,
                minor: None,
                ..devices
            },
        ] {
            let cut = self
                .exceptions
                .get(&wider)
                .is_some_and(|a| !a.and(rule.access).is_empty());
            if wider != devices && cut {
                return false;
            }
        }
        if let Some(access) = self.exceptions.get_mut(&devices) {
            *access = access.without(rule.access);
            if access.is_empty() {
                self.exceptions.remove(&devices);
            }
        }
        true
    }

    /// Whether everything is allowed.
    pub fn allows_everything(&self) -> bool {
        self.allow_by_default && self.exceptions.is_empty()
    }

    /// The answer of the kernel's version 1 controller (`devcgroup_legacy_check_permission`):
    /// with everything denied, one single exception must cover the whole access;
    /// with everything allowed, no exception may touch it.
    pub fn allows(&self, kind: Kind, major: u32, minor: u32, access: Access) -> bool {
        let mut matching = self.exceptions.iter().filter(|(devices, _)| {
            devices.kind == kind
                && devices.major.is_none_or(|number| number == major)
                && devices.minor.is_none_or(|number| number == minor)
        });
        if self.allow_by_default {
            matching.all(|(_, denied)| access.and(*denied).is_empty())
        } else {
            matching.any(|(_, allowed)| access.without(*allowed).is_empty())
        }
    }

    /// The lines for `devices.deny` and `devices.allow` that make a version 1
    /// cgroup with the list `present` into one with this list, the file first.
    ///
    /// A list that allows by default cannot be read back, so it is started anew;
    /// otherwise only what differs is written, what is gained first: a process that
    /// uses a device while the list is changed never finds it forbidden for a moment.
    pub fn v1_writes(&self, present: Option<&AccessList>) -> Vec<(&'static str, String)> {
        const FILES: [&str; 2] = ["devices.deny", "devices.allow"];
        let file = |allow: bool| if allow { FILES[1] } else { FILES[0] };
        let mut writes = Vec::new();
        let empty = BTreeMap::new();
        let before = match present {
            Some(present) if !present.allow_by_default && !self.allow_by_default => {
                &present.exceptions
            }
            _ => {
                writes.push((file(self.allow_by_default), "a".to_owned()));
                &empty
            }
        };
        let mut exceptions: Vec<_> = self.exceptions.iter().collect();
        exceptions.sort_by_key(|(devices, _)| self.order.get(devices));
        for (devices, access) in exceptions {
            let gained = access.without(before.get(devices).copied().unwrap_or_default());
            if !gained.is_empty() {
                writes.push((file(!self.allow_by_default), format!("{devices} {gained}")));
            }
        }
        for (devices, access) in before {
            let dropped = access.without(self.exceptions.get(devices).copied().unwrap_or_default());
            if !dropped.is_empty() {
                writes.push((file(self.allow_by_default), format!("{devices} {dropped}")));
            }
        }
        writes
    }

    /// Reads a version 1 cgroup's `devices.list`; nothing if it is not understood.
    pub fn parse_v1(text: &str) -> Option<AccessList> {
        let mut list = AccessList::default();
        for line in text.lines() {
            let mut words = line.split([' ', ':']);
            let (kind, major, minor) = (words.next()?, words.next()?, words.next()?);
            let access = Access::parse(words.next()?)?;
            let number = |text: &str| match text {
                "*" => Some(None),
                text => text.parse().ok().map(Some),
            };
            let kind = match kind {
                "a" => {
                    list.allow_by_default = true;
                    continue;
                }
                "b" => Kind::Block,
                "c" => Kind::Char,
                _ => return None,
            };
            let devices = Devices {
                kind,
                major: number(major)?,
                minor: number(minor)?,
            };
            list.exceptions.insert(devices, access);
        }
        Some(list)
    }
}
