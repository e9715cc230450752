//! What the planner's parts write into.

#![forbid(unsafe_code)]

use std::ffi::CStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::step::{Entry, Slot, Step};
use super::{Open, OpenKind, cstrings};
use crate::error::{Error, Result};

/// The longest path that the kernel takes, its zero byte included.
const PATH_MAX: usize = 4096;

/// Steps, descriptors and warnings as they gather.
#[derive(Debug)]
pub(crate) struct Builder {
    pub(crate) steps: Vec<Entry>,
    pub(crate) opens: Vec<Open>,
    pub(crate) warnings: Vec<String>,
}

impl Builder {
    /// Nothing yet, with room for the steps of a usual container: they would be copied as they grow.
    pub(crate) fn new() -> Self {
        const STEPS: usize = 75;
        Self {
            steps: Vec::with_capacity(STEPS),
            opens: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Adds a step that `field` asks for.
    pub(crate) fn step(&mut self, field: impl Into<String>, step: Step) {
        self.steps.push(Entry {
            step,
            field: field.into(),
        });
    }

    /// Has `launch` open something.
    pub(crate) fn open(&mut self, field: impl Into<String>, what: OpenKind) -> Result<Slot> {
        let field = field.into();
        let Ok(number) = u16::try_from(self.opens.len()) else {
            return Err(Error::config(
                &field,
                format_args!("more than {} descriptors are needed", u16::MAX),
            ));
        };
        self.opens.push(Open {
            what,
            field,
            on_request: false,
        });
        Ok(Slot(number))
    }

    /// Notes a deviation, once.
    pub(crate) fn warn(&mut self, field: &str, problem: impl std::fmt::Display) {
        let warning = format!("{field}: {problem}");
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}

/// A string of the configuration as the kernel wants it.
pub(crate) fn c_string(field: &str, value: impl AsRef<[u8]>) -> Result<Box<CStr>> {
    cstrings::c_string(value.as_ref())
        .map_err(|_| Error::config(field, "must not contain a zero byte"))
}

/// A path of the configuration as the kernel wants it.
pub(crate) fn c_path(field: &str, path: &Path) -> Result<Box<CStr>> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.is_empty() {
        return Err(Error::config(field, "must not be empty"));
    }
    if bytes.len() >= PATH_MAX {
        return Err(Error::config(
            field,
            format_args!(
                "is {} bytes long; a path has at most {}",
                bytes.len(),
                PATH_MAX - 1
            ),
        ));
    }
    c_string(field, bytes)
}

/// A number of things that the configuration may hold at most, so that a plan stays small.
pub(crate) fn at_most(field: &str, count: usize, limit: usize) -> Result<()> {
    if count > limit {
        return Err(Error::config(
            field,
            format_args!("has {count} elements; at most {limit} are allowed"),
        ));
    }
    Ok(())
}

/// The path without `.`, `..`, doubled and trailing slashes, from `/` on. Only for comparing: what
/// it leads to is decided in the container's root.
pub(crate) fn clean(path: &Path) -> String {
    let text = path.to_string_lossy();
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// A value for a message: quoted, with control characters escaped, and not too long.
pub(crate) fn quoted(value: &str) -> String {
    const LONGEST: usize = 200;
    match value.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", value.get(..end).unwrap_or_default()),
        None => format!("{value:?}"),
    }
}
