//! `bench measure`: everything in one place, in processes and mounts of its own.

use crate::arena::Arena;
use crate::bundles::Maker;
use crate::contestant::{Contestant, FLOOR, Kind, LIBRARY, OXRUN, name_of};
use crate::counts::Counter;
use crate::crowd::Crowd;
use crate::launch::{Failure, Launcher};
use crate::memory;
use crate::operation::{self, Operation};
use crate::options::Measure;
use crate::results::{Counts, Place, Program, Results};
use crate::rounds::{Rounds, runtimes};
use crate::view::{self, Layout};
use integration::{cgroup, sys};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};

/// Mounts of a crowded host, beside those that are there.
const CROWD: usize = 1000;
/// The slow ones take part in every third round.
const SLOW: u32 = 3;

/// Runs this command again as the first process of new namespaces, with `--inside DIR`,
/// and cleans up behind it however it ends. Returns whether it succeeded, and what it printed.
///
/// # Errors
/// When the namespaces or the working directory cannot be made.
pub fn isolate(arguments: &[String], systemd: bool) -> Result<(bool, String), Failure> {
    let name = format!("oxrun-bench-{}", std::process::id());
    let dir = std::env::temp_dir().join(&name);
    fs::create_dir(&dir).map_err(|err| format!("{}: {err}", dir.display()))?;
    // systemd would not find the processes of another namespace by number.
    if !systemd {
        unshare(CloneFlags::CLONE_NEWPID).map_err(|err| format!("PID namespace: {err}"))?;
    }
    let output = supervise(
        Command::new("/proc/self/exe")
            .args(arguments)
            .arg("--inside")
            .arg(&dir),
    );
    cgroup::thaw(&format!("/{name}"));
    let left = cgroup::remove(&format!("/{name}"));
    if !left.is_empty() {
        eprintln!("bench: cgroups are left: {left:?}");
    }
    fs::remove_dir_all(&dir).map_err(|err| format!("{}: {err}", dir.display()))?;
    let output = output.map_err(|err| err.to_string())?;
    Ok((
        output.status.success(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
    ))
}

/// Runs a command, and kills it when a signal asks this process to end.
fn supervise(command: &mut Command) -> io::Result<Output> {
    let mut asked = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        asked.add(signal);
    }
    asked.thread_block()?;
    let signals = SignalFd::with_flags(&asked, SfdFlags::SFD_CLOEXEC)?;
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let pidfd = sys::pidfd_open(child.id())?;
    let mut fds = [&pidfd.as_fd(), &signals.as_fd()].map(|fd| PollFd::new(*fd, PollFlags::POLLIN));
    while let Err(err) = poll(&mut fds, PollTimeout::NONE) {
        if err != Errno::EINTR {
            return Err(err.into());
        }
    }
    if fds[1].any() == Some(true) {
        eprintln!("bench: ended by a signal");
        child.kill()?;
    }
    child.wait_with_output()
}

/// Measures, as the first process of a PID namespace, and writes the results.
///
/// # Errors
/// When the place cannot be prepared or the results cannot be written.
pub fn inside(options: &Measure, dir: &Path) -> Result<ExitCode, Failure> {
    let stage = Stage::prepare(options, dir)?;
    let mut results = stage.results();
    let mut arena = stage.arena();
    if !options.only_memory {
        times(&stage, &mut arena, &mut results)?;
    }
    if !options.only_memory && !options.only_times {
        counts(&stage, &arena, &mut results);
    }
    let memory_wanted = !options.only_times && !options.no_memory && !options.systemd;
    if memory_wanted && memory::is_there() {
        eprintln!("bench: memory");
        let measure = |contestant| memory::measure(contestant, &stage.launcher, &stage.maker);
        results.memory = runtimes(&arena.contestants).map(measure).collect();
    }
    let text = serde_json::to_string_pretty(&results).map_err(|err| err.to_string())?;
    fs::write(&options.out, text).map_err(|err| format!("{}: {err}", options.out.display()))?;
    Ok(if results.failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn times(stage: &Stage<'_>, arena: &mut Arena, results: &mut Results) -> Result<(), Failure> {
    let operations = stage.options.operations();
    if operations.contains(&Operation::Crowded) {
        arena.set_crowd(Crowd::new(&stage.dir, &stage.launcher, CROWD)?);
    }
    let mut rounds = Rounds::new(arena, &operations);
    rounds.run(stage.options.rounds);
    let (series, failures) = rounds.finish();
    results.series = series;
    results.failures.extend(failures);
    Ok(())
}

fn counts(stage: &Stage<'_>, arena: &Arena, results: &mut Results) {
    eprintln!("bench: counts");
    let counter = Counter::new(arena, &stage.tool("launch"), &stage.dir);
    let mut add = |name: &str, found: Result<Vec<Counts>, Failure>| match found {
        Ok(found) => results.counts.extend(found),
        Err(failure) => results.failures.push(format!("{name}: counts: {failure}")),
    };
    for contestant in arena.contestants.iter().filter(|c| c.kind != Kind::Library) {
        add(&contestant.name, counter.all(contestant));
    }
    for contestant in runtimes(&arena.contestants) {
        add(
            &contestant.name,
            counter.docker(contestant).map(|counts| vec![counts]),
        );
    }
}

/// The prepared place.
#[derive(Debug)]
pub struct Stage<'a> {
    options: &'a Measure,
    dir: PathBuf,
    /// Starts commands.
    pub launcher: Launcher,
    /// Makes bundles.
    pub maker: Maker,
}

impl<'a> Stage<'a> {
    /// Makes the view, the working directory on a tmpfs, and the parent cgroup.
    ///
    /// # Errors
    /// When one of them cannot be made.
    pub fn prepare(options: &'a Measure, dir: &Path) -> Result<Self, Failure> {
        let failed = |err: Errno| err.to_string();
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(failed)?;
        // What `create` leaves is this process's to wait for.
        nix::sys::prctl::set_child_subreaper(true).map_err(failed)?;
        view::enter(options.layout)?;
        mount(
            Some("tmpfs"),
            dir,
            Some("tmpfs"),
            MsFlags::empty(),
            Some("mode=755"),
        )
        .map_err(|err| format!("tmpfs: {err}"))?;
        let cgroup = format!("/{}", name_of(dir));
        view::make_parent(&cgroup)?;
        let payload = options.tools.join("payload");
        let stage = Self {
            launcher: Launcher::new(dir),
            maker: Maker::new(dir, &payload, options.layout, &cgroup, options.systemd),
            dir: dir.to_owned(),
            options,
        };
        // All programs are read from the same file system.
        fs::create_dir(dir.join("bin")).map_err(|err| err.to_string())?;
        let tools = ["floor", "launch", "inprocess"].map(|name| options.tools.join(name));
        for file in tools.iter().chain(&options.runtimes) {
            fs::copy(file, stage.tool(&name_of(file)))
                .map_err(|err| format!("{}: {err}", file.display()))?;
        }
        Ok(stage)
    }

    /// The copy of a program.
    #[must_use]
    pub fn tool(&self, name: &str) -> PathBuf {
        self.dir.join("bin").join(name)
    }

    fn contestant(&self, name: &str, kind: Kind, program: &str) -> Contestant {
        let trees: Vec<_> = view::trees()
            .iter()
            .map(|tree| tree.display().to_string())
            .collect();
        let systemd = self.options.systemd.then(|| "--systemd-cgroup".to_owned());
        let root = self.dir.join(format!("{name}-state"));
        fs::create_dir_all(&root).expect("the state directory");
        let fast = [FLOOR, LIBRARY, OXRUN, crate::contestant::CRUN];
        Contestant {
            name: name.to_owned(),
            kind,
            program: self.tool(program),
            every: if fast.contains(&name) { 1 } else { SLOW },
            root,
            globals: systemd.into_iter().collect(),
            view: (self.options.layout.name().to_owned(), trees.join(":")),
        }
    }

    /// The arena with all who take part.
    #[must_use]
    pub fn arena(&self) -> Arena {
        let mut contestants = Vec::new();
        if !self.options.systemd {
            contestants.push(self.contestant(FLOOR, Kind::Floor, FLOOR));
            contestants.push(self.contestant(LIBRARY, Kind::Library, "inprocess"));
        }
        for file in &self.options.runtimes {
            let name = name_of(file);
            contestants.push(self.contestant(&name, Kind::Runtime, &name));
        }
        Arena::new(contestants, self.launcher.clone(), &self.maker)
    }

    /// Results with nothing in them yet.
    fn results(&self) -> Results {
        Results {
            place: self.place(),
            programs: self.programs(),
            series: Vec::new(),
            counts: Vec::new(),
            memory: Vec::new(),
            failures: Vec::new(),
        }
    }

    fn place(&self) -> Place {
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Place {
            name: self.options.name.clone(),
            layout: self.options.layout.name().to_owned(),
            manager: if self.options.systemd {
                "systemd"
            } else {
                "cgroupfs"
            }
            .to_owned(),
            kernel: kernel.trim().to_owned(),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            date: self.options.date.clone(),
            rounds: self.options.rounds,
        }
    }

    fn programs(&self) -> BTreeMap<String, Program> {
        let program = |file: &PathBuf| {
            let name = name_of(file);
            let output = Command::new(self.tool(&name)).arg("--version").output();
            let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
            let text = text.unwrap_or_default();
            let version = text
                .lines()
                .next()
                .unwrap_or_default()
                .replace(" version ", " ");
            let bytes = fs::metadata(self.tool(&name)).map_or(0, |meta| meta.len());
            (name, Program { version, bytes })
        };
        self.options.runtimes.iter().map(program).collect()
    }
}

impl Measure {
    /// Those that were asked for, by the beginning of their names.
    #[must_use]
    pub fn operations(&self) -> Vec<Operation> {
        let wanted = |operation: &Operation| {
            self.only.is_empty() || self.only.iter().any(|name| operation.name() == name)
        };
        operation::ALL.iter().copied().filter(wanted).collect()
    }

    /// The layout of the host where none is asked for.
    #[must_use]
    pub fn host_layout() -> Layout {
        if cgroup::is_v2() {
            Layout::V2
        } else {
            Layout::V1
        }
    }
}
