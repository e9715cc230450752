//! A balanced tree of comparisons over ranges of numbers.

#![forbid(unsafe_code)]

use crate::action::Action;
use crate::asm::{Assembler, Target};
use crate::bpf;

/// Numbers from `start` to the next choice go to `target`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice {
    pub(crate) start: u32,
    pub(crate) target: Target,
}

/// Writes the decision among `choices`, which are sorted, with the number in the accumulator.
///
/// Numbers below the first choice belong to it.
pub(crate) fn tree(asm: &mut Assembler, choices: &[Choice]) -> Target {
    match choices {
        // There is always one; a call that nothing answers must not run.
        [] => Target::Return(Action::KILL_THREAD),
        [only] => only.target,
        [around, single, rest] if is_hole(around, single, rest) => {
            asm.branch(bpf::JEQ, single.start, single.target, around.target)
        }
        _ => {
            let (left, right) = choices.split_at(choices.len() / 2);
            let pivot = right.first().map_or(0, |first| first.start);
            let right = tree(asm, right);
            let left = tree(asm, left);
            asm.branch(bpf::JGE, pivot, right, left)
        }
    }
}

/// Whether `single` is one number with the same target on both sides.
fn is_hole(around: &Choice, single: &Choice, rest: &Choice) -> bool {
    around.target == rest.target && single.start.checked_add(1) == Some(rest.start)
}
