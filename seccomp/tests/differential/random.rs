//! Random profiles, the same for the same seed.

use serde_json::{Value, json};

/// xorshift64*: enough for tests, and no dependency.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).unwrap()).unwrap()
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    /// A value that is often at a border of something.
    fn value(&mut self) -> u64 {
        const BORDERS: [u64; 12] = [
            0,
            1,
            2,
            40,
            0x7fff_ffff,
            0x8000_0000,
            0xffff_ffff,
            0x1_0000_0000,
            0x1_0000_0001,
            0x7fff_ffff_ffff_ffff,
            u64::MAX - 1,
            u64::MAX,
        ];
        match self.below(4) {
            0 | 1 => *self.pick(&BORDERS),
            2 => self.next() % 8,
            _ => self.next() & self.next(),
        }
    }
}

/// How the rules of a profile may relate to each other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Conflicts {
    /// Any rules.
    Any,
    /// All rules for one call have the same action and errno. libseccomp refuses some
    /// conflicting rules and settles others by the order of its tree.
    None,
}

const ACTIONS: [&str; 7] = [
    "SCMP_ACT_ALLOW",
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_TRAP",
    "SCMP_ACT_LOG",
    "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_TRACE",
    "SCMP_ACT_KILL",
];
const OPERATORS: [&str; 7] = [
    "SCMP_CMP_NE",
    "SCMP_CMP_LT",
    "SCMP_CMP_LE",
    "SCMP_CMP_EQ",
    "SCMP_CMP_GE",
    "SCMP_CMP_GT",
    "SCMP_CMP_MASKED_EQ",
];

/// A profile that uses `names` and lists `archs`.
pub(crate) fn profile(
    random: &mut Random,
    names: &[&str],
    archs: &[&str],
    conflicts: Conflicts,
) -> Value {
    let (default, errno) = action(random);
    // A few names make rules meet; many make large trees.
    let span = if random.chance(50) { 6 } else { names.len() };
    let first = random.below(names.len());
    let of_call: Vec<_> = names.iter().map(|_| action(random)).collect();
    let count = if random.chance(80) {
        random.below(12)
    } else {
        random.below(80)
    };
    let mut syscalls = Vec::new();
    for _ in 0..count {
        let index = |random: &mut Random| (first + random.below(span)) % names.len();
        let chosen: Vec<usize> = match random.below(4) {
            0 => (0..random.below(40) + 1).map(|_| index(random)).collect(),
            _ => vec![index(random)],
        };
        let args = args(random);
        let (action, errno) = match conflicts {
            Conflicts::Any => action(random),
            Conflicts::None => of_call[chosen[0]],
        };
        let same =
            |index: &usize| conflicts == Conflicts::Any || of_call[*index] == (action, errno);
        let listed: Vec<&str> = chosen
            .into_iter()
            .filter(same)
            .map(|index| names[index])
            .collect();
        let mut rule = json!({ "names": listed, "action": action, "args": args });
        if let Some(errno) = errno {
            rule["errnoRet"] = errno.into();
        }
        syscalls.push(rule);
    }
    let mut profile =
        json!({ "defaultAction": default, "architectures": archs, "syscalls": syscalls });
    if let Some(errno) = errno {
        profile["defaultErrnoRet"] = errno.into();
    }
    profile
}

/// An action, with an errno if it takes one and not the usual one.
fn action(random: &mut Random) -> (&'static str, Option<u64>) {
    let action = *random.pick(&ACTIONS);
    let takes = matches!(action, "SCMP_ACT_ERRNO" | "SCMP_ACT_TRACE");
    let errno = (takes && random.chance(50)).then(|| random.next() % 4);
    (action, errno)
}

fn args(random: &mut Random) -> Vec<Value> {
    let count = match random.below(10) {
        0..4 => 0,
        4..7 => 1,
        7..9 => 2,
        _ => random.below(4) + 1,
    };
    let mut args = Vec::new();
    for _ in 0..count {
        let (index, op) = (random.below(3), *random.pick(&OPERATORS));
        let (value, second) = (random.value(), random.value());
        args.push(json!({ "index": index, "value": value, "valueTwo": second, "op": op }));
    }
    args
}
