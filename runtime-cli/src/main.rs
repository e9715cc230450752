//! `oxrun`: a low-level OCI container runtime with runc's command line.

#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    oxrun::main()
}
