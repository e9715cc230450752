//! Plans of configurations as engines write them, word for word.

use super::host::*;

macro_rules! snapshot {
    ($name:ident, $plan:expr) => {
        #[test]
        fn $name() {
            let plan = $plan.expect(stringify!($name));
            insta::assert_snapshot!(text(&plan));
        }
    };
}

snapshot!(runc_default, plan_of(DEFAULT, &facts()));

snapshot!(
    unified_with_a_cgroup_namespace,
    plan_of(
        &patched(
            r#"{"linux":{"namespaces":[{"type":"pid"},{"type":"network"},{"type":"ipc"},
            {"type":"uts"},{"type":"mount"},{"type":"cgroup"}],
            "cgroupsPath":"/kubepods/pod1/c1","maskedPaths":null,"readonlyPaths":null}}"#
        ),
        &unified()
    )
);

/// Podman of an ordinary user with `--cgroupns=host`: the kernel refuses a new instance of cgroup2.
fn in_a_user_namespace() -> crate::facts::Facts {
    crate::facts::Facts {
        in_user_namespace: true,
        ..unified()
    }
}

snapshot!(
    hosts_cgroup_namespace_in_a_user_namespace,
    plan_of(
        &patched(
            r#"{"linux":{"namespaces":[{"type":"mount"}],"maskedPaths":null,"readonlyPaths":null},
            "hostname":null}"#
        ),
        &in_a_user_namespace()
    )
);

#[test]
fn a_cgroup_namespace_in_a_user_namespace_shows_no_more_than_its_own() {
    let config =
        patched(r#"{"linux":{"namespaces":[{"type":"mount"},{"type":"cgroup"}]},"hostname":null}"#);
    let plan = text(&plan_of(&config, &in_a_user_namespace()).expect("valid"));
    assert!(plan.contains("or else /sys/fs/cgroup/box,"), "{plan}");
}

snapshot!(
    legacy_with_a_cgroup_namespace,
    plan_of(
        &patched(
            r#"{"linux":{"namespaces":[{"type":"mount"},{"type":"cgroup"}],"maskedPaths":null,
            "readonlyPaths":null},"hostname":null}"#
        ),
        &facts()
    )
);

const ROOTLESS: &str = r#"{"process":{"terminal":false,"env":["HOME=","A=1","PATH=/bin:.:/sbin/","A=2"],
    "oomScoreAdj":100},
    "mounts":[{"destination":"/proc","type":"proc","source":"proc"},
    {"destination":"/sys","type":"none","source":"/sys","options":["rbind","nosuid","noexec","nodev","ro"]},
    {"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup","options":["ro"]}],
    "linux":{"resources":null,"namespaces":[{"type":"pid"},{"type":"ipc"},{"type":"uts"},
    {"type":"mount"},{"type":"user"}],
    "uidMappings":[{"containerID":0,"hostID":1000,"size":1}],
    "gidMappings":[{"containerID":0,"hostID":100,"size":1}],
    "maskedPaths":["/proc/kcore","/proc/kcore/"],"readonlyPaths":["/proc/sys"]}}"#;

snapshot!(
    rootless_with_its_own_id,
    plan_of(&patched(ROOTLESS), &rootless())
);

snapshot!(
    user_namespace_of_root,
    plan_of(
        &patched(
            r#"{"linux":{"namespaces":[{"type":"pid"},{"type":"network"},{"type":"ipc"},{"type":"uts"},
            {"type":"mount"},{"type":"user"},{"type":"cgroup"},{"type":"time"}],
            "uidMappings":[{"containerID":0,"hostID":100000,"size":65536}],
            "gidMappings":[{"containerID":0,"hostID":100000,"size":65536}],
            "timeOffsets":{"monotonic":{"secs":7},"boottime":{"secs":-1,"nanosecs":5}},
            "devices":[{"path":"/dev/fuse","type":"c","major":10,"minor":229}],
            "readonlyPaths":null}}"#
        ),
        &unified()
    )
);

snapshot!(
    new_user_namespace_and_joined_network,
    plan_of(
        &patched(
            r#"{"hostname":null,"mounts":[],"linux":{"namespaces":[{"type":"pid"},{"type":"mount"},
            {"type":"network","path":"/run/netns/a"},{"type":"user"}],
            "uidMappings":[{"containerID":0,"hostID":100000,"size":65536}],
            "gidMappings":[{"containerID":0,"hostID":100000,"size":65536}],
            "maskedPaths":null,"readonlyPaths":null}}"#
        ),
        &unified()
    )
);

const JOINED: &str = r#"{"hostname":null,"mounts":[],"linux":{"namespaces":[
    {"type":"mount"},{"type":"pid","path":"/proc/7/ns/pid"},{"type":"network","path":"/proc/7/ns/net"},
    {"type":"uts","path":"/proc/7/ns/uts"},{"type":"user","path":"/proc/7/ns/user"}],
    "maskedPaths":null,"readonlyPaths":null}}"#;

snapshot!(
    joined_namespaces_of_root,
    plan_of(&patched(JOINED), &unified())
);
snapshot!(
    joined_namespaces_without_privilege,
    plan_of(&patched(JOINED), &rootless())
);

snapshot!(
    pod_container,
    plan_of(
        &patched(
            r#"{"root":{"readonly":false},"process":{"terminal":false,"cwd":"/srv",
            "user":{"uid":1000,"gid":1000,"additionalGids":[1000,2000],"umask":18},
            "capabilities":{"bounding":["CAP_CHOWN"],"effective":[],"inheritable":["CAP_CHOWN"],
            "permitted":["CAP_CHOWN"],"ambient":["CAP_CHOWN"]},
            "apparmorProfile":"cri-containerd.apparmor.d","oomScoreAdj":-997,"noNewPrivileges":false},
            "hostname":null,
            "mounts":[{"destination":"/etc/hosts","type":"bind","source":"/var/lib/hosts",
            "options":["rbind","rprivate","rw"]},
            {"destination":"/dev/shm","type":"bind","source":"/run/shm","options":["rbind","ro"]},
            {"destination":"/vol","type":"bind","source":"vol","options":["rbind","rro","rshared"]}],
            "linux":{"cgroupsPath":"/kubepods/pod1/c1","rootfsPropagation":"rshared",
            "namespaces":[{"type":"pid"},{"type":"ipc","path":"/proc/9/ns/ipc"},
            {"type":"uts","path":"/proc/9/ns/uts"},{"type":"mount"},
            {"type":"network","path":"/proc/9/ns/net"}],
            "sysctl":{"net.ipv4.ip_unprivileged_port_start":"0","kernel/shmmax":"1"},
            "maskedPaths":["/proc/acpi"],"readonlyPaths":["/proc/bus"],
            "seccomp":{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[
            {"names":["read","brand_new_call"],"action":"SCMP_ACT_ALLOW"}]}}}"#
        ),
        &facts()
    )
);

snapshot!(
    no_mount_namespace,
    plan_of(
        &patched(
            r#"{"root":{"readonly":false},"hostname":null,
            "mounts":[{"destination":"proc","type":"proc","source":"proc"}],
            "linux":{"namespaces":[{"type":"pid"}],"maskedPaths":null,"readonlyPaths":null}}"#
        ),
        &facts()
    )
);

const EVERYTHING: &str = r#"{"process":{"terminal":true,"consoleSize":{"height":24,"width":80},
    "args":["/bin/x","y"],"env":["HOME=/h"],
    "rlimits":[{"type":"RLIMIT_CORE","soft":0,"hard":18446744073709551615}],
    "scheduler":{"policy":"SCHED_FIFO","priority":3,"flags":["SCHED_RESET_ON_FORK"]},
    "ioPriority":{"class":"IOPRIO_CLASS_BE","priority":4}},
    "hooks":{"prestart":[{"path":"/h/a"}],"createRuntime":[{"path":"/h/b","args":["b","x"],"timeout":3}],
    "createContainer":[{"path":"/h/c","env":["A=1"]}],"startContainer":[{"path":"/h/d"}]},
    "domainname":"example",
    "mounts":[{"destination":"/tmp","type":"tmpfs","source":"tmpfs",
    "options":["ro","tmpcopyup","size=1m","noatime","lazytime"]},
    {"destination":"/data","type":"ext4","source":"/dev/vdb","options":["ro","idmap"],
    "uidMappings":[{"containerID":0,"hostID":5,"size":10}],"gidMappings":[{"containerID":0,"hostID":5,"size":10}]},
    {"destination":"/bind","type":"bind","source":"/src","options":["ridmap","slave","sync"],
    "uidMappings":[{"containerID":0,"hostID":5,"size":10}],"gidMappings":[{"containerID":0,"hostID":5,"size":10}]},
    {"destination":"/bind","options":["remount","nosymfollow","bind"]},
    {"destination":"/proc/cpuinfo","type":"bind","source":"/lxcfs/cpuinfo","options":["bind"]}],
    "linux":{"rootfsPropagation":"unbindable","maskedPaths":null,"readonlyPaths":null,
    "personality":{"domain":"LINUX32"},"memoryPolicy":{"mode":"MPOL_BIND","nodes":"0,2-3","flags":["MPOL_F_STATIC_NODES"]},
    "netDevices":{"eth1":{"name":"ctr0"},"eth0":{}},
    "devices":[{"path":"/dev/null","type":"c","major":1,"minor":3,"fileMode":384,"uid":1,"gid":2},
    {"path":"/dev/sda","type":"b","major":8,"minor":0},{"path":"/run/fifo","type":"p"},
    {"path":"/dev/ptmx","type":"c","major":5,"minor":2}],
    "seccomp":{"defaultAction":"SCMP_ACT_ALLOW"}}}"#;

snapshot!(everything, plan_of(&patched(EVERYTHING), &facts()));
snapshot!(
    without_pivot_root,
    plan_with(
        &patched(r#"{"mounts":[],"linux":{"maskedPaths":null}}"#),
        &facts(),
        true
    )
);

const SHELL: &str = r#"{"cwd":"/","args":["sh"],"user":{"uid":5},"terminal":true,
    "execCPUAffinity":{"initial":"0-1","final":"3"}}"#;

snapshot!(exec, exec_of(DEFAULT, SHELL, &facts()));
snapshot!(
    exec_without_privilege,
    exec_of(&patched(ROOTLESS), SHELL, &rootless())
);
snapshot!(
    exec_in_user_namespace_of_root,
    exec_of(
        &patched(ROOTLESS),
        r#"{"cwd":"/","args":["sh"],"terminal":false}"#,
        &unified()
    )
);
