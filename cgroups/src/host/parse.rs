//! The text of `/proc/self/cgroup` and `/proc/self/mountinfo` (proc(5)). Pure.

use std::path::PathBuf;

/// A cgroup mount of `/proc/self/mountinfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The cgroup that is mounted.
    pub root: String,
    /// Where it is mounted.
    pub mount_point: PathBuf,
    /// The super block's options, which name the controllers, on version 1; nothing on version 2.
    pub controllers: Option<Vec<String>>,
}

/// A line of `/proc/self/cgroup`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnCgroup {
    /// The controllers of a version 1 hierarchy; empty for version 2.
    pub controllers: Vec<String>,
    /// The cgroup, relative to the root of the cgroup namespace.
    pub path: String,
}

/// The cgroup mounts of a mountinfo file that a path leads to. Lines of other kinds are passed over.
///
/// A mount that lies below a later one (a fresh `/sys` inside a sandbox, say) still has its line.
pub fn mounts(mountinfo: &str) -> Vec<Mount> {
    let tree: Vec<Node<'_>> = mountinfo.lines().filter_map(node).collect();
    mountinfo
        .lines()
        .filter_map(|line| {
            let mount = mount(line)?;
            reachable(&node(line)?, &tree).then_some(mount)
        })
        .collect()
}

/// The first cgroup mount of every hierarchy in the beginning of a mountinfo file, with its id, whether
/// a path leads to it or not; nothing where the beginning does not have all.
///
/// `own` are the hierarchies, as `/proc/self/cgroup` names them; that of version 2 counts only where
/// `with_unified`.
pub(super) fn first_of_each(
    beginning: &str,
    own: &[OwnCgroup],
    with_unified: bool,
) -> Option<Vec<(u32, Mount)>> {
    // What comes last may be half a line.
    let (lines, _) = beginning.rsplit_once('\n')?;
    let seen: Vec<(u32, Mount)> = lines
        .lines()
        .filter_map(|line| Some((node(line)?.id, mount(line)?)))
        .collect();
    let is_of = |mount: &Mount, own: &OwnCgroup| match &mount.controllers {
        None => own.controllers.is_empty(),
        Some(options) => own.controllers.iter().any(|name| options.contains(name)),
    };
    let mut places: Vec<usize> = own
        .iter()
        .filter(|own| with_unified || !own.controllers.is_empty())
        .map(|own| seen.iter().position(|(_, mount)| is_of(mount, own)))
        .collect::<Option<_>>()?;
    if places.is_empty() {
        return None;
    }
    // In the order of the table.
    places.sort_unstable();
    let mounts = places.into_iter().map(|place| seen.get(place).cloned());
    mounts.collect()
}

/// What places a mount in the tree: its id, its parent's, and its mount point as the file has it.
#[derive(Clone, Copy)]
struct Node<'a> {
    id: u32,
    parent: u32,
    mount_point: &'a str,
}

fn node(line: &str) -> Option<Node<'_>> {
    let mut fields = line.split(' ');
    Some(Node {
        id: fields.next()?.parse().ok()?,
        parent: fields.next()?.parse().ok()?,
        mount_point: fields.nth(2)?,
    })
}

/// Whether neither the mount nor one that it lies on is covered by another.
fn reachable(mount: &Node<'_>, tree: &[Node<'_>]) -> bool {
    let mut mount = *mount;
    // The mount that the way up came from; it may itself lie on top of its parent.
    let mut from = mount.id;
    // No chain of parents is longer than the file; a file with a circle is not the kernel's.
    for _ in tree {
        let covered = tree.iter().any(|other| {
            let on_top = other.parent == mount.id && other.mount_point == mount.mount_point;
            let around = other.parent == mount.parent
                && other.id != mount.id
                && lies_below(mount.mount_point, other.mount_point);
            other.id != from && (on_top || around)
        });
        if covered {
            return false;
        }
        match tree.iter().find(|other| other.id == mount.parent) {
            Some(parent) if parent.id != mount.id => {
                from = mount.id;
                mount = *parent;
            }
            _ => return true,
        }
    }
    true
}

fn lies_below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory)
        .is_some_and(|rest| rest.starts_with('/'))
}

fn mount(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - cgroup")?;
    let mut left = left.split(' ').skip(3);
    let root = unescape(left.next()?);
    let mount_point = PathBuf::from(unescape(left.next()?));
    let mut right = right.split(' ');
    let unified = match right.next()? {
        "" => false,
        "2" => true,
        _ => return None,
    };
    let options = right.nth(1)?;
    let controllers = (!unified).then(|| options.split(',').map(str::to_owned).collect());
    Some(Mount {
        root,
        mount_point,
        controllers,
    })
}

/// The lines of a `/proc/PID/cgroup` file.
pub fn own_cgroups(text: &str) -> Vec<OwnCgroup> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let controllers = fields.next()?;
            let path = fields.next()?;
            let controllers = controllers
                .split(',')
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect();
            Some(OwnCgroup {
                controllers,
                path: path.to_owned(),
            })
        })
        .collect()
}

/// Undoes the octal escapes that the kernel puts for blanks and backslashes.
fn unescape(text: &str) -> String {
    if !text.contains('\\') {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let code = (byte == b'\\')
            .then(|| bytes.get(at + 1..at + 4))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(code) => {
                out.push(code);
                at += 4;
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::{Host, Layout};
    use super::*;

    const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/uni\\040fied rw,relatime - cgroup2 cgroup2 rw
42 31 0:29 / /mnt/again rw,relatime - cgroup cgroup rw,cpu,cpuacct
";
    const OWN: &str = "9:name=systemd:/user.slice\n1:cpu,cpuacct:/a/b:c\n0::/user.slice\n";

    #[test]
    fn hybrid_hosts_are_understood() {
        let host = Host::assemble(&mounts(HYBRID), &own_cgroups(OWN), true, 0).unwrap();
        assert_eq!(host.layout, Layout::Hybrid);
        assert_eq!(host.v1.len(), 2);
        assert_eq!(host.v1[0].controllers, ["cpu", "cpuacct"]);
        assert_eq!(host.v1[0].own, "/a/b:c");
        assert_eq!(host.v1[1].controllers, ["name=systemd"]);
        assert_eq!(
            host.v2.unwrap().mount_point,
            PathBuf::from("/sys/fs/cgroup/uni fied")
        );
    }

    #[test]
    fn the_beginning_is_enough_where_it_has_every_hierarchy() {
        let own = own_cgroups(OWN);
        let first = first_of_each(HYBRID, &own, true).expect("every hierarchy");
        let first: Vec<Mount> = first.into_iter().map(|(_, mount)| mount).collect();
        let host = |mounts: &[Mount]| Host::assemble(mounts, &own, false, 0).unwrap();
        assert_eq!(host(&first), host(&mounts(HYBRID)));
        // Half a line is none, and what is missing may come behind.
        let (cut, _) = HYBRID.split_once("\n42").unwrap();
        assert!(first_of_each(cut, &own, true).is_none());
        assert!(first_of_each(&format!("{cut}\n"), &own, true).is_some());
        assert!(first_of_each(HYBRID, &own_cgroups("9:rdma:/\n"), true).is_none());
        assert!(first_of_each(HYBRID, &own_cgroups("0::/\n"), false).is_none());
    }

    #[test]
    fn covered_mounts_are_passed_over() {
        let sandbox = "\
20 1 8:1 / / rw - ext4 /dev/sda rw
23 20 0:22 / /sys rw - sysfs sysfs rw
31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
42 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu
60 23 0:22 / /sys rw - sysfs sysfs rw
61 60 0:50 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
62 61 0:29 /a /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu
63 20 0:38 / /mnt/deep/cgroup rw - cgroup2 cgroup2 rw
64 20 0:51 / /mnt rw - tmpfs tmpfs rw
";
        let seen = mounts(sandbox);
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert_eq!(seen[0].root, "/a");
        assert_eq!(mounts(HYBRID).len(), 4, "nothing is covered here");
    }

    #[test]
    fn nonsense_is_passed_over() {
        for text in [
            "",
            " - cgroup",
            "1 2 3 4 5 - cgroup",
            "x - cgroup2 a",
            "\\\\ - cgroup\\x  a b",
        ] {
            let _ = mounts(text);
            let _ = own_cgroups(text);
        }
        assert!(Host::assemble(&[], &[], false, 0).is_err());
    }

    #[test]
    fn own_path_is_relative_to_the_mount() {
        let mut hierarchy = Host::assemble(&mounts(HYBRID), &own_cgroups(OWN), true, 0)
            .unwrap()
            .v1[0]
            .clone();
        assert_eq!(hierarchy.own_relative(), "a/b:c");
        hierarchy.root = "/a".into();
        assert_eq!(hierarchy.own_relative(), "b:c");
        hierarchy.root = "/a/b:c".into();
        assert_eq!(hierarchy.own_relative(), "");
        hierarchy.root = "/aa".into();
        assert_eq!(hierarchy.own_relative(), "a/b:c");
    }
}
