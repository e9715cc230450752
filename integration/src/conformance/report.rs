//! The Markdown summary of what is recorded.

use super::OWN;
use super::reasons::Reasons;
use super::results::Table;
use std::fmt::Write as _;

const INTRO: &str = "\
# Conformance

Written by `integration/conformance/run --record` (or `--report`, which runs nothing) from the results in
[integration/conformance/expected](../integration/conformance/expected) and the reasons in
[integration/conformance/reasons](../integration/conformance/reasons). CI runs the suites on every change and fails when a test that is recorded as passed does not
pass. All runtimes of a table ran on the same machine in the same run.
";

type Suite = (String, Table, Reasons);

/// The whole page.
pub(super) fn markdown(suites: &[Suite]) -> String {
    let mut text = INTRO.to_owned();
    text.push_str("\n## Summary\n\n");
    for suite in suites {
        summary(&mut text, suite);
    }
    for suite in suites {
        section(&mut text, suite);
    }
    text
}

/// Tests that oxrun does not pass and nobody has explained, as `suite: test`.
pub(super) fn unexplained((name, table, reasons): &Suite) -> Vec<String> {
    let mut found = Vec::new();
    for line in &table.lines {
        // A skipped test says itself why.
        let said = table.result(line, OWN) == "skip" && !line.note.is_empty();
        if table.result(line, OWN) != "pass" && !said && reasons.of(&line.test).is_none() {
            found.push(format!("{name}: {}", line.test));
        }
    }
    found
}

fn summary(text: &mut String, (name, table, _): &Suite) {
    _ = writeln!(text, "**{name}**: {} tests\n", table.lines.len());
    _ = writeln!(
        text,
        "| runtime | passed | failed | skipped |\n|---|---|---|---|"
    );
    for runtime in &table.runtimes {
        let count = |wanted: &str| {
            let lines = table.lines.iter();
            lines
                .filter(|line| table.result(line, runtime) == wanted)
                .count()
        };
        let (passed, failed, skipped) = (count("pass"), count("fail"), count("skip"));
        _ = writeln!(text, "| {runtime} | {passed} | {failed} | {skipped} |");
    }
    let peers_pass = |runtime: &&String| **runtime != OWN;
    let behind: Vec<&str> = table
        .lines
        .iter()
        .filter(|line| table.result(line, OWN) != "pass")
        .filter(|line| {
            let mut peers = table.runtimes.iter().filter(peers_pass);
            peers.any(|peer| table.result(line, peer) == "pass")
        })
        .map(|line| line.test.as_str())
        .collect();
    let behind = if behind.is_empty() {
        "none".to_owned()
    } else {
        behind.join(", ")
    };
    _ = writeln!(
        text,
        "\nPassed by another runtime and not by oxrun: {behind}.\n"
    );
}

fn section(text: &mut String, (name, table, reasons): &Suite) {
    let intro = reasons.intro.trim();
    match intro.strip_prefix("# ") {
        Some(intro) => _ = writeln!(text, "## {intro}\n"),
        None => _ = writeln!(text, "## {name}\n\n{intro}\n"),
    }
    for about in &table.about {
        _ = writeln!(text, "- {about}");
    }
    _ = writeln!(text, "\n| test | {} | reason |", table.runtimes.join(" | "));
    _ = writeln!(text, "|---|{}---|", "---|".repeat(table.runtimes.len()));
    for line in &table.lines {
        let words: Vec<&str> = line.results.iter().map(|result| shown(result)).collect();
        let why = if table.result(line, OWN) == "pass" {
            line.note.clone()
        } else {
            let by = reasons
                .of(&line.test)
                .map(|reason| format!("{}, below", reason.by));
            by.unwrap_or_else(|| line.note.clone())
        };
        let cell = |text: &str| text.replace('|', "\\|");
        _ = writeln!(
            text,
            "| {} | {} | {} |",
            cell(&line.test),
            words.join(" | "),
            cell(&why)
        );
    }
    text.push('\n');
    why(text, reasons);
}

fn why(text: &mut String, reasons: &Reasons) {
    for reason in &reasons.sections {
        let tests: Vec<String> = reason
            .tests
            .iter()
            .map(|test| format!("`{test}`"))
            .collect();
        _ = writeln!(text, "### {}\n", tests.join(", "));
        _ = write!(text, "Reason: {}.", reason.by);
        if !reason.needs.is_empty() {
            _ = write!(text, " Needs: {}.", reason.needs);
        }
        _ = writeln!(text, " {}\n", reason.text.trim());
    }
}

fn shown(result: &str) -> &str {
    match result {
        "fail" => "**fail**",
        other => other,
    }
}
