//! The two processes around a case.
//!
//! The runner starts the *reaper*, which is process 1 of a new PID namespace
//! when the runner is root: it makes the mount namespace, starts the *case* as
//! its child, and reaps what containers leave, as process 1 of a machine does.
//! When it exits the kernel kills every process of the case and drops its mounts.

use crate::manager::Manager;
use crate::outcome::Outcome;
use crate::runtime::{Kind, Runtime};
use crate::suite;
use crate::test::{SkipCase, Test};
use crate::{cgroup, exec, mountinfo, panics, sys};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::fs;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixDatagram;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// First argument of the reaper.
pub const REAPER: &str = "--reaper";
/// First argument of the case's process.
pub const CASE: &str = "--case";

/// What the runner tells both processes, by environment variables.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The case's directory.
    pub dir: PathBuf,
    /// The cgroup below which the case's containers are, as in `cgroupsPath`.
    pub cgroup: String,
    /// The runtime's program.
    pub runtime: PathBuf,
}

impl Setting {
    /// Adds the variables to the reaper's command.
    pub fn export(&self, command: &mut Command) {
        command.env("OXRUN_CASE_DIR", &self.dir);
        command.env("OXRUN_CASE_CGROUP", &self.cgroup);
        command.env("OXRUN_CASE_RUNTIME", &self.runtime);
    }

    fn import() -> Option<Self> {
        let dir = std::env::var_os("OXRUN_CASE_DIR")?.into();
        let cgroup = std::env::var("OXRUN_CASE_CGROUP").ok()?;
        let runtime = std::env::var_os("OXRUN_CASE_RUNTIME")?.into();
        Some(Self {
            dir,
            cgroup,
            runtime,
        })
    }

    /// Where the case's files are: on a tmpfs that ends with the mount namespace.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.dir.join("w")
    }

    /// Where the case's process leaves its outcome.
    #[must_use]
    pub fn outcome(&self) -> PathBuf {
        self.dir.join("outcome.json")
    }
}

/// First argument of this program in a container: sends the other ones, each as a message, to
/// `NOTIFY_SOCKET`.
pub const GUEST_NOTIFY: &str = "--guest-notify";

/// Acts as reaper, case or program in a container when the arguments say so.
#[must_use]
pub fn enter(arguments: &[String]) -> Option<ExitCode> {
    let (role, name) = (arguments.first()?, arguments.get(1)?);
    match role.as_str() {
        GUEST_NOTIFY => Some(notify(&arguments[1..])),
        REAPER => Some(reaper(name, &Setting::import()?)),
        CASE => Some(run_case(name, &Setting::import()?)),
        _ => None,
    }
}

fn notify(messages: &[String]) -> ExitCode {
    let path = std::env::var_os("NOTIFY_SOCKET").unwrap_or_default();
    let socket = UnixDatagram::unbound().expect("a socket");
    let sent = socket.connect(path).and_then(|()| {
        let send = |message: &String| socket.send(message.as_bytes()).map(drop);
        messages.iter().try_for_each(send)
    });
    match sent {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("NOTIFY_SOCKET: {error}");
            ExitCode::FAILURE
        }
    }
}

fn reaper(name: &str, setting: &Setting) -> ExitCode {
    if let Err(err) = prepare(setting) {
        let detail = format!("cannot prepare the case's namespaces: {err}");
        drop(
            Outcome::Failed {
                rows: Vec::new(),
                detail,
            }
            .write(&setting.outcome()),
        );
        return ExitCode::FAILURE;
    }
    let mut command = exec::command("/proc/self/exe");
    command.args([CASE, name]);
    let Ok(child) = command.spawn() else {
        return ExitCode::FAILURE;
    };
    reap_until(Pid::from_raw(child.id().cast_signed()));
    cgroup::thaw(&setting.cgroup);
    kill_children();
    ExitCode::SUCCESS
}

/// Makes the mount namespace: nothing spreads to the machine, /proc shows the
/// new PID namespace, the case's files are on a tmpfs.
fn prepare(setting: &Setting) -> nix::Result<()> {
    nix::sys::prctl::set_child_subreaper(true)?;
    drop(fs::create_dir(setting.work()));
    if !sys::is_root() {
        return Ok(());
    }
    let none = None::<&str>;
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS)?;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    protect_host(&setting.dir)?;
    if Manager::under_test().own_pid_namespace() {
        mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), none)?;
    }
    mount(
        Some("tmpfs"),
        &setting.work(),
        Some("tmpfs"),
        MsFlags::empty(),
        Some("mode=755"),
    )?;
    // crun works on pure layouts only.
    if Runtime::kind_of(&setting.runtime) == Kind::Crun
        && let Some(hybrid) = cgroup::hybrid_root()
    {
        umount2(hybrid, MntFlags::MNT_DETACH)?;
    }
    Ok(())
}

/// Makes the host's files read-only for the case, but for its own directory and
/// a fresh /run. A runtime that takes a hostile id or path for a path of the
/// host must not be able to delete or write anything there: crun 1.8 removes
/// the directory that an absolute container id names.
fn protect_host(dir: &Path) -> nix::Result<()> {
    let none = None::<&str>;
    mount(Some(dir), dir, none, MsFlags::MS_BIND, none)?;
    replace_run()?;
    let read_only = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
    let writable = [
        dir,
        Path::new("/run"),
        Path::new("/proc"),
        Path::new("/sys"),
        Path::new("/dev"),
    ];
    for mounted in mountinfo::of_this_process() {
        let target = Path::new(&mounted.target);
        if !writable.iter().any(|allowed| target.starts_with(allowed)) {
            mount(none, target, none, read_only | locked(&mounted), none)?;
        }
    }
    Ok(())
}

/// A fresh /run; with the sockets of systemd and its bus where cases need them.
fn replace_run() -> nix::Result<()> {
    let none = None::<&str>;
    let kept = match Manager::under_test() {
        Manager::Cgroupfs => &[][..],
        Manager::Systemd => &["/run/systemd", "/run/dbus"],
    };
    let open = |path: &&str| Some((path.to_string(), fs::File::open(path).ok()?));
    let kept: Vec<(String, fs::File)> = kept.iter().filter_map(open).collect();
    let mode = Some("mode=755");
    mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), mode)?;
    for (path, dir) in kept {
        fs::create_dir(&path).map_err(|_| nix::errno::Errno::EIO)?;
        let source = format!("/proc/self/fd/{}", dir.as_raw_fd());
        mount(
            Some(source.as_str()),
            path.as_str(),
            none,
            MsFlags::MS_BIND,
            none,
        )?;
    }
    Ok(())
}

/// The flags that a mount has: remounting with others would drop them.
fn locked(mounted: &mountinfo::Mount) -> MsFlags {
    let flags = [
        ("nosuid", MsFlags::MS_NOSUID),
        ("nodev", MsFlags::MS_NODEV),
        ("noexec", MsFlags::MS_NOEXEC),
    ];
    flags
        .iter()
        .filter(|(name, _)| mounted.has(name))
        .map(|(_, flag)| *flag)
        .collect()
}

/// Reaps everything until `case` has ended.
fn reap_until(case: Pid) {
    loop {
        match waitpid(None, None) {
            Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..)) if pid == case => break,
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(_) => break,
        }
    }
}

/// Kills what the case has left behind; where there is no PID namespace this is
/// what ends it.
fn kill_children() {
    for _ in 0..100 {
        let children = format!("/proc/self/task/{}/children", nix::unistd::gettid());
        let children = fs::read_to_string(children).unwrap_or_default();
        let pids = children
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok());
        for pid in pids {
            // A child of ours: its number cannot have been given to another.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        if waitpid(None, Some(WaitPidFlag::empty())).is_err() {
            break;
        }
    }
}

fn run_case(name: &str, setting: &Setting) -> ExitCode {
    let Some(case) = suite::find(name) else {
        return ExitCode::FAILURE;
    };
    panics::record();
    let test = Test::new(&case, setting);
    let result = catch_unwind(AssertUnwindSafe(|| (case.body)(&test)));
    let outcome = match result {
        Ok(()) => test.outcome(),
        Err(payload) => match payload.downcast::<SkipCase>() {
            Ok(skip) => Outcome::Skipped(skip.0),
            Err(payload) => failed(&test, payload.as_ref()),
        },
    };
    let written = outcome.write(&setting.outcome());
    if written.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The outcome after a panic: rows that had failed before it, and its message.
fn failed(test: &Test, payload: &(dyn std::any::Any + Send)) -> Outcome {
    let text = panics::text(payload);
    match test.outcome() {
        Outcome::Failed { mut rows, detail } => {
            rows.push("(stopped)".to_owned());
            Outcome::Failed {
                rows,
                detail: format!("{detail}{text}"),
            }
        }
        _ => Outcome::Failed {
            rows: Vec::new(),
            detail: text,
        },
    }
}
