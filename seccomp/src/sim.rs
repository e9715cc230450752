//! An interpreter for filters: what the kernel would answer to a system call.
//!
//! It serves tests, fuzzing and whoever wants to know what a program does without installing it.
//! It knows the instructions that [`check`](crate::check()) accepts.

#![forbid(unsafe_code)]

use seccompiler::BpfProgramRef;

use crate::action::Action;
use crate::bpf;

/// A system call as the filter sees it, `struct seccomp_data` (seccomp(2)).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Data {
    /// The number of the call.
    pub number: u32,
    /// `AUDIT_ARCH_*`.
    pub arch: u32,
    /// Where the call was made.
    pub instruction_pointer: u64,
    /// The arguments.
    pub args: [u64; 6],
    /// Whether the machine puts the high word of an argument first.
    pub big_endian: bool,
}

impl Data {
    /// The word at a byte offset.
    fn word(&self, offset: u32) -> Option<u32> {
        if !offset.is_multiple_of(4) {
            return None;
        }
        let (value, second) = match offset {
            0 => return Some(self.number),
            4 => return Some(self.arch),
            8 | 12 => (self.instruction_pointer, offset == 12),
            _ => {
                let index = usize::try_from((offset - 16) / 8).ok()?;
                (*self.args.get(index)?, offset % 8 == 4)
            }
        };
        let [low, high] = [value & 0xffff_ffff, value >> 32];
        u32::try_from(if second == self.big_endian { low } else { high }).ok()
    }
}

/// The end of a run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Run {
    /// The answer.
    pub action: Action,
    /// How many instructions it took.
    pub steps: usize,
}

/// A program that did not end with an answer. None that passes the [check](crate::check()) does.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no answer: fault at instruction {instruction}")]
pub struct Fault {
    /// The instruction that is missing, unknown or loads what is not there.
    pub instruction: usize,
}

/// Runs a program on a system call.
pub fn run(program: BpfProgramRef<'_>, data: &Data) -> Result<Run, Fault> {
    let mut accumulator = 0;
    let mut counter = 0;
    // Jumps go forwards only, so no run is longer than the program.
    for steps in 1..=program.len() {
        let fault = Fault {
            instruction: counter,
        };
        let instruction = program.get(counter).ok_or(fault)?;
        let k = instruction.k;
        let skip = |condition| {
            u32::from(if condition {
                instruction.jt
            } else {
                instruction.jf
            })
        };
        let skipped = match instruction.code {
            bpf::LD => {
                accumulator = data.word(k).ok_or(fault)?;
                0
            }
            bpf::AND => {
                accumulator &= k;
                0
            }
            bpf::RET => {
                return Ok(Run {
                    action: Action::from_raw(k),
                    steps,
                });
            }
            bpf::JA => k,
            bpf::JEQ => skip(accumulator == k),
            bpf::JGT => skip(accumulator > k),
            bpf::JGE => skip(accumulator >= k),
            bpf::JSET => skip(accumulator & k != 0),
            _ => return Err(fault),
        };
        let skipped = usize::try_from(skipped).map_err(|_| fault)?;
        counter = counter.saturating_add(skipped).saturating_add(1);
    }
    Err(Fault {
        instruction: counter,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_where_the_kernel_puts_them() {
        let mut data = Data {
            number: 1,
            arch: 2,
            instruction_pointer: 0x0000_0004_0000_0003,
            args: [0x0000_0006_0000_0005, 0, 0, 0, 0, 0x0000_0010_0000_000f],
            big_endian: false,
        };
        let words = |data: &Data| [0, 4, 8, 12, 16, 20, 56, 60].map(|offset| data.word(offset));
        assert_eq!(words(&data), [1, 2, 3, 4, 5, 6, 15, 16].map(Some));
        data.big_endian = true;
        assert_eq!(words(&data), [1, 2, 4, 3, 6, 5, 16, 15].map(Some));
        assert_eq!(data.word(64), None);
        assert_eq!(data.word(3), None);
    }

    #[test]
    fn a_program_without_an_end_faults() {
        let data = Data::default();
        assert_eq!(run(&[], &data), Err(Fault { instruction: 0 }));
        assert_eq!(run(&[bpf::load(0)], &data), Err(Fault { instruction: 1 }));
        assert!(run(&[bpf::always(u32::MAX)], &data).is_err());
    }
}
