//! What the project wants of its speed, and whether a run of the benchmark shows it.

use crate::contestant::{CRUN, FLOOR, OXRUN};
use crate::results::Results;
use crate::sample::{Series, median};
use std::fmt;

/// Operation and the part of crun's time that oxrun may take.
const RATIOS: &[(&str, f64)] = &[
    ("run", 0.35),
    ("create+start+delete", 0.30),
    ("exec", 0.25),
    ("state", 0.20),
    ("run, Docker's configuration", 0.35),
    ("create+start+delete, Docker's configuration", 0.30),
    ("exec, Docker's configuration", 0.25),
    ("state, Docker's configuration", 0.20),
    ("100 containers by 8 callers", 0.35),
];
const OF_FLOOR: f64 = 1.6;
const GROWTH: f64 = 1.1;
/// Peak memory of `run`: 1.5 MB in KiB.
pub const PEAK_KIB: u64 = 1500 * 1000 / 1024;
/// Size of the program.
pub const BYTES: u64 = 3_000_000;
const LIMIT: u64 = 1_000_000;

/// System calls of `run`, by version of cgroups.
#[must_use]
pub fn most_calls(layout: &str) -> u64 {
    if layout == "v2" { 200 } else { 300 }
}

/// One figure beside what is wanted.
#[derive(Debug, Clone)]
pub struct Goal {
    what: String,
    is: f64,
    wanted: f64,
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, is, wanted } = self;
        let met = if is <= wanted { "met    " } else { "NOT MET" };
        let digits = if *wanted < 100.0 { 2 } else { 0 };
        write!(
            f,
            "{met}  {what}: {is:.digits$} (at most {wanted:.digits$})"
        )
    }
}

/// All goals that these results say something about.
#[must_use]
pub fn goals(results: &Results) -> Vec<Goal> {
    let mut goals = Vec::new();
    ratios(results, &mut goals);
    crowded(results, &mut goals);
    counts(results, &mut goals);
    goals
}

fn goal(results: &Results, what: &str, is: f64, wanted: f64) -> Goal {
    let what = format!("{}: {what}", results.place.name);
    Goal { what, is, wanted }
}

/// The median of paired ratios.
#[must_use]
pub fn ratio(
    results: &Results,
    operation: &str,
    paused: bool,
    ours: &str,
    theirs: &str,
) -> Option<f64> {
    let ours = results.find(operation, paused, ours)?;
    median(&ours.ratios(results.find(operation, paused, theirs)?))
}

fn ratios(results: &Results, goals: &mut Vec<Goal>) {
    for paused in [false, true] {
        let pauses = if paused { ", with pauses" } else { "" };
        for &(operation, wanted) in RATIOS {
            if let Some(is) = ratio(results, operation, paused, OXRUN, CRUN) {
                goals.push(goal(
                    results,
                    &format!("{operation}{pauses}, of crun's time"),
                    is,
                    wanted,
                ));
            }
        }
        if let Some(is) = ratio(results, "run", paused, OXRUN, FLOOR) {
            goals.push(goal(
                results,
                &format!("run{pauses}, of the floor's time"),
                is,
                OF_FLOOR,
            ));
        }
    }
}

/// What a thousand more mounts cost, in the median.
#[must_use]
pub fn growth(results: &Results, runtime: &str) -> Option<f64> {
    let find = |operation| results.find(operation, false, runtime);
    let series: (&Series, &Series) = (find("run, 1,000 more mounts")?, find("run")?);
    median(&series.0.differences(series.1))
}

fn crowded(results: &Results, goals: &mut Vec<Goal>) {
    if let (Some(ours), Some(floor)) = (growth(results, OXRUN), growth(results, FLOOR)) {
        let what = "1,000 more mounts cost, of what they cost the floor";
        goals.push(goal(results, what, ours / floor, GROWTH));
    }
}

#[allow(clippy::cast_precision_loss)] // for people
fn counts(results: &Results, goals: &mut Vec<Goal>) {
    if let Some(run) = results.counted("run", OXRUN) {
        let wanted = most_calls(&results.place.layout) as f64;
        goals.push(goal(
            results,
            "system calls of run",
            run.system_calls as f64,
            wanted,
        ));
        goals.push(goal(
            results,
            "peak memory of run, KiB",
            run.peak_kib as f64,
            PEAK_KIB as f64,
        ));
    }
    if let Some(program) = results.programs.get(OXRUN) {
        goals.push(goal(
            results,
            "size of the program, bytes",
            program.bytes as f64,
            BYTES as f64,
        ));
    }
    let limit = results.memory.iter().find(|memory| memory.runtime == OXRUN);
    if let Some(limit) = limit.and_then(|memory| memory.smallest_limit) {
        goals.push(goal(
            results,
            "smallest memory limit, bytes",
            limit as f64,
            LIMIT as f64,
        ));
    }
}
