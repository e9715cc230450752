//! Runs every integration case against one runtime: see [`integration::suite`].

use std::process::ExitCode;

fn main() -> ExitCode {
    integration::suite::main()
}
