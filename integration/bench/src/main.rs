//! The benchmark. `run` beside this crate builds what it needs and calls it.
//!
//! - `bench measure`: times, counts and memory of all runtimes in one place, as JSON.
//! - `bench report`: tables and a picture of the results of all places.
//! - `bench budget`: counts that do not depend on the machine, against `budget.json`.

#![allow(clippy::print_stdout, clippy::print_stderr)] // a program that prints

mod arena;
mod budget;
mod bundles;
mod contestant;
mod counts;
mod crowd;
mod goals;
mod inprocess;
mod launch;
mod measure;
mod memory;
mod operation;
mod options;
mod picture;
mod report;
mod results;
mod rounds;
mod sample;
mod steps;
mod sys;
mod table;
mod view;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match command(&arguments) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::from(2)
        }
    }
}

fn command(arguments: &[String]) -> Result<ExitCode, String> {
    let (name, rest) = arguments
        .split_first()
        .ok_or("usage: bench measure|report|budget OPTION…")?;
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
        other => Err(format!(
            "unknown command {other}: allowed are measure, report, budget"
        )),
    }
}
