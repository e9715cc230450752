//! Why tests fail or are skipped: `reasons/SUITE.md`.
//!
//! The file is Markdown. What stands before the first `## ` introduces the
//! suite. A section explains the tests that its headings name (several headings
//! may follow each other; a name that ends with `*` names all that begin so).
//! Its first lines may be `by: WHO` (suite, kernel, spec, machine or oxrun) and
//! `needs: WHAT` (see [`super::needs`]): the test is held only where that is met.
//! `chance: yes` says that a race decides: the test is not held anywhere.

use super::needs;
use std::path::Path;

/// The reasons of a suite.
#[derive(Debug, Default)]
pub(super) struct Reasons {
    /// What introduces the suite, a `# ` heading first.
    pub intro: String,
    pub sections: Vec<Reason>,
}

/// Why some tests do not pass.
#[derive(Debug, Default)]
pub(super) struct Reason {
    pub tests: Vec<String>,
    /// What is the reason: the suite, the kernel, a newer spec, the machine or oxrun.
    pub by: String,
    /// What the tests need, empty when nothing.
    pub needs: String,
    /// Whether the tests may pass and fail by chance.
    pub chance: bool,
    pub text: String,
}

impl Reason {
    /// Whether it explains a test.
    pub(super) fn explains(&self, test: &str) -> bool {
        self.tests.iter().any(|name| match name.strip_suffix('*') {
            Some(start) => test.starts_with(start),
            None => name == test,
        })
    }

    /// Why the tests are not held on this machine: what they need and it lacks, or chance.
    pub(super) fn unmet(&self) -> Option<&str> {
        if self.chance {
            return Some("luck");
        }
        (!self.needs.is_empty() && !needs::met(&self.needs)).then_some(&self.needs)
    }
}

impl Reasons {
    /// A file that does not exist holds no reasons.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        match std::fs::read_to_string(path) {
            Ok(text) => {
                Self::parse(&text).map_err(|reason| format!("{}: {reason}", path.display()))
            }
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(err) => Err(format!("cannot read {}: {err}", path.display())),
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut all = Self::default();
        let mut in_heading = false;
        for line in text.lines() {
            if let Some(test) = line.strip_prefix("## ") {
                if !in_heading {
                    all.sections.push(Reason::default());
                }
                in_heading = true;
                if let Some(section) = all.sections.last_mut() {
                    section.tests.push(test.trim_matches('`').to_owned());
                }
                continue;
            }
            in_heading &= line.is_empty();
            let Some(section) = all.sections.last_mut() else {
                all.intro.push_str(line);
                all.intro.push('\n');
                continue;
            };
            if let Some(by) = line.strip_prefix("by: ") {
                by.clone_into(&mut section.by);
            } else if line == "chance: yes" {
                section.chance = true;
            } else if let Some(needs) = line.strip_prefix("needs: ") {
                needs::parse(needs).ok_or_else(|| format!("unknown need: {needs}"))?;
                needs.clone_into(&mut section.needs);
            } else {
                section.text.push_str(line);
                section.text.push('\n');
            }
        }
        for section in &all.sections {
            let known = ["suite", "kernel", "spec", "machine", "oxrun"];
            if !known.contains(&section.by.as_str()) {
                let tests = section.tests.join(", ");
                return Err(format!(
                    "{tests}: 'by:' must be one of {}",
                    known.join(", ")
                ));
            }
        }
        Ok(all)
    }

    /// The reason for a test.
    pub(super) fn of(&self, test: &str) -> Option<&Reason> {
        self.sections.iter().find(|section| section.explains(test))
    }
}
