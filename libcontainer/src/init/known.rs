//! Directories inside the root that several steps in a row make something in.
//!
//! A path is looked up once, and again only after a mount that may lie over it. Of a file system that
//! the child has just mounted more is known: nobody else can reach it, so that what the child makes in
//! it stays what it is and may be named by its one component.

use std::os::fd::BorrowedFd;

use crate::path::text::NameText;

/// How many directories are remembered: `/dev`, `/sys/fs/cgroup` and one more.
const ROOM: usize = 3;

/// A directory inside the root.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub directory: BorrowedFd<'static>,
    /// Whether it is the root of a file system that the child has mounted and nobody else can reach.
    pub is_new: bool,
}

#[derive(Debug)]
struct Entry {
    /// The plan's path, without slashes at its end.
    path: NameText,
    /// `None` where a new file system was mounted and nobody has asked for its root yet.
    place: Option<Place>,
    /// Whether there is no symbolic link on the way, so that the path alone says what covers it.
    is_plain: bool,
}

/// What is remembered.
#[derive(Debug, Default)]
pub(super) struct Known {
    entries: [Option<Entry>; ROOM],
    /// Which entry makes way for the next one.
    next: usize,
}

impl Known {
    /// The directory at this path.
    pub(super) fn find(&self, path: &[u8]) -> Option<Place> {
        self.entry(path)?.place
    }

    /// Whether a new file system was mounted at this path last.
    pub(super) fn is_new_mount(&self, path: &[u8]) -> bool {
        self.entry(path).is_some_and(|entry| entry.place.is_none())
    }

    /// Remembers a directory.
    pub(super) fn remember(&mut self, path: &[u8], place: Place, is_plain: bool) {
        self.insert(path, Some(place), is_plain);
    }

    /// Remembers that a new file system was mounted at this path.
    pub(super) fn mounted(&mut self, path: &[u8]) {
        self.insert(path, None, true);
    }

    /// Something was mounted on a path: forgets what may lie below. `is_plain` is whether the path
    /// leads through no symbolic link.
    pub(super) fn cover(&mut self, path: &[u8], is_plain: bool) {
        let path = trimmed(path);
        for slot in &mut self.entries {
            *slot = slot.take().filter(|entry| {
                let below = entry.path.as_bytes().strip_prefix(path);
                let is_below = below.is_some_and(|rest| matches!(rest.first(), None | Some(b'/')));
                is_plain && entry.is_plain && !is_below
            });
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.entries = Default::default();
    }

    fn entry(&self, path: &[u8]) -> Option<&Entry> {
        let path = trimmed(path);
        let mut entries = self.entries.iter().flatten();
        entries.find(|entry| entry.path.as_bytes() == path)
    }

    fn insert(&mut self, path: &[u8], place: Option<Place>, is_plain: bool) {
        let path = trimmed(path);
        let same = self.entries.iter().position(|slot| {
            slot.as_ref()
                .is_some_and(|entry| entry.path.as_bytes() == path)
        });
        let free = || self.entries.iter().position(Option::is_none);
        let at = same.or_else(free).unwrap_or(self.next);
        self.next = (at + 1) % ROOM;
        let mut text = NameText::new();
        if let Some(slot) = self.entries.get_mut(at) {
            *slot = text.push(path).is_ok().then_some(Entry {
                path: text,
                place,
                is_plain,
            });
        }
    }
}

/// A path without the slashes at its end.
pub(super) fn trimmed(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte != b'/');
    end.and_then(|end| path.get(..=end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(is_new: bool) -> Place {
        let directory = crate::sys::descriptor::inherited(0).unwrap();
        Place { directory, is_new }
    }

    #[test]
    fn what_is_covered_is_forgotten() {
        let mut known = Known::default();
        known.remember(b"/dev/", place(true), true);
        known.remember(b"/sys/fs/cgroup", place(true), true);
        assert!(known.find(b"/dev").is_some_and(|place| place.is_new));
        known.cover(b"/sys", true);
        assert!(known.find(b"/sys/fs/cgroup/").is_none());
        // A longer name of the same beginning is another directory.
        known.cover(b"/de", true);
        assert!(known.find(b"/dev").is_some());
        known.cover(b"/dev/", true);
        assert!(known.find(b"/dev").is_none());
    }

    #[test]
    fn behind_a_link_anything_may_lie() {
        let mut known = Known::default();
        known.remember(b"/dev", place(false), true);
        known.cover(b"/link", false);
        assert!(known.find(b"/dev").is_none());
        known.remember(b"/link/dev", place(false), false);
        known.cover(b"/elsewhere", true);
        assert!(known.find(b"/link/dev").is_none());
    }

    #[test]
    fn a_new_mount_has_no_directory_yet() {
        let mut known = Known::default();
        known.mounted(b"/dev");
        assert!(known.is_new_mount(b"/dev/"));
        assert!(known.find(b"/dev").is_none());
        known.remember(b"/dev", place(true), true);
        assert!(!known.is_new_mount(b"/dev"));
        // The root's own path is the empty one.
        known.cover(b"/", true);
        assert!(known.find(b"/dev").is_none());
    }

    #[test]
    fn the_oldest_makes_way() {
        let mut known = Known::default();
        for path in [&b"/a"[..], b"/b", b"/c", b"/d"] {
            known.remember(path, place(false), true);
        }
        assert!(known.find(b"/a").is_none());
        assert!(known.find(b"/b").is_some());
    }
}
