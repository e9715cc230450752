//! The profile, checked: names resolved, conditions in one form, redundant rules left out.

#![forbid(unsafe_code)]

use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompOperator, LinuxSyscall,
};

use crate::action::Action;
use crate::arch::{self, Abi};
use crate::error::{Error, Warning};
use crate::options::Options;
use crate::syscalls::Syscall;

/// `EPERM`, the specification's default errno.
const EPERM: u16 = 1;
/// `MAX_ERRNO`: the kernel turns larger values into this one.
const MAX_ERRNO: u16 = 4095;
/// Arguments of a system call.
const ARGUMENTS: usize = 6;

/// A profile whose every field has been checked.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) default: Action,
    /// The machine's own architecture first, then the listed ones, each once.
    pub(crate) abis: Vec<&'static Abi>,
    /// The rules with an effect, in the profile's order.
    pub(crate) rules: Vec<Rule>,
    /// Every known name of the profile, also those of rules without effect.
    pub(crate) named: Vec<Syscall>,
    pub(crate) notifies: bool,
    pub(crate) warnings: Vec<Warning>,
}

/// One entry of `syscalls`.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Its place in the profile.
    pub(crate) index: usize,
    pub(crate) action: Action,
    pub(crate) calls: Vec<Syscall>,
    /// Any of these lets the rule apply; empty when it applies whatever the arguments.
    pub(crate) alternatives: Vec<Vec<Condition>>,
}

/// A comparison of one argument.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Condition {
    pub(crate) argument: u8,
    pub(crate) test: Test,
}

/// What a condition asks of its argument.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Test {
    /// The bits of `mask` are those of `value`, which has no others.
    Masked {
        mask: u64,
        value: u64,
    },
    NotEqual(u64),
    Less(u64),
    LessOrEqual(u64),
    Greater(u64),
    GreaterOrEqual(u64),
}

impl Condition {
    /// Whether no argument can fail the test on an architecture of this width.
    ///
    /// Only an empty mask counts, as in libseccomp: such a rule is unconditional.
    pub(crate) fn is_empty(self, wide: bool) -> bool {
        match self.test {
            Test::Masked { mask, .. } if wide => mask == 0,
            Test::Masked { mask, .. } => mask & u64::from(u32::MAX) == 0,
            _ => false,
        }
    }

    /// The first argument of `socketcall(2)` or `ipc(2)` names the call that is meant.
    pub(crate) fn function(code: u32) -> Self {
        Self {
            argument: 0,
            test: Test::Masked {
                mask: u64::MAX,
                value: code.into(),
            },
        }
    }

    fn from_oci(arg: &LinuxSeccompArg, path: impl Fn() -> String) -> Result<Self, Error> {
        let argument = match u8::try_from(arg.index()) {
            Ok(index) if arg.index() < ARGUMENTS => index,
            _ => {
                let path = format!("{}.index", path());
                return Err(Error::ArgumentIndex {
                    path,
                    index: arg.index(),
                });
            }
        };
        let value = arg.value();
        let test = match arg.op() {
            LinuxSeccompOperator::ScmpCmpNe => Test::NotEqual(value),
            LinuxSeccompOperator::ScmpCmpLt => Test::Less(value),
            LinuxSeccompOperator::ScmpCmpLe => Test::LessOrEqual(value),
            LinuxSeccompOperator::ScmpCmpEq => Test::Masked {
                mask: u64::MAX,
                value,
            },
            LinuxSeccompOperator::ScmpCmpGe => Test::GreaterOrEqual(value),
            LinuxSeccompOperator::ScmpCmpGt => Test::Greater(value),
            LinuxSeccompOperator::ScmpCmpMaskedEq => Test::Masked {
                mask: value,
                value: arg.value_two().unwrap_or(0) & value,
            },
        };
        Ok(Self { argument, test })
    }
}

impl Rules {
    pub(crate) fn new(profile: &LinuxSeccomp, options: &Options) -> Result<Self, Error> {
        let default_errno = profile.default_errno_ret();
        let default = action(profile.default_action(), default_errno, || {
            "linux.seccomp.defaultErrnoRet".to_owned()
        })?;
        if default.notifies() {
            return Err(Error::NotifyByDefault {
                path: "linux.seccomp.defaultAction",
            });
        }
        let mut rules = Self {
            default,
            abis: abis(profile, options)?,
            rules: Vec::new(),
            named: Vec::new(),
            notifies: false,
            warnings: Vec::new(),
        };
        for (index, syscall) in profile.syscalls().iter().flatten().enumerate() {
            rules.add(index, syscall, options)?;
            let notifies = syscall.action() == LinuxSeccompAction::ScmpActNotify;
            if notifies && profile.listener_path().is_none() && !options.listener_path_optional {
                let path = format!("linux.seccomp.syscalls[{index}].action");
                return Err(Error::ListenerPathMissing { path });
            }
        }
        Ok(rules)
    }

    fn add(
        &mut self,
        index: usize,
        syscall: &LinuxSyscall,
        options: &Options,
    ) -> Result<(), Error> {
        let path = |field: &str| format!("linux.seccomp.syscalls[{index}].{field}");
        let action = action(syscall.action(), syscall.errno_ret(), || path("errnoRet"))?;
        let alternatives = alternatives(syscall, path)?;
        let mut calls = Vec::with_capacity(syscall.names().len());
        for (position, name) in syscall.names().iter().enumerate() {
            let path = || path(&format!("names[{position}]"));
            match Syscall::by_name(name) {
                Some(_) if action.notifies() && hands_over_the_listener(name) => {
                    return Err(Error::NotifyDeadlock {
                        path: path(),
                        name: name.clone(),
                    });
                }
                Some(call) => calls.push(call),
                None if options.unknown_names_are_errors => {
                    return Err(Error::UnknownSyscall {
                        path: path(),
                        name: name.clone(),
                    });
                }
                None => {
                    let warning = Warning::UnknownSyscall {
                        path: path(),
                        name: name.clone(),
                    };
                    self.warnings.push(warning);
                }
            }
        }
        self.named.extend_from_slice(&calls);
        if action != self.default && !calls.is_empty() {
            self.notifies |= action.notifies();
            self.rules.push(Rule {
                index,
                action,
                calls,
                alternatives,
            });
        }
        Ok(())
    }
}

/// What the process that installs the filter does afterwards, until somebody can answer.
fn hands_over_the_listener(name: &str) -> bool {
    name == "write"
}

/// An action with its data; `path` is where the errno would be.
fn action(
    action: LinuxSeccompAction,
    errno: Option<u32>,
    path: impl Fn() -> String,
) -> Result<Action, Error> {
    let max = match action {
        LinuxSeccompAction::ScmpActErrno => MAX_ERRNO,
        LinuxSeccompAction::ScmpActTrace => u16::MAX,
        _ if errno.is_some() => {
            return Err(Error::ErrnoNotSupported {
                path: path(),
                action: action.to_string(),
            });
        }
        _ => 0,
    };
    let Some(value) = errno else {
        return Ok(Action::from_oci(action, EPERM));
    };
    match u16::try_from(value) {
        Ok(data) if data <= max => Ok(Action::from_oci(action, data)),
        _ => {
            let (action, max) = (action.to_string(), u32::from(max));
            Err(Error::ErrnoOutOfRange {
                path: path(),
                value,
                action,
                max,
            })
        }
    }
}

/// The conditions of a rule: all must hold, unless an argument is named twice. Then each stands
/// alone and one is enough, as runc has it.
fn alternatives(
    syscall: &LinuxSyscall,
    path: impl Fn(&str) -> String,
) -> Result<Vec<Vec<Condition>>, Error> {
    let Some(args) = syscall.args() else {
        return Ok(Vec::new());
    };
    let mut conditions = Vec::with_capacity(args.len());
    let mut seen = [false; ARGUMENTS];
    let mut repeated = false;
    for (index, arg) in args.iter().enumerate() {
        let condition = Condition::from_oci(arg, || path(&format!("args[{index}]")))?;
        let seen = &mut seen[usize::from(condition.argument)];
        repeated |= *seen;
        *seen = true;
        conditions.push(condition);
    }
    Ok(match conditions.len() {
        0 => Vec::new(),
        _ if repeated => conditions
            .into_iter()
            .map(|condition| vec![condition])
            .collect(),
        _ => vec![conditions],
    })
}

/// The machine's own architecture and the listed ones.
fn abis(profile: &LinuxSeccomp, options: &Options) -> Result<Vec<&'static Abi>, Error> {
    let native = arch::abi_of(options.native, arch::native()).ok_or(Error::NativeUnknown)?;
    let mut abis = vec![native];
    for (index, &listed) in profile.architectures().iter().flatten().enumerate() {
        let abi = match listed {
            Arch::ScmpArchNative => native,
            listed => arch::abi_of(listed, native.arch).ok_or(Error::NativeUnknown)?,
        };
        if abi.big_endian != native.big_endian {
            let path = format!("linux.seccomp.architectures[{index}]");
            return Err(Error::ByteOrder {
                path,
                arch: abi.name,
                native: native.name,
            });
        }
        if !abis.iter().any(|known| known.arch == abi.arch) {
            abis.push(abi);
        }
    }
    Ok(abis)
}
