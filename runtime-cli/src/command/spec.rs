//! `spec`: writes a configuration to start from.

#![forbid(unsafe_code)]

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};
use nix::unistd::{Gid, Uid};

use super::Context;
use crate::args::flags;
use crate::failure::Failure;
use crate::output::Status;

const ROOT: &str = include_str!("spec/root.json");
const ROOTLESS: &str = include_str!("spec/rootless.json");

pub(super) fn spec(context: &Context<'_>) -> Result<Status, Failure> {
    let bundle = context
        .matches
        .path(&flags::SPEC_BUNDLE)
        .unwrap_or_else(|| PathBuf::from("."));
    let path = bundle.join("config.json");
    let rootless = context.matches.is_set(&flags::SPEC_ROOTLESS);
    let unified =
        statfs("/sys/fs/cgroup").is_ok_and(|fs| fs.filesystem_type() == CGROUP2_SUPER_MAGIC);
    let text = configuration(rootless, unified, Uid::effective(), Gid::effective());
    let file = OpenOptions::new().write(true).create_new(true).open(&path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|source| match source.kind() {
        ErrorKind::AlreadyExists => {
            Failure::Refused("config.json: it exists already; remove it first")
        }
        _ => Failure::File { path, source },
    })?;
    Ok(Status::Success)
}

/// The text of the file. Only cgroup v2 gets a cgroup namespace, as in runc: with v1 the mounts of
/// many images expect to see the host's hierarchies.
fn configuration(rootless: bool, unified: bool, uid: Uid, gid: Gid) -> String {
    let template = if rootless { ROOTLESS } else { ROOT };
    let cgroup = if unified {
        ",\n\t\t\t{\n\t\t\t\t\"type\": \"cgroup\"\n\t\t\t}"
    } else {
        ""
    };
    let mount = "{\n\t\t\t\t\"type\": \"mount\"\n\t\t\t}";
    template
        .replace(mount, &format!("{mount}{cgroup}"))
        .replace("\"HOST UID\"", &uid.to_string())
        .replace("\"HOST GID\"", &gid.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn value(rootless: bool, unified: bool) -> Value {
        let text = configuration(rootless, unified, Uid::from_raw(1000), Gid::from_raw(100));
        serde_json::from_str(&text).unwrap()
    }

    fn namespaces(rootless: bool, unified: bool) -> Vec<String> {
        let value = value(rootless, unified);
        let list = value
            .pointer("/linux/namespaces")
            .and_then(Value::as_array)
            .unwrap()
            .clone();
        list.iter()
            .map(|n| n["type"].as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn the_library_takes_what_is_written() {
        for (rootless, unified) in [(false, false), (false, true), (true, false), (true, true)] {
            let text = configuration(rootless, unified, Uid::from_raw(1000), Gid::from_raw(100));
            let (_, warnings) = libcontainer::spec::load(text.as_bytes()).unwrap();
            assert!(warnings.is_empty(), "{warnings:?}");
            assert_eq!(
                namespaces(rootless, unified).contains(&"cgroup".to_owned()),
                unified
            );
            assert_eq!(
                namespaces(rootless, unified).contains(&"user".to_owned()),
                rootless
            );
        }
        assert_eq!(
            value(true, false).pointer("/linux/uidMappings/0/hostID"),
            Some(&1000.into())
        );
        assert_eq!(
            value(true, false).pointer("/linux/gidMappings/0/hostID"),
            Some(&100.into())
        );
    }
}
