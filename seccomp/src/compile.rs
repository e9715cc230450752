//! From the profile to the program.

#![forbid(unsafe_code)]

use oci_spec::runtime::{Arch, LinuxSeccomp, LinuxSeccompFilterFlag};
use seccompiler::BpfProgram;

use crate::action::Action;
use crate::answers::{Answers, Blocks, Leaf, Range, push};
use crate::arch::{Abi, X32_BIT};
use crate::asm::{Assembler, Target};
use crate::bpf;
use crate::conditions::{self, Words};
use crate::error::{Error, Warning};
use crate::filter::Filter;
use crate::options::Options;
use crate::rules::Rules;
use crate::tree::{self, Choice};

/// A typical program, so that it is allocated once.
const CAPACITY: usize = 1024;

/// Compiles a profile.
///
/// Pure: no system call, no file. Errors name the field by its path in `config.json`.
pub fn compile(profile: &LinuxSeccomp, options: &Options) -> Result<Filter, Error> {
    let mut rules = Rules::new(profile, options)?;
    let newer = newer(&rules, options);
    let program = Compiler::default().program(&mut rules, newer);
    if program.len() > bpf::MAX_LENGTH {
        return Err(Error::ProgramTooLong {
            length: program.len(),
            max: bpf::MAX_LENGTH,
        });
    }
    let flags = flags(profile, &mut rules);
    Ok(Filter::new(program, flags, rules.notifies, rules.warnings))
}

/// The answer to calls that are newer than the profile, if they get one of their own.
///
/// A permissive default action answers them itself.
pub(crate) fn newer(rules: &Rules, options: &Options) -> Option<Action> {
    let wanted = options.enosys_for_newer_calls && !rules.default.is_permissive();
    wanted.then_some(Action::ENOSYS)
}

/// `SECCOMP_FILTER_FLAG_*` for seccomp(2).
///
/// A profile without `flags` gets `SPEC_ALLOW`, as with runc; one with an empty list gets none.
fn flags(profile: &LinuxSeccomp, rules: &mut Rules) -> u32 {
    let mut flags = 0;
    let listed = profile.flags().as_deref();
    let listed = listed.unwrap_or(&[LinuxSeccompFilterFlag::SeccompFilterFlagSpecAllow]);
    for (index, flag) in listed.iter().enumerate() {
        flags |= match flag {
            LinuxSeccompFilterFlag::SeccompFilterFlagLog => bpf::FLAG_LOG,
            LinuxSeccompFilterFlag::SeccompFilterFlagSpecAllow => bpf::FLAG_SPEC_ALLOW,
            // A thread ID and a listener cannot both be the result of one call.
            LinuxSeccompFilterFlag::SeccompFilterFlagTsync if rules.notifies => {
                bpf::FLAG_TSYNC | bpf::FLAG_TSYNC_ESRCH
            }
            LinuxSeccompFilterFlag::SeccompFilterFlagTsync => bpf::FLAG_TSYNC,
            LinuxSeccompFilterFlag::SeccompFilterFlagWaitKillableRecv if rules.notifies => {
                bpf::FLAG_WAIT_KILLABLE_RECV
            }
            LinuxSeccompFilterFlag::SeccompFilterFlagWaitKillableRecv => {
                let path = format!("linux.seccomp.flags[{index}]");
                rules.warnings.push(Warning::WaitKillableUnused { path });
                0
            }
        };
    }
    flags
        | if rules.notifies {
            bpf::FLAG_NEW_LISTENER
        } else {
            0
        }
}

/// The calls of one `AUDIT_ARCH_*`.
#[derive(Debug)]
struct Section {
    audit: u32,
    ranges: Vec<Range>,
    words: Vec<(u32, Words)>,
}

#[derive(Debug, Default)]
struct Compiler {
    blocks: Blocks,
    sections: Vec<Section>,
}

impl Compiler {
    fn program(mut self, rules: &mut Rules, newer: Option<Action>) -> BpfProgram {
        let abis = rules.abis.clone();
        for abi in &abis {
            if !self
                .sections
                .iter()
                .any(|section| section.audit == abi.audit)
            {
                self.add_section(rules, &abis, abi.audit, newer);
            }
        }
        self.assemble(rules)
    }

    /// Adds the calls of all architectures with this `AUDIT_ARCH_*`: x86-64 and x32 share one.
    fn add_section(
        &mut self,
        rules: &mut Rules,
        abis: &[&'static Abi],
        audit: u32,
        newer: Option<Action>,
    ) {
        let mut ranges = Vec::with_capacity(256);
        let mut words = Vec::new();
        let of = |arch: Arch| abis.iter().copied().find(move |abi| abi.arch == arch);
        let members = match abis.iter().find(|abi| abi.audit == audit) {
            Some(abi) if matches!(abi.arch, Arch::ScmpArchX86_64 | Arch::ScmpArchX32) => {
                [Some(of(Arch::ScmpArchX86_64)), Some(of(Arch::ScmpArchX32))]
            }
            abi => [abi.map(|abi| Some(*abi)), None],
        };
        let foreign = Leaf::Return(Action::KILL_THREAD);
        for (start, member) in [0, X32_BIT].into_iter().zip(members.into_iter().flatten()) {
            let Some(abi) = member else {
                push(&mut ranges, start, foreign);
                if start == X32_BIT {
                    // A tracer skips a call by making its number -1.
                    push(&mut ranges, u32::MAX, Leaf::Return(rules.default));
                }
                continue;
            };
            let answers = Answers::new(rules, abi);
            if newer.is_some() && !answers.knows_newest() {
                rules
                    .warnings
                    .push(Warning::NothingNamed { arch: abi.name });
            }
            words.push((
                start,
                Words {
                    wide: abi.wide,
                    big_endian: abi.big_endian,
                },
            ));
            answers.ranges(rules, newer, &mut self.blocks, &mut ranges);
        }
        self.sections.push(Section {
            audit,
            ranges,
            words,
        });
    }

    /// Writes the program: the architecture, then the number, then the arguments.
    fn assemble(&self, rules: &Rules) -> BpfProgram {
        let mut asm = Assembler::with_capacity(CAPACITY);
        let mut written = Written(vec![[None; 2]; self.blocks.len()]);
        let mut dispatch = Target::Return(Action::KILL_THREAD);
        for section in self.sections.iter().rev() {
            let choices = self.choices(&mut asm, rules, section, &mut written);
            let decision = tree::tree(&mut asm, &choices);
            let body = match decision {
                Target::Return(_) => decision,
                Target::At(_) => asm.load(bpf::NUMBER, decision),
            };
            dispatch = asm.branch(bpf::JEQ, section.audit, body, dispatch);
        }
        let start = asm.load(bpf::ARCH, dispatch);
        asm.finish(start)
    }

    /// Where each range of a section goes; writes the argument checks that are not there yet.
    fn choices(
        &self,
        asm: &mut Assembler,
        rules: &Rules,
        section: &Section,
        written: &mut Written,
    ) -> Vec<Choice> {
        let mut choices = Vec::with_capacity(section.ranges.len());
        for range in &section.ranges {
            let target = match range.leaf {
                Leaf::Return(action) => Target::Return(action),
                Leaf::Block(block) => {
                    let words = section.words_at(range.start);
                    written.block(block, words, || {
                        conditions::block(asm, rules, self.blocks.alternatives(block), words)
                    })
                }
            };
            choices.push(Choice {
                start: range.start,
                target,
            });
        }
        choices
    }
}

impl Section {
    fn words_at(&self, number: u32) -> Words {
        let at = self.words.iter().rev().find(|(start, _)| *start <= number);
        at.map_or(
            Words {
                wide: true,
                big_endian: false,
            },
            |(_, words)| *words,
        )
    }
}

/// Where the argument checks are, for arguments of one word and of two.
struct Written(Vec<[Option<Target>; 2]>);

impl Written {
    fn block(&mut self, block: usize, words: Words, write: impl FnOnce() -> Target) -> Target {
        *self.0[block][usize::from(words.wide)].get_or_insert_with(write)
    }
}
