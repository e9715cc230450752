//! `seccomp`: compiles a profile as `create` does, prints the program, explains what happens to a call.

#![forbid(unsafe_code)]

use std::path::Path;

use oci_spec::runtime::{Arch, LinuxSeccomp};
use seccomp::{Call, Decision, Explainer, Filter, Options, Source, compile, native};
use serde_json::Value;

use super::{Context, read_json};
use crate::args::{UsageError, flags};
use crate::failure::Failure;
use crate::output::{self, Status};

pub(super) fn seccomp(context: &Context<'_>) -> Result<Status, Failure> {
    let matches = context.matches;
    let path = context.id();
    let profile = profile(Path::new(&path))?;
    let options = Options::default();
    let filter = compile(&profile, &options)?;
    for warning in filter.warnings() {
        context.log.warning(&warning.to_string());
    }
    let mut text = String::new();
    let calls = matches.texts(&flags::EXPLAIN);
    if !calls.is_empty() {
        let explainer = Explainer::new(&profile, &options)?;
        let arch = arch(matches.text(&flags::ARCH).as_deref())?;
        for written in &calls {
            let decision = explainer.explain(&call(written, arch)?);
            text.push_str(&format!("{written}: {}\n", words(&decision)));
        }
    }
    if matches.is_set(&flags::DUMP) {
        text.push_str(&filter.dump().to_string());
    } else if calls.is_empty() {
        text = summary(&filter);
    }
    output::text(&text)
}

fn summary(filter: &Filter) -> String {
    let count = filter.program().len();
    let flags = filter.flags();
    format!("{count} instructions of at most 4096, seccomp(2) flags {flags:#x}\n")
}

/// The profile in a file: the object of `linux.seccomp` alone, or a whole configuration.
fn profile(path: &Path) -> Result<LinuxSeccomp, Failure> {
    let mut value: Value = read_json(path)?;
    let whole = value.get("ociVersion").is_some();
    let profile = match value.pointer_mut("/linux/seccomp") {
        Some(profile) => profile.take(),
        None if whole => {
            return Err(Failure::Refused(
                "linux.seccomp: the configuration has none",
            ));
        }
        None => value,
    };
    // As text it is read by the code that reads configurations.
    let text = profile.to_string();
    serde_json::from_slice(text.as_bytes()).map_err(|source| Failure::Json {
        path: path.to_owned(),
        source,
    })
}

fn arch(name: Option<&str>) -> Result<Arch, UsageError> {
    let Some(name) = name else {
        return Ok(native());
    };
    let parsed = serde_json::from_value(Value::String(name.to_owned()));
    parsed.map_err(|_| UsageError::Arch {
        name: name.to_owned(),
    })
}

/// `NAME`, `NAME(ARG,...)` or a number in place of the name; arguments are decimal or hexadecimal.
fn call(written: &str, arch: Arch) -> Result<Call, UsageError> {
    let wrong = || UsageError::Call {
        written: written.to_owned(),
    };
    let (name, list) = match written.split_once('(') {
        Some((name, rest)) => (name, rest.strip_suffix(')').ok_or_else(wrong)?),
        None => (written, ""),
    };
    let number = match name.parse() {
        Ok(number) => number,
        Err(_) => seccomp::syscall_number(arch, name).ok_or_else(wrong)?,
    };
    let mut args = [0; 6];
    let given = list.split(',').map(str::trim).filter(|_| !list.is_empty());
    for (index, text) in given.enumerate() {
        let value = match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => text.parse(),
        };
        *args.get_mut(index).ok_or_else(wrong)? = value.map_err(|_| wrong())?;
    }
    Ok(Call { arch, number, args })
}

fn words(decision: &Decision) -> String {
    let source = match decision.source {
        Source::Rule {
            rule,
            multiplexed: false,
        } => format!("syscalls[{rule}]"),
        Source::Rule {
            rule,
            multiplexed: true,
        } => {
            format!("syscalls[{rule}], for the call that the first argument names")
        }
        Source::Default => "defaultAction".to_owned(),
        Source::NewerThanProfile => "newer than every call that the profile names".to_owned(),
        Source::ForeignArchitecture => "the architecture is not listed".to_owned(),
        _ => "another reason".to_owned(),
    };
    format!("{} ({source})", decision.action)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read_strictly() {
        let arch = Arch::ScmpArchX86_64;
        let read = |text| call(text, arch).map(|call| (call.number, call.args));
        assert_eq!(read("read"), Ok((0, [0; 6])));
        assert_eq!(read("1"), Ok((1, [0; 6])));
        assert_eq!(read("socket(16, 0x3)"), Ok((41, [16, 3, 0, 0, 0, 0])));
        for wrong in [
            "",
            "nosuchcall",
            "read(",
            "read(x)",
            "read(1,2,3,4,5,6,7)",
            "read(1,)",
            "-1",
        ] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
