//! Assembles a program from its end to its beginning.
//!
//! Classic BPF jumps only forwards, and a conditional jump reaches 255 instructions. Whoever
//! writes the end first knows every target already: a target out of reach gets a copy (a return)
//! or a stepping stone (an unconditional jump) right behind the jump that needs it.

#![forbid(unsafe_code)]

use seccompiler::{BpfProgram, sock_filter};

use crate::action::Action;
use crate::bpf;

/// How far a conditional jump may go here: what the kernel allows, less the two stepping stones
/// that the other branch of the same instruction may put between.
const REACH: usize = 255 - 2;

/// A place to jump to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Target {
    /// The program ends with this answer.
    Return(Action),
    /// The instruction there, counted from the end of the program.
    At(usize),
}

/// A program under construction.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    /// The last instruction first.
    reversed: Vec<sock_filter>,
    /// The nearest copy of each return.
    returns: Vec<(Action, usize)>,
    /// The nearest stepping stone to each place.
    stones: Vec<(usize, usize)>,
}

impl Assembler {
    pub(crate) fn with_capacity(instructions: usize) -> Self {
        Self {
            reversed: Vec::with_capacity(instructions),
            ..Self::default()
        }
    }

    /// Puts `load` before `target`.
    pub(crate) fn load(&mut self, offset: u32, target: Target) -> Target {
        self.before(bpf::load(offset), target)
    }

    /// Puts the masking of the accumulator before `target`.
    pub(crate) fn mask(&mut self, mask: u32, target: Target) -> Target {
        self.before(bpf::and(mask), target)
    }

    /// Compares the accumulator with `k` and goes on at `yes` or `no`.
    pub(crate) fn branch(&mut self, jump: u16, k: u32, yes: Target, no: Target) -> Target {
        if yes == no {
            return yes;
        }
        let yes = self.within_reach(yes);
        let no = self.within_reach(no);
        let (yes, no) = (self.distance(yes), self.distance(no));
        // Both are at most 255: REACH leaves room for what `within_reach` put between.
        let short = |distance: usize| u8::try_from(distance).unwrap_or(u8::MAX);
        self.push(bpf::jump(jump, k, short(yes), short(no)))
    }

    /// The finished program, which starts at `start`.
    pub(crate) fn finish(mut self, start: Target) -> BpfProgram {
        let start = self.place(start);
        if self.distance(start) > 0 {
            self.jump_to(start);
        }
        self.reversed.reverse();
        self.reversed
    }

    fn before(&mut self, instruction: sock_filter, target: Target) -> Target {
        let place = self.place(target);
        if self.distance(place) > 0 {
            self.jump_to(place);
        }
        self.push(instruction)
    }

    fn push(&mut self, instruction: sock_filter) -> Target {
        self.reversed.push(instruction);
        Target::At(self.reversed.len() - 1)
    }

    /// Instructions between the next one that is written and `place`.
    fn distance(&self, place: usize) -> usize {
        self.reversed.len() - 1 - place
    }

    /// Where `target` is, however far.
    fn place(&mut self, target: Target) -> usize {
        match target {
            Target::At(place) => place,
            Target::Return(_) => self.within_reach(target),
        }
    }

    fn jump_to(&mut self, place: usize) -> usize {
        let distance = self.distance(place);
        // A program that long is refused afterwards.
        self.reversed
            .push(bpf::always(u32::try_from(distance).unwrap_or(u32::MAX)));
        self.reversed.len() - 1
    }

    /// A place that leads to `target` and that a conditional jump can reach.
    fn within_reach(&mut self, target: Target) -> usize {
        match target {
            Target::Return(action) => {
                let known = self.returns.iter().position(|(known, _)| *known == action);
                if let Some(index) = known
                    && self.distance(self.returns[index].1) <= REACH
                {
                    return self.returns[index].1;
                }
                self.reversed.push(bpf::ret(action));
                let place = self.reversed.len() - 1;
                match known {
                    Some(index) => self.returns[index].1 = place,
                    None => self.returns.push((action, place)),
                }
                place
            }
            Target::At(place) if self.distance(place) <= REACH => place,
            Target::At(place) => {
                let known = self.stones.iter().position(|(known, _)| *known == place);
                if let Some(index) = known
                    && self.distance(self.stones[index].1) <= REACH
                {
                    return self.stones[index].1;
                }
                let stone = self.jump_to(place);
                match known {
                    Some(index) => self.stones[index].1 = stone,
                    None => self.stones.push((place, stone)),
                }
                stone
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;
    use crate::sim::{self, Data};

    /// A chain of comparisons longer than any conditional jump, whose far ends are all used.
    #[test]
    fn far_targets_are_reached_by_stepping_stones() {
        let mut asm = Assembler::default();
        let far = asm.branch(
            bpf::JGT,
            7,
            Target::Return(Action::ALLOW),
            Target::Return(Action::ENOSYS),
        );
        let far = asm.load(bpf::argument_low(0, false), far);
        let mut chain = Target::Return(Action::KILL_THREAD);
        for number in (0..1000).rev() {
            chain = asm.branch(bpf::JEQ, number, far, chain);
        }
        let start = asm.load(bpf::NUMBER, chain);
        let program = asm.finish(start);
        assert_eq!(check::check(&program), Ok(()));
        for (number, argument, expected) in [
            (0, 8, Action::ALLOW),
            (0, 7, Action::ENOSYS),
            (500, 8, Action::ALLOW),
            (999, 0, Action::ENOSYS),
            (1000, 0, Action::KILL_THREAD),
        ] {
            let data = Data {
                number,
                args: [argument, 0, 0, 0, 0, 0],
                ..Data::default()
            };
            assert_eq!(
                sim::run(&program, &data).map(|run| run.action),
                Ok(expected)
            );
        }
    }

    #[test]
    fn equal_branches_need_no_instruction() {
        let mut asm = Assembler::default();
        let start = Target::Return(Action::ALLOW);
        assert_eq!(asm.branch(bpf::JEQ, 1, start, start), start);
        assert_eq!(asm.finish(start).len(), 1);
    }
}
