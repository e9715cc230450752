//! What procfs says of the process itself: what it says is so already need not be asked of the kernel.

use std::os::fd::AsFd;

use super::state::Child;
use crate::sys::file;

/// More than the lines up to the capabilities take, but for a process with hundreds of groups.
const STATUS: usize = 4096;

/// From `/proc/self/status` (proc_pid_status(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Status {
    /// The signals that are ignored or caught, as the kernel's mask.
    pub not_default: u64,
    /// The bounding set.
    pub bounding: u64,
    /// The user, where the real, effective, saved and file system user are one.
    pub only_user: Option<u32>,
    /// The same for the group.
    pub only_group: Option<u32>,
    /// Whether it has no supplementary group.
    pub is_in_no_group: bool,
}

impl Status {
    /// `None` where a line is missing or is not understood.
    fn parse(text: &[u8]) -> Option<Self> {
        Some(Self {
            not_default: mask(text, b"SigIgn:")? | mask(text, b"SigCgt:")?,
            bounding: mask(text, b"CapBnd:")?,
            only_user: only(line(text, b"Uid:")?),
            only_group: only(line(text, b"Gid:")?),
            is_in_no_group: line(text, b"Groups:")?.is_empty(),
        })
    }
}

impl Child<'_> {
    /// The process's status at the first call, where procfs tells: before the steps that take its
    /// privileges away.
    pub(super) fn own_status(&mut self) -> Option<Status> {
        if self.own_status.is_none() {
            self.own_status = self.read_status();
        }
        self.own_status
    }

    fn read_status(&self) -> Option<Status> {
        let status = self.open_proc(c"self/status", libc::O_RDONLY).ok()?;
        let status = self.leave(status);
        let mut text = [0; STATUS];
        let length = file::read(status.as_fd(), &mut text).ok()?;
        Status::parse(text.get(..length)?)
    }
}

/// What a line of this name says.
fn line<'a>(text: &'a [u8], name: &[u8]) -> Option<&'a str> {
    let mut lines = text.split_inclusive(|byte| *byte == b'\n');
    let line = lines.find_map(|line| line.strip_prefix(name)?.strip_suffix(b"\n"))?;
    Some(core::str::from_utf8(line).ok()?.trim_ascii())
}

/// A mask of signals or capabilities.
fn mask(text: &[u8], name: &[u8]) -> Option<u64> {
    u64::from_str_radix(line(text, name)?, 16).ok()
}

/// The one number of a line that repeats it.
fn only(line: &str) -> Option<u32> {
    let mut words = line.split_ascii_whitespace();
    let first = words.next()?;
    let is_one = words.all(|word| word == first);
    is_one.then(|| first.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Name:\tSigIgn: 7\nUid:\t0\t0\t0\t0\nGid:\t7\t7\t7\t7\nGroups:\t \n\
        SigIgn:\t0000000000001000\nSigCgt:\t8000000000000440\nCapBnd:\t000001ffffffffff\nSigX:";

    #[test]
    fn lines_are_found_by_their_names() {
        let status = Status {
            not_default: 0x8000_0000_0000_1440,
            bounding: 0x1ff_ffff_ffff,
            only_user: Some(0),
            only_group: Some(7),
            is_in_no_group: true,
        };
        assert_eq!(Status::parse(TEXT.as_bytes()), Some(status));
        let other = TEXT
            .replace("Uid:\t0\t0", "Uid:\t0\t1")
            .replace("Gid:\t7\t7", "Gid:\t8\t7")
            .replace("Groups:\t ", "Groups:\t0 ");
        let status = Status {
            only_user: None,
            only_group: None,
            is_in_no_group: false,
            ..status
        };
        assert_eq!(Status::parse(other.as_bytes()), Some(status));
    }

    #[test]
    fn what_is_cut_off_is_not_taken_for_less() {
        assert_eq!(mask(TEXT.as_bytes(), b"SigX:"), None);
        assert_eq!(mask(TEXT.as_bytes(), b"SigBlk:"), None);
        for end in 0..TEXT.len() - "\nSigX:".len() {
            assert_eq!(Status::parse(&TEXT.as_bytes()[..end]), None, "{end}");
        }
    }
}
