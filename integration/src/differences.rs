//! Runs every case against several runtimes and prints where they differ.
//!
//! `[--runtime PATH]… [--workers N] [FILTER…]`. Without `--runtime`: the oxrun of this
//! workspace, and the runc and crun of PATH. The file `differences.json` of
//! this crate explains differences; the command fails when one is unexplained,
//! and when an explanation explains nothing any more.

use crate::case::Case;
use crate::outcome::Outcome;
use crate::runner::{Done, Round};
use crate::runtime::{Kind, Runtime};
use crate::suite;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const EXPLANATIONS: &str = include_str!("../differences.json");

/// One entry of `differences.json`.
#[derive(Debug, Clone)]
struct Explained {
    case: String,
    runtime: String,
    /// The rows that fail, as the table prints them; empty for a failure of the whole case, `*` where
    /// they depend on the machine.
    rows: String,
    reason: String,
    /// Whether the runtime passes at times.
    sometimes: bool,
}

impl Explained {
    fn explains(&self, case: &str, runtime: &str, rows: &str) -> bool {
        self.case == case && self.runtime == runtime && (self.rows == "*" || self.rows == rows)
    }
}

/// What a runtime did in one case.
#[derive(Debug)]
struct Cell {
    runtime: String,
    outcome: Outcome,
}

/// Runs the command, or one of the processes of a case.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(code) = suite::enter(&arguments) {
        return code;
    }
    let (runtimes, filters, workers) = match parse(&arguments) {
        Ok(parsed) => parsed,
        Err(reason) => {
            eprintln!("differences: {reason}");
            return ExitCode::FAILURE;
        }
    };
    let wanted = |case: &Case| filters.is_empty() || filters.iter().any(|f| case.name.contains(f));
    let cases: Vec<Case> = suite::all().into_iter().filter(wanted).collect();
    let mut table: BTreeMap<&'static str, Vec<Cell>> = BTreeMap::new();
    for (number, path) in runtimes.iter().enumerate() {
        let name = label(path);
        eprintln!("{} cases against {name} ({})", cases.len(), path.display());
        let round = Round::new(path, &format!(".{number}")).expect("a directory for the cases");
        for Done { case, outcome, .. } in round.run(&cases, workers, |_| {}) {
            let runtime = name.clone();
            table
                .entry(case.name)
                .or_default()
                .push(Cell { runtime, outcome });
        }
    }
    print_table(&table, &explanations(), filters.is_empty())
}

fn parse(arguments: &[String]) -> Result<(Vec<PathBuf>, Vec<String>, usize), String> {
    let (mut runtimes, mut filters, mut workers) = (Vec::new(), Vec::new(), 2);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--runtime" => {
                let path = arguments.next().ok_or("--runtime wants a path")?;
                runtimes.push(PathBuf::from(path));
            }
            "--workers" => {
                let number = arguments.next().and_then(|number| number.parse().ok());
                workers = number.ok_or("--workers wants a number")?;
            }
            option if option.starts_with('-') => return Err(format!("unknown option {option}")),
            filter => filters.push(filter.to_owned()),
        }
    }
    if runtimes.is_empty() {
        runtimes.push(suite::runtime_under_test()?);
        let peers = ["/usr/sbin/runc", "/usr/bin/runc", "/usr/bin/crun"].map(PathBuf::from);
        let found = |kind| {
            peers
                .iter()
                .find(|p| p.is_file() && Runtime::kind_of(p) == kind)
        };
        runtimes.extend(
            [Kind::Runc, Kind::Crun]
                .into_iter()
                .filter_map(found)
                .cloned(),
        );
    }
    Ok((runtimes, filters, workers))
}

/// The name of a runtime in the table and in the explanations.
fn label(path: &Path) -> String {
    match Runtime::kind_of(path) {
        Kind::Oxrun => "oxrun".to_owned(),
        Kind::Runc => "runc".to_owned(),
        Kind::Crun => "crun".to_owned(),
        Kind::Other => path.display().to_string(),
    }
}

fn explanations() -> Vec<Explained> {
    let entries: Vec<Value> = serde_json::from_str(EXPLANATIONS).expect("differences.json");
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let read = |entry: &Value| Explained {
        case: text(entry, "case"),
        runtime: text(entry, "runtime"),
        rows: text(entry, "rows"),
        reason: text(entry, "reason"),
        sometimes: entry["sometimes"] == true,
    };
    entries.iter().map(read).collect()
}

fn print_table(
    table: &BTreeMap<&'static str, Vec<Cell>>,
    explained: &[Explained],
    complete: bool,
) -> ExitCode {
    let (mut unexplained, mut used) = (0, vec![false; explained.len()]);
    for (case, cells) in table {
        for cell in cells {
            let Outcome::Failed { rows, detail } = &cell.outcome else {
                continue;
            };
            let rows = rows.join(", ");
            let found = explained
                .iter()
                .position(|entry| entry.explains(case, &cell.runtime, &rows));
            println!("{case}  {}  FAIL  {rows}", cell.runtime);
            match found {
                Some(index) => {
                    used[index] = true;
                    println!("    explained: {}", explained[index].reason);
                }
                None => {
                    unexplained += 1;
                    println!("    UNEXPLAINED");
                    detail
                        .lines()
                        .take(20)
                        .for_each(|line| println!("    {line}"));
                }
            }
        }
    }
    let ran = |name: &str| table.values().flatten().any(|cell| cell.runtime == name);
    let stale: Vec<&Explained> = explained
        .iter()
        .zip(&used)
        .filter(|(entry, used)| complete && !**used && !entry.sometimes && ran(&entry.runtime))
        .map(|(entry, _)| entry)
        .collect();
    for entry in &stale {
        println!(
            "{}  {}  explanation matches no failure: {:?}",
            entry.case, entry.runtime, entry.rows
        );
    }
    print_totals(table);
    println!("{unexplained} unexplained, {} stale", stale.len());
    if unexplained == 0 && stale.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn print_totals(table: &BTreeMap<&'static str, Vec<Cell>>) {
    let mut totals: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for cell in table.values().flatten() {
        let column = match cell.outcome {
            Outcome::Passed => 0,
            Outcome::Failed { .. } => 1,
            Outcome::Skipped(_) => 2,
        };
        totals.entry(&cell.runtime).or_default()[column] += 1;
    }
    for (runtime, [passed, failed, skipped]) in totals {
        println!("{runtime}: {passed} passed, {failed} failed, {skipped} skipped");
    }
}
