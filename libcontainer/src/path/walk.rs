//! Walking a path component by component, as `openat2(RESOLVE_IN_ROOT)` does it.
//!
//! `..` is never opened: the walk begins anew at the root with the components that led here less the
//! last. Nothing that a rename does meanwhile can therefore lead above the root.

use core::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::text::{NameText, PathText};
use super::{How, Make};
use crate::sys::{Call, Fault, Result, file};

/// How many links may lie on one path, as in the kernel (`MAXSYMLINKS`).
const MAX_LINKS: u32 = 40;
const LOOP: Fault = Fault::new(Call::Open, libc::ELOOP);
const NOT_A_DIRECTORY: Fault = Fault::new(Call::Open, libc::ENOTDIR);

/// Where a walk is.
struct Walk<'a> {
    root: BorrowedFd<'a>,
    /// The file that was reached.
    here: OwnedFd,
    /// Names of the directories that led here, each with a slash before it, without links or dots.
    resolved: PathText,
    /// What is still to be walked.
    rest: PathText,
    /// How many links were followed.
    links: u32,
    /// Whether `here` was made by this walk.
    made: bool,
}

/// Walks `path` inside `root`; makes what is missing where `make` is given, and says whether the last
/// component was made.
pub(super) fn walk(
    root: BorrowedFd<'_>,
    path: &CStr,
    how: How,
    make: Option<Make>,
) -> Result<(OwnedFd, bool)> {
    let mut walk = Walk {
        root,
        here: open_root(root)?,
        resolved: PathText::new(),
        rest: PathText::new(),
        links: 0,
        made: false,
    };
    walk.rest.push(path.to_bytes())?;
    while let Some((name, is_last, wants_directory)) = walk.next_component()? {
        match name.as_bytes() {
            b"." => walk.must_be_directory()?,
            b".." => walk.up()?,
            _ => walk.down(
                &name,
                is_last && !wants_directory,
                how,
                missing(make, is_last),
            )?,
        }
        if is_last && wants_directory {
            walk.must_be_directory()?;
        }
    }
    if how.directory {
        walk.must_be_directory()?;
    }
    Ok((walk.here, walk.made))
}

/// What is made of a missing component: everything before the last is a directory.
fn missing(make: Option<Make>, is_last: bool) -> Option<Make> {
    make.map(|make| if is_last { make } else { Make::Directory })
}

fn open_root(root: BorrowedFd<'_>) -> Result<OwnedFd> {
    file::open(root, c".", libc::O_PATH | libc::O_DIRECTORY, 0)
}

fn open_component(at: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd> {
    file::open(at, name, libc::O_PATH | libc::O_NOFOLLOW, 0)
}

impl Walk<'_> {
    /// Takes the next component off the rest: its name, whether it is the last, and whether a slash
    /// follows that last one.
    fn next_component(&mut self) -> Result<Option<(NameText, bool, bool)>> {
        let rest = self.rest.as_bytes();
        let Some(start) = rest.iter().position(|byte| *byte != b'/') else {
            return Ok(None);
        };
        let tail = rest.get(start..).unwrap_or_default();
        let length = tail
            .iter()
            .position(|byte| *byte == b'/')
            .unwrap_or(tail.len());
        let (component, after) = tail.split_at_checked(length).unwrap_or((tail, b""));
        let is_last = after.iter().all(|byte| *byte == b'/');
        let wants_directory = !after.is_empty();
        let mut name = NameText::new();
        name.push(component)
            .map_err(|_| Fault::new(Call::Open, libc::ENAMETOOLONG))?;
        let mut rest = PathText::new();
        if !is_last {
            rest.push(after)?;
        }
        self.rest = rest;
        Ok(Some((name, is_last, wants_directory)))
    }

    fn must_be_directory(&self) -> Result<()> {
        if file::status(self.here.as_fd())?.is_directory() {
            Ok(())
        } else {
            Err(NOT_A_DIRECTORY)
        }
    }

    /// Enters `name`, or follows it where it is a link.
    fn down(&mut self, name: &NameText, is_last: bool, how: How, make: Option<Make>) -> Result<()> {
        let (next, made) = self.open_or_make(name.as_cstr(), make)?;
        let status = file::status(next.as_fd())?;
        if !status.is_link() {
            self.here = next;
            self.made = made;
            self.resolved.push(b"/")?;
            return self.resolved.push(name.as_bytes());
        }
        if how.no_links {
            return Err(LOOP);
        }
        if is_last && how.keep_last_link && self.is_at_end() {
            self.here = next;
            self.made = false;
            return Ok(());
        }
        self.follow(next.as_fd(), is_last)
    }

    fn is_at_end(&self) -> bool {
        self.rest.as_bytes().is_empty()
    }

    fn open_or_make(&self, name: &CStr, make: Option<Make>) -> Result<(OwnedFd, bool)> {
        let here = self.here.as_fd();
        let fault = match open_component(here, name) {
            Err(fault) if fault.errno == libc::ENOENT => fault,
            other => return other.map(|opened| (opened, false)),
        };
        let made = match make {
            None => return Err(fault),
            Some(Make::Directory) => file::make_directory(here, name, 0o755),
            Some(Make::File) => file::make_node(here, name, libc::S_IFREG | 0o644, 0),
        };
        match made {
            Ok(()) => Ok((open_component(here, name)?, true)),
            // Somebody else was faster; what they made is treated as found.
            Err(fault) if fault.errno == libc::EEXIST => Ok((open_component(here, name)?, false)),
            Err(fault) => Err(fault),
        }
    }

    /// Puts the target of a link before the rest.
    fn follow(&mut self, link: BorrowedFd<'_>, is_last: bool) -> Result<()> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(LOOP);
        }
        let mut target = PathText::read_link(link, c"")?;
        if target.as_bytes().is_empty() {
            return Err(Fault::new(Call::Readlink, libc::ENOENT));
        }
        let absolute = target.as_bytes().starts_with(b"/");
        if file::is_on_procfs(link)? && (absolute || target.as_bytes().contains(&b':')) {
            // What a magic link leads to has nothing to do with its text.
            return Err(LOOP);
        }
        if absolute {
            self.here = open_root(self.root)?;
            self.resolved.truncate(0);
        }
        if !is_last {
            target.push(b"/")?;
            target.push(self.rest.as_bytes())?;
        }
        self.rest = target;
        Ok(())
    }

    /// Goes to the directory above, at the root to itself.
    fn up(&mut self) -> Result<()> {
        self.must_be_directory()?;
        let bytes = self.resolved.as_bytes();
        let length = bytes.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        self.resolved.truncate(length);
        self.made = false;
        self.here = open_root(self.root)?;
        let mut start = 0;
        while let Some(tail) = self.resolved.as_bytes().get(start + 1..) {
            let length = tail
                .iter()
                .position(|byte| *byte == b'/')
                .unwrap_or(tail.len());
            let mut name = NameText::new();
            name.push(tail.get(..length).unwrap_or_default())?;
            let next = open_component(self.here.as_fd(), name.as_cstr())?;
            if !file::status(next.as_fd())?.is_directory() {
                // It was a directory a moment ago: somebody exchanges files while we look.
                return Err(NOT_A_DIRECTORY);
            }
            self.here = next;
            start += length + 1;
        }
        Ok(())
    }
}
