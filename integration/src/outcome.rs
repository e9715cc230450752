//! How a case ended, and the form in which its process tells the runner.

use serde_json::{Value, json};
use std::path::Path;

/// The end of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Everything held.
    Passed,
    /// Something did not hold: the rows of a table that failed (empty for a
    /// plain assertion) and what was seen.
    Failed {
        /// Labels of failed table rows.
        rows: Vec<String>,
        /// What was expected and what was seen.
        detail: String,
    },
    /// Not run, and why.
    Skipped(String),
}

impl Outcome {
    /// One word for tables.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Passed => "ok",
            Self::Failed { .. } => "FAIL",
            Self::Skipped(_) => "SKIP",
        }
    }

    /// Writes the outcome where the runner looks for it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let value = match self {
            Self::Passed => json!({"passed": true}),
            Self::Failed { rows, detail } => json!({"rows": rows, "detail": detail}),
            Self::Skipped(reason) => json!({"skipped": reason}),
        };
        std::fs::write(path, value.to_string())
    }

    /// Reads what [`Outcome::write`] wrote; `None` when the case did not get that far.
    #[must_use]
    pub fn read(path: &Path) -> Option<Self> {
        let text = std::fs::read(path).ok()?;
        let value: Value = serde_json::from_slice(&text).ok()?;
        if value.get("passed").is_some() {
            return Some(Self::Passed);
        }
        if let Some(reason) = value.get("skipped").and_then(Value::as_str) {
            return Some(Self::Skipped(reason.to_owned()));
        }
        let rows = value.get("rows")?.as_array()?;
        let rows = rows
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        let detail = value.get("detail")?.as_str()?.to_owned();
        Some(Self::Failed { rows, detail })
    }
}
