//! Runs every case against oxrun, runc and crun and prints where they differ.

use std::process::ExitCode;

fn main() -> ExitCode {
    integration::differences::main()
}
