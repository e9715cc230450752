//! Names of slices and scopes, and where their cgroups are. Pure.

use serde::{Deserialize, Serialize};

use super::Error as SystemdError;
use crate::error::Error;
use crate::host::{Host, Layout};
use crate::path;
use crate::plan::Request;

const FIELD: &str = "linux.cgroupsPath";

/// The unit that holds a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    name: String,
    slice: String,
    relative: String,
    user: bool,
}

impl Unit {
    /// Decides the unit's name and place from `slice:prefix:name`.
    ///
    /// Without a slice it is `system.slice`, or `user.slice` for an ordinary user;
    /// without a path at all the scope is named after the container. A slice cannot
    /// hold processes, so a name that ends in `.slice` is refused.
    pub(crate) fn plan(host: &Host, request: &Request<'_>) -> Result<Unit, Error> {
        if !host.systemd {
            return Err(SystemdError::NotBooted.into());
        }
        let user = request.rootless;
        if user && host.layout != Layout::V2 {
            return Err(Error::invalid(
                "cgroup manager",
                "systemd",
                "an ordinary user can use it with cgroup version 2 only",
            ));
        }
        let text = request
            .cgroups_path
            .map(|path| path.to_string_lossy())
            .unwrap_or_default();
        let (slice, prefix, name) = if text.is_empty() {
            ("", "oxrun", request.id)
        } else {
            let mut parts = text.splitn(3, ':');
            match (parts.next(), parts.next(), parts.next()) {
                (Some(slice), Some(prefix), Some(name)) if !name.contains(':') => {
                    (slice, prefix, name)
                }
                _ => {
                    let allowed = "must have the form slice:prefix:name for the systemd manager";
                    return Err(Error::invalid(FIELD, text, allowed));
                }
            }
        };
        let slice = match slice {
            "" if user => "user.slice",
            "" => "system.slice",
            slice => slice,
        };
        if name.is_empty() || name.ends_with(".slice") {
            return Err(Error::invalid(
                FIELD,
                text,
                "must end in a name that is not a slice's",
            ));
        }
        let name = match prefix {
            "" => format!("{name}.scope"),
            prefix => format!("{prefix}-{name}.scope"),
        };
        check(&name)?;
        let below = path::join(&expand_slice(slice)?, &name);
        let relative = match user {
            true => path::join(&user_manager(host), &below),
            false => below,
        };
        Ok(Unit {
            name,
            slice: slice.to_owned(),
            relative,
            user,
        })
    }

    /// The unit's name, with its suffix.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The slice it is in.
    pub fn slice(&self) -> &str {
        &self.slice
    }

    /// The cgroup, relative to the mount point.
    pub fn relative(&self) -> &str {
        &self.relative
    }

    /// Whether it belongs to the user's instance of systemd.
    pub fn is_user(&self) -> bool {
        self.user
    }
}

/// Checks a unit name: the characters of systemd.unit(5), and its length.
fn check(name: &str) -> Result<(), Error> {
    path::component(FIELD, name)?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
    if !name.bytes().all(allowed) {
        let text = "must consist of letters, digits and :-_.\\@ to be a unit name";
        return Err(Error::invalid(FIELD, name, text));
    }
    Ok(())
}

/// The cgroup of a slice: `a-b.slice` is in `a.slice` (systemd.slice(5)).
///
/// # Errors
/// [`Error::Invalid`] when it is not the name of a slice.
pub fn expand_slice(slice: &str) -> Result<String, Error> {
    let bad = || {
        Error::invalid(
            FIELD,
            slice,
            "must be the name of a slice, such as a-b.slice",
        )
    };
    let stem = slice.strip_suffix(".slice").ok_or_else(bad)?;
    if stem == "-" {
        return Ok(String::new());
    }
    check(slice)?;
    let (mut path, mut prefix) = (String::new(), String::new());
    for part in stem.split('-') {
        if part.is_empty() {
            return Err(bad());
        }
        path = path::join(&path, &format!("{prefix}{part}.slice"));
        prefix = format!("{prefix}{part}-");
    }
    Ok(path)
}

/// The cgroup of the user's systemd. It is in the own cgroup's path as a rule; a
/// login session is beside it. What systemd then says has the last word.
fn user_manager(host: &Host) -> String {
    let own = host
        .v2
        .as_ref()
        .map(|v2| v2.own_relative())
        .unwrap_or_default();
    let mut path = String::new();
    for part in own.split('/') {
        path = path::join(&path, part);
        if part.starts_with("user@") && part.ends_with(".service") {
            return path;
        }
        if part.starts_with("user-") && part.ends_with(".slice") {
            let uid = part.trim_start_matches("user-").trim_end_matches(".slice");
            if uid.bytes().all(|byte| byte.is_ascii_digit()) {
                return format!("{path}/user@{uid}.service");
            }
        }
    }
    format!("user.slice/user-{0}.slice/user@{0}.service", host.euid)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::host::Hierarchy;

    fn host(own: &str) -> Host {
        let v2 = Hierarchy {
            mount_point: "/sys/fs/cgroup".into(),
            root: "/".into(),
            controllers: vec![],
            own: own.into(),
        };
        Host {
            layout: Layout::V2,
            v1: vec![],
            v2: Some(v2),
            systemd: true,
            euid: 1000,
        }
    }

    fn unit(cgroups_path: Option<&str>, rootless: bool, own: &str) -> Result<Unit, Error> {
        let cgroups_path = cgroups_path.map(Path::new);
        let request = Request {
            id: "c1",
            cgroups_path,
            rootless,
            ..Request::default()
        };
        Unit::plan(&host(own), &request)
    }

    #[test]
    fn names_and_places() {
        for (path, name, slice, relative) in [
            (
                None,
                "oxrun-c1.scope",
                "system.slice",
                "system.slice/oxrun-c1.scope",
            ),
            (
                Some(":cri:x"),
                "cri-x.scope",
                "system.slice",
                "system.slice/cri-x.scope",
            ),
            (
                Some("a-b.slice:p:n"),
                "p-n.scope",
                "a-b.slice",
                "a.slice/a-b.slice/p-n.scope",
            ),
            (Some("-.slice::n"), "n.scope", "-.slice", "n.scope"),
        ] {
            let unit = unit(path, false, "/").unwrap();
            assert_eq!(
                (unit.name(), unit.slice(), unit.relative()),
                (name, slice, relative)
            );
        }
    }

    #[test]
    fn a_user_has_a_manager_of_their_own() {
        for own in [
            "/user.slice/user-1001.slice/user@1001.service/app.slice/x.scope",
            "/user.slice/user-1001.slice/session-3.scope",
        ] {
            assert_eq!(
                unit(None, true, own).unwrap().relative(),
                "user.slice/user-1001.slice/user@1001.service/user.slice/oxrun-c1.scope"
            );
        }
        assert!(
            unit(None, true, "/")
                .unwrap()
                .relative()
                .contains("user@1000.service")
        );
    }

    #[test]
    fn bad_names_are_refused() {
        for path in [
            "/a/b",
            "a:b",
            "a.slice:b:c:d",
            "a/b.slice:p:n",
            "-a.slice:p:n",
            "a--b.slice:p:n",
            ".slice:p:n",
            "system.slice:p:../../x",
            "system.slice:p:a b",
            "a.slice:p:b.slice",
            "a.slice:p:",
            "a:p:n",
        ] {
            assert!(unit(Some(path), false, "/").is_err(), "{path}");
        }
    }
}
