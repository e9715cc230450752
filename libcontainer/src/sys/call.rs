//! Names of calls, as numbers that fit into a message.

macro_rules! calls {
    ($($variant:ident = $name:literal,)*) => {
        /// A system call, or something that was verified and found wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u16)]
        pub(crate) enum Call {
            $(#[doc = $name] $variant,)*
        }

        impl Call {
            const ALL: &'static [(Self, &'static str)] = &[$((Self::$variant, $name),)*];
        }
    };
}

calls! {
    Access = "faccessat",
    Capset = "capset",
    Chdir = "chdir",
    Chroot = "chroot",
    Clone = "clone",
    Close = "close",
    CloseRange = "close_range",
    Dup = "dup3",
    Execve = "execve",
    Fchdir = "fchdir",
    Fchmod = "fchmod",
    Fchown = "fchown",
    Fcntl = "fcntl",
    Fsconfig = "fsconfig",
    Fsmount = "fsmount",
    Fsopen = "fsopen",
    Fstat = "fstat",
    Fstatfs = "fstatfs",
    Getcwd = "getcwd",
    Getdents = "getdents64",
    IoprioSet = "ioprio_set",
    KeyctlJoin = "keyctl(KEYCTL_JOIN_SESSION_KEYRING)",
    KeyctlSetperm = "keyctl(KEYCTL_SETPERM)",
    Kill = "kill",
    MemfdCreate = "memfd_create",
    Mkdir = "mkdirat",
    Mknod = "mknodat",
    Mount = "mount",
    MountSetattr = "mount_setattr",
    MoveMount = "move_mount",
    Open = "openat",
    OpenTree = "open_tree",
    Personality = "personality",
    PidfdGetfd = "pidfd_getfd",
    PidfdOpen = "pidfd_open",
    PivotRoot = "pivot_root",
    Pipe = "pipe2",
    Poll = "ppoll",
    PrctlAmbient = "prctl(PR_CAP_AMBIENT)",
    PrctlBounding = "prctl(PR_CAPBSET_DROP)",
    PrctlDumpable = "prctl(PR_SET_DUMPABLE)",
    PrctlKeepCapabilities = "prctl(PR_SET_KEEPCAPS)",
    PrctlNoNewPrivileges = "prctl(PR_SET_NO_NEW_PRIVS)",
    PrctlParentDeath = "prctl(PR_SET_PDEATHSIG)",
    Prlimit = "prlimit64",
    Read = "read",
    Readlink = "readlinkat",
    Receive = "recvmsg",
    SchedSetaffinity = "sched_setaffinity",
    SchedSetattr = "sched_setattr",
    Seccomp = "seccomp",
    Seek = "lseek",
    Send = "sendmsg",
    SetMempolicy = "set_mempolicy",
    Setdomainname = "setdomainname",
    Setgroups = "setgroups",
    Sethostname = "sethostname",
    Setns = "setns",
    Setresgid = "setresgid",
    Setresuid = "setresuid",
    Setpgid = "setpgid",
    Setsid = "setsid",
    Sigaction = "rt_sigaction",
    Sigprocmask = "rt_sigprocmask",
    Siocgifflags = "ioctl(SIOCGIFFLAGS)",
    Siocsifflags = "ioctl(SIOCSIFFLAGS)",
    Socket = "socket",
    Statfs = "statfs",
    Symlink = "symlinkat",
    Tiocgptn = "ioctl(TIOCGPTN)",
    Tiocgptpeer = "ioctl(TIOCGPTPEER)",
    Tiocsctty = "ioctl(TIOCSCTTY)",
    Tiocsptlck = "ioctl(TIOCSPTLCK)",
    Tiocswinsz = "ioctl(TIOCSWINSZ)",
    Umount = "umount2",
    Unlink = "unlinkat",
    Unshare = "unshare",
    Waitid = "waitid",
    Write = "write",
    Xattr = "fsetxattr",

    DeviceDiffers = "verification: a different file exists where the device belongs",
    HookExit = "verification: the hook failed",
    HookTimeout = "verification: the hook ran longer than its timeout",
    MissingDescriptor = "verification: a descriptor of the plan is not there",
    PathTooLong = "verification: a path is longer than the kernel takes",
    ProgramIsDirectory = "verification: the program is a directory",
    ProgramNotExecutable = "verification: the program may not be executed",
    ProgramNotFound = "verification: the program is not there",
    RecursiveAttributes = "verification: the kernel cannot change attributes of a whole tree",
    TargetOnProcfs = "verification: the mount target lies on a procfs",
    UnexpectedMessage = "verification: the other side sent something else or is gone",
    UnknownStep = "verification: nothing knows how to do the step",
    VerifyDevpts = "verification: not a terminal of a devpts",
    VerifyEmpty = "verification: the new mount namespace is not empty",
    VerifyNull = "verification: not the null device",
    VerifyProcfs = "verification: not a file of a procfs",
    WorkingDirectoryOutside = "verification: the working directory lies outside the root",
}

impl Call {
    /// The kernel's name of the call, or what was verified.
    pub(crate) fn name(self) -> &'static str {
        match Self::ALL.get(usize::from(self as u16)) {
            Some((_, name)) => name.strip_prefix("verification: ").unwrap_or(name),
            None => "unknown call",
        }
    }

    /// Whether this is a call of the kernel, so that an errno says why it failed.
    pub(crate) fn is_kernel_call(self) -> bool {
        (self as u16) < Self::DeviceDiffers as u16
    }

    /// The call with this number.
    pub(crate) fn from_u16(number: u16) -> Option<Self> {
        Self::ALL.get(usize::from(number)).map(|(call, _)| *call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_belong_together() {
        for (at, (call, name)) in Call::ALL.iter().enumerate() {
            assert_eq!(usize::from(*call as u16), at);
            assert_eq!(Call::from_u16(*call as u16), Some(*call));
            assert!(name.ends_with(call.name()));
            assert_eq!(call.is_kernel_call(), !name.starts_with("verification"));
        }
        assert_eq!(Call::from_u16(u16::MAX), None);
        assert_eq!(Call::Capset.name(), "capset");
    }
}
