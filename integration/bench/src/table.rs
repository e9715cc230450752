//! Tables in Markdown.

use crate::contestant::{CRUN, FLOOR, OXRUN};
use crate::goals::{goals, growth, ratio};
use crate::operation;
use crate::results::Results;
use crate::sample::{median, quantile};
use std::fmt::Write;

/// Columns of a place, in this order where they took part.
const ORDER: &[&str] = &[FLOOR, "libcontainer", OXRUN, CRUN, "youki", "runc"];

fn names(results: &Results) -> Vec<&'static str> {
    let took_part = |name: &&str| results.series.iter().any(|series| series.runtime == **name);
    ORDER.iter().copied().filter(took_part).collect()
}

fn row(out: &mut String, cells: impl IntoIterator<Item = String>) {
    let cells: Vec<_> = cells.into_iter().collect();
    // Writing to a string cannot fail.
    let _ = writeln!(out, "| {} |", cells.join(" | "));
}

fn head(out: &mut String, cells: &[String]) {
    row(out, cells.iter().cloned());
    let rule = cells
        .iter()
        .enumerate()
        .map(|(index, _)| if index == 0 { "---" } else { "--:" });
    row(out, rule.map(str::to_owned));
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.2}"))
}

fn milliseconds(value: Option<f64>) -> String {
    let text = value.map(|us| us / 1000.0);
    text.map_or_else(
        || "–".to_owned(),
        |ms| {
            if ms < 100.0 {
                format!("{ms:.2}")
            } else {
                format!("{ms:.0}")
            }
        },
    )
}

/// The short table of README: medians in the first place, ratios in all.
#[must_use]
pub fn short(all: &[Results]) -> String {
    let mut out = String::new();
    let Some(first) = all.first() else { return out };
    let shown: Vec<_> = names(first)
        .into_iter()
        .filter(|name| *name != "libcontainer")
        .collect();
    let mut cells = vec![format!("{}, median ms", first.place.name)];
    cells.extend(shown.iter().map(|name| (*name).to_owned()));
    cells.push("oxrun ÷ floor".to_owned());
    for results in all.iter().filter(|results| has_crun(results)) {
        cells.push(format!("{}: oxrun ÷ crun", results.place.name));
        cells.push("with pauses".to_owned());
    }
    head(&mut out, &cells);
    for operation in operation::ALL.iter().map(|operation| operation.name()) {
        let time = |name: &&str| {
            let series = first.find(operation, false, name);
            milliseconds(series.and_then(|series| median(&series.wall())))
        };
        let mut cells = vec![operation.to_owned()];
        cells.extend(shown.iter().map(time));
        cells.push(number(ratio(first, operation, false, OXRUN, FLOOR)));
        for results in all.iter().filter(|results| has_crun(results)) {
            cells.push(number(ratio(results, operation, false, OXRUN, CRUN)));
            cells.push(number(ratio(results, operation, true, OXRUN, CRUN)));
        }
        row(&mut out, cells);
    }
    out.push('\n');
    out + &counts(all)
}

fn has_crun(results: &Results) -> bool {
    names(results).contains(&CRUN)
}

/// System calls, memory and sizes.
fn counts(all: &[Results]) -> String {
    let mut out = String::new();
    // Where crun took part, if there is such a place.
    let one_of_each = |layout: &str| {
        let here =
            |results: &&Results| results.place.layout == layout && !results.counts.is_empty();
        let both = |results: &&Results| here(results) && results.counted("run", CRUN).is_some();
        all.iter().find(both).or_else(|| all.iter().find(here))
    };
    let places: Vec<_> = ["v1", "v2"].into_iter().filter_map(one_of_each).collect();
    let Some(first) = places.first() else {
        return out;
    };
    let shown: Vec<_> = ORDER
        .iter()
        .copied()
        .filter(|name| first.counted("run", name).is_some())
        .collect();
    let mut cells = vec!["system calls".to_owned()];
    for results in &places {
        cells.extend(
            shown
                .iter()
                .map(|name| format!("{name}, {}", results.place.layout)),
        );
    }
    cells.push("peak KiB: oxrun".to_owned());
    cells.push(CRUN.to_owned());
    head(&mut out, &cells);
    let dash = || "–".to_owned();
    for command in ["run", "create", "start", "delete", "exec", "state", "kill"] {
        let mut cells = vec![command.to_owned()];
        for results in &places {
            let calls = |name: &&str| {
                results
                    .counted(command, name)
                    .map_or_else(dash, |c| c.system_calls.to_string())
            };
            cells.extend(shown.iter().map(calls));
        }
        let peak = |name: &str| {
            first
                .counted(command, name)
                .map_or_else(dash, |c| c.peak_kib.to_string())
        };
        cells.extend([peak(OXRUN), peak(CRUN)]);
        row(&mut out, cells);
    }
    out
}

/// Memory limits, charges and sizes, a line for each runtime.
#[must_use]
pub fn memory(all: &[Results]) -> String {
    let mut out = String::new();
    for results in all.iter().filter(|results| !results.memory.is_empty()) {
        let title = format!("{}: memory", results.place.name);
        let cells = [
            title.as_str(),
            "smallest limit, KiB",
            "charged to a waiting container, KiB",
            "program's file, KiB",
        ];
        head(&mut out, &cells.map(str::to_owned));
        for memory in &results.memory {
            let kib = |bytes: Option<u64>| {
                bytes.map_or_else(|| "–".to_owned(), |bytes| (bytes / 1024).to_string())
            };
            let file = results
                .programs
                .get(&memory.runtime)
                .map(|program| program.bytes);
            row(
                &mut out,
                [
                    memory.runtime.clone(),
                    kib(memory.smallest_limit),
                    kib(memory.waiting),
                    kib(file),
                ],
            );
        }
        out.push('\n');
    }
    out
}

/// When, where, and which versions.
#[must_use]
pub fn caption(all: &[Results]) -> String {
    let mut out = String::new();
    for results in all {
        let place = &results.place;
        let versions: Vec<_> = results
            .programs
            .values()
            .map(|program| program.version.as_str())
            .collect();
        let _ = writeln!(
            out,
            "- **{}**: {}, kernel {}, {} CPU, cgroup {} with {}, {} rounds; {}.",
            place.name,
            place.date,
            place.kernel,
            place.cpus,
            place.layout,
            place.manager,
            place.rounds,
            versions.join(", ")
        );
    }
    out
}

/// The long table: every figure of every operation, and the goals.
#[must_use]
pub fn long(all: &[Results]) -> String {
    let mut out = String::from("# Benchmark\n\n");
    out += &caption(all);
    for results in all {
        let _ = writeln!(out, "\n## {}\n", results.place.name);
        one_place(&mut out, results);
        out.push('\n');
        for name in names(results) {
            if let Some(growth) = growth(results, name) {
                let _ = writeln!(
                    out,
                    "1,000 more mounts cost {name} {} ms.",
                    milliseconds(Some(growth))
                );
            }
        }
        for failure in &results.failures {
            let _ = writeln!(out, "- FAILED: {failure}");
        }
    }
    out.push('\n');
    out += &counts(all);
    out.push('\n');
    out += &memory(all);
    out.push_str("## Goals\n\n");
    for goal in all.iter().flat_map(goals) {
        let _ = writeln!(out, "- {goal}");
    }
    out
}

fn one_place(out: &mut String, results: &Results) {
    let titles = [
        "operation",
        "runtime",
        "min ms",
        "median ms",
        "p95 ms",
        "CPU ms",
        "page faults",
        "÷ crun",
        "÷ floor",
    ];
    head(out, &titles.map(str::to_owned));
    for operation in operation::ALL.iter().map(|operation| operation.name()) {
        for paused in [false, true] {
            for name in names(results) {
                let Some(series) = results.find(operation, paused, name) else {
                    continue;
                };
                let wall = series.wall();
                let use_of = |part: fn(&crate::sample::Sample) -> u64| {
                    #[allow(clippy::cast_precision_loss)] // for people
                    let values: Vec<f64> = series
                        .samples
                        .iter()
                        .map(|sample| part(sample) as f64)
                        .collect();
                    median(&values)
                };
                let faults = use_of(|sample| sample.usage.faults);
                row(
                    out,
                    [
                        format!("{operation}{}", if paused { ", with pauses" } else { "" }),
                        name.to_owned(),
                        milliseconds(quantile(&wall, 0.0)),
                        milliseconds(median(&wall)),
                        milliseconds(quantile(&wall, 0.95)),
                        milliseconds(use_of(|sample| sample.usage.cpu_us)),
                        faults.map_or_else(String::new, |faults| format!("{faults:.0}")),
                        number(ratio(results, operation, paused, name, CRUN)),
                        number(ratio(results, operation, paused, name, FLOOR)),
                    ],
                );
            }
        }
    }
}
