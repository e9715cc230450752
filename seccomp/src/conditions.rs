//! Argument checks as instructions.

#![forbid(unsafe_code)]

use crate::action::Action;
use crate::answers::Alternative;
use crate::asm::{Assembler, Target};
use crate::bpf;
use crate::rules::{Condition, Rules, Test};

/// How the arguments of an architecture are compared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words {
    /// Both words of an argument, or the low one only.
    pub(crate) wide: bool,
    pub(crate) big_endian: bool,
}

/// Code that begins by loading a word. Whoever has that word in the accumulator already may
/// skip the load, so it is written only when somebody needs it.
#[derive(Clone, Copy, Debug)]
struct Code {
    /// The offset of the word, if the code begins with one.
    word: Option<u32>,
    /// The code behind the load.
    body: Target,
    /// The load, once it is written.
    start: Option<Target>,
}

impl Code {
    fn without_load(target: Target) -> Self {
        Self {
            word: None,
            body: target,
            start: Some(target),
        }
    }

    fn loading(word: u32, body: Target) -> Self {
        Self {
            word: Some(word),
            body,
            start: None,
        }
    }

    /// Where to go with any accumulator.
    fn start(&mut self, asm: &mut Assembler) -> Target {
        let start = match (self.start, self.word) {
            (Some(start), _) => start,
            (None, Some(word)) => asm.load(word, self.body),
            (None, None) => self.body,
        };
        self.start = Some(start);
        start
    }

    /// Where to go with `word` in the accumulator.
    fn start_with(&mut self, word: u32, asm: &mut Assembler) -> Target {
        if self.word == Some(word) {
            self.body
        } else {
            self.start(asm)
        }
    }
}

/// Writes the code that tries `alternatives` in turn and ends with the default action.
pub(crate) fn block(
    asm: &mut Assembler,
    rules: &Rules,
    alternatives: &[Alternative],
    words: Words,
) -> Target {
    let mut next = Code::without_load(Target::Return(rules.default));
    let mut conditions = Vec::new();
    for alternative in alternatives.iter().rev() {
        conditions.clear();
        conditions.extend(alternative.conditions(rules, words.wide));
        next = conjunction(asm, &conditions, alternative.action(rules), next, words);
    }
    next.start(asm)
}

/// Writes one alternative: `action` if all conditions hold, else `otherwise`.
fn conjunction(
    asm: &mut Assembler,
    conditions: &[Condition],
    action: Action,
    mut otherwise: Code,
    words: Words,
) -> Code {
    let mut then = Code::without_load(Target::Return(action));
    for condition in conditions.iter().rev() {
        let yes = then.start(asm);
        then = test(asm, *condition, yes, &mut otherwise, words);
    }
    then
}

/// Writes one comparison.
fn test(
    asm: &mut Assembler,
    condition: Condition,
    yes: Target,
    no: &mut Code,
    words: Words,
) -> Code {
    let argument = Argument::of(condition.argument, words);
    match condition.test {
        Test::Masked { mask, value } => masked(asm, argument, (mask, value), yes, no),
        Test::NotEqual(value) => not_equal(asm, argument, value, yes, no),
        Test::Greater(value) => ordered(asm, argument, (bpf::JGT, value), Ok(yes), no),
        Test::GreaterOrEqual(value) => ordered(asm, argument, (bpf::JGE, value), Ok(yes), no),
        Test::LessOrEqual(value) => ordered(asm, argument, (bpf::JGT, value), Err(yes), no),
        Test::Less(value) => ordered(asm, argument, (bpf::JGE, value), Err(yes), no),
    }
}

/// Where the words of an argument are.
#[derive(Clone, Copy, Debug)]
struct Argument {
    low: u32,
    /// Only where it counts.
    high: Option<u32>,
}

impl Argument {
    fn of(argument: u8, words: Words) -> Self {
        Self {
            low: bpf::argument_low(argument, words.big_endian),
            high: words
                .wide
                .then(|| bpf::argument_high(argument, words.big_endian)),
        }
    }
}

/// The low and the high word of a value.
fn split(value: u64) -> (u32, u32) {
    let word = |value: u64| u32::try_from(value & u64::from(u32::MAX)).unwrap_or(0);
    (word(value), word(value >> 32))
}

fn masked(
    asm: &mut Assembler,
    argument: Argument,
    (mask, value): (u64, u64),
    yes: Target,
    no: &mut Code,
) -> Code {
    let ((mask_low, mask_high), (low, high)) = (split(mask), split(value));
    let mut code = Code::without_load(yes);
    if mask_low != 0 {
        code = masked_word(asm, argument.low, (mask_low, low), yes, no);
    }
    match argument.high {
        Some(offset) if mask_high != 0 => {
            let yes = code.start(asm);
            masked_word(asm, offset, (mask_high, high), yes, no)
        }
        _ => code,
    }
}

fn masked_word(
    asm: &mut Assembler,
    offset: u32,
    (mask, value): (u32, u32),
    yes: Target,
    no: &mut Code,
) -> Code {
    if mask == u32::MAX {
        let no = no.start_with(offset, asm);
        return Code::loading(offset, asm.branch(bpf::JEQ, value, yes, no));
    }
    let no = no.start(asm);
    let compare = asm.branch(bpf::JEQ, value, yes, no);
    Code::loading(offset, asm.mask(mask, compare))
}

fn not_equal(
    asm: &mut Assembler,
    argument: Argument,
    value: u64,
    yes: Target,
    no: &mut Code,
) -> Code {
    let (low, high) = split(value);
    let no = no.start_with(argument.low, asm);
    let mut code = Code::loading(argument.low, asm.branch(bpf::JEQ, low, no, yes));
    let Some(offset) = argument.high else {
        return code;
    };
    let equal = code.start(asm);
    Code::loading(offset, asm.branch(bpf::JEQ, high, equal, yes))
}

/// `>` and `>=` with `Ok(yes)`; `<=` and `<`, their opposites, with `Err(yes)`.
fn ordered(
    asm: &mut Assembler,
    argument: Argument,
    (jump, value): (u16, u64),
    yes: Result<Target, Target>,
    no: &mut Code,
) -> Code {
    let (low, high) = split(value);
    let sides = |no: Target| match yes {
        Ok(yes) => (yes, no),
        Err(yes) => (no, yes),
    };
    let (above, below) = sides(no.start_with(argument.low, asm));
    let mut code = Code::loading(argument.low, asm.branch(jump, low, above, below));
    let Some(offset) = argument.high else {
        return code;
    };
    let equal = code.start(asm);
    let (above, below) = sides(no.start_with(offset, asm));
    let not_above = asm.branch(bpf::JEQ, high, equal, below);
    Code::loading(offset, asm.branch(bpf::JGT, high, above, not_above))
}
