//! Names and paths that come from a configuration: checked before they are used.

use std::path::Path;

use crate::error::Error;

/// Checks that a value can be one component of a path.
///
/// A device name, a page size, a controller or a unit name becomes part of a
/// file name; a slash in it would name another file (CVE-2024-3154 and its kind).
pub(crate) fn component<'a>(field: &str, value: &'a str) -> Result<&'a str, Error> {
    let bad = value.is_empty()
        || value == "."
        || value == ".."
        || value.len() > 255
        || value
            .bytes()
            .any(|byte| byte == b'/' || byte < 0x20 || byte == 0x7f);
    if bad {
        return Err(Error::invalid(
            field,
            value,
            "must be a single file name: not empty, \".\" or \"..\", no slash, no control character",
        ));
    }
    Ok(value)
}

/// A cgroup path as it is used below a mount point: components separated by
/// single slashes, without a leading slash; `.` dropped and `..` resolved
/// lexically, never above the start (as the peers clean `cgroupsPath`).
pub(crate) fn clean(field: &str, path: &Path) -> Result<String, Error> {
    let Some(text) = path.to_str() else {
        return Err(Error::invalid(
            field,
            path.to_string_lossy(),
            "must be UTF-8",
        ));
    };
    if text.len() >= 4096 {
        return Err(Error::invalid(
            field,
            "…",
            "must be shorter than 4096 bytes",
        ));
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(component(field, part)?),
        }
    }
    Ok(parts.join("/"))
}

/// A path below a cgroup that must not leave it: `..` is an error here.
pub(crate) fn inside(field: &str, path: &str) -> Result<String, Error> {
    if path.split('/').any(|part| part == "..") {
        return Err(Error::NotBelow {
            path: path.to_owned(),
        });
    }
    clean(field, Path::new(path))
}

/// Joins two relative cgroup paths.
pub(crate) fn join(parent: &str, child: &str) -> String {
    match (parent.is_empty(), child.is_empty()) {
        (true, _) => child.to_owned(),
        (_, true) => parent.to_owned(),
        _ => format!("{parent}/{child}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_are_single_names() {
        for good in ["a", "2MB", "mlx5_0", "a b", "...", "ü"] {
            assert_eq!(component("f", good).unwrap(), good);
        }
        for bad in ["", ".", "..", "a/b", "/", "a\0b", "a\nb", &"x".repeat(256)] {
            assert!(component("f", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn cleaning_never_leaves_the_start() {
        for (path, want) in [
            ("/a/b", "a/b"),
            ("a//b/./c/", "a/b/c"),
            ("/../../a", "a"),
            ("a/../../..", ""),
            ("/", ""),
        ] {
            assert_eq!(clean("f", Path::new(path)).unwrap(), want, "{path}");
        }
        assert!(clean("f", Path::new("a\nb")).is_err());
        assert!(inside("f", "a/../b").is_err());
        assert_eq!(inside("f", "/a/b").unwrap(), "a/b");
    }
}
