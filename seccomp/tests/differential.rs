//! Holds the compiler against what was not made from it: a naive reading of the profile,
//! libseccomp and seccompiler.
//!
//! `OXRUN_TEST_LONG=1` tries 10,000 random profiles everywhere, `OXRUN_TEST_SEED=N` others
//! than usual. The seed of a failure is in its message.

#[path = "differential/libseccomp.rs"]
mod libseccomp;
#[path = "differential/machines.rs"]
mod machines;
#[path = "oracle/oracle.rs"]
mod oracle;
#[path = "differential/probes.rs"]
mod probes;
#[path = "differential/random.rs"]
mod random;
#[path = "differential/seccompiler.rs"]
mod seccompiler;

use std::env;

use machines::{MACHINES, listed};
use oci_spec::runtime::{Arch, LinuxSeccomp};
use random::{Conflicts, Random};
use seccomp::{Call, Explainer, Options, compile, explain, known_names, sim};

const PROFILES: [(&str, &str); 3] = [
    ("docker", include_str!("profiles/docker.json")),
    ("podman", include_str!("profiles/podman.json")),
    ("containerd", include_str!("profiles/containerd.json")),
];

fn seeds(usual: u64) -> std::ops::Range<u64> {
    let first = env::var("OXRUN_TEST_SEED").map_or(0, |seed| seed.parse().unwrap());
    let count = if env::var_os("OXRUN_TEST_LONG").is_some() {
        10_000
    } else {
        usual
    };
    first..first + count
}

/// Compares the program with the naive reading for everything that can make a difference.
fn compare_with_explain(profile: &LinuxSeccomp, options: &Options, archs: &[Arch], what: &str) {
    let filter = compile(profile, options).unwrap();
    let explainer = Explainer::new(profile, options).unwrap();
    assert_eq!(filter.check(), Ok(()), "{what}");
    for &arch in archs {
        for call in probes::calls(profile, arch) {
            let expected = explainer.explain(&call);
            let run = sim::run(filter.program(), &probes::data(&call)).unwrap();
            assert_eq!(
                run.action, expected.action,
                "{what}: {call:x?} {expected:?}"
            );
        }
    }
}

#[test]
fn default_profiles_do_what_they_say() {
    for (name, text) in PROFILES {
        let mut profile: LinuxSeccomp = serde_json::from_str(text).unwrap();
        for (native, others) in MACHINES {
            let archs = listed(native, others);
            profile.set_architectures(Some(archs.clone()));
            for enosys_for_newer_calls in [true, false] {
                let mut options = Options::default();
                options.native = native;
                options.enosys_for_newer_calls = enosys_for_newer_calls;
                compare_with_explain(&profile, &options, &archs, name);
            }
        }
    }
}

/// A multiplexer's number may be above those of all calls that the profile names.
#[test]
fn a_multiplexed_call_is_not_newer_than_the_profile() {
    let profile = r#"{ "defaultAction": "SCMP_ACT_KILL",
        "syscalls": [ { "names": [ "getpid", "semop" ], "action": "SCMP_ACT_ALLOW" } ] }"#;
    let profile: LinuxSeccomp = serde_json::from_str(profile).unwrap();
    let mut options = Options::default();
    options.native = Arch::ScmpArchPpc;
    compare_with_explain(&profile, &options, &[Arch::ScmpArchPpc], "ppc");
    let ask = |function| {
        let call = Call {
            arch: Arch::ScmpArchPpc,
            number: 117,
            args: [function, 0, 0, 0, 0, 0],
        };
        explain(&profile, &options, &call)
            .unwrap()
            .action
            .to_string()
    };
    assert_eq!([ask(1), ask(2)], ["SCMP_ACT_ALLOW", "SCMP_ACT_KILL_THREAD"]);
}

#[test]
fn random_profiles_do_what_they_say() {
    for seed in seeds(300) {
        let mut random = Random::new(seed);
        let (native, others) = *random.pick(&MACHINES);
        let profile = random::profile(&mut random, known_names(), others, Conflicts::Any);
        let profile: LinuxSeccomp = serde_json::from_value(profile).unwrap();
        let mut options = Options::default();
        options.native = native;
        options.enosys_for_newer_calls = random.chance(70);
        let mut archs = listed(native, others);
        archs.push(Arch::ScmpArchX86_64);
        compare_with_explain(&profile, &options, &archs, &format!("seed {seed}"));
    }
}
