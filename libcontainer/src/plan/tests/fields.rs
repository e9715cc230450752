//! Errors name the field, the value and what is allowed; warnings name the field.

use super::host::*;

/// A change of the default configuration and how the error starts.
const REFUSED: &[(&str, &str)] = &[
    (
        r#"{"ociVersion":"2.0.0"}"#,
        "ociVersion: \"2.0.0\" is not supported",
    ),
    (
        r#"{"ociVersion":"1.0"}"#,
        "ociVersion: \"1.0\" is not supported",
    ),
    (r#"{"ociVersion":null}"#, "ociVersion: is required"),
    (r#"{"root":null}"#, "root: root must be specified"),
    (r#"{"process":null}"#, "process: is required"),
    (
        r#"{"process":{"args":[]}}"#,
        "process.args: args must not be empty",
    ),
    (
        r#"{"process":{"args":[""]}}"#,
        "unable to start container process: exec: \"\": executable file not found in $PATH",
    ),
    (
        r#"{"process":{"args":["a\u0000b"]}}"#,
        "process.args[0]: must not contain a zero byte",
    ),
    (
        r#"{"process":{"env":["A"]}}"#,
        "process.env[0]: \"A\": invalid environment variable: missing '='",
    ),
    (
        r#"{"process":{"env":["=A"]}}"#,
        "process.env[0]: \"=A\": invalid environment variable: name cannot be empty",
    ),
    (
        r#"{"process":{"cwd":"a"}}"#,
        "process.cwd: \"a\": Cwd must be an absolute path",
    ),
    (
        r#"{"process":{"cwd":""}}"#,
        "process.cwd: Cwd property must not be empty",
    ),
    (
        r#"{"process":{"oomScoreAdj":1001}}"#,
        "process.oomScoreAdj: 1001 is not between -1000 and 1000",
    ),
    (
        r#"{"process":{"rlimits":[{"type":"RLIMIT_CPU","soft":1,"hard":1},{"type":"RLIMIT_CPU","soft":1,"hard":1}]}}"#,
        "process.rlimits[1].type: RLIMIT_CPU is listed twice",
    ),
    (
        r#"{"process":{"rlimits":[{"type":"RLIMIT_CPU","soft":2,"hard":1}]}}"#,
        "process.rlimits[0].soft: 2 is more than the hard limit 1",
    ),
    (
        r#"{"process":{"user":{"uid":4294967295}}}"#,
        "process.user.uid: 4294967295 is no id",
    ),
    (
        r#"{"process":{"user":{"umask":512}}}"#,
        "process.user.umask: 512 is more than 511",
    ),
    (
        r#"{"process":{"consoleSize":{"height":70000,"width":1}}}"#,
        "process.consoleSize.height: 70000 is more than 65535",
    ),
    (
        r#"{"process":{"selinuxLabel":"a:b:c"}}"#,
        "process.selinuxLabel: selinux label is specified in config, but selinux is disabled or not supported",
    ),
    (
        r#"{"process":{"scheduler":{"policy":"SCHED_OTHER","nice":20}}}"#,
        "process.scheduler.nice: 20 is not between -20 and 19",
    ),
    (
        r#"{"process":{"scheduler":{"policy":"SCHED_OTHER","priority":1}}}"#,
        "process.scheduler.priority: scheduler.priority can only be specified for SCHED_FIFO or SCHED_RR policy",
    ),
    (
        r#"{"process":{"scheduler":{"policy":"SCHED_RR","runtime":1}}}"#,
        "process.scheduler: scheduler runtime/deadline/period can only be specified for SCHED_DEADLINE policy",
    ),
    (
        r#"{"process":{"ioPriority":{"class":"IOPRIO_CLASS_RT","priority":8}}}"#,
        "process.ioPriority.priority: 8 is not between 0 and 7",
    ),
    (
        r#"{"linux":{"memoryPolicy":{"mode":"MPOL_BIND","nodes":"0-"}}}"#,
        "linux.memoryPolicy.nodes: \"0-\": \"0-\" is neither a number nor a range",
    ),
    (
        r#"{"linux":{"memoryPolicy":{"mode":"MPOL_BIND","nodes":"0-4000000000"}}}"#,
        "linux.memoryPolicy.nodes: ",
    ),
    (
        r#"{"linux":{"namespaces":[{"type":"pid"},{"type":"pid"}]},"hostname":null}"#,
        "linux.namespaces[1]: duplicated ns \"pid\"",
    ),
    (
        r#"{"linux":{"namespaces":[{"type":"uts","path":"proc"}]}}"#,
        "linux.namespaces[0].path: \"proc\" is not an absolute path",
    ),
    (
        r#"{"linux":{"namespaces":[{"type":"mount"}]}}"#,
        "hostname: unable to set hostname without a private UTS namespace",
    ),
    (
        r#"{"hostname":null,"domainname":"a","linux":{"namespaces":[{"type":"mount"}]}}"#,
        "domainname: unable to set domainname without a private UTS namespace",
    ),
    (
        r#"{"linux":{"uidMappings":[{"containerID":0,"hostID":0,"size":1}]}}"#,
        "linux.uidMappings: User namespace mappings specified, but USER namespace isn't enabled in the config",
    ),
    (
        r#"{"linux":{"namespaces":[{"type":"user"},{"type":"uts"}]}}"#,
        "linux.uidMappings: is required for a new user namespace",
    ),
    (
        r#"{"linux":{"uidMappings":[{"containerID":1,"hostID":0,"size":4294967295}]}}"#,
        "linux.uidMappings[0]: 4294967295 ids from 1",
    ),
    (
        r#"{"linux":{"timeOffsets":{"monotonic":{"secs":1}}}}"#,
        "linux.timeOffsets: time namespace offsets specified, but time namespace isn't enabled in the config",
    ),
    (
        r#"{"linux":{"namespaces":[{"type":"time"},{"type":"uts"}],"timeOffsets":{"realtime":{"secs":1}}}}"#,
        "linux.timeOffsets[\"realtime\"]: is no clock",
    ),
    (
        r#"{"root":{"readonly":false},"linux":{"namespaces":[{"type":"uts"}]}}"#,
        "linux.maskedPaths: unable to restrict sys entries without a private MNT namespace",
    ),
    (
        r#"{"linux":{"maskedPaths":["a"]}}"#,
        "linux.maskedPaths[0]: \"a\" is not an absolute path",
    ),
    (
        r#"{"linux":{"readonlyPaths":["/a\u0000"]}}"#,
        "linux.readonlyPaths[0]: must not contain a zero byte",
    ),
    (
        r#"{"linux":{"rootfsPropagation":"everywhere"}}"#,
        "linux.rootfsPropagation: rootfsPropagation=everywhere is not supported; allowed are private, rprivate",
    ),
    (
        r#"{"linux":{"intelRdt":{"closID":"../a"}}}"#,
        "linux.intelRdt.closID: invalid intelRdt.ClosID \"../a\"",
    ),
    (
        r#"{"process":{"execCPUAffinity":{"initial":"0-3,x"}}}"#,
        "process.execCPUAffinity.initial: \"0-3,x\": \"x\" is neither a number nor a range of numbers",
    ),
    (
        r#"{"process":{"execCPUAffinity":{"final":"3-1"}}}"#,
        "process.execCPUAffinity.final: \"3-1\": \"3-1\" is neither a number nor a range of numbers",
    ),
    (
        r#"{"linux":{"netDevices":{"a/b":{}}}}"#,
        "linux.netDevices[\"a/b\"]: \"a/b\" is no name of a network device",
    ),
    (
        r#"{"linux":{"netDevices":{"eth0":{"name":"sixteen-letters-"}}}}"#,
        "linux.netDevices[\"eth0\"].name: ",
    ),
    (
        r#"{"hostname":null,"linux":{"namespaces":[{"type":"mount"}],"netDevices":{"eth0":{}}}}"#,
        "linux.netDevices: unable to move network devices without a private NET namespace",
    ),
    (
        r#"{"linux":{"devices":[{"path":"dev/a","type":"c","major":1,"minor":1}]}}"#,
        "linux.devices[0].path: \"dev/a\" is not an absolute path",
    ),
    (
        r#"{"linux":{"devices":[{"path":"/dev/a","type":"a"}]}}"#,
        "linux.devices[0].type: \"a\" is no device node",
    ),
    (
        r#"{"linux":{"devices":[{"path":"/dev/a","type":"b","major":4096,"minor":0}]}}"#,
        "linux.devices[0].major: 4096 is no device number; allowed are 0 to 4095",
    ),
    (
        r#"{"linux":{"devices":[{"path":"/dev/a","type":"u","major":1,"minor":-1}]}}"#,
        "linux.devices[0].minor: -1 is no device number",
    ),
    (
        r#"{"linux":{"seccomp":{"defaultAction":"SCMP_ACT_NOTIFY"}}}"#,
        "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY",
    ),
    (
        r#"{"hooks":{"poststop":[{"path":"a"}]}}"#,
        "hooks.poststop[0].path: \"a\" is not an absolute path",
    ),
    (
        r#"{"hooks":{"startContainer":[{"path":"/a"},{"path":"/b","timeout":0}]}}"#,
        "hooks.startContainer[1].timeout: 0 is not greater than zero",
    ),
    (
        r#"{"hooks":{"prestart":[{"path":"/a","env":["A=\u0000"]}]}}"#,
        "hooks.prestart[0].env[0]: must not contain a zero byte",
    ),
    (
        r#"{"mounts":[{"destination":"/a"}]}"#,
        "mounts[0].type: must name a file system",
    ),
    (
        r#"{"mounts":[{"destination":"/a","type":"bind"}]}"#,
        "mounts[0].source: is required for a bind mount",
    ),
    (
        r#"{"mounts":[{"destination":"/a","type":"tmpfs","source":"/b","options":["remount","size=1"]}]}"#,
        "mounts[0].options: \"size=1\": remounts cannot have any filesystem-specific options applied",
    ),
    (
        r#"{"mounts":[{"destination":"/a","type":"proc","source":"proc","options":["tmpcopyup"]}]}"#,
        "mounts[0].options: \"tmpcopyup\" is only for tmpfs",
    ),
    (
        r#"{"mounts":[{"destination":"/proc","type":"tmpfs","source":"tmpfs"}]}"#,
        "mounts[0].destination: \"/proc\" cannot be mounted because it is not of type proc",
    ),
    (
        r#"{"mounts":[{"destination":"/x/..//proc/sys/kernel","type":"tmpfs","source":"tmpfs"}]}"#,
        "mounts[0].destination: \"/proc/sys/kernel\" cannot be mounted because it is inside /proc",
    ),
    (
        r#"{"mounts":[{"destination":"/a","type":"bind","source":"/b","options":["idmap"]}]}"#,
        "mounts[0].options: \"idmap\" and \"ridmap\" need uidMappings and gidMappings",
    ),
    (
        r#"{"mounts":[{"destination":"/a","type":"bind","source":"/b","uidMappings":[{"containerID":0,"hostID":0,"size":1}]}]}"#,
        "mounts[0]: uidMappings and gidMappings must be given together",
    ),
    (
        r#"{"mounts":[{"destination":"","type":"tmpfs"}]}"#,
        "mounts[0].destination: must not be empty",
    ),
    (
        r#"{"linux":{"sysctl":{"kernel.hostname":"a"}}}"#,
        "linux.sysctl[\"kernel.hostname\"]: sysctl \"kernel.hostname\" is not allowed as it conflicts with the OCI \"hostname\" field",
    ),
    (
        r#"{"linux":{"sysctl":{"vm.swappiness":"1"}}}"#,
        "linux.sysctl[\"vm.swappiness\"]: sysctl \"vm.swappiness\" is not in a separate kernel namespace",
    ),
    (
        r#"{"linux":{"sysctl":{"user.max_user_namespaces":"1"}}}"#,
        "linux.sysctl[\"user.max_user_namespaces\"]: ",
    ),
    (
        r#"{"linux":{"sysctl":{"net/../vm/swappiness":"1"}}}"#,
        "linux.sysctl[\"net/../vm/swappiness\"]: is no name of a kernel parameter",
    ),
    (
        r#"{"hostname":null,"linux":{"namespaces":[{"type":"mount"}],"sysctl":{"net.ipv4.ip_forward":"1"}}}"#,
        "linux.sysctl[\"net.ipv4.ip_forward\"]: sysctl \"net.ipv4.ip_forward\" not allowed in host network namespace",
    ),
    (
        r#"{"hostname":null,"linux":{"namespaces":[{"type":"mount"}],"sysctl":{"fs.mqueue.msg_max":"1"}}}"#,
        "linux.sysctl[\"fs.mqueue.msg_max\"]: sysctl \"fs.mqueue.msg_max\" is not allowed in the hosts ipc namespace",
    ),
];

#[test]
fn errors_name_the_field() {
    for (patch, expected) in REFUSED {
        let error = refused(&patched(patch), &facts());
        assert!(
            error.starts_with(expected),
            "{patch}\n{error}\nexpected {expected}"
        );
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn what_an_ordinary_user_cannot_have() {
    for (patch, expected) in [
        (
            "{}",
            "linux.namespaces: rootless container requires user namespaces",
        ),
        (
            r#"{"process":{"user":{"uid":1}},"linux":{"namespaces":[{"type":"user"},{"type":"uts"},{"type":"mount"}],
            "uidMappings":[{"containerID":0,"hostID":1000,"size":1}],
            "gidMappings":[{"containerID":0,"hostID":100,"size":1}]}}"#,
            "process.user.uid: cannot set uid to unmapped 1 in the user namespace",
        ),
        (
            r#"{"process":{"user":{"additionalGids":[0]}},"linux":{"namespaces":[{"type":"user"},{"type":"uts"},{"type":"mount"}],
            "uidMappings":[{"containerID":0,"hostID":1000,"size":1}],
            "gidMappings":[{"containerID":0,"hostID":100,"size":1}]}}"#,
            "process.user.additionalGids: cannot set any additional groups in a rootless container",
        ),
    ] {
        let error = refused(&patched(patch), &rootless());
        assert!(
            error.starts_with(expected),
            "{patch}\n{error}\nexpected {expected}"
        );
    }
}

#[test]
fn the_callers_own_namespace_is_the_hosts() {
    let config = patched(
        r#"{"linux":{"namespaces":[{"type":"uts"},{"type":"mount"},
        {"type":"network","path":"/proc/1/ns/net"}],"sysctl":{"net/ipv4/ip_forward":"1"}}}"#,
    );
    assert!(plan_of(&config, &facts()).is_ok());
    let mut facts = facts();
    facts.own_namespaces = vec![super::super::step::NamespaceKind::Network];
    assert!(refused(&config, &facts).ends_with("not allowed in host network namespace"));
}

#[test]
fn ids_become_names_of_directories() {
    for good in ["a", "a.b", "A_1+b-c", ".a", "..."] {
        assert!(crate::validate::id(good).is_ok(), "{good}");
    }
    let long = "a".repeat(1025);
    for bad in [
        "",
        ".",
        "..",
        "a/b",
        "a b",
        "ä",
        "a\0",
        "a\n",
        long.as_str(),
    ] {
        assert!(crate::validate::id(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn what_stays_in_the_callers_mount_namespace_is_told() {
    let config =
        patched(r#"{"linux":{"namespaces":[{"type":"uts"}],"maskedPaths":[],"readonlyPaths":[]}}"#);
    let plan = plan_of(&config, &facts()).expect("a plan");
    for field in ["mounts: are made in", "root.readonly: the root"] {
        let told = plan.warnings.iter().any(|w| w.starts_with(field));
        assert!(told, "{field}\n{:?}", plan.warnings);
    }
}

#[test]
fn deviations_are_told() {
    let config = patched(
        r#"{"mounts":[{"destination":"a","type":"bind","source":"/b","options":["sync"]}],
        "process":{"capabilities":{"bounding":["CAP_CHECKPOINT_RESTORE"],"ambient":["CAP_KILL"],"permitted":["CAP_KILL"]}},
        "linux":{"mountLabel":"a:b","personality":{"domain":"LINUX","flags":["X"]}}}"#,
    );
    let mut facts = facts();
    facts.last_capability = 39;
    let plan = plan_of(&config, &facts).expect("a plan");
    for field in [
        "mounts[0].destination: \"a\": relative destination path is **deprecated**",
        "mounts[0].options: \"sync\" has no effect on a bind mount",
        "process.capabilities.bounding: CAP_CHECKPOINT_RESTORE",
        "process.capabilities.ambient: can't raise",
        "linux.personality.flags: ",
    ] {
        assert!(
            plan.warnings.iter().any(|w| w.starts_with(field)),
            "{field}\n{:?}",
            plan.warnings
        );
    }
}

/// Lists that would make a plan of any size.
#[test]
fn a_configuration_cannot_ask_for_too_much() {
    let many = |element: &str, count: usize| vec![element; count].join(",");
    let mounts = many(r#"{"destination":"/a","type":"tmpfs","source":"t"}"#, 8193);
    let error = refused(&patched(&format!(r#"{{"mounts":[{mounts}]}}"#)), &facts());
    assert!(error.starts_with("mounts: has 8193 elements"), "{error}");
    let hooks = many(r#"{"path":"/a"}"#, 257);
    let error = refused(
        &patched(&format!(r#"{{"hooks":{{"prestart":[{hooks}]}}}}"#)),
        &facts(),
    );
    assert!(
        error.starts_with("hooks.prestart: has 257 elements"),
        "{error}"
    );
    let hooks = many(r#"{"path":"/a"}"#, 256);
    let text = "x".repeat(1 << 20);
    let error = refused(
        &patched(&format!(
            r#"{{"annotations":{{"a":"{text}"}},"hooks":{{"startContainer":[{hooks}]}}}}"#
        )),
        &facts(),
    );
    assert!(
        error.starts_with("annotations: 256 hooks with a state of"),
        "{error}"
    );
}
