//! Calls the runtime under test.

use crate::exec::{self, Running};
use crate::manager::Manager;
use crate::output::Output;
use crate::sys::{self, ChildSetup};
use serde_json::Value;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Which runtime a program is, by the first word that `--version` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The runtime of this repository.
    Oxrun,
    /// runc.
    Runc,
    /// crun.
    Crun,
    /// Anything else.
    Other,
}

/// A runtime program, its state directory, and the user that calls it.
#[derive(Debug, Clone)]
pub struct Runtime {
    /// The program.
    pub program: PathBuf,
    /// Which it is.
    pub kind: Kind,
    /// Its `--root`.
    pub root: PathBuf,
    /// Where output and logs go.
    pub dir: PathBuf,
    /// The user and group id to change to, when root calls it for somebody else.
    pub user: Option<u32>,
}

/// Time limit of a call.
const LIMIT: Duration = Duration::from_secs(20);

impl Runtime {
    /// A runtime with its state in a directory below `dir`.
    #[must_use]
    pub fn new(program: &Path, dir: &Path) -> Self {
        let kind = Self::kind_of(program);
        let (program, dir) = (program.to_owned(), dir.to_owned());
        Self {
            program,
            kind,
            root: dir.join("root"),
            dir,
            user: None,
        }
    }

    /// Which runtime a program is.
    #[must_use]
    pub fn kind_of(program: &Path) -> Kind {
        let output = Command::new(program).arg("--version").output();
        let text = output.map(|output| output.stdout).unwrap_or_default();
        match text
            .split(u8::is_ascii_whitespace)
            .next()
            .unwrap_or_default()
        {
            b"oxrun" => Kind::Oxrun,
            b"runc" => Kind::Runc,
            b"crun" => Kind::Crun,
            _ => Kind::Other,
        }
    }

    /// The name for tables.
    #[must_use]
    pub fn name(&self) -> String {
        self.program
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }

    /// A call with `--root` before these arguments.
    #[must_use]
    pub fn call<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Call {
        let args = args
            .into_iter()
            .map(|arg| arg.as_ref().to_owned())
            .collect();
        Call::new(self, args)
    }

    /// Runs a call with the default limit.
    #[track_caller]
    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Output {
        self.call(args).run()
    }

    /// `state` of a container, as JSON.
    ///
    /// # Panics
    /// When the call fails.
    #[track_caller]
    #[must_use]
    pub fn state(&self, id: &str) -> Value {
        self.run(["state", id]).success().json()
    }
}

/// One call of the runtime, to be adjusted before it runs.
#[derive(Debug)]
pub struct Call {
    program: PathBuf,
    globals: Vec<OsString>,
    args: Vec<OsString>,
    wrapper: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    stdin: Option<Stdio>,
    cwd: PathBuf,
    dir: PathBuf,
    user: Option<u32>,
    setup: ChildSetup,
    limit: Duration,
}

impl Call {
    fn new(runtime: &Runtime, args: Vec<OsString>) -> Self {
        let mut globals = vec!["--root".into(), runtime.root.clone().into()];
        if Manager::under_test() == Manager::Systemd {
            globals.push("--systemd-cgroup".into());
        }
        Self {
            program: runtime.program.clone(),
            globals,
            args,
            wrapper: Vec::new(),
            env: Vec::new(),
            stdin: None,
            cwd: runtime.dir.clone(),
            dir: runtime.dir.clone(),
            user: runtime.user,
            setup: ChildSetup::default(),
            limit: LIMIT,
        }
    }

    /// Adds global options.
    #[must_use]
    pub fn globals<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.globals
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Puts a program such as strace before the runtime.
    #[must_use]
    pub fn under<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.wrapper = args
            .into_iter()
            .map(|arg| arg.as_ref().to_owned())
            .collect();
        self
    }

    /// Sets a variable of the environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Sets standard input.
    #[must_use]
    pub fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.stdin = Some(stdin.into());
        self
    }

    /// Sets standard input to a text.
    ///
    /// # Panics
    /// When the text cannot be written to a file.
    #[must_use]
    pub fn input(self, text: &str) -> Self {
        let (path, _) = exec::output_files(&self.dir);
        std::fs::write(&path, text).expect("write the input");
        let file = File::open(path).expect("open the input");
        self.stdin(file)
    }

    /// Sets the working directory.
    #[must_use]
    pub fn cwd(mut self, dir: &Path) -> Self {
        self.cwd = dir.to_owned();
        self
    }

    /// Lets the runtime inherit a descriptor under the given number.
    #[must_use]
    pub fn pass(mut self, fd: &impl AsRawFd, number: i32) -> Self {
        self.setup.pass.push((fd.as_raw_fd(), number));
        self
    }

    /// Starts the runtime with a signal ignored.
    #[must_use]
    pub fn ignoring(mut self, signal: libc::c_int) -> Self {
        self.setup.ignore.push(signal);
        self
    }

    /// Starts the runtime with this umask.
    #[must_use]
    pub fn umask(mut self, mask: libc::mode_t) -> Self {
        self.setup.umask = Some(mask);
        self
    }

    /// Sets the time limit in seconds.
    #[must_use]
    pub fn limit(mut self, seconds: u64) -> Self {
        self.limit = Duration::from_secs(seconds);
        self
    }

    /// Runs to the end.
    ///
    /// # Panics
    /// When it takes longer than the limit.
    #[track_caller]
    pub fn run(self) -> Output {
        let (dir, limit) = (self.dir.clone(), self.limit);
        exec::run(&mut self.command(), &dir, limit)
    }

    /// Starts the call; its output goes to the two files returned.
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    #[must_use]
    pub fn spawn(self) -> (Running, PathBuf, PathBuf) {
        let (stdout, stderr) = exec::output_files(&self.dir);
        let mut command = self.command();
        command.stdout(File::create(&stdout).expect("create a file"));
        command.stderr(File::create(&stderr).expect("create a file"));
        (Running::spawn(&mut command), stdout, stderr)
    }

    /// Starts the call with `terminal` as its controlling terminal and standard streams.
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    #[must_use]
    pub fn spawn_on(mut self, terminal: &File) -> Running {
        let stdio = || Stdio::from(terminal.try_clone().expect("duplicate a terminal"));
        self.setup.controlling_terminal = true;
        let mut command = self.stdin(stdio()).command();
        command.stdout(stdio()).stderr(stdio());
        Running::spawn(&mut command)
    }

    fn command(self) -> Command {
        let mut words = self.wrapper.into_iter();
        let mut command = match words.next() {
            None => exec::command(&self.program),
            Some(wrapper) => {
                let mut command = exec::command(wrapper);
                command.args(words).arg(&self.program);
                command
            }
        };
        command
            .args(self.globals)
            .args(self.args)
            .current_dir(self.cwd);
        command.envs(self.env);
        if let Some(stdin) = self.stdin {
            command.stdin(stdin);
        }
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        sys::set_up_child(&mut command, self.setup);
        command
    }
}
