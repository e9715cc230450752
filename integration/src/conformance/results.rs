//! Raw results of a run, and the recorded table of a suite.

use super::OWN;
use super::reasons::Reasons;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

/// The first lines of a recorded table.
const HEAD: &str = "# Written by `integration/conformance/run --record`, which never takes a pass of oxrun back.\n";

/// One result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub suite: String,
    pub test: String,
    pub runtime: String,
    /// `pass`, `fail` or `skip`.
    pub result: String,
    /// Why it failed or was skipped, in a line.
    pub note: String,
}

/// What one run of the suites wrote.
#[derive(Debug, Default)]
pub(super) struct Raw {
    rows: Vec<Row>,
    about: Vec<String>,
    /// Suites of which every test has run: `#whole SUITE`.
    whole: BTreeSet<String>,
}

impl Raw {
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|err| format!("cannot read {}: {err}", path.display()))?;
        Self::parse(&text).map_err(|line| format!("{}: not a result: {line}", path.display()))
    }

    /// On failure, the line that is no result.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut raw = Self::default();
        for line in text.lines() {
            if let Some(suite) = line.strip_prefix("#whole ") {
                raw.whole.insert(suite.to_owned());
            } else if let Some(about) = line.strip_prefix("# ") {
                raw.about.push(about.to_owned());
            } else {
                raw.rows.push(row(line).ok_or(line)?);
            }
        }
        Ok(raw)
    }

    /// The suites that have run, by name.
    pub(super) fn suites(&self) -> BTreeSet<&str> {
        self.rows.iter().map(|row| row.suite.as_str()).collect()
    }

    /// Whether every test of a suite was meant to run.
    pub(super) fn whole(&self, suite: &str) -> bool {
        self.whole.contains(suite)
    }

    /// A runtime's results in a suite.
    pub(super) fn of<'a>(
        &'a self,
        suite: &'a str,
        runtime: &'a str,
    ) -> impl Iterator<Item = &'a Row> {
        self.rows
            .iter()
            .filter(move |row| row.suite == suite && row.runtime == runtime)
    }

    pub(super) fn find(&self, suite: &str, runtime: &str, test: &str) -> Option<&Row> {
        self.rows
            .iter()
            .find(|row| row.suite == suite && row.runtime == runtime && row.test == test)
    }
}

fn row(line: &str) -> Option<Row> {
    let mut fields = line.splitn(5, '\t').map(str::to_owned);
    let row = Row {
        suite: fields.next()?,
        test: fields.next()?,
        runtime: fields.next()?,
        result: fields.next()?,
        note: fields.next().unwrap_or_default(),
    };
    ["pass", "fail", "skip"]
        .contains(&row.result.as_str())
        .then_some(row)
}

/// The recorded results of a suite: a line a test, a column a runtime.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// What is said about the machine and the runtimes.
    pub about: Vec<String>,
    pub runtimes: Vec<String>,
    pub lines: Vec<Line>,
}

/// What each runtime did in one test.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub test: String,
    /// A result for each runtime of the table; `-` where the test did not run.
    pub results: Vec<String>,
    /// Why oxrun failed or skipped the test, as the suite says it.
    pub note: String,
}

impl Table {
    /// A file that does not exist is an empty table.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text)
                .ok_or_else(|| format!("{}: not a table of results", path.display())),
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(err) => Err(format!("cannot read {}: {err}", path.display())),
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut table = Self::default();
        let (comments, lines): (Vec<&str>, Vec<&str>) =
            text.lines().partition(|line| line.starts_with('#'));
        let about = |line: &&str| Some(line.strip_prefix("# ")?.to_owned());
        table.about = comments.iter().skip(1).filter_map(about).collect();
        let mut lines = lines.into_iter();
        let mut head = lines.next()?.split('\t').map(str::to_owned);
        (head.next()? == "test").then_some(())?;
        table.runtimes = head.filter(|name| name != "note").collect();
        for line in lines {
            let mut fields = line.split('\t').map(str::to_owned);
            let test = fields.next()?;
            let results: Vec<String> = fields.by_ref().take(table.runtimes.len()).collect();
            (results.len() == table.runtimes.len()).then_some(())?;
            let note = fields.next().unwrap_or_default();
            table.lines.push(Line {
                test,
                results,
                note,
            });
        }
        Some(table)
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), String> {
        std::fs::write(path, self.text())
            .map_err(|err| format!("cannot write {}: {err}", path.display()))
    }

    pub(super) fn text(&self) -> String {
        let mut text = HEAD.to_owned();
        for about in &self.about {
            _ = writeln!(text, "# {about}");
        }
        _ = writeln!(text, "test\t{}\tnote", self.runtimes.join("\t"));
        for line in &self.lines {
            _ = writeln!(
                text,
                "{}\t{}\t{}",
                line.test,
                line.results.join("\t"),
                line.note
            );
        }
        text
    }

    pub(super) fn tests(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(|line| line.test.as_str())
    }

    /// What is recorded of a runtime in a test; `-` when nothing is.
    pub(super) fn result<'a>(&self, line: &'a Line, runtime: &str) -> &'a str {
        let column = self.runtimes.iter().position(|name| name == runtime);
        column.map_or("-", |column| line.results[column].as_str())
    }

    pub(super) fn passed(&self, test: &str, runtime: &str) -> bool {
        let line = self.lines.iter().find(|line| line.test == test);
        line.is_some_and(|line| self.result(line, runtime) == "pass")
    }

    /// Takes the results of a run over; the tests that oxrun passed before and
    /// does not pass now, although nothing that they need is missing.
    pub(super) fn merge(&mut self, suite: &str, raw: &Raw, reasons: &Reasons) -> Vec<String> {
        self.about.clone_from(&raw.about);
        let mut worse = Vec::new();
        for row in raw.rows.iter().filter(|row| row.suite == suite) {
            let lost = row.runtime == OWN && row.result != "pass" && self.passed(&row.test, OWN);
            if !lost {
                self.put(row);
            } else if reasons.of(&row.test).and_then(|r| r.unmet()).is_none() {
                worse.push(row.test.clone());
            }
        }
        if raw.whole(suite) {
            self.lines.retain(|line| {
                raw.rows
                    .iter()
                    .any(|row| row.suite == suite && row.test == line.test)
            });
        }
        worse
    }

    fn put(&mut self, row: &Row) {
        let column = self.column(&row.runtime);
        let width = self.runtimes.len();
        let index = self.lines.iter().position(|line| line.test == row.test);
        let index = index.unwrap_or_else(|| {
            self.lines.push(Line {
                test: row.test.clone(),
                results: vec!["-".to_owned(); width],
                note: String::new(),
            });
            self.lines.len() - 1
        });
        let line = &mut self.lines[index];
        line.results[column].clone_from(&row.result);
        if row.runtime == OWN {
            line.note.clone_from(&row.note);
        }
    }

    /// The column of a runtime, which is added when it is new.
    fn column(&mut self, runtime: &str) -> usize {
        if let Some(column) = self.runtimes.iter().position(|name| name == runtime) {
            return column;
        }
        self.runtimes.push(runtime.to_owned());
        for line in &mut self.lines {
            line.results.push("-".to_owned());
        }
        self.runtimes.len() - 1
    }
}
