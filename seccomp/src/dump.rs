//! Programs as text.

#![forbid(unsafe_code)]

use std::fmt;

use seccompiler::{BpfProgramRef, sock_filter};

use crate::action::Action;
use crate::bpf;

/// A program as text: prints one instruction a line, with its number and absolute jump targets.
///
/// ```text
///    0: load arch
///    1: if == 0xc000003e goto 2 else 200
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Dump<'a>(BpfProgramRef<'a>);

impl<'a> Dump<'a> {
    /// Any program; unknown instructions print as numbers.
    #[must_use]
    pub fn new(program: BpfProgramRef<'a>) -> Self {
        Self(program)
    }
}

impl fmt::Display for Dump<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, instruction) in self.0.iter().enumerate() {
            write!(f, "{index:4}: ")?;
            write_instruction(f, index, instruction)?;
            writeln!(f)?;
        }
        Ok(())
    }
}

fn write_instruction(
    f: &mut fmt::Formatter<'_>,
    index: usize,
    instruction: &sock_filter,
) -> fmt::Result {
    let &sock_filter { code, jt, jf, k } = instruction;
    let target = |distance: u8| index + 1 + usize::from(distance);
    let comparison = match code {
        bpf::LD => return write_load(f, k),
        bpf::AND => return write!(f, "and {k:#010x}"),
        bpf::RET => return write!(f, "return {}", Action::from_raw(k)),
        bpf::JA => {
            let behind = u64::try_from(index).unwrap_or(u64::MAX).saturating_add(1);
            return write!(f, "goto {}", behind.saturating_add(k.into()));
        }
        bpf::JEQ => "==",
        bpf::JGT => ">",
        bpf::JGE => ">=",
        bpf::JSET => "&",
        _ => return write!(f, "code {code:#04x} jt {jt} jf {jf} k {k:#010x}"),
    };
    write!(
        f,
        "if {comparison} {k:#x} goto {} else {}",
        target(jt),
        target(jf)
    )
}

fn write_load(f: &mut fmt::Formatter<'_>, offset: u32) -> fmt::Result {
    match offset {
        bpf::NUMBER => f.write_str("load number"),
        bpf::ARCH => f.write_str("load arch"),
        8 | 12 => write!(f, "load instruction pointer +{}", offset - 8),
        _ => match offset.checked_sub(16) {
            Some(args) if offset < bpf::DATA_SIZE => {
                write!(f, "load argument {} +{}", args / 8, args % 8)
            }
            _ => write!(f, "load {offset}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_instruction_has_a_text() {
        let program = [
            bpf::load(0),
            bpf::load(4),
            bpf::load(12),
            bpf::load(28),
            bpf::and(0xff),
            bpf::jump(bpf::JGE, 7, 1, 0),
            bpf::always(1),
            bpf::ret(Action::ENOSYS),
            sock_filter {
                code: 0x16,
                jt: 1,
                jf: 2,
                k: 3,
            },
        ];
        let expected = "   0: load number\n   1: load arch\n   2: load instruction pointer +4\n   \
                        3: load argument 1 +4\n   4: and 0x000000ff\n   5: if >= 0x7 goto 7 else \
                        6\n   6: goto 8\n   7: return SCMP_ACT_ERRNO(38)\n   8: code 0x16 jt 1 jf \
                        2 k 0x00000003\n";
        assert_eq!(Dump::new(&program).to_string(), expected);
    }
}
