//! Arrays of C strings in the form that `execve` takes.

#![allow(unsafe_code)] // only the two `unsafe impl`s: a raw pointer makes the type neither Send nor Sync

use std::ffi::{CStr, CString, NulError, c_char};

/// The bytes with a zero behind. No `CString`, which writes a zero into what it owned when it is
/// dropped: to a page that the child may share.
pub(crate) fn c_string(bytes: impl Into<Vec<u8>>) -> Result<Box<CStr>, NulError> {
    CString::new(bytes).map(CString::into_boxed_c_str)
}

/// C strings together with the null-ended array of pointers to them.
pub struct CStringArray {
    /// Each ends with a zero byte.
    strings: Vec<Box<[u8]>>,
    pointers: Vec<*const c_char>,
}

// SAFETY: the pointers lead to the heap blocks that `strings` owns, which move with it.
unsafe impl Send for CStringArray {}
// SAFETY: nothing is changed behind a shared reference.
unsafe impl Sync for CStringArray {}

impl CStringArray {
    /// Takes the strings and makes the array.
    pub fn new(strings: Vec<Box<CStr>>) -> Self {
        let strings: Vec<Box<[u8]>> = strings
            .into_iter()
            .map(|string| string.into_c_string().into_bytes_with_nul().into())
            .collect();
        let pointers = strings
            .iter()
            .map(|string| string.as_ptr().cast())
            .chain([std::ptr::null()])
            .collect();
        Self { strings, pointers }
    }

    /// Reserves `room` bytes for the string at `index`, which keeps its text.
    pub fn reserve(&mut self, index: usize, room: usize) {
        if let (Some(string), Some(pointer)) =
            (self.strings.get_mut(index), self.pointers.get_mut(index))
            && string.len() < room
        {
            let mut bytes = string.to_vec();
            bytes.resize(room, 0);
            *string = bytes.into_boxed_slice();
            *pointer = string.as_ptr().cast();
        }
    }

    /// How many strings there are.
    pub fn len(&self) -> usize {
        self.strings.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.strings.is_empty()
    }

    /// The string at `index`.
    pub fn get(&self, index: usize) -> Option<&CStr> {
        CStr::from_bytes_until_nul(self.strings.get(index)?).ok()
    }

    /// The bytes of the string at `index` with all the room it has; the last must stay zero.
    pub fn bytes_mut(&mut self, index: usize) -> Option<&mut [u8]> {
        self.strings.get_mut(index).map(|string| &mut string[..])
    }

    /// The null-ended array, valid as long as `self` is neither moved into [`Self::reserve`] nor
    /// dropped.
    pub fn as_ptr(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }

    /// The strings, in order.
    pub fn iter(&self) -> impl Iterator<Item = &CStr> {
        self.strings
            .iter()
            .filter_map(|string| CStr::from_bytes_until_nul(string).ok())
    }
}

impl std::fmt::Debug for CStringArray {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
