//! Mounts and devices in words.

#![forbid(unsafe_code)]

use super::shown;
use super::step::{is_recursive, path_of};
use crate::plan::Plan;
use crate::plan::kernel::{attr, file_type, propagation as flags};
use crate::plan::step::{Attributes, DeviceStep, MountStep, Param, Source};

/// A mount: what, where, how.
pub(super) fn mount(plan: &Plan, step: &MountStep) -> String {
    let mut text = format!(
        "{} on {}{}",
        source(plan, &step.source),
        shown(&step.target),
        attributes(&step.attributes)
    );
    if step.copy_up {
        text += ", with a copy of what is there";
    }
    if step.idmap.is_some() {
        text += ", with mapped ids";
    }
    text
}

/// What is mounted.
pub(super) fn source(plan: &Plan, source: &Source) -> String {
    match source {
        Source::Filesystem {
            fstype,
            params,
            fallback,
        } => {
            let params: Vec<String> = params.iter().filter_map(param).collect();
            let params = if params.is_empty() {
                String::new()
            } else {
                format!(" ({})", params.join(","))
            };
            let fallback = fallback
                .as_ref()
                .map(|other| format!(", or else {},", self::source(plan, other)));
            format!("{}{params}{}", shown(fstype), fallback.unwrap_or_default())
        }
        Source::Tree(slot) => path_of(plan, *slot),
        Source::HostPath { path, .. } => shown(path),
        Source::Inside { path, .. } => format!("{} of the container", shown(path)),
        Source::FirstOf(sources) => {
            let sources: Vec<String> = sources
                .iter()
                .map(|other| self::source(plan, other))
                .collect();
            sources.join(" or, where that is not there, ")
        }
    }
}

/// A parameter as in an option string; the source is no option.
pub(super) fn param(param: &Param) -> Option<String> {
    match param {
        Param::Text { key, .. } if key.to_bytes() == b"source" => None,
        Param::Text { key, value } => Some(format!("{}={}", shown(key), shown(value))),
        Param::Flag(key) => Some(shown(key)),
    }
}

const NAMES: &[(u64, &str, &str)] = &[
    (attr::RDONLY, "ro", "rw"),
    (attr::NOSUID, "nosuid", "suid"),
    (attr::NODEV, "nodev", "dev"),
    (attr::NOEXEC, "noexec", "exec"),
    (attr::NODIRATIME, "nodiratime", "diratime"),
    (attr::NOSYMFOLLOW, "nosymfollow", "symfollow"),
];

/// Attributes as an option string, with a comma in front; nothing where there are none.
pub(super) fn attributes(attributes: &Attributes) -> String {
    let mut words = Vec::new();
    words_of(&mut words, "", attributes.set, attributes.clear);
    words_of(
        &mut words,
        "r",
        attributes.set_recursive,
        attributes.clear_recursive,
    );
    if attributes.propagation_recursive != 0 {
        words.push(propagation(attributes.propagation_recursive | flags::REC));
    }
    if attributes.propagation != 0 {
        words.push(propagation(attributes.propagation));
    }
    if words.is_empty() {
        String::new()
    } else {
        format!(": {}", words.join(","))
    }
}

fn words_of(words: &mut Vec<String>, prefix: &str, set: u64, clear: u64) {
    for (flag, on, off) in NAMES {
        if set & flag != 0 {
            words.push(format!("{prefix}{on}"));
        } else if clear & flag != 0 {
            words.push(format!("{prefix}{off}"));
        }
    }
    if clear & attr::ATIME != 0 {
        let name = match set & attr::ATIME {
            attr::NOATIME => "noatime",
            attr::STRICTATIME => "strictatime",
            _ => "relatime",
        };
        words.push(format!("{prefix}{name}"));
    }
}

/// A propagation type by the name of its option.
pub(super) fn propagation(word: u64) -> String {
    let name = [
        (flags::SHARED, "shared"),
        (flags::SLAVE, "slave"),
        (flags::PRIVATE, "private"),
        (flags::UNBINDABLE, "unbindable"),
    ]
    .into_iter()
    .find(|(flag, _)| word & flag != 0)
    .map_or("", |(_, name)| name);
    let prefix = if is_recursive(word) { "r" } else { "" };
    format!("{prefix}{name}")
}

/// A device node or what stands for it.
pub(super) fn device(device: &DeviceStep) -> String {
    let path = shown(&device.path);
    if device.bind.is_some() {
        return format!("bind the host's {path} to {path}");
    }
    let kind = match device.mode & file_type::MASK {
        file_type::BLOCK => "block device",
        file_type::FIFO => return format!("make the FIFO {path} ({:04o})", device.mode & 0o7777),
        _ => "character device",
    };
    let number = device.device;
    let major = (number >> 8) & 0xfff;
    let minor = (number & 0xff) | ((number >> 12) & 0xf_ff00);
    format!(
        "make the {kind} {path} {major}:{minor} ({:04o}, owner {}:{})",
        device.mode & 0o7777,
        device.uid,
        device.gid
    )
}
