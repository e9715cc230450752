//! What this crate knows, in the specification's names, for a runtime's `features` command.

#![forbid(unsafe_code)]

use crate::install::kernel_knows;
use crate::{arch, bpf};

/// The actions that profiles may use, sorted.
#[must_use]
pub fn actions() -> &'static [&'static str] {
    &[
        "SCMP_ACT_ALLOW",
        "SCMP_ACT_ERRNO",
        "SCMP_ACT_KILL",
        "SCMP_ACT_KILL_PROCESS",
        "SCMP_ACT_KILL_THREAD",
        "SCMP_ACT_LOG",
        "SCMP_ACT_NOTIFY",
        "SCMP_ACT_TRACE",
        "SCMP_ACT_TRAP",
    ]
}

/// The comparisons that profiles may use, sorted.
#[must_use]
pub fn operators() -> &'static [&'static str] {
    &[
        "SCMP_CMP_EQ",
        "SCMP_CMP_GE",
        "SCMP_CMP_GT",
        "SCMP_CMP_LE",
        "SCMP_CMP_LT",
        "SCMP_CMP_MASKED_EQ",
        "SCMP_CMP_NE",
    ]
}

/// The architectures that profiles may list, sorted.
#[must_use]
pub fn archs() -> Vec<&'static str> {
    let mut names: Vec<_> = arch::all().iter().map(|abi| abi.name).collect();
    names.sort_unstable();
    names
}

/// The flags that profiles may list, with the kernel's values.
const FLAGS: [(&str, u32); 4] = [
    ("SECCOMP_FILTER_FLAG_TSYNC", bpf::FLAG_TSYNC),
    ("SECCOMP_FILTER_FLAG_SPEC_ALLOW", bpf::FLAG_SPEC_ALLOW),
    ("SECCOMP_FILTER_FLAG_LOG", bpf::FLAG_LOG),
    (
        "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
        bpf::FLAG_WAIT_KILLABLE_RECV | bpf::FLAG_NEW_LISTENER,
    ),
];

/// The flags that profiles may list.
#[must_use]
pub fn flags() -> [&'static str; 4] {
    FLAGS.map(|(name, _)| name)
}

/// Those [`flags`] that the running kernel knows. Asks the kernel, installs nothing.
#[must_use]
pub fn supported_flags() -> Vec<&'static str> {
    let supported = FLAGS.iter().filter(|(_, value)| kernel_knows(*value));
    supported.map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use oci_spec::runtime::{
        Arch, LinuxSeccompAction, LinuxSeccompFilterFlag, LinuxSeccompOperator,
    };
    use serde_json::{Value, from_value};

    use super::*;

    #[test]
    fn every_name_is_one_that_a_profile_can_hold() {
        let value = |name: &&str| Value::String((*name).to_owned());
        assert!(
            actions()
                .iter()
                .all(|n| from_value::<LinuxSeccompAction>(value(n)).is_ok())
        );
        assert!(
            operators()
                .iter()
                .all(|n| from_value::<LinuxSeccompOperator>(value(n)).is_ok())
        );
        assert!(
            flags()
                .iter()
                .all(|n| from_value::<LinuxSeccompFilterFlag>(value(n)).is_ok())
        );
        for name in archs() {
            let arch = from_value::<Arch>(value(&name));
            assert!(arch.is_ok(), "{name}");
        }
        assert!(actions().is_sorted() && operators().is_sorted() && archs().is_sorted());
    }

    #[test]
    fn the_kernel_knows_old_flags_and_not_imaginary_ones() {
        assert!(supported_flags().contains(&"SECCOMP_FILTER_FLAG_LOG"));
        assert!(!kernel_knows(1 << 31));
    }
}
