//! Counts what single commands ask of the kernel.

use crate::arena::{Arena, read_pid};
use crate::bundles::Config;
use crate::contestant::{Contestant, Place, Verb};
use crate::launch::{Failure, LIMIT, Launcher, Words};
use crate::results::Counts;
use crate::words;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

/// Counts with strace(1) and the small program `launch`.
#[derive(Debug)]
pub struct Counter<'a> {
    arena: &'a Arena,
    launch: PathBuf,
    file: PathBuf,
}

/// System calls by name; of the clones those that made a process.
#[derive(Debug, Clone, Copy, Default)]
struct Calls {
    all: u64,
    clones: u64,
    execs: u64,
}

impl Calls {
    /// Reads the table of `strace -c`.
    fn parse(text: &str) -> Option<Self> {
        let mut calls = Self::default();
        for line in text.lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            let (Some(name), Some(Ok(count))) =
                (words.last(), words.get(3).map(|word| word.parse::<u64>()))
            else {
                continue;
            };
            // The column of errors is empty where there were none.
            let errors = words.get(4).and_then(|word| word.parse::<u64>().ok());
            match *name {
                "total" => calls.all = count,
                "clone" | "clone3" | "fork" | "vfork" => {
                    calls.clones += count - errors.unwrap_or_default();
                }
                "execve" | "execveat" => calls.execs += count,
                _ => {}
            }
        }
        (calls.all > 0).then_some(calls)
    }
}

impl<'a> Counter<'a> {
    /// `launch` is the program of that name.
    #[must_use]
    pub fn new(arena: &'a Arena, launch: &Path, dir: &Path) -> Self {
        Self {
            arena,
            launch: launch.to_owned(),
            file: dir.join("counted"),
        }
    }

    /// Counts everything that the contestant can do.
    ///
    /// # Errors
    /// When a command fails.
    pub fn all(&self, contestant: &Contestant) -> Result<Vec<Counts>, Failure> {
        let brief = self.arena.brief(contestant, Config::Default);
        let waiting = self.arena.waiting(contestant, Config::Default);
        let mut counts = vec![self.one(contestant, "run", Verb::Run, brief)?];
        counts.extend(self.cycle(contestant, brief)?);
        self.arena.start_waiting(contestant, Config::Default)?;
        for (name, verb) in [
            ("exec", Verb::Exec),
            ("state", Verb::State),
            ("kill", Verb::Kill),
        ] {
            counts.push(self.one(contestant, name, verb, waiting)?);
        }
        self.arena.end_waiting(contestant, Config::Default)?;
        Ok(counts)
    }

    /// `run` with Docker's configuration.
    ///
    /// # Errors
    /// When it fails.
    pub fn docker(&self, contestant: &Contestant) -> Result<Counts, Failure> {
        let place = self.arena.brief(contestant, Config::Docker);
        self.one(contestant, "run, Docker's configuration", Verb::Run, place)
    }

    fn one(
        &self,
        contestant: &Contestant,
        name: &str,
        verb: Verb,
        place: &Place,
    ) -> Result<Counts, Failure> {
        let words = contestant.words(verb, place);
        self.arena.launcher.run(&self.traced(&words))?;
        let calls = self.calls()?;
        self.arena.launcher.run(&self.launched(&words))?;
        self.counts(contestant, name, calls)
    }

    /// A trace of `create` ends with the container, which it has made.
    fn cycle(&self, contestant: &Contestant, place: &Place) -> Result<Vec<Counts>, Failure> {
        let words = |verb| contestant.words(verb, place);
        let (start, delete) = (words(Verb::Start), words(Verb::Delete));
        let launcher = &self.arena.launcher;
        drop(fs::remove_file(&place.pid_file));
        let beside = launcher.beside("create");
        let file = self.file.with_extension("create");
        let mut command = beside
            .command(&traced_into(&file, &words(Verb::Create)))
            .map_err(|err| err.to_string())?;
        let mut tracer = command.spawn().map_err(|err| format!("strace: {err}"))?;
        self.await_created(contestant, place, &mut tracer)?;
        launcher.run(&self.traced(&start))?;
        let started = self.calls()?;
        crate::sys::wait(tracer.id().cast_signed(), LIMIT)
            .map_err(|err| format!("strace: {err}"))?;
        let created = read_calls(&file)?;
        Launcher::wait(read_pid(place)?)?;
        launcher.run(&self.traced(&delete))?;
        let deleted = self.calls()?;

        launcher.run(&self.launched(&words(Verb::Create)))?;
        let mut counts = vec![self.counts(contestant, "create", created)?];
        launcher.run(&self.launched(&start))?;
        counts.push(self.counts(contestant, "start", started)?);
        Launcher::wait(read_pid(place)?)?;
        launcher.run(&self.launched(&delete))?;
        counts.push(self.counts(contestant, "delete", deleted)?);
        Ok(counts)
    }

    /// Waits until `create` under strace has nothing more to do.
    fn await_created(
        &self,
        contestant: &Contestant,
        place: &Place,
        tracer: &mut Child,
    ) -> Result<(), Failure> {
        let end = Instant::now() + LIMIT;
        let state = contestant.words(Verb::State, place);
        let created = || read_pid(place).is_ok() && self.arena.launcher.run(&state).is_ok();
        while !created() {
            if Instant::now() > end || !matches!(tracer.try_wait(), Ok(None)) {
                return Err(format!("{}: create fails under strace", contestant.name));
            }
            nap();
        }
        // The command itself may have its last words to say.
        nap();
        Ok(())
    }

    fn counts(&self, contestant: &Contestant, name: &str, calls: Calls) -> Result<Counts, Failure> {
        let text = fs::read_to_string(&self.file).map_err(|err| format!("launch: {err}"))?;
        let (peak, faults) = text.trim().split_once(' ').ok_or("launch: no figures")?;
        Ok(Counts {
            command: name.to_owned(),
            runtime: contestant.name.clone(),
            system_calls: calls.all,
            clones: calls.clones,
            execs: calls.execs,
            peak_kib: peak.parse().map_err(|err| format!("launch: {err}"))?,
            faults: faults.parse().map_err(|err| format!("launch: {err}"))?,
        })
    }

    fn traced(&self, words: &Words) -> Words {
        traced_into(&self.file, words)
    }

    fn launched(&self, words: &Words) -> Words {
        let mut all = words![self.launch, self.file];
        all.extend(words.iter().cloned());
        all
    }

    fn calls(&self) -> Result<Calls, Failure> {
        read_calls(&self.file)
    }
}

fn traced_into(file: &Path, words: &Words) -> Words {
    let mut all = words!["strace", "-f", "-c", "-o", file];
    all.extend(words.iter().cloned());
    all
}

fn read_calls(file: &Path) -> Result<Calls, Failure> {
    let text = fs::read_to_string(file).map_err(|err| format!("strace: {err}"))?;
    Calls::parse(&text).ok_or_else(|| format!("strace: no table in {text:?}"))
}

fn nap() {
    #[allow(clippy::disallowed_methods)] // a runtime seen from outside has no event to wait for
    std::thread::sleep(Duration::from_millis(50));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let text = "% time     seconds  usecs/call     calls    errors syscall\n\
            ------ ----------- ----------- --------- --------- ----------------\n\
            50.00    0.001000          10         3         1 clone3\n\
            50.00    0.001000          10        30         7 openat\n\
            ------ ----------- ----------- --------- --------- ----------------\n\
            100.00    0.002000          10        33         8 total\n";
        let calls = Calls::parse(text).expect("a table");
        assert_eq!((calls.all, calls.clones, calls.execs), (33, 2, 0));
    }
}
