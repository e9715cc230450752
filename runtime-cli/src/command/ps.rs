//! `ps`: the processes of a container, as the host's ps(1) shows them.

#![forbid(unsafe_code)]

use std::process::Command;

use super::Context;
use crate::args::flags;
use crate::failure::Failure;
use crate::output::{self, Status};

pub(super) fn ps(context: &Context<'_>) -> Result<Status, Failure> {
    let processes = context.container()?.processes()?;
    if context.matches.text(&flags::FORMAT).as_deref() == Some("json") {
        return output::json_line(&processes);
    }
    let operands = context.matches.operands();
    let mut ps = Command::new("ps");
    match operands.get(1..) {
        Some(options) if !options.is_empty() => ps.args(options),
        _ => ps.arg("-ef"),
    };
    let shown = ps.output().map_err(|error| failure(error.to_string()))?;
    if !shown.status.success() {
        let said = String::from_utf8_lossy(&shown.stderr);
        return Err(failure(format!("{}: {}", shown.status, said.trim())));
    }
    let listing = String::from_utf8_lossy(&shown.stdout);
    let lines = select(&listing, &processes).ok_or_else(|| {
        failure("there is no PID column in its output; choose options that show one".to_owned())
    })?;
    output::text(&lines)
}

fn failure(problem: String) -> Failure {
    Failure::Program {
        program: "ps",
        problem,
    }
}

/// The heading and the lines whose PID column names one of the processes.
fn select(listing: &str, processes: &[i32]) -> Option<String> {
    let heading = listing.lines().next()?;
    let column = heading.split_whitespace().position(|name| name == "PID")?;
    let mut text = format!("{heading}\n");
    for line in listing.lines().skip(1) {
        let field = line.split_whitespace().nth(column);
        let pid = field.and_then(|field| field.parse().ok());
        if pid.is_some_and(|pid: i32| processes.contains(&pid)) {
            text.push_str(line);
            text.push('\n');
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_containers_processes_are_shown() {
        let listing =
            "UID   PID  PPID CMD\nroot    1     0 init 7\nroot    7     1 sh\nroot   77     7 ls\n";
        assert_eq!(
            select(listing, &[7, 8]).as_deref(),
            Some("UID   PID  PPID CMD\nroot    7     1 sh\n")
        );
        assert_eq!(select("CMD\nsh\n", &[7]), None);
        assert_eq!(select("", &[7]), None);
    }
}
