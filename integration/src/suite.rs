//! The command line of the case runner.
//!
//! `[--list] [--workers N] [FILTER…]`: runs the cases whose names hold one of
//! the filters. The runtime is `OXRUN_TEST_RUNTIME`, or the oxrun of this
//! workspace, which is built first.

use crate::case::Case;
use crate::outcome::Outcome;
use crate::runner::{Done, Round};
use crate::{cases, guest, isolate};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

/// All cases in the order of their topics.
#[must_use]
pub fn all() -> Vec<Case> {
    cases::TOPICS
        .iter()
        .flat_map(|topic| topic.iter().copied())
        .collect()
}

/// The case with this name.
#[must_use]
pub fn find(name: &str) -> Option<Case> {
    all().into_iter().find(|case| case.name == name)
}

/// Options of the command line.
#[derive(Debug, Default)]
struct Options {
    list: bool,
    workers: Option<usize>,
    filters: Vec<String>,
}

impl Options {
    /// Arguments of the standard test harness that mean nothing here are let pass.
    fn parse(arguments: &[String]) -> Self {
        let mut options = Self::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--list" => options.list = true,
                "--workers" => options.workers = arguments.next().and_then(|n| n.parse().ok()),
                other if other.starts_with('-') => {}
                other => options.filters.push(other.to_owned()),
            }
        }
        options
    }

    fn select(&self) -> Vec<Case> {
        let wanted = |case: &Case| {
            self.filters.is_empty() || self.filters.iter().any(|f| case.name.contains(f))
        };
        all().into_iter().filter(wanted).collect()
    }
}

/// Acts as a process of a case, or as a program in a container, when the arguments say so.
#[must_use]
pub fn enter(arguments: &[String]) -> Option<ExitCode> {
    guest::enter(arguments).or_else(|| isolate::enter(arguments))
}

/// Runs the suite, or one of the processes of a case.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(code) = enter(&arguments) {
        return code;
    }
    let options = Options::parse(&arguments);
    let cases = options.select();
    if options.list {
        for case in &cases {
            println!("{}: {}", case.name, case.covers);
        }
        return ExitCode::SUCCESS;
    }
    let runtime = match runtime_under_test() {
        Ok(runtime) => runtime,
        Err(reason) => {
            eprintln!("no runtime to test: {reason}");
            return ExitCode::FAILURE;
        }
    };
    let named = std::env::var_os("OXRUN_TEST_RUNTIME").is_some();
    if !named && !runs_containers(&runtime) {
        println!("SKIPPED: the oxrun of this workspace does not run containers yet");
        return ExitCode::SUCCESS;
    }
    println!(
        "running {} cases against {}",
        cases.len(),
        runtime.display()
    );
    let since = Instant::now();
    let round = Round::new(&runtime, "").expect("a directory for the cases");
    let done = round.run(&cases, options.workers.unwrap_or(2), print_line);
    drop(round);
    summary(&done, since)
}

/// The runtime to test: named by the environment, or built here.
///
/// # Errors
/// When the named one does not exist, or building fails.
pub fn runtime_under_test() -> Result<PathBuf, String> {
    match std::env::var_os("OXRUN_TEST_RUNTIME") {
        Some(named) => {
            let path = PathBuf::from(named);
            path.canonicalize()
                .map_err(|err| format!("{}: {err}", path.display()))
        }
        None => own_runtime(),
    }
}

/// Builds the workspace's oxrun with the profile of this program, and the program that embeds the
/// library. In the profile for tests a container's process that uses the heap ends at once: the
/// suite as a whole shows that none does.
///
/// # Errors
/// When building fails.
pub fn own_runtime() -> Result<PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--package", "oxrun", "--bin", "oxrun"]);
    build.args(["--package", "oxrun-libcontainer", "--example", "threads"]);
    build.current_dir(env!("CARGO_MANIFEST_DIR"));
    build.args(if cfg!(debug_assertions) {
        ["--features", "oxrun/abort-on-child-allocation"].as_slice()
    } else {
        ["--release"].as_slice()
    });
    let status = build.status().map_err(|err| format!("cargo: {err}"))?;
    if !status.success() {
        return Err("oxrun does not build".to_owned());
    }
    let own = std::env::current_exe().map_err(|err| err.to_string())?;
    let candidates = own.ancestors().skip(1).take(2).map(|dir| dir.join("oxrun"));
    let found = candidates.into_iter().find(|path| path.is_file());
    found.ok_or_else(|| format!("no oxrun beside {}", own.display()))
}

/// Whether the runtime has a `run` at all: it names what it still lacks. Goes
/// with the first oxrun that runs a container.
fn runs_containers(runtime: &Path) -> bool {
    let probe = Command::new(runtime)
        .args(["run", "--bundle", "/nonexistent", "probe"])
        .output();
    probe.is_ok_and(|out| !String::from_utf8_lossy(&out.stderr).contains("not built yet"))
}

fn print_line(done: &Done) {
    let seconds = done.elapsed.as_secs_f64();
    println!(
        "{:<4}  {:<52} {seconds:.2} s",
        done.outcome.word(),
        done.case.name
    );
    match &done.outcome {
        Outcome::Passed => {}
        Outcome::Skipped(reason) => println!("      SKIPPED: {reason}"),
        Outcome::Failed { detail, .. } => {
            for line in detail.lines() {
                println!("      {line}");
            }
        }
    }
}

fn summary(done: &[Done], since: Instant) -> ExitCode {
    let count = |word| {
        done.iter()
            .filter(|done| done.outcome.word() == word)
            .count()
    };
    let (passed, failed, skipped) = (count("ok"), count("FAIL"), count("SKIP"));
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    let seconds = since.elapsed().as_secs_f64();
    println!(
        "\ntest result: {verdict}. {passed} passed; {failed} failed; {skipped} ignored; \
         0 measured; 0 filtered out; finished in {seconds:.2}s"
    );
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
