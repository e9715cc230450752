//! Profiles that are refused, and what is said about them.

use oci_spec::runtime::{Arch, LinuxSeccomp};
use seccomp::{Options, compile};
use serde_json::{Value, json};

fn refusal(profile: Value, options: &Options) -> String {
    let profile: LinuxSeccomp = serde_json::from_value(profile).unwrap();
    compile(&profile, options)
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default()
}

fn rule(rule: Value) -> Value {
    json!({ "defaultAction": "SCMP_ACT_ERRNO", "listenerPath": "/run/agent", "syscalls": [rule] })
}

#[test]
fn refusals_name_the_field_the_value_and_what_is_allowed() {
    let read = |action: &str, errno: u64| {
        rule(json!({ "names": [ "read" ], "action": action, "errnoRet": errno }))
    };
    let notify = |name| rule(json!({ "names": [ "read", name ], "action": "SCMP_ACT_NOTIFY" }));
    let argument = json!([{ "index": 6, "value": 0, "op": "SCMP_CMP_EQ" }]);
    let s390x = json!({ "defaultAction": "SCMP_ACT_KILL", "architectures": [ "SCMP_ARCH_S390X" ] });
    let cases = [
        (
            read("SCMP_ACT_ALLOW", 1),
            "syscalls[0].errnoRet: SCMP_ACT_ALLOW takes no errno",
        ),
        (
            read("SCMP_ACT_ERRNO", 4096),
            "syscalls[0].errnoRet: 4096 is out of range",
        ),
        (
            read("SCMP_ACT_TRACE", 65536),
            "SCMP_ACT_TRACE takes 0 to 65535",
        ),
        (
            notify("write"),
            "syscalls[0].names[1]: SCMP_ACT_NOTIFY cannot be used for the write syscall",
        ),
        (
            json!({ "defaultAction": "SCMP_ACT_NOTIFY" }),
            "defaultAction: SCMP_ACT_NOTIFY cannot be",
        ),
        (
            json!({ "defaultAction": "SCMP_ACT_KILL", "defaultErrnoRet": 3 }),
            "linux.seccomp.defaultErrnoRet: SCMP_ACT_KILL takes no errno",
        ),
        (
            rule(json!({ "names": [ "read" ], "action": "SCMP_ACT_ALLOW", "args": argument })),
            "syscalls[0].args[0].index: no argument 6; system calls have arguments 0 to 5",
        ),
        (
            json!({ "defaultAction": "SCMP_ACT_ALLOW",
                    "syscalls": [ { "names": [ "read" ], "action": "SCMP_ACT_NOTIFY" } ] }),
            "listenerPath is not set, but linux.seccomp.syscalls[0].action is SCMP_ACT_NOTIFY",
        ),
        (
            s390x,
            "architectures[0]: SCMP_ARCH_S390X has another byte order than SCMP_ARCH_X86_64",
        ),
    ];
    let mut options = Options::default();
    options.native = Arch::ScmpArchX86_64;
    for (profile, expected) in cases {
        let refusal = refusal(profile, &options);
        assert!(
            refusal.contains(expected),
            "{refusal:?} should say {expected:?}"
        );
    }
}

#[test]
fn unknown_names_warn_or_fail() {
    let profile = rule(json!({ "names": [ "getpid", "tea_time" ], "action": "SCMP_ACT_ALLOW" }));
    let mut options = Options::default();
    let parsed: LinuxSeccomp = serde_json::from_value(profile.clone()).unwrap();
    let filter = compile(&parsed, &options).unwrap();
    let warnings: Vec<_> = filter.warnings().iter().map(ToString::to_string).collect();
    let expected = "linux.seccomp.syscalls[0].names[1]: unknown system call \"tea_time\"";
    assert_eq!(warnings, [format!("{expected} ignored")]);
    options.unknown_names_are_errors = true;
    assert_eq!(refusal(profile, &options), expected);
}

#[test]
fn a_filter_that_is_too_long_is_refused() {
    let name = |index| seccomp::known_names()[index];
    let conditions = |index: usize| {
        let argument = json!([{ "index": 0, "value": index, "op": "SCMP_CMP_EQ" },
                              { "index": 1, "value": index, "op": "SCMP_CMP_EQ" }]);
        json!({ "names": [ name(index) ], "action": "SCMP_ACT_LOG", "args": argument })
    };
    let syscalls: Vec<_> = (0..500).map(conditions).collect();
    let profile = json!({
        "defaultAction": "SCMP_ACT_KILL", "syscalls": syscalls,
        "architectures": [ "SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64", "SCMP_ARCH_RISCV64" ],
    });
    let refusal = refusal(profile, &Options::default());
    assert!(
        refusal.ends_with("instructions; the kernel takes 4096"),
        "{refusal}"
    );
}
