//! Kernel parameters (config-linux.md, "Sysctl"; sysctl(8)).

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use oci_spec::runtime::Spec;

use super::builder::{Builder, at_most, c_path, c_string, quoted};
use super::namespaces::Namespaces;
use super::step::{NamespaceKind, Step};
use crate::error::{Error, Result};
use crate::facts::Facts;

const SYSCTLS: usize = 4096;

/// Parameters of the IPC namespace, beside those below `fs/mqueue`.
const IPC: &[&str] = &[
    "kernel/msgmax",
    "kernel/msgmnb",
    "kernel/msgmni",
    "kernel/sem",
    "kernel/shm_rmid_forced",
    "kernel/shmall",
    "kernel/shmmax",
    "kernel/shmmni",
];

fn wanted(spec: &Spec) -> BTreeMap<&str, &str> {
    let linux = spec.linux().as_ref();
    linux
        .and_then(|l| l.sysctl().as_ref())
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect()
}

/// Plans the writes, in the order of their names.
pub(crate) fn plan(b: &mut Builder, spec: &Spec) -> Result<()> {
    let wanted = wanted(spec);
    at_most("linux.sysctl", wanted.len(), SYSCTLS)?;
    for (key, value) in wanted {
        let field = field(key);
        let path = format!("sys/{}", path(&field, key)?);
        let step = Step::WriteProc {
            alternatives: vec![c_path(&field, path.as_ref())?],
            value: c_string(&field, value)?.into_c_string().into_bytes(),
        };
        b.step(field, step);
    }
    Ok(())
}

fn field(key: &str) -> String {
    format!("linux.sysctl[{}]", quoted(key))
}

/// The path below `/proc/sys`. Where the first separator is a dot, dots separate and a slash stands
/// for a dot; otherwise it is the path already.
fn path(field: &str, key: &str) -> Result<String> {
    let dots = key
        .find(['.', '/'])
        .is_some_and(|at| key[at..].starts_with('.'));
    let path: String = if dots {
        key.chars()
            .map(|character| match character {
                '.' => '/',
                '/' => '.',
                other => other,
            })
            .collect()
    } else {
        key.to_owned()
    };
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(Error::config(field, "is no name of a kernel parameter"));
    }
    Ok(path)
}

/// Only parameters of a namespace that the container has for itself may be set.
pub(crate) fn check(spec: &Spec, namespaces: &Namespaces<'_>, facts: &Facts) -> Result<()> {
    let separate = |kind| namespaces.has(kind) && !facts.own_namespaces.contains(&kind);
    for key in wanted(spec).into_keys() {
        let field = field(key);
        let path = path(&field, key)?;
        let refuse = |why: &str| Err(Error::config(&field, format_args!("sysctl {key:?} {why}")));
        if IPC.contains(&path.as_str()) || path.starts_with("fs/mqueue/") {
            if !separate(NamespaceKind::Ipc) {
                return refuse("is not allowed in the hosts ipc namespace");
            }
        } else if path.starts_with("net/") {
            if !separate(NamespaceKind::Network) {
                return refuse("not allowed in host network namespace");
            }
        } else if path == "kernel/hostname" && separate(NamespaceKind::Uts) {
            return refuse("is not allowed as it conflicts with the OCI \"hostname\" field");
        } else if path == "kernel/domainname" && separate(NamespaceKind::Uts)
            || path.starts_with("user/") && separate(NamespaceKind::User)
        {
        } else {
            return refuse("is not in a separate kernel namespace");
        }
    }
    Ok(())
}
