//! Holds the compiler against what was not made from it: a naive reading of the profile,
//! libseccomp and seccompiler.
//!
//! `OXRUN_TEST_LONG=1` tries 10,000 random profiles instead of some hundred, `OXRUN_TEST_SEED=N`
//! others than usual. The seed of a failure is in its message.

#[path = "differential/probes.rs"]
mod probes;
#[path = "differential/random.rs"]
mod random;

use std::env;

use oci_spec::runtime::{Arch, LinuxSeccomp};
use random::{Conflicts, Random};
use seccomp::{Explainer, Options, compile, known_names, sim};

const PROFILES: [(&str, &str); 3] = [
    ("docker", include_str!("profiles/docker.json")),
    ("podman", include_str!("profiles/podman.json")),
    ("containerd", include_str!("profiles/containerd.json")),
];

/// The machines and what else their kernels run; lists as container engines send them.
const MACHINES: [(Arch, &[&str]); 14] = [
    (
        Arch::ScmpArchX86_64,
        &["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    ),
    (Arch::ScmpArchX86_64, &["SCMP_ARCH_X86"]),
    (Arch::ScmpArchX32, &[]),
    (Arch::ScmpArchX86, &[]),
    (
        Arch::ScmpArchAarch64,
        &["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
    ),
    (Arch::ScmpArchRiscv64, &["SCMP_ARCH_RISCV64"]),
    (Arch::ScmpArchPpc64le, &[]),
    (Arch::ScmpArchPpc64, &["SCMP_ARCH_PPC"]),
    (Arch::ScmpArchS390x, &["SCMP_ARCH_S390X", "SCMP_ARCH_S390"]),
    (
        Arch::ScmpArchMips64,
        &["SCMP_ARCH_MIPS", "SCMP_ARCH_MIPS64N32"],
    ),
    (
        Arch::ScmpArchMipsel64,
        &["SCMP_ARCH_MIPSEL", "SCMP_ARCH_MIPSEL64N32"],
    ),
    (
        Arch::ScmpArchParisc64,
        &["SCMP_ARCH_PARISC", "SCMP_ARCH_M68K", "SCMP_ARCH_SHEB"],
    ),
    (Arch::ScmpArchSh, &[]),
    (Arch::ScmpArchLoongarch64, &["SCMP_ARCH_LOONGARCH64"]),
];

fn listed(native: Arch, names: &[&str]) -> Vec<Arch> {
    let mut archs = vec![native];
    archs.extend(
        names
            .iter()
            .map(|name| serde_json::from_value::<Arch>((*name).into()).unwrap()),
    );
    archs.dedup();
    archs
}

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

#[test]
fn random_profiles_do_what_they_say() {
    for seed in seeds(100) {
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
