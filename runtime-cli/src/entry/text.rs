//! Texts as numbers, which are parts of the instructions: one in the file's constants would bring the
//! page fault for those, in a program that is about to be replaced.

use core::ffi::c_char;
use core::ptr;

/// How many bytes a text has with the zeros behind it, of which there is one at least.
pub(super) const LENGTH: usize = 16;

/// A text that fits into a number, with zeros behind it.
pub(super) const fn text(bytes: &[u8]) -> u128 {
    assert!(bytes.len() < LENGTH);
    let (mut number, mut index) = (0, bytes.len());
    while index > 0 {
        index -= 1;
        number = number << 8 | bytes[index] as u128;
    }
    number
}

/// Whether a text is this one.
///
/// # Safety
/// `read` ends with a zero.
pub(super) unsafe fn is(read: *const c_char, text: u128) -> bool {
    let (mut read, mut rest) = (read.cast::<u8>(), text);
    loop {
        let [byte, ..] = rest.to_le_bytes();
        // SAFETY: the texts were the same until here, without a zero.
        if unsafe { ptr::read_volatile(read) } != byte {
            return false;
        }
        if byte == 0 {
            return true;
        }
        rest >>= 8;
        // SAFETY: as above.
        read = unsafe { read.add(1) };
    }
}
