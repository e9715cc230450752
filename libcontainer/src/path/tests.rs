//! The same table against openat2 and against the walk that stands in for it.

use std::ffi::CString;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::sys::testing;

type Resolver = fn(BorrowedFd<'_>, &CStr, How) -> Result<OwnedFd>;

const RESOLVERS: [(&str, Resolver); 2] = [
    ("openat2", |root, path, how| resolve(root, path, how)),
    ("walk", |root, path, how| {
        walk::walk(root, path, how, None).map(|(found, _)| found)
    }),
];

const FOLLOW: How = How {
    keep_last_link: false,
    no_links: false,
    directory: false,
};
const KEEP: How = How {
    keep_last_link: true,
    ..FOLLOW
};
const NO_LINKS: How = How {
    no_links: true,
    ..FOLLOW
};
const DIRECTORY: How = How {
    directory: true,
    ..FOLLOW
};

fn open(path: &Path) -> OwnedFd {
    fs::File::open(path).unwrap().into()
}

fn inode(fd: &OwnedFd) -> u64 {
    file::status(fd.as_fd()).unwrap().inode
}

fn text(path: &str) -> CString {
    CString::new(path).unwrap()
}

/// root/{a/b/file, links…}, with a file of the same name above the root that must never be met.
fn tree() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    fs::create_dir_all(root.join("a/b")).unwrap();
    fs::write(root.join("a/b/file"), "inside").unwrap();
    fs::write(dir.path().join("secret"), "outside").unwrap();
    for (name, target) in [
        ("relative", "a/b"),
        ("absolute", "/a/b/file"),
        ("above", "../../../../secret"),
        ("root", "/"),
        ("dangling", "/made/later"),
        ("loop", "loop"),
        ("ping", "pong"),
        ("pong", "ping"),
        ("slash", "a/b/"),
        ("a/up", "../a/b/file"),
        ("a/b/escape", "/../../secret"),
    ] {
        symlink(target, root.join(name)).unwrap();
    }
    dir
}

/// What is resolved: the path, how, and the path of the same file on the host or the errno.
const TABLE: &[(&str, How, core::result::Result<&str, i32>)] = &[
    ("", FOLLOW, Ok("")),
    ("/", FOLLOW, Ok("")),
    (".", FOLLOW, Ok("")),
    ("..", FOLLOW, Ok("")),
    ("/../..", FOLLOW, Ok("")),
    ("//a///b/./file", FOLLOW, Ok("a/b/file")),
    ("a/b/../b/file", FOLLOW, Ok("a/b/file")),
    ("a/../../a/b", FOLLOW, Ok("a/b")),
    ("a/b/", FOLLOW, Ok("a/b")),
    ("a/b/file/", FOLLOW, Err(libc::ENOTDIR)),
    ("a/b/file/.", FOLLOW, Err(libc::ENOTDIR)),
    ("a/b/file/..", FOLLOW, Err(libc::ENOTDIR)),
    ("a/b/file/x", FOLLOW, Err(libc::ENOTDIR)),
    ("relative/file", FOLLOW, Ok("a/b/file")),
    ("relative/../b", FOLLOW, Ok("a/b")),
    ("absolute", FOLLOW, Ok("a/b/file")),
    ("a/up", FOLLOW, Ok("a/b/file")),
    ("root/a", FOLLOW, Ok("a")),
    ("root", KEEP, Ok("root")),
    ("root/", KEEP, Ok("")),
    ("slash", FOLLOW, Ok("a/b")),
    ("above", FOLLOW, Err(libc::ENOENT)),
    ("a/b/escape", FOLLOW, Err(libc::ENOENT)),
    ("dangling", FOLLOW, Err(libc::ENOENT)),
    ("dangling", KEEP, Ok("dangling")),
    ("dangling/", KEEP, Err(libc::ENOENT)),
    ("loop", FOLLOW, Err(libc::ELOOP)),
    ("ping/x", FOLLOW, Err(libc::ELOOP)),
    ("loop", KEEP, Ok("loop")),
    ("a/b", NO_LINKS, Ok("a/b")),
    ("relative", NO_LINKS, Err(libc::ELOOP)),
    ("relative/file", NO_LINKS, Err(libc::ELOOP)),
    ("a/b", DIRECTORY, Ok("a/b")),
    ("", DIRECTORY, Ok("")),
    ("relative", DIRECTORY, Ok("a/b")),
    ("a/b/file", DIRECTORY, Err(libc::ENOTDIR)),
    ("absolute", DIRECTORY, Err(libc::ENOTDIR)),
    ("missing", FOLLOW, Err(libc::ENOENT)),
    ("missing/..", FOLLOW, Err(libc::ENOENT)),
];

#[test]
fn both_resolvers_agree_with_the_table() {
    let dir = tree();
    let host = dir.path().join("root");
    let root = open(&host);
    for (name, resolver) in RESOLVERS {
        for (path, how, expected) in TABLE {
            let found = resolver(root.as_fd(), &text(path), *how);
            let found = found.map(|fd| inode(&fd)).map_err(|fault| fault.errno);
            let expected =
                expected.map(|path| fs::symlink_metadata(host.join(path)).unwrap().ino());
            assert_eq!(found, expected, "{name} of {path:?} with {how:?}");
        }
    }
}

#[test]
fn forty_links_are_followed_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("0"), "").unwrap();
    for number in 1..=41 {
        symlink(
            (number - 1).to_string(),
            dir.path().join(number.to_string()),
        )
        .unwrap();
    }
    let root = open(dir.path());
    for (name, resolver) in RESOLVERS {
        assert!(resolver(root.as_fd(), c"40", FOLLOW).is_ok(), "{name}");
        let fault = resolver(root.as_fd(), c"41", FOLLOW).unwrap_err();
        assert_eq!(fault.errno, libc::ELOOP, "{name}");
    }
}

#[test]
fn magic_links_are_not_followed_and_others_of_procfs_are() {
    let root = open(Path::new("/"));
    for (name, resolver) in RESOLVERS {
        for magic in [
            c"proc/self/exe",
            c"proc/self/root",
            c"proc/self/cwd/x",
            c"proc/self/fd/0",
        ] {
            let fault = resolver(root.as_fd(), magic, FOLLOW).unwrap_err();
            assert_eq!(fault.errno, libc::ELOOP, "{name} of {magic:?}");
        }
        assert!(
            resolver(root.as_fd(), c"proc/self/status", FOLLOW).is_ok(),
            "{name}"
        );
        assert!(
            resolver(root.as_fd(), c"proc/mounts", FOLLOW).is_ok(),
            "{name}"
        );
    }
}

#[test]
fn without_openat2_the_walk_resolves() {
    let dir = tree();
    testing::in_child(0, || {
        testing::refuse(&[libc::SYS_openat2], libc::ENOSYS);
        let host = dir.path().join("root");
        let found = resolve(open(&host).as_fd(), c"relative/file", FOLLOW).unwrap();
        inode(&found) == fs::metadata(host.join("a/b/file")).unwrap().ino()
    });
}

#[test]
fn what_is_missing_is_made_inside_the_root() {
    let dir = tree();
    let host = dir.path().join("root");
    let root = open(&host);
    for (path, make, place, made) in [
        ("a/b", Make::Directory, "a/b", false),
        ("new/deep/dir", Make::Directory, "new/deep/dir", true),
        ("new/deep/dir", Make::Directory, "new/deep/dir", false),
        ("other/file", Make::File, "other/file", true),
        ("dangling", Make::File, "made/later", true),
        ("above", Make::File, "secret", true),
        ("relative/x/y", Make::Directory, "a/b/x/y", true),
        ("a/b/escape", Make::File, "secret", false),
        ("trailing/", Make::Directory, "trailing", true),
        ("gone/../here", Make::Directory, "here", true),
    ] {
        let (found, was_made) = ensure(root.as_fd(), &text(path), FOLLOW, make).unwrap();
        let there = fs::metadata(host.join(place)).unwrap();
        assert_eq!(inode(&found), there.ino(), "{path}");
        assert_eq!(was_made, made, "{path}");
        if made {
            assert_eq!(there.is_dir(), make == Make::Directory, "{path}");
        }
    }
    assert_eq!(
        fs::read_to_string(dir.path().join("secret")).unwrap(),
        "outside"
    );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    for bad in ["loop/x", "a/b/file/x"] {
        ensure(root.as_fd(), &text(bad), FOLLOW, Make::Directory).unwrap_err();
    }
}

#[test]
fn the_parent_of_a_name_is_inside_and_the_name_is_one() {
    let dir = tree();
    let host = dir.path().join("root");
    let root = open(&host);
    for (path, parent, name) in [
        ("/a/b/null", "a/b", "null"),
        ("null", "", "null"),
        ("relative/null/", "a/b", "null"),
        ("/fresh/null", "fresh", "null"),
    ] {
        let path = text(path);
        let (above, last) = split(&path).unwrap();
        let directory = ensure_directory(root.as_fd(), above).unwrap();
        assert_eq!(
            inode(&directory),
            fs::metadata(host.join(parent)).unwrap().ino()
        );
        assert_eq!(last.as_bytes(), name.as_bytes());
    }
    for bad in ["", "/", "..", "a/..", "a/."] {
        let path = text(bad);
        assert_eq!(split(&path).unwrap_err().errno, libc::EISDIR, "{bad}");
    }
    ensure_directory(root.as_fd(), b"a/b/file").unwrap_err();
}

#[test]
fn only_what_is_new_is_made_by_its_name() {
    let dir = tree();
    let host = dir.path().join("root");
    let root = open(&host);
    let inside = |name: &CStr, make| make_new(root.as_fd(), name, make);
    for (name, make) in [(c"one", Make::Directory), (c"two", Make::File)] {
        let made = inside(name, make).unwrap().unwrap();
        let there = fs::symlink_metadata(host.join(name.to_str().unwrap())).unwrap();
        assert_eq!(inode(&made), there.ino());
        assert_eq!(there.is_dir(), make == Make::Directory);
        assert!(inside(name, make).unwrap().is_none());
    }
    assert!(inside(c"dangling", Make::Directory).unwrap().is_none());
}

#[test]
fn long_paths_are_refused() {
    let root = open(Path::new("/"));
    let long = CString::new("x/".repeat(2100)).unwrap();
    let name = CString::new("x".repeat(256)).unwrap();
    for (which, resolver) in RESOLVERS {
        for path in [&long, &name] {
            let fault = resolver(root.as_fd(), path, FOLLOW).unwrap_err();
            assert_eq!(fault.errno, libc::ENAMETOOLONG, "{which}");
        }
    }
    let fault = ensure(root.as_fd(), &long, FOLLOW, Make::Directory).unwrap_err();
    assert_eq!(fault.errno, libc::ENAMETOOLONG);
}

/// Somebody exchanges a directory with a link out of the root while its contents are looked up. What
/// is found is always below the root, and nothing is made outside.
#[test]
fn exchanging_a_directory_for_a_link_does_not_lead_out() {
    let dir = tempfile::tempdir().unwrap();
    let host = dir.path().join("root");
    fs::create_dir_all(host.join("dir/sub")).unwrap();
    fs::create_dir_all(dir.path().join("outside/sub")).unwrap();
    let outside = fs::metadata(dir.path().join("outside/sub")).unwrap().ino();
    symlink("../outside", host.join("link")).unwrap();
    let root = open(&host);
    let stop = AtomicBool::new(false);
    let mut results = [0u32; 2];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                nix::fcntl::renameat2(
                    &root,
                    "dir",
                    &root,
                    "link",
                    nix::fcntl::RenameFlags::RENAME_EXCHANGE,
                )
                .unwrap();
            }
        });
        for _ in 0..3000 {
            for (_, resolver) in RESOLVERS {
                for path in [c"dir/sub", c"dir/sub/../sub", c"dir/../dir/sub"] {
                    let found = resolver(root.as_fd(), path, FOLLOW);
                    results[usize::from(found.is_ok())] += 1;
                    if let Ok(found) = found {
                        assert_ne!(inode(&found), outside);
                    }
                }
            }
            let _ = ensure(root.as_fd(), c"dir/sub/made", FOLLOW, Make::Directory);
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(
        results[0] > 0 && results[1] > 0,
        "no race happened: {results:?}"
    );
    assert_eq!(
        fs::read_dir(dir.path().join("outside/sub"))
            .unwrap()
            .count(),
        0
    );
    assert_eq!(fs::read_dir(dir.path().join("outside")).unwrap().count(), 1);
}

#[test]
fn a_descriptor_is_opened_anew_through_procfs() {
    let proc = open(Path::new("/proc"));
    let dir = tree();
    let root = open(&dir.path().join("root"));
    let found = resolve(root.as_fd(), c"absolute", FOLLOW).unwrap();
    let opened = reopen(proc.as_fd(), found.as_fd(), libc::O_RDONLY).unwrap();
    let mut bytes = [0; 16];
    assert_eq!(file::read(opened.as_fd(), &mut bytes), Ok(6));
    assert!(is_root(c"/./..//") && !is_root(c"/x"));
}
