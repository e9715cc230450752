//! What the outside conformance suites said, beside what they are expected to say.
//!
//! `integration/conformance/run` builds and runs the suites and hands the raw
//! results to the `conformance` command, which has three subcommands:
//!
//! * `check RAW`: fails when a test that is recorded as passed does not pass;
//! * `record RAW`: writes the results into `expected/`, never taking a pass back;
//! * `report`: writes `docs/conformance.md` from `expected/` and `reasons/`.
//!
//! A raw result is a line `suite TAB test TAB runtime TAB result TAB note`; a
//! line that starts with `# ` says something about the machine or a runtime.

mod needs;
mod reasons;
mod report;
mod results;

use reasons::Reasons;
use results::{Raw, Table};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The runtime whose results are held.
const OWN: &str = "oxrun";

/// Runs the command.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let place = Place::new();
    let done = match words[..] {
        ["check", raw] => Raw::read(Path::new(raw)).and_then(|raw| place.check(&raw)),
        ["record", raw] => Raw::read(Path::new(raw)).and_then(|raw| place.record(&raw)),
        ["report"] => place.report(),
        _ => Err("usage: conformance check RAW | record RAW | report".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("conformance: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// Where the checked-in files are.
#[derive(Debug)]
struct Place {
    files: PathBuf,
    report: PathBuf,
}

impl Place {
    fn new() -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self {
            files: here.join("conformance"),
            report: here.join("../docs/conformance.md"),
        }
    }

    fn expected(&self, suite: &str) -> PathBuf {
        self.files.join("expected").join(format!("{suite}.tsv"))
    }

    fn reasons(&self, suite: &str) -> Result<Reasons, String> {
        Reasons::read(&self.files.join("reasons").join(format!("{suite}.md")))
    }

    /// Holds what has run against what is recorded.
    fn check(&self, raw: &Raw) -> Result<(), String> {
        let mut failed = 0;
        for suite in raw.suites() {
            let expected = Table::read(&self.expected(suite))?;
            let reasons = self.reasons(suite)?;
            failed += check_suite(suite, &expected, raw, &reasons);
        }
        if failed == 0 {
            return Ok(());
        }
        Err(format!("{failed} results are not as expected"))
    }

    /// Records what has run.
    fn record(&self, raw: &Raw) -> Result<(), String> {
        for suite in raw.suites() {
            let path = self.expected(suite);
            let mut table = Table::read(&path)?;
            let reasons = self.reasons(suite)?;
            let worse = table.merge(suite, raw, &reasons);
            if !worse.is_empty() {
                return Err(format!(
                    "{suite}: {} passed before and does not now: nothing is recorded",
                    worse.join(", ")
                ));
            }
            table.write(&path)?;
        }
        self.report()
    }

    /// Writes the summary.
    fn report(&self) -> Result<(), String> {
        let mut suites = Vec::new();
        for name in self.recorded()? {
            let table = Table::read(&self.expected(&name))?;
            let reasons = self.reasons(&name)?;
            suites.push((name, table, reasons));
        }
        let text = report::markdown(&suites);
        std::fs::write(&self.report, text)
            .map_err(|err| format!("cannot write {}: {err}", self.report.display()))?;
        let unexplained: Vec<String> = suites.iter().flat_map(report::unexplained).collect();
        if unexplained.is_empty() {
            return Ok(());
        }
        Err(format!("without a reason: {}", unexplained.join("; ")))
    }

    /// The suites that have recorded results, by name.
    fn recorded(&self) -> Result<Vec<String>, String> {
        let dir = self.files.join("expected");
        let entries = std::fs::read_dir(&dir)
            .map_err(|err| format!("cannot read {}: {err}", dir.display()))?;
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter_map(|name| Some(name.strip_suffix(".tsv")?.to_owned()))
            .collect();
        names.sort();
        Ok(names)
    }
}

/// Prints what is not as expected; the number of results that are worse or
/// neither passed nor explained.
fn check_suite(suite: &str, expected: &Table, raw: &Raw, reasons: &Reasons) -> usize {
    let mut wrong = 0;
    for row in raw.of(suite, OWN) {
        let recorded = expected.passed(&row.test, OWN);
        let unmet = reasons.of(&row.test).and_then(|r| r.unmet());
        match (row.result.as_str(), recorded, unmet) {
            ("pass", true, _) => {}
            ("pass", false, None) => println!("{suite}: {} passes now; record it", row.test),
            ("pass", false, Some(_)) => {}
            (_, true, Some(need)) => println!("{suite}: {} not held: needs {need}", row.test),
            (result, true, None) => {
                println!(
                    "{suite}: {} passed before: {result}: {}",
                    row.test, row.note
                );
                wrong += 1;
            }
            ("fail", false, _) if reasons.of(&row.test).is_none() => {
                println!("{suite}: {} fails without a reason: {}", row.test, row.note);
                wrong += 1;
            }
            (_, false, _) => {}
        }
    }
    if raw.whole(suite) {
        for test in expected
            .tests()
            .filter(|test| raw.find(suite, OWN, test).is_none())
        {
            println!("{suite}: {test} did not run");
            wrong += 1;
        }
    }
    wrong
}

#[cfg(test)]
mod tests;
