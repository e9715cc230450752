//! `bench budget`: counts that do not depend on the machine, against a checked-in file.
//!
//! Never on time. A count above its budget fails; a count below it is told, and
//! `--lower` writes it into the file, which never raises a budget.

use crate::bundles::Config;
use crate::contestant::{OXRUN, Verb};
use crate::counts::Counter;
use crate::inprocess::InProcess;
use crate::launch::Failure;
use crate::measure::{Stage, isolate};
use crate::options::Budget;
use crate::steps;
use crate::view::{self, Layout};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

/// Counts by command and name.
type Counts = BTreeMap<String, BTreeMap<String, u64>>;

/// The checked-in file.
#[derive(Debug, Serialize, Deserialize)]
struct File {
    about: Vec<String>,
    /// What the project wants: told, and not a failure before the budget is there.
    wanted: BTreeMap<String, Counts>,
    /// Hierarchies of version 1 on the machine that made the budgets: counts grow with them.
    hierarchies: usize,
    /// By version of cgroups.
    budgets: BTreeMap<String, Counts>,
}

/// What the process inside has found.
#[derive(Debug, Serialize, Deserialize)]
struct Found {
    hierarchies: usize,
    counts: Counts,
}

const INSTRUCTIONS: &str = "instructions";
const BYTES: &str = "bytes_allocated_before_clone";
/// These vary with the seeds of hash tables and the lengths of numbers and paths.
const SLACK: &[&str] = &[INSTRUCTIONS, BYTES];
const SLACK_PERCENT: u64 = 3;

const PASSES: usize = 5;

/// Measures one layout, in namespaces of its own, and compares.
///
/// # Errors
/// When something cannot be measured or the file cannot be read.
pub fn command(arguments: &[String], options: &Budget) -> Result<ExitCode, Failure> {
    if let Some(dir) = &options.measure.inside {
        let found = inside(options, dir)?;
        println!(
            "{}",
            serde_json::to_string(&found).map_err(|err| err.to_string())?
        );
        return Ok(ExitCode::SUCCESS);
    }
    let (worked, text) = isolate(arguments, false)?;
    if !worked {
        return Err("counts could not be taken".to_owned());
    }
    let found: Found = serde_json::from_str(&text).map_err(|err| err.to_string())?;
    let shown = |err: &dyn std::fmt::Display| format!("{}: {err}", options.file.display());
    let text = fs::read_to_string(&options.file).map_err(|err| shown(&err))?;
    let mut file: File = serde_json::from_str(&text).map_err(|err| shown(&err))?;
    let layout = options.measure.layout.name();
    if layout == "v1" && found.hierarchies != file.hierarchies && !options.lower {
        let (here, there) = (found.hierarchies, file.hierarchies);
        println!("SKIP: budget on v1: {here} hierarchies here, the budgets are for {there}");
        return Ok(ExitCode::SUCCESS);
    }
    let budgets = file.budgets.entry(layout.to_owned()).or_default();
    if options.lower {
        lower(budgets, &found.counts);
    }
    let exceeded = compare(layout, budgets, file.wanted.get(layout), &found.counts);
    if options.lower {
        if layout == "v1" {
            file.hierarchies = found.hierarchies;
        }
        let text = serde_json::to_string_pretty(&file).map_err(|err| err.to_string())?;
        fs::write(&options.file, text + "\n").map_err(|err| shown(&err))?;
    }
    Ok(if exceeded == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Prints every count beside its budget; how many are above.
fn compare(layout: &str, budgets: &Counts, wanted: Option<&Counts>, found: &Counts) -> usize {
    let mut exceeded = 0;
    let get = |counts: &Counts, command: &str, name: &str| counts.get(command)?.get(name).copied();
    for (command, counts) in found {
        for (name, &count) in counts {
            let budget = get(budgets, command, name);
            let above = budget.is_none_or(|budget| count > budget);
            exceeded += usize::from(above);
            let verdict = if above { "ABOVE" } else { "ok   " };
            let budget = budget.map_or_else(|| "none".to_owned(), |budget| budget.to_string());
            let goal = wanted
                .and_then(|wanted| get(wanted, command, name))
                .map_or_else(String::new, |most| {
                    format!(
                        "; wanted: at most {most}, {}",
                        if count <= most { "met" } else { "NOT MET" }
                    )
                });
            println!("{verdict} {layout} {command}: {name} {count} (budget {budget}{goal})");
        }
    }
    exceeded
}

/// Takes lower counts over, and those without a budget.
fn lower(budgets: &mut Counts, found: &Counts) {
    for (command, counts) in found {
        let budgets = budgets.entry(command.clone()).or_default();
        for (name, &count) in counts {
            let count = if SLACK.contains(&name.as_str()) {
                count + count * SLACK_PERCENT / 100
            } else {
                count
            };
            let budget = budgets.entry(name.clone()).or_insert(count);
            *budget = count.min(*budget);
        }
    }
}

fn inside(options: &Budget, dir: &Path) -> Result<Found, Failure> {
    let stage = Stage::prepare(&options.measure, dir)?;
    view::reduce(dir)?;
    let arena = stage.arena();
    let oxrun = arena
        .contestants
        .iter()
        .find(|contestant| contestant.name == OXRUN);
    let oxrun = oxrun.ok_or("give oxrun's program with --runtime")?;
    let brief = arena.brief(oxrun, Config::Default);
    // The first makes what all later ones find.
    stage.launcher.run(&oxrun.words(Verb::Run, brief))?;
    let mut counts = Counts::new();
    // A race may add a call now and then, for instance a second look at a cgroup that is
    // still busy: the smallest of some counts is the same every time.
    for _ in 0..PASSES {
        for found in Counter::new(&arena, &stage.tool("launch"), dir).all(oxrun)? {
            let names = [
                ("system_calls", found.system_calls),
                ("clones", found.clones),
                ("execs", found.execs),
            ];
            let entry = counts.entry(found.command).or_default();
            for (name, count) in names {
                let least = entry.entry(name.to_owned()).or_insert(count);
                *least = count.min(*least);
            }
        }
    }
    let mut add = |command: &str, name: &str, count| {
        counts
            .entry(command.to_owned())
            .or_default()
            .insert(name.to_owned(), count);
    };
    // What user space does differs little between the versions: one is enough for the slowest count.
    if options.measure.layout == Layout::V2 {
        add(
            "run",
            INSTRUCTIONS,
            steps::count(&stage.launcher, &oxrun.words(Verb::Run, brief))?,
        );
        arena.start_waiting(oxrun, Config::Default)?;
        let waiting = arena.waiting(oxrun, Config::Default);
        for (command, verb) in [("exec", Verb::Exec), ("state", Verb::State)] {
            add(
                command,
                INSTRUCTIONS,
                steps::count(&stage.launcher, &oxrun.words(verb, waiting))?,
            );
        }
        arena.end_waiting(oxrun, Config::Default)?;
    }
    let root = dir.join("inprocess-state");
    let mut library = InProcess::start(&stage.tool("inprocess"), &root, brief)?;
    add("create", BYTES, library.allocated()?);
    Ok(Found {
        hierarchies: view::trees().len(),
        counts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(count: u64) -> Counts {
        let names = BTreeMap::from([("system_calls".to_owned(), count)]);
        BTreeMap::from([("run".to_owned(), names)])
    }

    #[test]
    fn budgets_only_fall() {
        let mut budgets = counts(10);
        lower(&mut budgets, &counts(12));
        assert_eq!(budgets, counts(10));
        lower(&mut budgets, &counts(8));
        assert_eq!(budgets, counts(8));
    }

    #[test]
    fn more_than_the_budget_is_found() {
        assert_eq!(compare("v1", &counts(10), None, &counts(10)), 0);
        assert_eq!(compare("v1", &counts(10), None, &counts(11)), 1);
        assert_eq!(compare("v1", &Counts::new(), None, &counts(1)), 1);
    }
}
