//! Text of bounded length without the heap.

use core::ffi::CStr;

use crate::sys::{Call, Fault, Result};

/// Text with room for `N - 1` bytes and the zero that ends it.
#[derive(Clone, Debug)]
pub(crate) struct Text<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

/// A path (`PATH_MAX`).
pub(crate) type PathText = Text<4096>;
/// One component of a path (`NAME_MAX` and the zero).
pub(crate) type NameText = Text<256>;

impl<const N: usize> Text<N> {
    /// No text.
    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; N],
            length: 0,
        }
    }

    /// Adds bytes, none of which is zero.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<()> {
        let end = self.length.saturating_add(bytes.len());
        let too_long = Fault::new(Call::PathTooLong, libc::ENAMETOOLONG);
        if end >= N {
            return Err(too_long);
        }
        self.bytes
            .get_mut(self.length..end)
            .ok_or(too_long)?
            .copy_from_slice(bytes);
        self.length = end;
        Ok(())
    }

    /// Adds a number in decimal.
    pub(crate) fn push_number(&mut self, number: u64) -> Result<()> {
        let mut digits = [0; 20];
        self.push(decimal(number, &mut digits))
    }

    /// Reads a link into this text: the one at `path`, or `at` itself where that is empty.
    pub(crate) fn read_link(at: std::os::fd::BorrowedFd<'_>, path: &CStr) -> Result<Self> {
        let mut text = Self::new();
        let length = crate::sys::file::read_link(at, path, &mut text.bytes)?;
        if length >= N {
            return Err(Fault::new(Call::PathTooLong, libc::ENAMETOOLONG));
        }
        text.length = length;
        Ok(text)
    }

    /// Makes it shorter.
    pub(crate) fn truncate(&mut self, length: usize) {
        if let Some(tail) = self.bytes.get_mut(length..self.length) {
            tail.fill(0);
            self.length = length;
        }
    }

    /// The bytes, without the zero.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// The text as the kernel takes it.
    pub(crate) fn as_cstr(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default()
    }
}

/// `number` in decimal, written to the end of `digits`.
pub(crate) fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        used += 1;
        if number == 0 {
            break;
        }
    }
    digits.get(digits.len() - used..).unwrap_or_default()
}
