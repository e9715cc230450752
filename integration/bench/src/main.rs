//! The command `bench`; see the library.

#![allow(clippy::print_stderr)] // a program that prints

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match oxrun_bench::command(&arguments) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::from(2)
        }
    }
}
