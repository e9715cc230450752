//! User and group id maps of a user namespace (user_namespaces(7)).

#![forbid(unsafe_code)]

use std::ffi::CString;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

use super::subprocess::{self, Failure, Program, c_strings};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::cstrings::CStringArray;
use crate::plan::{IdMaps, IdRange};
use crate::sys::{Fault, descriptor, process};

/// How long `newuidmap` and `newgidmap` may take. They look into name service databases.
const HELPER_TIMEOUT: Duration = Duration::from_secs(30);

/// Writes the maps of the user namespace of the process `pid`, a child that has not been reaped.
/// `proc` is a verified procfs.
pub(crate) fn write(proc: BorrowedFd<'_>, pid: i32, maps: &IdMaps) -> Result<()> {
    if maps.deny_setgroups {
        write_file(proc, pid, "setgroups", b"deny")?;
    }
    if maps.with_helpers {
        run_helper("newuidmap", pid, &maps.uids)?;
        return run_helper("newgidmap", pid, &maps.gids);
    }
    write_file(proc, pid, "uid_map", lines(&maps.uids).as_bytes())?;
    write_file(proc, pid, "gid_map", lines(&maps.gids).as_bytes())
}

/// A user namespace with these maps in which nothing runs, for mount_setattr(2).
pub(crate) fn id_map_namespace(proc: BorrowedFd<'_>, maps: &IdMaps) -> Result<OwnedFd> {
    let object = "user namespace for id-mapped mounts";
    let failed = |fault: Fault| {
        Error::system(
            object,
            fault.call.name(),
            nix::errno::Errno::from_raw(fault.errno),
        )
    };
    let (read, write_end) = descriptor::pipe().map_err(failed)?;
    let flags = u64::from(nix::libc::CLONE_NEWUSER.cast_unsigned());
    let holder = Holder(
        process::clone(flags, None, || {
            // Should this thread end without the guard below, the kernel kills the child.
            let _ = process::set_parent_death_signal(nix::libc::SIGKILL);
            loop {
                // The child has the other end itself: nothing ever comes.
                let _ = descriptor::wait_readable(read.as_fd(), None);
            }
        })
        .map_err(failed)?,
    );
    drop(write_end);
    let pid = holder.0.pid;
    write(proc, pid, maps).map_err(|error| error.within(object))?;
    let path = format!("{pid}/ns/user");
    openat(
        proc,
        path.as_str(),
        OFlag::O_RDONLY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
    .map_err(|errno| Error::system(object, "open", errno))
}

/// The process that holds a namespace until there is a descriptor of it.
struct Holder(process::Cloned);

impl Drop for Holder {
    fn drop(&mut self) {
        let pidfd = self.0.pidfd.as_fd();
        if process::kill(pidfd).is_ok() {
            // Where somebody else has reaped it, that is as good.
            let _ = process::wait(pidfd);
        }
    }
}

fn lines(ranges: &[IdRange]) -> String {
    ranges
        .iter()
        .map(|range| format!("{} {} {}\n", range.inside, range.outside, range.count))
        .collect()
}

/// The kernel takes a map in one write only.
fn write_file(proc: BorrowedFd<'_>, pid: i32, name: &str, bytes: &[u8]) -> Result<()> {
    let path = format!("{pid}/{name}");
    let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    let failed =
        |call: &str, error: std::io::Error| Error::system(format!("/proc/{path}"), call, error);
    let file = openat(proc, path.as_str(), flags, Mode::empty())
        .map_err(|errno| failed("open", errno.into()))?;
    File::from(file).write_all(bytes).map_err(|error| {
        let text = String::from_utf8_lossy(bytes)
            .trim_end()
            .replace('\n', ", ");
        failed(&format!("write {text:?}"), error)
    })
}

/// Runs `newuidmap(1)` or `newgidmap(1)`, which may map the ids of `/etc/subuid` and `/etc/subgid`.
fn run_helper(name: &str, pid: i32, ranges: &[IdRange]) -> Result<()> {
    let error = |what: String| Error::new(ErrorKind::System, format!("{name}: {what}"));
    let path = find(name).ok_or_else(|| {
        error("not found in PATH; it comes with the package uidmap or shadow-utils".to_owned())
            .with_errno(nix::libc::ENOENT)
    })?;
    let args = arguments(name, pid, ranges);
    let argv = c_strings(args.iter().map(String::as_str))
        .unwrap_or_else(|_| CStringArray::new(Vec::new()));
    let program = Program {
        path: &path,
        argv: &argv,
        envp: &CStringArray::new(Vec::new()),
        cwd: None,
        input: b"",
        timeout: Some(HELPER_TIMEOUT),
    };
    match subprocess::run(&program) {
        Ok(outcome) if outcome.status == 0 => Ok(()),
        Ok(outcome) => Err(error(format!(
            "{}: {} (arguments: {})",
            outcome.describe(),
            outcome.stderr,
            args.get(1..).unwrap_or_default().join(" ")
        ))),
        Err(Failure::TimedOut) => Err(error(format!("did not end within {HELPER_TIMEOUT:?}"))),
        Err(Failure::Call(call, errno)) => {
            Err(error(format!("{call}: {}", cgroups::reason(errno))).with_errno(errno as i32))
        }
    }
}

fn arguments(name: &str, pid: i32, ranges: &[IdRange]) -> Vec<String> {
    let numbers = ranges
        .iter()
        .flat_map(|range| [range.inside, range.outside, range.count])
        .map(|number| number.to_string());
    [name.to_owned(), pid.to_string()]
        .into_iter()
        .chain(numbers)
        .collect()
}

/// The first file of that name in the caller's `PATH`.
fn find(name: &str) -> Option<CString> {
    let path = std::env::var_os("PATH")?;
    let found: PathBuf = std::env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file())?;
    CString::new(found.as_os_str().as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::sys::testing::{in_child, is_root};

    fn proc() -> File {
        File::open("/proc").unwrap()
    }

    fn maps() -> IdMaps {
        let range = |outside, count| IdRange {
            inside: 0,
            outside,
            count,
        };
        IdMaps {
            uids: vec![
                range(100_000, 10),
                IdRange {
                    inside: 10,
                    outside: 5,
                    count: 1,
                },
            ],
            gids: vec![range(200_000, 7)],
            with_helpers: false,
            deny_setgroups: false,
        }
    }

    /// The maps of a namespace as they read from outside, where the numbers are the host's.
    fn shown(namespace: &OwnedFd, file: &str) -> Vec<u32> {
        let own = std::process::id();
        let number = std::os::fd::AsRawFd::as_raw_fd(namespace);
        let mut inside = std::process::Command::new("nsenter")
            .args([&format!("--user=/proc/{own}/fd/{number}"), "-S", "0", "cat"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        // What cat repeats shows that it is in the namespace.
        let mut stdin = inside.stdin.take().unwrap();
        stdin.write_all(b"x").unwrap();
        std::io::Read::read_exact(inside.stdout.as_mut().unwrap(), &mut [0]).unwrap();
        let text = std::fs::read_to_string(format!("/proc/{}/{file}", inside.id())).unwrap();
        drop(stdin);
        assert!(inside.wait().unwrap().success());
        text.split_whitespace()
            .map(|number| number.parse().unwrap())
            .collect()
    }

    #[test]
    fn a_namespace_has_the_maps() {
        if !is_root("id_maps") {
            return;
        }
        let namespace = id_map_namespace(proc().as_fd(), &maps()).unwrap();
        let own = std::fs::metadata("/proc/self/ns/user").unwrap().ino();
        assert_ne!(nix::sys::stat::fstat(&namespace).unwrap().st_ino, own);
        assert_eq!(
            shown(&namespace, "uid_map"),
            [[0, 100_000, 10], [10, 5, 1]].concat()
        );
        assert_eq!(shown(&namespace, "gid_map"), [0, 200_000, 7]);
    }

    #[test]
    fn a_refused_map_is_told() {
        if !is_root("id_maps") {
            return;
        }
        let mut overlapping = maps();
        overlapping.gids.push(IdRange {
            inside: 3,
            outside: 9,
            count: 1,
        });
        let error = id_map_namespace(proc().as_fd(), &overlapping).unwrap_err();
        assert_eq!(error.errno(), Some(nix::libc::EINVAL));
        let text = error.to_string();
        assert!(
            text.contains("gid_map: write \"0 200000 7, 3 9 1\": invalid argument"),
            "{text}"
        );
    }

    #[test]
    fn no_process_stays_whether_it_worked_or_not() {
        if !is_root("id_maps") {
            return;
        }
        let mut refused = maps();
        refused.gids.push(IdRange {
            inside: 3,
            outside: 9,
            count: 1,
        });
        in_child(0, || {
            let made = id_map_namespace(proc().as_fd(), &maps()).is_ok();
            let refused = id_map_namespace(proc().as_fd(), &refused).is_err();
            let children = std::fs::read_to_string("/proc/thread-self/children").unwrap();
            made && refused && children.is_empty()
        });
    }

    #[test]
    fn helpers_get_process_and_triples() {
        assert_eq!(
            arguments("newuidmap", 42, &maps().uids),
            ["newuidmap", "42", "0", "100000", "10", "10", "5", "1"]
        );
    }

    #[test]
    fn a_helpers_complaint_is_in_the_error() {
        if find("newuidmap").is_none() {
            #[allow(clippy::print_stderr)] // a test that did not run must say so
            {
                eprintln!("SKIPPED: newuidmap is not installed");
            }
            return;
        }
        // No process has this number.
        let error = run_helper("newuidmap", i32::MAX, &maps().uids).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("newuidmap: exit status 1: newuidmap: "),
            "{text}"
        );
        assert!(text.contains("2147483647 0 100000 10"), "{text}");
    }

    #[test]
    fn a_missing_helper_names_its_package() {
        let error = run_helper("newxyzmap", 1, &[]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "newxyzmap: not found in PATH; it comes with the package uidmap or shadow-utils"
        );
    }
}
