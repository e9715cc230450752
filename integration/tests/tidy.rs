//! Holds what ARCHITECTURE.md says of the sources: who may use whom, where unsafe code is, how long
//! files and functions are.

#![allow(clippy::disallowed_methods)] // it reads files of the repository

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules of libcontainer, and which others of them each may use.
const LAYERS: &[(&str, &[&str])] = &[
    // The types of the plan are data that all sides share.
    ("sys", &["plan"]),
    ("path", &["sys"]),
    ("sync", &["plan"]),
    ("error", &["sys"]),
    ("facts", &["plan"]),
    ("procfs", &["error", "sys"]),
    ("features", &["plan"]),
    ("seal", &["error", "plan", "sys"]),
    ("spec", &["error", "plan", "sys"]),
    ("validate", &["error", "facts", "plan"]),
    // Of sys and sync only the names of calls and the failures that it puts into words.
    ("plan", &["error", "facts", "sync", "sys", "validate"]),
    // The record of resctrl groups is kept in a container's state.
    ("store", &["error", "launch", "plan", "sync", "sys"]),
    ("init", &["path", "plan", "sync", "sys"]),
    (
        "launch",
        &[
            "error", "facts", "init", "plan", "procfs", "store", "sync", "sys",
        ],
    ),
    (
        "container",
        &[
            "error", "launch", "plan", "procfs", "seal", "spec", "store", "sync", "sys",
        ],
    ),
];

/// Words that a crate's sources must not hold, outside comments.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("seccomp/src", &["libcontainer", "cgroups::"]),
    ("cgroups/src", &["libcontainer", "seccomp::"]),
    // The command line has the library's public API; `oxrun seccomp` is about the crate itself.
    ("runtime-cli/src", &["cgroups::"]),
    // The plan is pure.
    (
        "libcontainer/src/plan",
        &[
            "nix::fcntl",
            "nix::mount",
            "nix::sched",
            "nix::sys",
            "nix::unistd",
            "procfs::",
            "std::env",
            "std::fs",
            "std::process",
            "std::time",
        ],
    ),
    // The child has no heap and no locks.
    (
        "libcontainer/src/init",
        &[
            "Box::",
            "String::",
            "Vec::",
            "format!",
            "nix::",
            "std::env",
            "std::fs",
            "std::sync",
            "vec!",
        ],
    ),
];

/// Where unsafe code may be.
const UNSAFE: &[&str] = &[
    "libcontainer/src/sys.rs",
    "libcontainer/src/sys/",
    "libcontainer/src/plan/cstrings.rs",
    "cgroups/src/devices/bpf.rs",
    "seccomp/src/install.rs",
    "runtime-cli/src/main.rs",
    "runtime-cli/src/entry.rs",
    "runtime-cli/src/entry/",
    "runtime-cli/src/memory.rs",
];

/// The crates that are shipped.
const SHIPPED: &[&str] = &[
    "seccomp/src",
    "cgroups/src",
    "libcontainer/src",
    "runtime-cli/src",
];

const LONGEST_FILE: usize = 700;
const LONGEST_FUNCTION: usize = 100;

/// Generated.
const LONG_FILES: &[&str] = &["seccomp/src/syscalls/table.rs"];

/// Files with a function that is one long table of rows.
const LONG_FUNCTIONS: &[&str] = &[
    "libcontainer/src/init/tests/fork.rs",
    "integration/cases/leftovers.rs",
    "integration/cases/seccomp.rs",
    "cgroups/tests/limits.rs",
];

struct Source {
    /// From the repository's root.
    path: String,
    text: String,
}

impl Source {
    fn is_test(&self) -> bool {
        let path = &self.path;
        path.contains("/tests") || path.ends_with("testing.rs") || !path.contains("/src/")
    }

    /// Without comments and without the tests at the end, line by line.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = self
            .text
            .find("\n#[cfg(test)]\nmod ")
            .unwrap_or(self.text.len());
        let lines = self.text[..end].lines().enumerate();
        lines.map(|(number, line)| (number + 1, line.split("//").next().unwrap_or_default()))
    }

    fn is_below(&self, place: &str) -> bool {
        self.path == format!("{place}.rs") || self.path.starts_with(&format!("{place}/"))
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn sources(directory: &str) -> Vec<Source> {
    let (root, mut found) = (repository(), Vec::new());
    let mut left = vec![root.join(directory)];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(&next).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let relative = path.strip_prefix(&root).expect("a path in the repository");
                found.push(Source {
                    path: relative.to_str().expect("a name in UTF-8").to_owned(),
                    text: fs::read_to_string(&path).expect("a source"),
                });
            }
        }
    }
    assert!(!found.is_empty(), "no sources in {directory}");
    found
}

fn all() -> Vec<Source> {
    let more = [
        "integration",
        "cgroups/tests",
        "seccomp/tests",
        "libcontainer/examples",
    ];
    SHIPPED
        .iter()
        .chain(&more)
        .flat_map(|place| sources(place))
        .collect()
}

/// The words after `crate::`, those in braces too.
fn used_modules(line: &str) -> Vec<&str> {
    let name = |text: &'_ str| -> usize {
        text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(text.len())
    };
    let mut used = Vec::new();
    for rest in line.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            Some(list) => {
                let list = list.split('}').next().unwrap_or_default();
                used.extend(
                    list.split(',')
                        .map(|item| &item.trim()[..name(item.trim())]),
                );
            }
            None => used.push(&rest[..name(rest)]),
        }
    }
    used
}

fn assert_none(wrong: &str) {
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn modules_use_whom_they_may() {
    let mut wrong = String::new();
    let known: BTreeSet<&str> = LAYERS.iter().map(|(name, _)| *name).collect();
    for source in sources("libcontainer/src")
        .iter()
        .filter(|source| !source.is_test())
    {
        let inside = source.path.trim_start_matches("libcontainer/src/");
        let own = inside.split(['/', '.']).next().unwrap_or_default();
        if own == "lib" {
            continue;
        }
        let Some((_, may)) = LAYERS.iter().find(|(name, _)| *name == own) else {
            writeln!(wrong, "{}: {own} is in no layer", source.path).unwrap();
            continue;
        };
        for (number, line) in source.code() {
            for used in used_modules(line) {
                if known.contains(used) && used != own && !may.contains(&used) {
                    writeln!(wrong, "{}:{number}: {own} must not use {used}", source.path).unwrap();
                }
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn layers_that_may_be_used_are_used() {
    let mut unused = String::new();
    let sources = sources("libcontainer/src");
    for (own, may) in LAYERS {
        let place = format!("libcontainer/src/{own}");
        let used: BTreeSet<&str> = sources
            .iter()
            .filter(|source| source.is_below(&place) && !source.is_test())
            .flat_map(|source| source.code().flat_map(|(_, line)| used_modules(line)))
            .collect();
        for module in may.iter().filter(|module| !used.contains(*module)) {
            writeln!(unused, "{own} does not use {module}").unwrap();
        }
    }
    assert_none(&unused);
}

#[test]
fn the_plan_puts_failures_into_words_and_calls_nothing() {
    let mut wrong = String::new();
    for source in sources("libcontainer/src/plan")
        .iter()
        .filter(|source| !source.is_test())
    {
        let words = source.is_below("libcontainer/src/plan/render");
        for (number, line) in source.code().filter(|_| !words) {
            let used = used_modules(line);
            if used.contains(&"sys") || used.contains(&"sync") {
                writeln!(wrong, "{}:{number}: {line}", source.path).unwrap();
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn no_crate_knows_what_it_must_not() {
    let mut wrong = String::new();
    for (place, words) in FORBIDDEN {
        for source in sources(place).iter().filter(|source| !source.is_test()) {
            for (number, line) in source.code() {
                for word in words.iter().filter(|word| line.contains(**word)) {
                    writeln!(wrong, "{}:{number}: {word}", source.path).unwrap();
                }
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn unsafe_code_is_where_it_may_be() {
    let mut wrong = String::new();
    let allowed = |source: &Source| UNSAFE.iter().any(|place| source.path.starts_with(place));
    for source in SHIPPED
        .iter()
        .flat_map(|place| sources(place))
        .filter(|s| !allowed(s))
    {
        for (number, line) in source.code() {
            let words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            if words.into_iter().any(|word| word == "unsafe") {
                writeln!(wrong, "{}:{number}: {line}", source.path).unwrap();
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn files_are_short() {
    let mut wrong = String::new();
    for source in all() {
        let lines = source.text.lines().count();
        if lines > LONGEST_FILE && !LONG_FILES.contains(&source.path.as_str()) {
            writeln!(
                wrong,
                "{}: {lines} lines, more than {LONGEST_FILE}",
                source.path
            )
            .unwrap();
        }
    }
    assert_none(&wrong);
}

/// rustfmt puts the last brace of a function under its first word.
#[test]
fn functions_are_short() {
    let mut wrong = String::new();
    let is_table = |source: &Source| LONG_FUNCTIONS.contains(&source.path.as_str());
    for source in all().iter().filter(|source| !is_table(source)) {
        let lines: Vec<&str> = source.text.lines().collect();
        for (start, line) in lines.iter().enumerate() {
            let body = line.trim_start();
            let indent = &line[..line.len() - body.len()];
            let words = body
                .split('(')
                .next()
                .unwrap_or_default()
                .split_whitespace();
            if body.starts_with("//") || !words.into_iter().any(|word| word == "fn") {
                continue;
            }
            let closing = format!("{indent}}}");
            let length = lines[start..].iter().position(|line| *line == closing);
            if let Some(length) = length.filter(|length| length + 1 > LONGEST_FUNCTION) {
                let (path, start) = (&source.path, start + 1);
                writeln!(
                    wrong,
                    "{path}:{start}: {} lines, more than {LONGEST_FUNCTION}",
                    length + 1
                )
                .unwrap();
            }
        }
    }
    assert_none(&wrong);
}
