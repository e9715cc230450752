//! The benchmark. `run` beside this crate builds what it needs and calls it.
//!
//! - `bench measure`: times, counts and memory of all runtimes in one place, as JSON.
//! - `bench report`: tables and a picture of the results of all places.
//! - `bench budget`: counts that do not depend on the machine, against `budget.json`.
//! - `bench order`: an order of the program's functions for the linker.

#![allow(clippy::print_stdout, clippy::print_stderr)] // a program that prints

pub mod arena;
pub mod budget;
pub mod bundles;
pub mod contestant;
pub mod counts;
pub mod crowd;
pub mod goals;
pub mod inprocess;
pub mod launch;
pub mod measure;
pub mod memory;
pub mod operation;
pub mod options;
pub mod order;
pub mod picture;
pub mod report;
pub mod results;
pub mod rounds;
pub mod sample;
pub mod steps;
pub mod sys;
pub mod table;
pub mod view;

use std::process::ExitCode;

/// Runs the command that the arguments name.
///
/// # Errors
/// With a text for a person.
pub fn command(arguments: &[String]) -> Result<ExitCode, String> {
    let (name, rest) = arguments
        .split_first()
        .ok_or("usage: bench measure|report|budget|order OPTION…")?;
    sys::leave_inheritance().map_err(|err| format!("descriptors and signals: {err}"))?;
    match name.as_str() {
        "measure" => {
            let options = options::measure(rest).map_err(|err| err.to_string())?;
            match &options.inside {
                Some(dir) => measure::inside(&options, dir),
                None => {
                    let (worked, _) = measure::isolate(arguments, options.systemd)?;
                    Ok(if worked {
                        ExitCode::SUCCESS
                    } else {
                        ExitCode::FAILURE
                    })
                }
            }
        }
        "report" => report::report(&options::report(rest).map_err(|err| err.to_string())?),
        "budget" => budget::command(
            arguments,
            &options::budget(rest).map_err(|err| err.to_string())?,
        ),
        "order" => order::command(
            arguments,
            &options::order(rest).map_err(|err| err.to_string())?,
        ),
        other => Err(format!(
            "unknown command {other}: allowed are measure, report, budget, order"
        )),
    }
}
