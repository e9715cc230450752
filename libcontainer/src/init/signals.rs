//! Signals as a new program finds them.

use super::state::Child;
use crate::sys::{Result, file, signal};
use std::os::fd::AsFd;

/// More than the lines before and with the signals' masks take.
const STATUS: usize = 4096;

impl Child<'_> {
    /// Gives every signal its default action and unblocks all: those that procfs names as ignored or
    /// caught, of which there are few, or where it cannot be asked every one.
    pub(super) fn reset_signals(&self) -> Result<()> {
        match self.not_default() {
            Some(mask) => signal::reset(mask)?,
            None => signal::reset_all()?,
        }
        // The start may be long in coming, and the caller may think better of it.
        if self.gate.is_some() {
            signal::end_on_request();
        }
        Ok(())
    }

    fn not_default(&self) -> Option<u64> {
        let status = self.open_proc(c"self/status", libc::O_RDONLY).ok()?;
        let status = self.leave(status);
        let mut text = [0; STATUS];
        let length = file::read(status.as_fd(), &mut text).ok()?;
        let text = text.get(..length)?;
        Some(mask(text, b"SigIgn:")? | mask(text, b"SigCgt:")?)
    }
}

/// A mask of signals in the text of `/proc/PID/status`.
fn mask(text: &[u8], name: &[u8]) -> Option<u64> {
    let mut lines = text.split_inclusive(|byte| *byte == b'\n');
    let line = lines.find_map(|line| line.strip_prefix(name)?.strip_suffix(b"\n"))?;
    let digits = core::str::from_utf8(line).ok()?.trim_ascii();
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_found_by_their_names() {
        let text = b"Name:\tSigIgn: 7\nSigIgn:\t0000000000001000\nSigCgt:\t8000000000000440\nSigX:";
        assert_eq!(mask(text, b"SigIgn:"), Some(0x1000));
        assert_eq!(mask(text, b"SigCgt:"), Some(0x8000_0000_0000_0440));
        assert_eq!(mask(text, b"SigX:"), None);
        assert_eq!(mask(text, b"SigBlk:"), None);
    }
}
