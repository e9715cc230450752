//! Which container ids are allowed.

#![forbid(unsafe_code)]

use crate::error::{Error, ErrorKind, Result};

/// Longest id; the kernel's limit for a file name is 255, which the directory's creation reports.
const LONGEST: usize = 1024;

/// An id becomes a directory and a cgroup name: letters, digits and `_ + - .`, but neither `.` nor
/// `..` (the rule and the text are runc's; engines show the text).
pub(crate) fn check_id(id: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte);
    if id.is_empty() {
        return Err(Error::new(
            ErrorKind::InvalidConfig,
            "container id cannot be empty",
        ));
    }
    if id.len() > LONGEST || id == "." || id == ".." || !id.bytes().all(allowed) {
        let shown: String = id.chars().take(64).collect();
        return Err(Error::new(
            ErrorKind::InvalidConfig,
            format!(
                "invalid container ID format: {shown:?}; allowed are letters, digits and \"_+-.\", \
                 at most {LONGEST} of them, but not \".\" or \"..\""
            ),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_engines_are_allowed() {
        for id in ["a", "A_b-c.d+e", "..a", "0", &"f".repeat(64)] {
            assert!(check_id(id).is_ok(), "{id}");
        }
    }

    #[test]
    fn ids_that_leave_the_directory_are_not() {
        for id in [
            "",
            ".",
            "..",
            "a/b",
            "../a",
            "a b",
            "a\0",
            "ä",
            "a\n",
            &"f".repeat(1025),
        ] {
            assert!(check_id(id).is_err(), "{id}");
        }
    }
}
