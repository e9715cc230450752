//! For one architecture: which number gets which answer, as sorted ranges.

#![forbid(unsafe_code)]

use crate::action::Action;
use crate::arch::{Abi, X32_BIT};
use crate::rules::{Condition, Rules};
use crate::syscalls::{ARM_PRIVATE, Entry, LIMIT};

/// Room for ARM's private calls.
const PRIVATE: usize = 16;

/// What answers a system call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Leaf {
    /// Always the same.
    Return(Action),
    /// It depends on the arguments: a block of [`Blocks`].
    Block(usize),
}

/// From `start` to the start of the next range, `leaf` answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Range {
    pub(crate) start: u32,
    pub(crate) leaf: Leaf,
}

/// One way for a conditional rule to apply.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Alternative {
    rule: usize,
    /// Which of the rule's alternatives, if it has any.
    choice: Option<usize>,
    /// What the first argument must be, when the call is multiplexed.
    function: Option<u32>,
}

impl Alternative {
    pub(crate) fn action(self, rules: &Rules) -> Action {
        rules.rules[self.rule].action
    }

    /// The conditions, all of which must hold.
    ///
    /// The arguments of a multiplexed call lie in memory that a filter cannot read. As in
    /// libseccomp, the function code takes the place of the first one's condition and the others
    /// compare the registers.
    pub(crate) fn conditions(self, rules: &Rules, wide: bool) -> impl Iterator<Item = Condition> {
        let choices = &rules.rules[self.rule].alternatives;
        let own = self
            .choice
            .and_then(|choice| choices.get(choice))
            .into_iter()
            .flatten();
        let function = self.function.map(Condition::function);
        let replaced = function.is_some();
        let own = own.copied().filter(move |own| !own.is_empty(wide));
        function
            .into_iter()
            .chain(own.filter(move |own| !replaced || own.argument != 0))
    }
}

/// The argument checks of all architectures; equal ones are shared.
#[derive(Debug, Default)]
pub(crate) struct Blocks(Vec<Vec<Alternative>>);

impl Blocks {
    /// What is tried in turn; the default action follows.
    pub(crate) fn alternatives(&self, block: usize) -> &[Alternative] {
        self.0.get(block).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    fn share(&mut self, alternatives: Vec<Alternative>) -> Leaf {
        let known = self.0.iter().position(|known| *known == alternatives);
        Leaf::Block(known.unwrap_or_else(|| {
            self.0.push(alternatives);
            self.0.len() - 1
        }))
    }
}

/// The answer to one number while rules are still being added.
#[derive(Clone, Copy, Debug)]
enum Cell {
    Default,
    Always(Action),
    /// An index of [`Answers::pending`].
    Depends(usize),
}

/// The answers of one architecture.
#[derive(Debug)]
pub(crate) struct Answers {
    abi: &'static Abi,
    /// The numbers from `abi.base` on, then ARM's private ones.
    cells: Vec<Cell>,
    pending: Vec<Vec<Alternative>>,
    /// The highest number that the profile names, also through `socketcall(2)` and `ipc(2)`.
    newest: Option<u32>,
}

impl Answers {
    pub(crate) fn new(rules: &Rules, abi: &'static Abi) -> Self {
        let cells = vec![Cell::Default; usize::from(LIMIT) + PRIVATE];
        let mut answers = Self {
            abi,
            cells,
            pending: Vec::new(),
            newest: None,
        };
        answers.newest = rules
            .named
            .iter()
            .flat_map(|call| call.entries(abi))
            .map(|entry| entry.number)
            .filter(|number| *number < ARM_PRIVATE || abi.base == X32_BIT)
            .max()
            .filter(|newest| *newest != 0);
        for index in 0..rules.rules.len() {
            answers.add(rules, index);
        }
        answers
    }

    /// Whether a call can be newer than all that the profile names: there must be one.
    pub(crate) fn knows_newest(&self) -> bool {
        self.newest.is_some()
    }

    fn add(&mut self, rules: &Rules, index: usize) {
        let rule = &rules.rules[index];
        for call in &rule.calls {
            for entry in call.entries(self.abi) {
                if rule.alternatives.is_empty() {
                    self.assign(rules, entry, index, None);
                }
                for choice in 0..rule.alternatives.len() {
                    self.assign(rules, entry, index, Some(choice));
                }
            }
        }
    }

    /// Adds one alternative. One without conditions beats all that have some, and stays.
    fn assign(&mut self, rules: &Rules, entry: Entry, rule: usize, choice: Option<usize>) {
        let number = entry.number - self.abi.base;
        let index = match number.checked_sub(ARM_PRIVATE) {
            Some(private) => u32::from(LIMIT) + private,
            None => number,
        };
        let Some(cell) = usize::try_from(index)
            .ok()
            .and_then(|index| self.cells.get_mut(index))
        else {
            return;
        };
        let alternative = Alternative {
            rule,
            choice,
            function: entry.function,
        };
        let unconditional = choice.is_none() && entry.function.is_none()
            || alternative
                .conditions(rules, self.abi.wide)
                .next()
                .is_none();
        match *cell {
            Cell::Always(_) => {}
            _ if unconditional => *cell = Cell::Always(rules.rules[rule].action),
            Cell::Depends(pending) => self.pending[pending].push(alternative),
            Cell::Default => {
                *cell = Cell::Depends(self.pending.len());
                self.pending.push(vec![alternative]);
            }
        }
    }

    /// Appends the ranges of this architecture's numbers to `ranges`.
    ///
    /// `newer` answers the numbers above all that the profile names. On s390 it also answers
    /// number 0, as which calls arrive there that the kernel does not know.
    pub(crate) fn ranges(
        mut self,
        rules: &Rules,
        newer: Option<Action>,
        blocks: &mut Blocks,
        ranges: &mut Vec<Range>,
    ) {
        let default = Leaf::Return(rules.default);
        let (newer, newest) = match (newer, self.newest) {
            (Some(newer), Some(newest)) => (Leaf::Return(newer), newest),
            _ => (default, 0),
        };
        let base = self.abi.base;
        if base != X32_BIT {
            push(ranges, 0, default);
        }
        let (limit, s390) = (
            usize::from(LIMIT),
            self.abi.name.starts_with("SCMP_ARCH_S390"),
        );
        for (number, index) in (base..).zip(0..limit) {
            let unnamed = if number > newest || number == 0 && s390 {
                newer
            } else {
                default
            };
            let leaf = self.leaf(index, unnamed, blocks);
            push(ranges, number, leaf);
        }
        push(ranges, base + u32::from(LIMIT), newer);
        if self.cells[limit..]
            .iter()
            .any(|cell| !matches!(cell, Cell::Default))
        {
            for (number, index) in (ARM_PRIVATE..).zip(limit..limit + PRIVATE) {
                let leaf = self.leaf(index, default, blocks);
                push(ranges, number, leaf);
            }
            push(ranges, ARM_PRIVATE + 16, newer);
        }
    }

    fn leaf(&mut self, index: usize, unnamed: Leaf, blocks: &mut Blocks) -> Leaf {
        match self.cells[index] {
            Cell::Default => unnamed,
            Cell::Always(action) => Leaf::Return(action),
            Cell::Depends(pending) => blocks.share(std::mem::take(&mut self.pending[pending])),
        }
    }
}

/// Starts a new range unless the last one has the same answer.
pub(crate) fn push(ranges: &mut Vec<Range>, start: u32, leaf: Leaf) {
    if ranges.last().is_none_or(|last| last.leaf != leaf) {
        ranges.push(Range { start, leaf });
    }
}
