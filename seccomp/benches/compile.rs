//! Compile time and decision length, beside libseccomp in the same run.
//!
//! `cargo bench -p oxrun-seccomp`; without libseccomp only our own figures are printed.

#![allow(clippy::print_stdout)]

#[path = "../tests/oracle/oracle.rs"]
mod oracle;

use std::hint::black_box;
use std::time::{Duration, Instant};

use oci_spec::runtime::{Arch, LinuxSeccomp};
use oracle::{Answer, Oracle};
use seccomp::{Options, compile, known_names, sim, syscall_number};
use seccompiler::BpfProgramRef;

const PROFILES: [(&str, &str); 3] = [
    ("docker", include_str!("../tests/profiles/docker.json")),
    ("podman", include_str!("../tests/profiles/podman.json")),
    (
        "containerd",
        include_str!("../tests/profiles/containerd.json"),
    ),
];
const ARCHS: [Arch; 3] = [Arch::ScmpArchX86_64, Arch::ScmpArchX86, Arch::ScmpArchX32];

fn main() {
    let mut oracle = Oracle::start("bench");
    for (name, text) in PROFILES {
        let profile: LinuxSeccomp = serde_json::from_str(text).unwrap();
        let mut options = Options::default();
        options.native = Arch::ScmpArchX86_64;
        let (best, median) = time(|| compile(&profile, &options).unwrap());
        let filter = compile(&profile, &options).unwrap();
        println!(
            "{name}: oxrun {best:.1?} best, {median:.1?} median; {} instructions; {:.1} on average \
             for a call on x86-64",
            filter.program().len(),
            average_decision(filter.program()),
        );
        let Some(oracle) = &mut oracle else { continue };
        for optimize in [false, true] {
            let Answer::Program(program, theirs) = oracle.compile(&profile, &ARCHS, optimize, 20)
            else {
                continue;
            };
            println!(
                "{name}: libseccomp{} {theirs:.1?} best; {} instructions; {:.1} on average; {:.0} \
                 times ours",
                if optimize { " (binary tree)" } else { "" },
                program.len(),
                average_decision(&program),
                theirs.as_secs_f64() / best.as_secs_f64(),
            );
        }
    }
}

/// The best and the median of a thousand runs.
fn time<T>(work: impl Fn() -> T) -> (Duration, Duration) {
    let mut times: Vec<Duration> = (0..1000)
        .map(|_| {
            let start = Instant::now();
            black_box(work());
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    (times[0], times[times.len() / 2])
}

/// Instructions until the answer, over all system calls of x86-64 with zeroes as arguments.
fn average_decision(program: BpfProgramRef<'_>) -> f64 {
    let numbers = known_names()
        .iter()
        .filter_map(|name| syscall_number(ARCHS[0], name));
    let steps: Vec<usize> = numbers
        .map(|number| {
            let data = sim::Data {
                number,
                arch: ARCHS[0] as u32,
                ..sim::Data::default()
            };
            sim::run(program, &data).unwrap().steps
        })
        .collect();
    steps.iter().sum::<usize>() as f64 / steps.len() as f64
}
