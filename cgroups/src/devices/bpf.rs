//! Loading and attaching the device program: bpf(2). The only unsafe code of this crate.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::libc;

use super::program::{Instruction, compile};
use super::rules::AccessList;
use crate::dir::Dir;
use crate::error::Error;

// include/uapi/linux/bpf.h
const PROG_LOAD: libc::c_long = 5;
const PROG_ATTACH: libc::c_long = 8;
const PROG_DETACH: libc::c_long = 9;
const PROG_GET_FD_BY_ID: libc::c_long = 13;
const PROG_QUERY: libc::c_long = 16;
const TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;
const ALLOW_MULTI: u32 = 1 << 1;
const REPLACE: u32 = 1 << 2;

/// More programs than this are never on one cgroup (`BPF_CGROUP_MAX_PROGS`).
const MAX_PROGRAMS: usize = 64;

/// What the verifier says on failure; only its end is kept.
const LOG_SIZE: usize = 64 << 10;

#[repr(C)]
#[derive(Default)]
struct LoadAttr {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
}

#[repr(C)]
#[derive(Default)]
struct AttachAttr {
    target_fd: u32,
    attach_bpf_fd: u32,
    attach_type: u32,
    attach_flags: u32,
    replace_bpf_fd: u32,
}

#[repr(C)]
#[derive(Default)]
struct QueryAttr {
    target_fd: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    prog_ids: u64,
    prog_cnt: u32,
    padding: u32,
}

#[repr(C)]
#[derive(Default)]
struct IdAttr {
    id: u32,
    next_id: u32,
    open_flags: u32,
}

/// Makes the list the only device program of a version 2 cgroup.
///
/// There is no moment without a program: one that is there is replaced in one
/// step, or detached after the new one was attached.
///
/// # Errors
/// [`Error::Bpf`].
pub(crate) fn replace(dir: &Dir, list: &AccessList) -> Result<(), Error> {
    put(dir, list, attached(dir)?)
}

/// The same for a cgroup that was just made, which has no program.
///
/// # Errors
/// [`Error::Bpf`].
pub(crate) fn install(dir: &Dir, list: &AccessList) -> Result<(), Error> {
    put(dir, list, Vec::new())
}

fn put(dir: &Dir, list: &AccessList, old: Vec<OwnedFd>) -> Result<(), Error> {
    if list.allows_everything() {
        return old.iter().try_for_each(|program| detach(dir, program));
    }
    let new = load(&compile(list))?;
    if let [only] = old.as_slice() {
        match attach(dir, &new, Some(only)) {
            // Replacing came with kernel 5.6; and it needs a program that was
            // attached as one of several.
            Err(Error::Bpf {
                errno: Errno::EINVAL | Errno::EPERM,
                ..
            }) => {}
            result => return result,
        }
    }
    attach(dir, &new, None)?;
    dir.keep(new);
    old.iter().try_for_each(|program| detach(dir, program))
}

fn load(program: &[Instruction]) -> Result<OwnedFd, Error> {
    const LICENSE: &[u8] = b"Apache-2.0\0";
    let mut attr = LoadAttr {
        prog_type: TYPE_CGROUP_DEVICE,
        insn_cnt: u32::try_from(program.len()).unwrap_or(u32::MAX),
        insns: program.as_ptr() as u64,
        license: LICENSE.as_ptr() as u64,
        prog_name: *b"oxrun_devices\0\0\0",
        ..LoadAttr::default()
    };
    // SAFETY: `insns` points to `insn_cnt` instructions of the kernel's layout and
    // `license` to a terminated string; both outlive the call, which only reads them.
    let errno = match unsafe { bpf_fd(PROG_LOAD, &mut attr) } {
        Ok(fd) => return Ok(fd),
        Err(errno) => errno,
    };
    let mut log = vec![0u8; LOG_SIZE];
    attr.log_level = 1;
    attr.log_size = u32::try_from(log.len()).unwrap_or_default();
    attr.log_buf = log.as_mut_ptr() as u64;
    // SAFETY: as above; `log_buf` is a buffer of `log_size` bytes that nothing else uses.
    match unsafe { bpf_fd(PROG_LOAD, &mut attr) } {
        Ok(fd) => Ok(fd),
        Err(_) => Err(Error::Bpf {
            command: "BPF_PROG_LOAD",
            errno,
            log: tail(&log),
        }),
    }
}

/// The cgroup as the kernel wants it.
fn target(dir: &Dir) -> Result<u32, Error> {
    let opened = dir.descriptor().map_err(failed("BPF_CGROUP_DEVICE"))?;
    Ok(number(opened.as_raw_fd()))
}

/// The last lines of the verifier's log, on one line.
fn tail(log: &[u8]) -> String {
    let end = log.iter().position(|byte| *byte == 0).unwrap_or(log.len());
    let text = String::from_utf8_lossy(log.get(..end).unwrap_or_default());
    let lines: Vec<&str> = text.lines().collect();
    lines
        .get(lines.len().saturating_sub(4)..)
        .unwrap_or_default()
        .join("; ")
}

fn attach(dir: &Dir, program: &OwnedFd, instead: Option<&OwnedFd>) -> Result<(), Error> {
    let mut attr = AttachAttr {
        target_fd: target(dir)?,
        attach_bpf_fd: number(program.as_raw_fd()),
        attach_type: ATTACH_CGROUP_DEVICE,
        attach_flags: ALLOW_MULTI | if instead.is_some() { REPLACE } else { 0 },
        replace_bpf_fd: instead.map_or(0, |fd| number(fd.as_raw_fd())),
    };
    // SAFETY: the attributes hold numbers only.
    unsafe { bpf(PROG_ATTACH, &mut attr) }
        .map(drop)
        .map_err(failed("BPF_PROG_ATTACH"))
}

fn detach(dir: &Dir, program: &OwnedFd) -> Result<(), Error> {
    let mut attr = AttachAttr {
        target_fd: target(dir)?,
        attach_bpf_fd: number(program.as_raw_fd()),
        attach_type: ATTACH_CGROUP_DEVICE,
        ..AttachAttr::default()
    };
    // SAFETY: the attributes hold numbers only.
    match unsafe { bpf(PROG_DETACH, &mut attr) } {
        Ok(_) | Err(Errno::ENOENT) => Ok(()),
        Err(errno) => Err(failed("BPF_PROG_DETACH")(errno)),
    }
}

/// The device programs of a cgroup itself, not of those above it.
fn attached(dir: &Dir) -> Result<Vec<OwnedFd>, Error> {
    let mut ids = [0u32; MAX_PROGRAMS];
    let mut attr = QueryAttr {
        target_fd: target(dir)?,
        attach_type: ATTACH_CGROUP_DEVICE,
        prog_ids: ids.as_mut_ptr() as u64,
        prog_cnt: u32::try_from(ids.len()).unwrap_or_default(),
        ..QueryAttr::default()
    };
    // SAFETY: `prog_ids` is an array of `prog_cnt` numbers that nothing else uses.
    unsafe { bpf(PROG_QUERY, &mut attr) }.map_err(failed("BPF_PROG_QUERY"))?;
    let count = usize::try_from(attr.prog_cnt).unwrap_or_default();
    let mut programs = Vec::new();
    for id in ids.iter().take(count) {
        let mut attr = IdAttr {
            id: *id,
            ..IdAttr::default()
        };
        // SAFETY: the attributes hold numbers only.
        match unsafe { bpf_fd(PROG_GET_FD_BY_ID, &mut attr) } {
            Ok(fd) => programs.push(fd),
            Err(Errno::ENOENT) => {}
            Err(errno) => return Err(failed("BPF_PROG_GET_FD_BY_ID")(errno)),
        }
    }
    Ok(programs)
}

fn failed(command: &'static str) -> impl Fn(Errno) -> Error {
    move |errno| Error::Bpf {
        command,
        errno,
        log: String::new(),
    }
}

/// A descriptor as the attributes hold it; an open one is never negative.
fn number(fd: RawFd) -> u32 {
    fd.cast_unsigned()
}

/// bpf(2) for the commands that return a descriptor, which is close-on-exec.
///
/// # Safety
/// As [`bpf`], and the command returns a new descriptor.
unsafe fn bpf_fd<T>(command: libc::c_long, attr: &mut T) -> Result<OwnedFd, Errno> {
    // SAFETY: the caller's promise.
    let fd = unsafe { bpf(command, attr) }?;
    // SAFETY: the kernel just made the descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(RawFd::try_from(fd).map_err(|_| Errno::EBADF)?) })
}

/// bpf(2).
///
/// # Safety
/// `T` is the kernel's layout for the command, and its pointers are valid for it.
unsafe fn bpf<T>(command: libc::c_long, attr: &mut T) -> Result<libc::c_long, Errno> {
    // SAFETY: `attr` is a valid pointer to as many bytes as are said.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_mut(attr),
            size_of::<T>(),
        )
    };
    Errno::result(result)
}
