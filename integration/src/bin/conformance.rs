//! Holds the results of the outside conformance suites; see `integration/conformance/run`.

use std::process::ExitCode;

fn main() -> ExitCode {
    integration::conformance::main()
}
