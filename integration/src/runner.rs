//! Runs cases, each in its own processes, and collects their outcomes.

use crate::case::Case;
use crate::isolate::{REAPER, Setting};
use crate::manager::Manager;
use crate::outcome::Outcome;
use crate::{cgroup, exec, sys};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// One case's outcome.
#[derive(Debug, Clone)]
pub struct Done {
    /// The case.
    pub case: Case,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    pub elapsed: Duration,
}

/// A directory and a cgroup name for one round of cases, removed at the end.
#[derive(Debug)]
pub struct Round {
    dir: PathBuf,
    cgroup: String,
    manager: Manager,
    runtime: PathBuf,
}

impl Round {
    /// Prepares a round with one runtime.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn new(runtime: &Path, label: &str) -> std::io::Result<Self> {
        let name = format!("oxrun-test-{}{label}", std::process::id());
        let dir = std::env::temp_dir().join(&name);
        let manager = Manager::under_test();
        fs::create_dir(&dir)?;
        let dir = dir.canonicalize()?;
        let runtime = reachable(runtime, &dir)?;
        Ok(Self {
            dir,
            cgroup: manager.below(&manager.base().unwrap_or_default(), &name),
            manager,
            runtime,
        })
    }

    /// Runs all cases on `workers` threads, the serial ones afterwards alone;
    /// `report` is called as each ends.
    ///
    /// # Panics
    /// When a worker panics.
    pub fn run(&self, cases: &[Case], workers: usize, report: impl Fn(&Done) + Sync) -> Vec<Done> {
        let (serial, parallel): (Vec<Case>, Vec<Case>) = cases.iter().partition(|c| c.serial);
        let mut done = self.run_on(&parallel, workers, &report);
        done.extend(self.run_on(&serial, 1, &report));
        done
    }

    fn run_on(
        &self,
        cases: &[Case],
        workers: usize,
        report: &(impl Fn(&Done) + Sync),
    ) -> Vec<Done> {
        let queue = Mutex::new(cases.iter());
        let done = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    loop {
                        let next = queue.lock().expect("the queue").next().copied();
                        let Some(case) = next else { break };
                        let result = self.run_one(case);
                        let mut done = done.lock().expect("the results");
                        report(&result);
                        done.push(result);
                    }
                });
            }
        });
        done.into_inner().expect("the results")
    }

    fn run_one(&self, case: Case) -> Done {
        let since = Instant::now();
        let outcome = match case.unmet() {
            Some(reason) => Outcome::Skipped(reason),
            // The thread leaves its PID namespace for good: one for each case.
            None => std::thread::scope(|scope| {
                let thread = scope.spawn(|| self.run_isolated(case));
                thread
                    .join()
                    .unwrap_or_else(|_| failure("the runner panicked".to_owned()))
            }),
        };
        Done {
            case,
            outcome,
            elapsed: since.elapsed(),
        }
    }

    fn run_isolated(&self, case: Case) -> Outcome {
        let flat = case.name.replace('/', ".");
        let setting = Setting {
            dir: self.dir.join(&flat),
            cgroup: self.manager.below(&self.cgroup, &flat),
            runtime: self.runtime.clone(),
        };
        fs::create_dir(&setting.dir).expect("create the case's directory");
        if self.manager.own_pid_namespace() {
            let flags = nix::sched::CloneFlags::CLONE_NEWPID;
            nix::sched::unshare(flags).expect("a new PID namespace");
        }
        let finished = run_reaper(case, &setting);
        let outcome = Outcome::read(&setting.outcome());
        self.manager.stop(&setting.cgroup);
        let left = cgroup::remove(&setting.cgroup);
        let log = fs::read_to_string(setting.dir.join("log")).unwrap_or_default();
        match outcome {
            _ if !finished => failure(format!("not done within {:?}\n{log}", case.limit)),
            None => failure(format!("the case's process died\n{log}")),
            Some(Outcome::Passed) if !left.is_empty() => {
                failure(format!("cgroups that cannot be removed: {left:?}"))
            }
            Some(outcome) => outcome,
        }
    }
}

/// The program, or its copy where other users cannot come to it, as in a clone below `/root`:
/// rootless cases run it as one of them.
fn reachable(program: &Path, dir: &Path) -> std::io::Result<PathBuf> {
    let closed =
        |dir: &Path| fs::metadata(dir).is_ok_and(|dir| dir.permissions().mode() & 0o001 == 0);
    if !sys::is_root() || !program.ancestors().skip(1).any(closed) {
        return Ok(program.to_owned());
    }
    let copy = dir.join(program.file_name().unwrap_or_default());
    fs::copy(program, &copy)?;
    Ok(copy)
}

/// Starts the reaper and waits for it; false when the time limit was reached.
fn run_reaper(case: Case, setting: &Setting) -> bool {
    let mut command = exec::command("/proc/self/exe");
    command.args([REAPER, case.name]);
    setting.export(&mut command);
    let log = File::create(setting.dir.join("log")).expect("create the log");
    command
        .stdout(log.try_clone().expect("duplicate the log"))
        .stderr(log);
    let setup = sys::ChildSetup {
        die_with_parent: true,
        ..Default::default()
    };
    sys::set_up_child(&mut command, setup);
    let running = exec::Running::spawn(&mut command);
    let in_time = running.ended_within(case.limit);
    if !in_time {
        cgroup::thaw(&setting.cgroup);
    }
    let _ = running.wait(Duration::ZERO);
    in_time
}

fn failure(detail: String) -> Outcome {
    Outcome::Failed {
        rows: Vec::new(),
        detail,
    }
}

impl Drop for Round {
    fn drop(&mut self) {
        self.manager.stop(&self.cgroup);
        drop(cgroup::remove(&self.cgroup));
        drop(fs::remove_dir_all(&self.dir));
    }
}
