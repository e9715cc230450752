//! Every command: its flags, operands and texts.

#![forbid(unsafe_code)]

use super::flags::*;
use super::{Flag, UsageError};

/// One command.
#[derive(Debug)]
pub struct Command {
    /// Its name.
    pub name: &'static str,
    /// Which one it is.
    pub verb: Verb,
    /// What it does, in one line.
    pub summary: &'static str,
    /// How many operands it takes.
    pub operands: Operands,
    /// Its operands, as usage lines show them.
    pub usage: &'static str,
    /// Whether everything after the first operand is an operand.
    pub options_first: bool,
    /// Whether this program's own process gets into a container, where its file must not be within
    /// reach.
    pub enters_containers: bool,
    /// Its flags.
    pub flags: &'static [&'static Flag],
    /// What else there is to say.
    pub description: &'static str,
}

/// How many operands a command takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operands {
    /// This many.
    Exactly(usize),
    /// This many or more.
    AtLeast(usize),
    /// This many or fewer.
    AtMost(usize),
    /// From the one to the other number.
    Between(usize, usize),
}

impl Operands {
    /// Whether this number of operands is right; the words are runc's.
    pub(super) fn check(self, command: &Command, given: usize) -> Result<(), UsageError> {
        let required = match self {
            Self::Exactly(n) if given != n => format!("exactly {n} argument(s)"),
            Self::AtLeast(n) | Self::Between(n, _) if given < n => {
                format!("a minimum of {n} argument(s)")
            }
            Self::AtMost(n) | Self::Between(_, n) if given > n => {
                format!("a maximum of {n} argument(s)")
            }
            _ => return Ok(()),
        };
        Err(UsageError::Operands {
            command: command.name,
            required,
            usage: command.usage,
        })
    }
}

/// Names the commands for the code that performs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the command of its name")]
pub enum Verb {
    Create,
    Start,
    Run,
    State,
    Kill,
    Delete,
    Exec,
    List,
    Ps,
    Pause,
    Resume,
    Update,
    Spec,
    Completion,
    Features,
    Events,
    Plan,
    Seccomp,
}

const ID: &str = "<container-id>";

/// All of them, in the order of a container's life.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "create",
        verb: Verb::Create,
        summary: "make a container, whose program then waits for start",
        operands: Operands::Exactly(1),
        usage: ID,
        options_first: false,
        enters_containers: true,
        flags: &[
            &BUNDLE,
            &CONFIG,
            &CONSOLE_SOCKET,
            &PIDFD_SOCKET,
            &PID_FILE,
            &NO_PIVOT,
            &NO_NEW_KEYRING,
            &PRESERVE_FDS,
            &RESCTRL,
            &HELP,
        ],
        description: "The bundle's config.json says what the container is. It is read once: later changes \
            have no effect on the container.",
    },
    Command {
        name: "start",
        verb: Verb::Start,
        summary: "start the program of a container that was made",
        operands: Operands::Exactly(1),
        usage: ID,
        options_first: false,
        enters_containers: false,
        flags: &[&HELP],
        description: "Where NOTIFY_SOCKET is set, as systemd does for services of Type=notify, it waits \
            until the container is ready.",
    },
    Command {
        name: "run",
        verb: Verb::Run,
        summary: "make a container, start its program and wait for its end",
        operands: Operands::Exactly(1),
        usage: ID,
        options_first: false,
        enters_containers: true,
        flags: &[
            &BUNDLE,
            &CONFIG,
            &CONSOLE_SOCKET,
            &PIDFD_SOCKET,
            &PID_FILE,
            &DETACH,
            &KEEP,
            &NO_SUBREAPER,
            &NO_PIVOT,
            &NO_NEW_KEYRING,
            &PRESERVE_FDS,
            &RESCTRL,
            &HELP,
        ],
        description: "In the foreground, signals are passed on to the program, the terminal follows the \
            caller's, and the exit status is the program's, or 128 and the number of the signal that \
            killed it. The container is deleted in the end.",
    },
    Command {
        name: "state",
        verb: Verb::State,
        summary: "print the state of a container as JSON",
        operands: Operands::Exactly(1),
        usage: ID,
        options_first: false,
        enters_containers: false,
        flags: &[&HELP],
        description: "",
    },
    Command {
        name: "kill",
        verb: Verb::Kill,
        summary: "send a signal (default: SIGTERM) to a container's first process",
        operands: Operands::Between(1, 2),
        usage: "<container-id> [signal]",
        options_first: false,
        enters_containers: false,
        flags: &[&ALL, &HELP],
        description: "The signal is a number or a name, with or without SIG: 15, TERM, SIGTERM, \
            SIGRTMIN+3.",
    },
    Command {
        name: "delete",
        verb: Verb::Delete,
        summary: "remove what is left of a container",
        operands: Operands::Exactly(1),
        usage: ID,
        options_first: false,
        enters_containers: false,
        flags: &[&FORCE, &HELP],
        description: "",
    },
    Command {
        name: "exec",
        verb: Verb::Exec,
        summary: "run a further process in a container",
        operands: Operands::AtLeast(1),
        usage: "<container-id> <command> [argument...]",
        options_first: true,
        enters_containers: true,
        flags: &[
            &CONSOLE_SOCKET,
            &PIDFD_SOCKET,
            &PID_FILE,
            &PROCESS,
            &CWD,
            &ENV,
            &TTY,
            &USER,
            &ADDITIONAL_GIDS,
            &DETACH,
            &PROCESS_LABEL,
            &APPARMOR,
            &NO_NEW_PRIVS,
            &CAP,
            &PRESERVE_FDS,
            &CGROUP,
            &IGNORE_PAUSED,
            &HELP,
        ],
        description: "What no option changes is as for the container's first process. The exit status is \
            the program's, or 128 and the number of the signal that killed it, or 255 if it could not be \
            started.",
    },
    Command {
        name: "list",
        verb: Verb::List,
        summary: "list the containers of the root directory",
        operands: Operands::Exactly(0),
        usage: "",
        options_first: false,
        enters_containers: false,
        flags: &[&FORMAT, &QUIET, &HELP],
        description: "",
    },
    Command {
        name: "ps",
        verb: Verb::Ps,
        summary: "show the processes of a container",
        operands: Operands::AtLeast(1),
        usage: "<container-id> [ps options]",
        options_first: true,
        enters_containers: false,
        flags: &[&FORMAT, &HELP],
        description: "The table is made by the host's ps, with the given options or -ef.",
    },
    Command {
        name: "pause",
        verb: Verb::Pause,
        summary: "freeze all processes of a container",
        operands: Operands::Exactly(1),
        usage: ID,
        options_first: false,
        enters_containers: false,
        flags: &[&HELP],
        description: "",
    },
    Command {
        name: "resume",
        verb: Verb::Resume,
        summary: "thaw a container that was paused",
        operands: Operands::Exactly(1),
        usage: ID,
        options_first: false,
        enters_containers: false,
        flags: &[&HELP],
        description: "",
    },
    Command {
        name: "update",
        verb: Verb::Update,
        summary: "change the limits of a container",
        operands: Operands::Exactly(1),
        usage: ID,
        options_first: false,
        enters_containers: false,
        flags: &[
            &RESOURCES,
            &BLKIO_WEIGHT,
            &CPU_PERIOD,
            &CPU_QUOTA,
            &CPU_BURST,
            &CPU_SHARE,
            &CPU_RT_PERIOD,
            &CPU_RT_RUNTIME,
            &CPUSET_CPUS,
            &CPUSET_MEMS,
            &CPU_IDLE,
            &KERNEL_MEMORY,
            &KERNEL_MEMORY_TCP,
            &MEMORY,
            &MEMORY_RESERVATION,
            &MEMORY_SWAP,
            &PIDS_LIMIT,
            &L3_CACHE_SCHEMA,
            &MEM_BW_SCHEMA,
            &HELP,
        ],
        description: "What no option names stays as it is.",
    },
    Command {
        name: "spec",
        verb: Verb::Spec,
        summary: "write a config.json to start from",
        operands: Operands::Exactly(0),
        usage: "",
        options_first: false,
        enters_containers: false,
        flags: &[&SPEC_BUNDLE, &SPEC_ROOTLESS, &HELP],
        description: "It runs sh on a terminal, in a root file system in the directory rootfs beside it.",
    },
    Command {
        name: "events",
        verb: Verb::Events,
        summary: "print statistics of a container, and when its memory runs out",
        operands: Operands::Exactly(1),
        usage: ID,
        options_first: false,
        enters_containers: false,
        flags: &[&INTERVAL, &STATS, &HELP],
        description: "Each line is a JSON object with type, id and data. The command ends with the \
            container.",
    },
    Command {
        name: "features",
        verb: Verb::Features,
        summary: "print what this program can do as JSON",
        operands: Operands::Exactly(0),
        usage: "",
        options_first: false,
        enters_containers: false,
        flags: &[&HELP],
        description: "",
    },
    Command {
        name: "plan",
        verb: Verb::Plan,
        summary: "print what create would do, without doing it",
        operands: Operands::AtMost(1),
        usage: "[container-id]",
        options_first: false,
        enters_containers: false,
        flags: &[
            &BUNDLE,
            &CONFIG,
            &PLAN_FORMAT,
            &NO_PIVOT,
            &NO_NEW_KEYRING,
            &PRESERVE_FDS,
            &HELP,
        ],
        description: "Each line names the field of the configuration that asks for the step.",
    },
    Command {
        name: "seccomp",
        verb: Verb::Seccomp,
        summary: "check, print or explain the program made of a seccomp profile",
        operands: Operands::Exactly(1),
        usage: "<file>",
        options_first: false,
        enters_containers: false,
        flags: &[&DUMP, &EXPLAIN, &ARCH, &HELP],
        description: "The file holds a configuration or its linux.seccomp object alone; - is standard \
            input.",
    },
    Command {
        name: "completion",
        verb: Verb::Completion,
        summary: "print a shell's completions for this program",
        operands: Operands::Exactly(1),
        usage: "bash|zsh|fish",
        options_first: false,
        enters_containers: false,
        flags: &[&HELP],
        description: "For bash: source <(oxrun completion bash)",
    },
];
