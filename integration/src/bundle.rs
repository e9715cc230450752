//! Builds bundles: a root file system and a config.json to be edited.

use crate::rootfs;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// The configuration that `runc spec` writes, without a terminal.
const DEFAULT: &str = include_str!("default-config.json");

/// A bundle directory and the configuration that will be written into it.
#[derive(Debug, Clone)]
pub struct Bundle {
    /// The directory.
    pub dir: PathBuf,
    /// The id for the container that is made of it.
    pub id: String,
    /// The configuration.
    pub config: Value,
}

impl Bundle {
    /// Makes the directory and its root file system.
    ///
    /// # Panics
    /// When a file cannot be made.
    #[must_use]
    pub fn new(dir: PathBuf, id: String, base: &Path) -> Self {
        fs::create_dir(&dir).expect("create the bundle");
        rootfs::build(&dir.join("rootfs"), base).expect("build the root file system");
        let config = serde_json::from_str(DEFAULT).expect("the default configuration");
        Self { dir, id, config }
    }

    /// A path inside the root file system, as the host sees it.
    #[must_use]
    pub fn inside(&self, path: &str) -> PathBuf {
        self.dir.join("rootfs").join(path.trim_start_matches('/'))
    }

    /// Writes config.json.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self) {
        let text = serde_json::to_string_pretty(&self.config).expect("JSON");
        fs::write(self.dir.join("config.json"), text).expect("write config.json");
    }

    /// Sets a field by JSON pointer; objects on the way are made.
    #[must_use]
    pub fn set(mut self, pointer: &str, value: impl Into<Value>) -> Self {
        *field(&mut self.config, pointer) = value.into();
        self
    }

    /// Appends to an array, which is made when missing.
    #[must_use]
    pub fn push(mut self, pointer: &str, value: impl Into<Value>) -> Self {
        let target = field(&mut self.config, pointer);
        match target {
            Value::Array(items) => items.push(value.into()),
            _ => *target = Value::Array(vec![value.into()]),
        }
        self
    }

    /// Removes a field.
    #[must_use]
    pub fn remove(mut self, pointer: &str) -> Self {
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
        if let Some(object) = self
            .config
            .pointer_mut(parent)
            .and_then(Value::as_object_mut)
        {
            object.remove(name);
        }
        self
    }

    /// Sets the program and its arguments.
    #[must_use]
    pub fn args<S: AsRef<str>>(self, args: impl IntoIterator<Item = S>) -> Self {
        let args: Vec<Value> = args.into_iter().map(|arg| arg.as_ref().into()).collect();
        self.set("/process/args", args)
    }

    /// Runs a script with the container's shell.
    #[must_use]
    pub fn sh(self, script: &str) -> Self {
        self.args(["sh", "-c", script])
    }

    /// Runs a shell for as long as the container is wanted: it ends on SIGTERM.
    #[must_use]
    pub fn idle(self) -> Self {
        self.sh("trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done")
    }

    /// Appends to the environment.
    #[must_use]
    pub fn env(self, assignment: &str) -> Self {
        self.push("/process/env", assignment)
    }

    /// Makes the root file system writable.
    #[must_use]
    pub fn writable(self) -> Self {
        self.set("/root/readonly", false)
    }

    /// Appends a mount.
    #[must_use]
    pub fn mount(self, dest: &str, fstype: &str, source: &str, options: &[&str]) -> Self {
        let mount = json!({
            "destination": dest, "type": fstype, "source": source, "options": options,
        });
        self.push("/mounts", mount)
    }

    /// Appends a bind mount.
    #[must_use]
    pub fn bind(self, source: &Path, dest: &str, options: &[&str]) -> Self {
        let source = source.to_str().expect("a path in UTF-8");
        self.mount(dest, "bind", source, options)
    }

    /// Removes the mount on `dest`.
    #[must_use]
    pub fn without_mount(mut self, dest: &str) -> Self {
        self.list("/mounts")
            .retain(|mount| mount["destination"] != dest);
        self
    }

    /// Makes a namespace new, or joins the one at `path`.
    #[must_use]
    pub fn namespace(self, kind: &str, path: Option<&str>) -> Self {
        let entry = path.map_or(
            json!({"type": kind}),
            |path| json!({"type": kind, "path": path}),
        );
        self.without_namespace(kind)
            .push("/linux/namespaces", entry)
    }

    /// Leaves a namespace out.
    #[must_use]
    pub fn without_namespace(mut self, kind: &str) -> Self {
        self.list("/linux/namespaces")
            .retain(|namespace| namespace["type"] != kind);
        self
    }

    /// Sets all five capability sets.
    #[must_use]
    pub fn capabilities(self, names: &[&str]) -> Self {
        let set: Vec<Value> = names.iter().map(|name| (*name).into()).collect();
        ["bounding", "effective", "permitted"]
            .iter()
            .fold(self.remove("/process/capabilities"), |bundle, kind| {
                bundle.set(&format!("/process/capabilities/{kind}"), set.clone())
            })
    }

    /// Adds a user namespace with one range, and gives the root file system to its root.
    ///
    /// # Panics
    /// When the owner cannot be changed.
    #[must_use]
    pub fn user_namespace(self, host: u32, size: u32) -> Self {
        rootfs::give(&self.dir.join("rootfs"), host, host).expect("change owner");
        let map = json!([{"containerID": 0, "hostID": host, "size": size}]);
        self.namespace("user", None)
            .set("/linux/uidMappings", map.clone())
            .set("/linux/gidMappings", map)
    }

    /// Adds a hook.
    #[must_use]
    pub fn hook(self, kind: &str, hook: Value) -> Self {
        self.push(&format!("/hooks/{kind}"), hook)
    }

    /// Adds a hook that runs a script with the host's shell; its file is `path`,
    /// so for the kinds that run in the container pass `/bin/sh` there as well.
    #[must_use]
    pub fn hook_sh(self, kind: &str, script: &str) -> Self {
        self.hook(
            kind,
            json!({"path": "/bin/sh", "args": ["sh", "-c", script]}),
        )
    }

    fn list(&mut self, pointer: &str) -> &mut Vec<Value> {
        self.config
            .pointer_mut(pointer)
            .and_then(Value::as_array_mut)
            .expect("an array")
    }
}

/// The field at `pointer`, with the objects on the way made.
fn field<'a>(config: &'a mut Value, pointer: &str) -> &'a mut Value {
    let mut at = config;
    for name in pointer.split('/').skip(1) {
        let index = name.parse::<usize>().ok().filter(|_| at.is_array());
        at = match index {
            Some(index) => at.get_mut(index).expect("an index of the array"),
            None => {
                if !at.is_object() {
                    *at = Value::Object(Map::new());
                }
                at.as_object_mut()
                    .expect("an object")
                    .entry(name)
                    .or_insert(Value::Null)
            }
        };
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_made_on_the_way() {
        let mut config = json!({"mounts": [{"a": 1}]});
        *field(&mut config, "/linux/resources/pids/limit") = 5.into();
        *field(&mut config, "/mounts/0/a") = 2.into();
        let expected = json!({
            "linux": {"resources": {"pids": {"limit": 5}}}, "mounts": [{"a": 2}],
        });
        assert_eq!(config, expected);
    }
}
