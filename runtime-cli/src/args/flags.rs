//! Every flag, once.

#![forbid(unsafe_code)]

use super::{Flag, Kind, Origin};

/// Flags before the command.
pub static GLOBAL: &[&Flag] = &[
    &ROOT,
    &DEBUG,
    &LOG,
    &LOG_FORMAT,
    &SYSTEMD_CGROUP,
    &CGROUP_MANAGER,
    &ROOTLESS,
    &CRIU,
    &HELP,
    &VERSION,
];

/// `--root`
pub static ROOT: Flag = Flag::new(
    "root",
    Kind::Directory,
    "keep the containers' states in this directory, which should be on a tmpfs",
)
.default("/run/oxrun, or $XDG_RUNTIME_DIR/oxrun without root's rights");
/// `--debug`
pub static DEBUG: Flag = Flag::new("debug", Kind::Switch, "log what is being done");
/// `--log`
pub static LOG: Flag =
    Flag::new("log", Kind::File, "append messages to this file").default("stderr");
/// `--log-format`
pub static LOG_FORMAT: Flag = Flag::new(
    "log-format",
    Kind::Choice(&["text", "json"]),
    "form of the messages: text or json",
)
.default("text");
/// `--systemd-cgroup`
pub static SYSTEMD_CGROUP: Flag = Flag::new(
    "systemd-cgroup",
    Kind::Switch,
    "let systemd manage cgroups; cgroupsPath then has the form slice:prefix:name",
);
/// `--cgroup-manager`
pub static CGROUP_MANAGER: Flag = Flag::new(
    "cgroup-manager",
    Kind::Choice(&["cgroupfs", "systemd", "disabled"]),
    "who manages cgroups: cgroupfs, systemd or disabled",
)
.default("cgroupfs")
.origin(Origin::Crun);
/// `--rootless`
pub static ROOTLESS: Flag = Flag::new(
    "rootless",
    Kind::Rootless,
    "ignore that cgroups may not be changed",
)
.default("auto");
/// `--criu`: runc up to 1.3 took the path of the program; later ones find it in PATH, as this.
pub static CRIU: Flag = Flag::new(
    "criu",
    Kind::File,
    "taken for the sake of old callers; criu is found in PATH",
)
.hidden();
/// `--help`
pub static HELP: Flag = Flag::new("help", Kind::Switch, "print this help").short('h');
/// `--version`
pub static VERSION: Flag = Flag::new("version", Kind::Switch, "print the version").short('v');

/// `--bundle`
pub static BUNDLE: Flag = Flag::new("bundle", Kind::Directory, "directory of the bundle")
    .short('b')
    .default("the current directory");
/// `--config`
pub static CONFIG: Flag = Flag::new(
    "config",
    Kind::File,
    "read the configuration from this file in place of the bundle's config.json",
)
.short('f')
.origin(Origin::Crun);
/// `--console-socket`
pub static CONSOLE_SOCKET: Flag = Flag::new(
    "console-socket",
    Kind::File,
    "send the terminal's master end to the AF_UNIX socket at this path",
);
/// `--pidfd-socket`
pub static PIDFD_SOCKET: Flag = Flag::new(
    "pidfd-socket",
    Kind::File,
    "send a pidfd of the process to the AF_UNIX socket at this path",
);
/// `--pid-file`
pub static PID_FILE: Flag = Flag::new(
    "pid-file",
    Kind::File,
    "write the number of the process to this file",
);
/// `--no-pivot`
pub static NO_PIVOT: Flag = Flag::new(
    "no-pivot",
    Kind::Switch,
    "move the root mount in place of pivot_root(2), for a root file system on a ramdisk",
);
/// `--resctrl`
pub static RESCTRL: Flag = Flag::new(
    "resctrl",
    Kind::Directory,
    "where the resctrl file system for linux.intelRdt is, unless it is to be found",
)
.origin(Origin::Own);
/// `--no-new-keyring`
pub static NO_NEW_KEYRING: Flag = Flag::new(
    "no-new-keyring",
    Kind::Switch,
    "leave the container in the caller's session keyring",
);
/// `--preserve-fds`
pub static PRESERVE_FDS: Flag = Flag::new(
    "preserve-fds",
    Kind::Count,
    "pass this many descriptors beside stdio and $LISTEN_FDS to the program",
)
.default("0");
/// `--detach`
pub static DETACH: Flag = Flag::new(
    "detach",
    Kind::Switch,
    "do not wait for the end of the process",
)
.short('d');
/// `--keep`
pub static KEEP: Flag = Flag::new(
    "keep",
    Kind::Switch,
    "do not delete the container after its end",
);
/// `--no-subreaper`
pub static NO_SUBREAPER: Flag = Flag::new(
    "no-subreaper",
    Kind::Switch,
    "do not become the parent of processes that the container leaves behind",
);

/// `--cwd`
pub static CWD: Flag = Flag::new("cwd", Kind::Text, "working directory inside the container");
/// `--env`
pub static ENV: Flag = Flag::new("env", Kind::Text, "add NAME=VALUE to the environment")
    .short('e')
    .repeatable();
/// `--tty`
pub static TTY: Flag = Flag::new("tty", Kind::Switch, "give the process a terminal").short('t');
/// `--user`
pub static USER: Flag = Flag::new("user", Kind::User, "run as this user, and group").short('u');
/// `--additional-gids`
pub static ADDITIONAL_GIDS: Flag =
    Flag::new("additional-gids", Kind::Id, "add a supplementary group")
        .short('g')
        .repeatable();
/// `--process`
pub static PROCESS: Flag = Flag::new(
    "process",
    Kind::File,
    "read the whole process from this JSON file",
)
.short('p');
/// `--process-label`
pub static PROCESS_LABEL: Flag =
    Flag::new("process-label", Kind::Text, "SELinux label of the process");
/// `--apparmor`
pub static APPARMOR: Flag = Flag::new("apparmor", Kind::Text, "AppArmor profile of the process");
/// `--no-new-privs`
pub static NO_NEW_PRIVS: Flag = Flag::new(
    "no-new-privs",
    Kind::Switch,
    "set no_new_privs for the process",
);
/// `--cap`
pub static CAP: Flag = Flag::new("cap", Kind::Text, "add a capability to the process")
    .short('c')
    .repeatable();
/// `--cgroup`
pub static CGROUP: Flag = Flag::new(
    "cgroup",
    Kind::Text,
    "run in this existing cgroup below the container's: [CONTROLLER[,CONTROLLER...]:]PATH",
)
.repeatable();
/// `--ignore-paused`
pub static IGNORE_PAUSED: Flag = Flag::new(
    "ignore-paused",
    Kind::Switch,
    "start the process although the container is paused",
);

/// `kill --all`
pub static ALL: Flag = Flag::new(
    "all",
    Kind::Switch,
    "send the signal to every process of the container",
)
.short('a');
/// `delete --force`
pub static FORCE: Flag = Flag::new(
    "force",
    Kind::Switch,
    "kill a running container first; one that does not exist is no error",
)
.short('f');
/// `--format` of `list` and `ps`
pub static FORMAT: Flag = Flag::new("format", Kind::Choice(&["table", "json"]), "table or json")
    .short('f')
    .default("table");
/// `list --quiet`
pub static QUIET: Flag = Flag::new("quiet", Kind::Switch, "print only ids").short('q');
/// `spec --bundle`
pub static SPEC_BUNDLE: Flag = Flag::new(
    "bundle",
    Kind::Directory,
    "write config.json into this directory",
)
.short('b')
.default("the current directory");
/// `spec --rootless`
pub static SPEC_ROOTLESS: Flag = Flag::new(
    "rootless",
    Kind::Switch,
    "write a configuration for a caller without root's rights",
);
/// `plan --format`
pub static PLAN_FORMAT: Flag = Flag::new("format", Kind::Choice(&["text", "json"]), "text or json")
    .default("text")
    .origin(Origin::Own);
/// `events --interval`
pub static INTERVAL: Flag =
    Flag::new("interval", Kind::Interval, "time between two statistics").default("5s");
/// `events --stats`
pub static STATS: Flag = Flag::new("stats", Kind::Switch, "print the statistics once and exit");

/// `update --resources`
pub static RESOURCES: Flag = Flag::new(
    "resources",
    Kind::File,
    "read linux.resources from this JSON file, or from stdin if it is -, and ignore the other options",
)
.short('r');
/// `update --blkio-weight`
pub static BLKIO_WEIGHT: Flag = Flag::new(
    "blkio-weight",
    Kind::Weight,
    "share of block I/O, from 10 to 1000",
);
/// `update --cpu-period`
pub static CPU_PERIOD: Flag = Flag::new(
    "cpu-period",
    Kind::Unsigned,
    "period of the CPU limit in microseconds",
);
/// `update --cpu-quota`
pub static CPU_QUOTA: Flag = Flag::new(
    "cpu-quota",
    Kind::Signed,
    "microseconds of CPU time in a period, -1 for no limit",
);
/// `update --cpu-burst`
pub static CPU_BURST: Flag = Flag::new(
    "cpu-burst",
    Kind::Unsigned,
    "microseconds of CPU time that may be saved up beyond the quota",
);
/// `update --cpu-share`
pub static CPU_SHARE: Flag = Flag::new(
    "cpu-share",
    Kind::Unsigned,
    "share of CPU time relative to other containers",
);
/// `update --cpu-rt-period`
pub static CPU_RT_PERIOD: Flag = Flag::new(
    "cpu-rt-period",
    Kind::Unsigned,
    "period of the realtime limit in microseconds",
);
/// `update --cpu-rt-runtime`
pub static CPU_RT_RUNTIME: Flag = Flag::new(
    "cpu-rt-runtime",
    Kind::Signed,
    "microseconds of realtime CPU time in a period",
);
/// `update --cpuset-cpus`
pub static CPUSET_CPUS: Flag =
    Flag::new("cpuset-cpus", Kind::Text, "CPUs to run on, such as 0-3,7");
/// `update --cpuset-mems`
pub static CPUSET_MEMS: Flag = Flag::new(
    "cpuset-mems",
    Kind::Text,
    "memory nodes to use, such as 0,1",
);
/// `update --cpu-idle`
pub static CPU_IDLE: Flag = Flag::new(
    "cpu-idle",
    Kind::Signed,
    "1 to get only CPU time that nobody else wants, 0 for the usual share",
);
/// `update --memory`
pub static MEMORY: Flag = Flag::new("memory", Kind::Size, "limit of memory, -1 for none");
/// `update --memory-reservation`
pub static MEMORY_RESERVATION: Flag =
    Flag::new("memory-reservation", Kind::Size, "soft limit of memory");
/// `update --memory-swap`
pub static MEMORY_SWAP: Flag = Flag::new(
    "memory-swap",
    Kind::Size,
    "limit of memory and swap together, -1 for none",
);
/// `update --kernel-memory`
pub static KERNEL_MEMORY: Flag = Flag::new(
    "kernel-memory",
    Kind::Size,
    "has no effect but a warning: kernels have no such limit any more",
)
.hidden();
/// `update --kernel-memory-tcp`
pub static KERNEL_MEMORY_TCP: Flag = Flag::new(
    "kernel-memory-tcp",
    Kind::Size,
    "has no effect but a warning: kernels have no such limit any more",
)
.hidden();
/// `update --l3-cache-schema`
pub static L3_CACHE_SCHEMA: Flag = Flag::new(
    "l3-cache-schema",
    Kind::Text,
    "third level cache, for a container with linux.intelRdt, such as L3:0=ff;1=f",
);
/// `update --mem-bw-schema`
pub static MEM_BW_SCHEMA: Flag = Flag::new(
    "mem-bw-schema",
    Kind::Text,
    "memory bandwidth, for a container with linux.intelRdt, such as MB:0=50;1=100",
);
/// `update --pids-limit`
pub static PIDS_LIMIT: Flag = Flag::new(
    "pids-limit",
    Kind::Signed,
    "limit of the number of processes, -1 for none",
);
/// `seccomp --dump`
pub static DUMP: Flag = Flag::new("dump", Kind::Switch, "print the program").origin(Origin::Own);
/// `seccomp --explain`
pub static EXPLAIN: Flag = Flag::new(
    "explain",
    Kind::Text,
    "tell what happens to this call, NAME or NAME(ARG,...), and which rule says so",
)
.repeatable()
.origin(Origin::Own);
/// `seccomp --arch`
pub static ARCH: Flag = Flag::new(
    "arch",
    Kind::Text,
    "architecture of the calls to explain, such as SCMP_ARCH_AARCH64",
)
.default("the machine's own")
.origin(Origin::Own);
