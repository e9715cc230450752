//! Keeps the container from the runtime's own file (CVE-2019-5736).
//!
//! A process that enters a container and then executes its program is, until then, an instance of
//! this program's file, and a hostile root file system can make it execute `/proc/self/exe` and so
//! get hold of that file. [`seal`] therefore re-executes the program from a read-only clone of its
//! file's mount, which vanishes with the descriptor: what `/proc/self/exe` leads to can be written
//! by nobody. Where such a clone cannot be had, a sealed copy in memory takes its place.

use std::ffi::{CStr, OsString};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::statvfs::{FsFlags, statvfs};

use crate::error::{Error, Result};
use crate::plan::cstrings::{CStringArray, c_string};
use crate::sys;

const OWN_FILE: &CStr = c"/proc/self/exe";

/// Whom an error is about.
const WHOSE: &str = "the runtime's own file";

/// Tells the re-executed program that it is. A read-only mount alone does not: a whole `/usr` may
/// be one, and become writable again.
const MARK: &str = "_OXRUN_SEALED";

/// Makes sure that the file of the running program cannot be written from a container: returns at
/// once where that holds, otherwise executes the program anew with the same arguments.
///
/// Call it first in `main` of a program that uses [`crate::Create`] or [`crate::Exec`]; it does
/// not return to a program that has already done something.
///
/// # Errors
/// The program's file can be neither cloned nor copied, or not executed.
pub fn seal() -> Result<()> {
    // The mark tells at no cost that this is the first execution of a privileged program.
    if (is_marked() || !nix::unistd::geteuid().is_root()) && is_sealed() {
        return Ok(());
    }
    let file = read_only_clone().or_else(|_| sealed_copy())?;
    let argv = array(std::env::args_os());
    let mark = OsString::from(format!("{MARK}=1"));
    let environment = std::env::vars_os()
        .filter(|(name, _)| name != MARK)
        .map(|(name, value)| {
            let mut entry = name;
            entry.push("=");
            entry.push(value);
            entry
        });
    let envp = array(environment.chain([mark]));
    Err(Error::fault(
        WHOSE,
        sys::process::execute_descriptor(file.as_fd(), &argv, &envp),
    ))
}

/// Whether the running program's file is out of reach for containers. That does not change while
/// it runs, so it is found out once.
pub(crate) fn is_sealed() -> bool {
    static SEALED: OnceLock<bool> = OnceLock::new();
    *SEALED.get_or_init(|| (is_marked() && is_read_only()) || is_safe_file())
}

fn is_marked() -> bool {
    std::env::var_os(MARK).is_some()
}

fn is_read_only() -> bool {
    statvfs(OWN_FILE).is_ok_and(|fs| fs.flags().contains(FsFlags::ST_RDONLY))
}

fn is_safe_file() -> bool {
    File::open("/proc/self/exe")
        .is_ok_and(|file| has_seals(file.as_fd()) || nobody_may_write(&file))
}

fn has_seals(file: BorrowedFd<'_>) -> bool {
    fcntl(file, FcntlArg::F_GET_SEALS)
        .is_ok_and(|seals| SealFlag::from_bits_truncate(seals).contains(SealFlag::F_SEAL_WRITE))
}

/// An unprivileged caller's containers have its own and its subordinate ids: none of them may
/// write a file of the system's administrator.
fn nobody_may_write(file: &File) -> bool {
    !nix::unistd::geteuid().is_root()
        && file
            .metadata()
            .is_ok_and(|data| data.uid() == 0 && data.mode() & 0o022 == 0)
}

/// The mount is gone with the descriptor at `execveat`. Were it left open, its read-only flag could
/// be cleared through it.
fn read_only_clone() -> Result<OwnedFd> {
    let failed = |fault| Error::fault(WHOSE, fault);
    let tree = sys::mount::clone_tree(sys::descriptor::CWD, OWN_FILE, false).map_err(failed)?;
    let attributes = sys::mount::MountAttr {
        set: libc::MOUNT_ATTR_RDONLY,
        ..Default::default()
    };
    sys::mount::set_attributes(tree.as_fd(), &attributes, false).map_err(failed)?;
    Ok(tree)
}

fn sealed_copy() -> Result<OwnedFd> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let copy = memfd_create(c"oxrun", flags).map_err(|errno| failed("memfd_create", errno))?;
    let mut copy = File::from(copy);
    let content = std::fs::read("/proc/self/exe").map_err(|error| failed("read", error))?;
    copy.write_all(&content)
        .map_err(|error| failed("copy", error))?;
    let seals = SealFlag::F_SEAL_SEAL
        | SealFlag::F_SEAL_SHRINK
        | SealFlag::F_SEAL_GROW
        | SealFlag::F_SEAL_WRITE;
    fcntl(&copy, FcntlArg::F_ADD_SEALS(seals)).map_err(|errno| failed("seal", errno))?;
    Ok(copy.into())
}

/// None of the strings comes with a zero inside, since the kernel passed them.
fn array(strings: impl Iterator<Item = OsString>) -> CStringArray {
    let strings = strings.filter_map(|string| c_string(string.into_vec()).ok());
    CStringArray::new(strings.collect())
}

fn failed(call: &str, error: impl Into<std::io::Error>) -> Error {
    Error::system(WHOSE, call, error)
}
