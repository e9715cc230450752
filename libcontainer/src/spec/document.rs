//! `config.json` as it is read.
//!
//! oci-spec's own types read more than a runtime for Linux has a use for: the sections of other
//! platforms, and lists of CPUs by a regular expression, whose engine would be a sixth of the
//! whole program. So the two outer objects are read by types of our own and handed on as oci-spec's;
//! a test holds that no other member is lost. What a list of CPUs may be, the planner says.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::path::PathBuf;

use oci_spec::runtime::{
    ExecCPUAffinity, Hooks, Linux, LinuxCapabilities, LinuxIOPriority, Mount, PosixRlimit, Process,
    Root, Scheduler, Spec, User,
};
use serde::Deserialize;
use serde::de::value::MapDeserializer;

/// Of [`Spec`].
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConfigDocument {
    #[serde(default)]
    oci_version: String,
    root: Option<Root>,
    mounts: Option<Vec<Mount>>,
    process: Option<ProcessDocument>,
    hostname: Option<String>,
    domainname: Option<String>,
    hooks: Option<Hooks>,
    annotations: Option<HashMap<String, String>>,
    linux: Option<Linux>,
}

/// Of [`Process`].
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProcessDocument {
    terminal: Option<bool>,
    console_size: Option<oci_spec::runtime::Box>,
    user: User,
    args: Option<Vec<String>>,
    command_line: Option<String>,
    env: Option<Vec<String>>,
    cwd: PathBuf,
    capabilities: Option<LinuxCapabilities>,
    rlimits: Option<Vec<PosixRlimit>>,
    no_new_privileges: Option<bool>,
    apparmor_profile: Option<String>,
    oom_score_adj: Option<i32>,
    selinux_label: Option<String>,
    io_priority: Option<LinuxIOPriority>,
    scheduler: Option<Scheduler>,
    #[serde(rename = "execCPUAffinity")]
    exec_cpu_affinity: Option<AffinityDocument>,
}

/// Of [`ExecCPUAffinity`].
#[derive(Deserialize)]
struct AffinityDocument {
    initial: Option<String>,
    r#final: Option<String>,
}

impl From<ConfigDocument> for Spec {
    fn from(document: ConfigDocument) -> Self {
        let mut spec = empty();
        spec.set_version(document.oci_version)
            .set_root(document.root)
            .set_mounts(document.mounts)
            .set_process(document.process.map(Process::from))
            .set_hostname(document.hostname)
            .set_domainname(document.domainname)
            .set_hooks(document.hooks)
            .set_annotations(document.annotations)
            .set_linux(document.linux);
        spec
    }
}

/// What a document without members is read as. The type's default is a whole container, in some
/// hundred pieces of memory.
fn empty() -> Spec {
    let members = std::iter::empty::<(&str, ())>();
    let document = MapDeserializer::<_, serde::de::value::Error>::new(members);
    Spec::deserialize(document).unwrap_or_default()
}

impl From<ProcessDocument> for Process {
    fn from(document: ProcessDocument) -> Self {
        let mut process = Self::default();
        process
            .set_terminal(document.terminal)
            .set_console_size(document.console_size)
            .set_user(document.user)
            .set_args(document.args)
            .set_command_line(document.command_line)
            .set_env(document.env)
            .set_cwd(document.cwd)
            .set_capabilities(document.capabilities)
            .set_rlimits(document.rlimits)
            .set_no_new_privileges(document.no_new_privileges)
            .set_apparmor_profile(document.apparmor_profile)
            .set_oom_score_adj(document.oom_score_adj)
            .set_selinux_label(document.selinux_label)
            .set_io_priority(document.io_priority)
            .set_scheduler(document.scheduler)
            .set_exec_cpu_affinity(document.exec_cpu_affinity.map(ExecCPUAffinity::from));
        process
    }
}

impl From<AffinityDocument> for ExecCPUAffinity {
    fn from(document: AffinityDocument) -> Self {
        let mut affinity = Self::default();
        affinity
            .set_initial(document.initial)
            .set_cpu_affinity_final(document.r#final);
        affinity
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::value::Error;
    use serde::de::{Deserializer, Visitor};
    use serde::forward_to_deserialize_any;

    /// Names of a struct's members.
    struct Members<'a>(&'a mut Vec<&'static str>);

    impl<'de> Deserializer<'de> for Members<'_> {
        type Error = Error;

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            members: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Error> {
            self.0.extend(members);
            Err(serde::de::Error::custom("nothing more is wanted"))
        }

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
            Err(serde::de::Error::custom("no struct"))
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
            option unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier
            ignored_any
        }
    }

    fn members<'de, T: Deserialize<'de>>(without: &[&str]) -> Vec<&'static str> {
        let mut members = Vec::new();
        drop(T::deserialize(Members(&mut members)));
        assert!(!members.is_empty());
        members.retain(|member| !without.contains(member));
        members
    }

    #[test]
    fn no_member_is_lost() {
        // The last two have never been in the specification.
        let elsewhere = [
            "solaris",
            "windows",
            "vm",
            "zos",
            "uidMappings",
            "gidMappings",
        ];
        assert_eq!(members::<ConfigDocument>(&[]), members::<Spec>(&elsewhere));
        assert_eq!(members::<ProcessDocument>(&[]), members::<Process>(&[]));
        assert_eq!(
            members::<AffinityDocument>(&[]),
            members::<ExecCPUAffinity>(&[])
        );
    }

    #[test]
    fn an_empty_document_lacks_nothing() {
        assert_eq!(empty(), serde_json::from_str("{}").unwrap());
    }

    #[test]
    fn what_is_read_is_what_the_other_types_read() {
        let process = r#"{"terminal":true,"consoleSize":{"height":1,"width":2},
            "user":{"uid":1,"gid":2,"umask":18,"additionalGids":[3],"username":"a"},
            "args":["a"],"commandLine":"b","env":["C=d"],"cwd":"/e",
            "capabilities":{"bounding":["CAP_KILL"],"ambient":[]},
            "rlimits":[{"type":"RLIMIT_CORE","soft":0,"hard":1}],"noNewPrivileges":true,
            "apparmorProfile":"f","oomScoreAdj":-1,"selinuxLabel":"g",
            "ioPriority":{"class":"IOPRIO_CLASS_IDLE","priority":1},
            "scheduler":{"policy":"SCHED_BATCH","nice":1},
            "execCPUAffinity":{"initial":"0-3,7","final":"1"}}"#;
        let own: Process = serde_json::from_str::<ProcessDocument>(process)
            .unwrap()
            .into();
        assert_eq!(own, serde_json::from_str(process).unwrap());
        for config in [
            r#"{"ociVersion":"1.2.0","root":{"path":"a"},"mounts":[{"destination":"/b"}],
            "hostname":"c","linux":{"namespaces":[{"type":"pid"}]}}"#
                .to_owned(),
            format!(r#"{{"process":{process}}}"#),
            r#"{"domainname":"a","hooks":{"poststop":[{"path":"/b"}]},"annotations":{"c":"d"}}"#
                .to_owned(),
        ] {
            let own: Spec = serde_json::from_str::<ConfigDocument>(&config)
                .unwrap()
                .into();
            assert_eq!(own, serde_json::from_str(&config).unwrap());
        }
    }
}
