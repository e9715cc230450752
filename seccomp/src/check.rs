//! The kernel's rules for a filter (`bpf_check_classic`, `seccomp_check_filter`).

#![forbid(unsafe_code)]

use seccompiler::{BpfProgramRef, sock_filter};

use crate::bpf;

/// Why the kernel, or this crate's narrower rule, would refuse a program.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// No instruction at all.
    #[error("the program is empty")]
    Empty,
    /// More than 4096 instructions.
    #[error("the program has {0} instructions; the kernel takes {max}", max = bpf::MAX_LENGTH)]
    TooLong(usize),
    /// The last instruction is not a return.
    #[error("the last instruction does not return")]
    NoReturn,
    /// A jump over the end.
    #[error("instruction {0} jumps out of the program")]
    JumpOutOfRange(usize),
    /// A load that is not of an aligned word of `struct seccomp_data`.
    #[error("instruction {0} loads outside struct seccomp_data or between its words")]
    BadLoad(usize),
    /// An instruction that filters made by this crate never hold, though the kernel may know it.
    #[error("instruction {0} is not one of load, and, jump and return")]
    UnknownInstruction(usize),
}

/// Whether the kernel would take the program.
///
/// Jumps go only forwards: distances have no sign. Instructions beyond those that a filter needs
/// (loads, `and`, jumps, return of a constant) are refused, though the kernel knows more.
pub fn check(program: BpfProgramRef<'_>) -> Result<(), Violation> {
    let last = program.last().ok_or(Violation::Empty)?;
    if program.len() > bpf::MAX_LENGTH {
        return Err(Violation::TooLong(program.len()));
    }
    for (index, instruction) in program.iter().enumerate() {
        check_instruction(index, instruction, program.len())?;
    }
    if last.code == bpf::RET {
        Ok(())
    } else {
        Err(Violation::NoReturn)
    }
}

fn check_instruction(
    index: usize,
    instruction: &sock_filter,
    length: usize,
) -> Result<(), Violation> {
    let behind = length - index - 1;
    let reaches = |distance: u32| usize::try_from(distance).is_ok_and(|distance| distance < behind);
    match instruction.code {
        bpf::LD if !instruction.k.is_multiple_of(4) || instruction.k >= bpf::DATA_SIZE => {
            Err(Violation::BadLoad(index))
        }
        bpf::LD | bpf::AND | bpf::RET => Ok(()),
        bpf::JA if reaches(instruction.k) => Ok(()),
        bpf::JEQ | bpf::JGT | bpf::JGE | bpf::JSET
            if reaches(instruction.jt.into()) && reaches(instruction.jf.into()) =>
        {
            Ok(())
        }
        bpf::JA | bpf::JEQ | bpf::JGT | bpf::JGE | bpf::JSET => {
            Err(Violation::JumpOutOfRange(index))
        }
        _ => Err(Violation::UnknownInstruction(index)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Action;

    #[test]
    fn what_the_kernel_refuses_is_refused() {
        let ret = || bpf::ret(Action::ALLOW);
        let cases = [
            (vec![], Err(Violation::Empty)),
            (vec![ret()], Ok(())),
            (vec![bpf::load(0)], Err(Violation::NoReturn)),
            (vec![bpf::load(60), ret()], Ok(())),
            (vec![bpf::load(64), ret()], Err(Violation::BadLoad(0))),
            (vec![bpf::load(2), ret()], Err(Violation::BadLoad(0))),
            (vec![bpf::always(0), ret()], Ok(())),
            (
                vec![bpf::always(1), ret()],
                Err(Violation::JumpOutOfRange(0)),
            ),
            (
                vec![bpf::jump(bpf::JEQ, 0, 0, 1), ret()],
                Err(Violation::JumpOutOfRange(0)),
            ),
            (vec![bpf::jump(bpf::JEQ, 0, 1, 0), ret(), ret()], Ok(())),
            (
                vec![sock_filter {
                    code: 0x16,
                    jt: 0,
                    jf: 0,
                    k: 0,
                }],
                Err(Violation::UnknownInstruction(0)),
            ),
            (vec![ret(); 4096], Ok(())),
            (vec![ret(); 4097], Err(Violation::TooLong(4097))),
        ];
        for (program, expected) in cases {
            assert_eq!(check(&program), expected);
        }
    }
}
