//! The only place that prints, and the exit statuses.

#![forbid(unsafe_code)]

use std::io::{ErrorKind, Write};

use serde::Serialize;

use crate::failure::Failure;

/// With what status the program exits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// The command did what it should: 0.
    Success,
    /// It did not: 1.
    Failure,
    /// There is no such command: 3, as runc.
    UnknownCommand,
    /// `exec` failed before its program ran: 255, as runc.
    ExecFailure,
    /// What the container's program ended with: its code, or 128 and the signal.
    Program(u8),
}

impl From<Status> for u8 {
    fn from(status: Status) -> Self {
        match status {
            Status::Success => 0,
            Status::Failure => 1,
            Status::UnknownCommand => 3,
            Status::ExecFailure => 255,
            Status::Program(code) => code,
        }
    }
}

impl From<libcontainer::Exit> for Status {
    fn from(exit: libcontainer::Exit) -> Self {
        Self::Program(u8::try_from(exit.code()).unwrap_or(u8::MAX))
    }
}

/// Writes text to stdout. A reader that went away has seen enough: that is a success.
pub(crate) fn text(text: &str) -> Result<Status, Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::Output(error)),
        _ => Ok(Status::Success),
    }
}

/// Writes a value to stdout as one line of JSON.
pub(crate) fn json_line(value: &impl Serialize) -> Result<Status, Failure> {
    let mut line = serde_json::to_string(value).map_err(|e| Failure::Output(e.into()))?;
    line.push('\n');
    text(&line)
}

/// Writes a value to stdout as JSON for people.
pub(crate) fn json_pretty(value: &impl Serialize) -> Result<Status, Failure> {
    let mut json = serde_json::to_string_pretty(value).map_err(|e| Failure::Output(e.into()))?;
    json.push('\n');
    text(&json)
}

/// Writes a line to stderr. Nobody can be told when that fails.
pub(crate) fn error_line(line: &str) {
    let mut out = std::io::stderr().lock();
    let _ = out.write_all(format!("{line}\n").as_bytes());
}

/// Aligns rows in columns as runc's tables: at least twelve characters wide, three apart.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    const NARROWEST: usize = 12;
    const GAP: usize = 3;
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        (widest + GAP).max(NARROWEST)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            text.push_str(cell);
            if column + 1 < row.len() {
                let used = cell.chars().count();
                let width = widths.get(column).copied().unwrap_or(NARROWEST);
                text.extend(std::iter::repeat_n(' ', width.saturating_sub(used)));
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_the_columns_of_runc() {
        let rows = [
            vec!["ID".into(), "PID".into(), "STATUS".into()],
            vec!["a-long-container-id".into(), "7".into(), "running".into()],
        ];
        let text = table(&rows);
        assert_eq!(
            text,
            "ID                    PID         STATUS\na-long-container-id   7           running\n"
        );
    }
}
