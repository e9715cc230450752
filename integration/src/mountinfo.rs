//! Reads /proc/PID/mountinfo (proc_pid_mountinfo(5)).

use std::collections::BTreeSet;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Which part of the file system is mounted.
    pub root: String,
    /// The mount point.
    pub target: String,
    /// Per-mount options.
    pub options: BTreeSet<String>,
    /// Optional fields: `shared:N`, `master:N`, `unbindable`, ….
    pub tags: Vec<String>,
    /// File system type.
    pub fstype: String,
    /// Source as given at mount.
    pub source: String,
    /// Options of the file system.
    pub super_options: BTreeSet<String>,
}

impl Mount {
    /// Whether the mount has this per-mount option.
    #[must_use]
    pub fn has(&self, option: &str) -> bool {
        self.options.contains(option)
    }

    /// Whether the file system has this option.
    #[must_use]
    pub fn has_super(&self, option: &str) -> bool {
        self.super_options.contains(option)
    }

    /// Whether an optional field starts with `tag`.
    #[must_use]
    pub fn tagged(&self, tag: &str) -> bool {
        self.tags.iter().any(|field| field.starts_with(tag))
    }
}

/// Parses the whole file; lines of another form are left out.
#[must_use]
pub fn parse(text: &str) -> Vec<Mount> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let left: Vec<&str> = left.split(' ').collect();
    let mut right = right.splitn(3, ' ');
    let set = |list: &str| list.split(',').map(str::to_owned).collect();
    Some(Mount {
        root: (*left.get(3)?).to_owned(),
        target: left.get(4)?.replace("\\040", " "),
        options: set(left.get(5)?),
        tags: left.iter().skip(6).map(|tag| (*tag).to_owned()).collect(),
        fstype: right.next()?.to_owned(),
        source: right.next()?.to_owned(),
        super_options: set(right.next()?),
    })
}

/// The mounts that this process sees.
#[must_use]
pub fn of_this_process() -> Vec<Mount> {
    parse(&std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap_or_default())
}

/// The topmost mount at `target`.
///
/// # Panics
/// When there is none.
#[track_caller]
#[must_use]
pub fn at<'a>(mounts: &'a [Mount], target: &str) -> &'a Mount {
    let found = mounts.iter().rfind(|m| m.target == target);
    found.unwrap_or_else(|| panic!("nothing is mounted on {target}: {mounts:#?}"))
}
