//! `bench order`: an order of the program's functions for the linker.
//!
//! The kernel maps a program's file in pieces of 64 KiB around every page that is touched. What a
//! short command executes is a fifth of the file, but lies everywhere in it: nearly all of the file
//! would count as its memory, and be mapped, in fifty page faults more. So a script for the linker
//! puts together what has been seen to be executed, what the same commands and processes execute beside
//! each other, in the order in which that happened: pages that a command does not need are not brought for
//! it, and the container's process, which has to map them anew, needs few pieces.

use crate::arena::read_pid;
use crate::bundles::Config;
use crate::contestant::{OXRUN, Verb};
use crate::launch::{Failure, Launcher, Words};
use crate::measure::{Stage, isolate};
use crate::options::Order as Options;
use crate::steps::{self, Stop};
use crate::words;
use nix::unistd::Pid;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::process::ExitCode;

/// Prints, for a program that was linked with this map, patterns of the sections that its commands
/// execute, each behind letters for who does.
///
/// # Errors
/// When a command fails or the map is none of lld's.
pub fn command(arguments: &[String], options: &Options) -> Result<ExitCode, Failure> {
    let Some(dir) = &options.measure.inside else {
        let (worked, text) = isolate(arguments, false)?;
        print!("{text}");
        return Ok(if worked {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        });
    };
    let shown = |err: std::io::Error| format!("{}: {err}", options.map.display());
    let map = Map::parse(&fs::read_to_string(&options.map).map_err(shown)?)?;
    for (pattern, who) in executed(options, dir, map)? {
        println!("{who} {pattern}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Who executes a section: a short command, `exec`, `run` or `create`, or `run` with Docker's
/// configuration, which has more of everything. A capital letter is for the processes that they make.
const SHORT: char = 's';
const EXEC: char = 'e';
const RUN: char = 'r';
const RUN_MORE: char = 'd';

/// The sections of all commands, those of the shortest first, with the letters of who executes them.
fn executed(options: &Options, dir: &Path, map: Map) -> Result<Vec<(String, String)>, Failure> {
    let stage = Stage::prepare(&options.measure, dir)?;
    let arena = stage.arena();
    let mut contestants = arena.contestants.iter();
    let oxrun = contestants.find(|contestant| contestant.name == OXRUN);
    let oxrun = oxrun.ok_or("give oxrun's program with --runtime")?;
    let mut trail = Trail::new(map, &stage.tool(OXRUN))?;
    let [brief, docker] =
        [Config::Default, Config::Docker].map(|config| arena.brief(oxrun, config));
    let waiting = arena.waiting(oxrun, Config::Default);
    let words = |verb, place| oxrun.words(verb, place);
    let run = |verb| stage.launcher.run(&words(verb, brief));
    let ended = || Launcher::wait(read_pid(brief)?);
    let mut follow = |who, words: &Words| {
        trail.begin(who);
        steps::walk(&stage.launcher, words, &mut |pid, stop| {
            trail.pass(pid, stop);
        })
    };
    // As engines call it, which want to be told the number.
    let mut announced = words(Verb::Exec, waiting);
    let behind = announced
        .iter()
        .position(|word| word == "exec")
        .map(|at| at + 1);
    let behind = behind.ok_or("exec has no name")?;
    announced.splice(behind..behind, words!["--pid-file", brief.pid_file]);
    arena.start_waiting(oxrun, Config::Default)?;
    follow(SHORT, &words(Verb::State, waiting))?;
    follow(RUN, &words(Verb::Run, brief))?;
    follow(EXEC, &words(Verb::Exec, waiting))?;
    follow(EXEC, &announced)?;
    follow(SHORT, &words(Verb::Kill, waiting))?;
    arena.end_waiting(oxrun, Config::Default)?;
    // The container's process is never let go from single steps.
    follow(RUN, &words(Verb::Create, brief))?;
    run(Verb::End)?;
    ended()?;
    run(Verb::Delete)?;
    run(Verb::Create)?;
    follow(SHORT, &words(Verb::Start, brief))?;
    // It may have ended and been waited for among the processes that were followed.
    drop(ended());
    follow(SHORT, &words(Verb::Delete, brief))?;
    follow(RUN_MORE, &words(Verb::Run, docker))?;
    Ok(trail.patterns)
}

/// What has been executed of one program.
struct Trail {
    map: Map,
    /// Where the program begins: by this its processes are known from those of others.
    entry: u64,
    /// Processes that execute another program.
    others: HashSet<Pid>,
    /// Who is followed, and the command's own process.
    who: char,
    main: Option<Pid>,
    /// Where in `patterns` which is.
    places: HashMap<String, usize>,
    patterns: Vec<(String, String)>,
}

impl Trail {
    fn new(map: Map, program: &Path) -> Result<Self, Failure> {
        let file = fs::read(program).map_err(|err| format!("{}: {err}", program.display()))?;
        let entry = file.get(24..32).and_then(|bytes| bytes.try_into().ok());
        Ok(Self {
            map,
            entry: u64::from_le_bytes(entry.ok_or("the program is no ELF file")?),
            others: HashSet::new(),
            who: SHORT,
            main: None,
            places: HashMap::new(),
            patterns: Vec::new(),
        })
    }

    fn begin(&mut self, who: char) {
        (self.who, self.main) = (who, None);
    }

    fn pass(&mut self, pid: Pid, stop: Stop) {
        let Some(address) = instruction(pid) else {
            return;
        };
        if stop == Stop::Exec {
            if address == self.entry {
                self.others.remove(&pid);
            } else {
                self.others.insert(pid);
            }
        }
        if self.others.contains(&pid) {
            return;
        }
        let is_main = *self.main.get_or_insert(pid) == pid;
        let who = if is_main {
            self.who
        } else {
            self.who.to_ascii_uppercase()
        };
        let Some(pattern) = self.map.section(address) else {
            return;
        };
        let Some(&place) = self.places.get(pattern) else {
            self.places.insert(pattern.to_owned(), self.patterns.len());
            self.patterns.push((pattern.to_owned(), who.to_string()));
            return;
        };
        if let Some((_, all)) = self.patterns.get_mut(place)
            && !all.contains(who)
        {
            all.push(who);
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn instruction(pid: Pid) -> Option<u64> {
    nix::sys::ptrace::getregs(pid).ok().map(|regs| regs.rip)
}

#[cfg(target_arch = "aarch64")]
fn instruction(pid: Pid) -> Option<u64> {
    nix::sys::ptrace::getregs(pid).ok().map(|regs| regs.pc)
}

/// Where which piece of the program went.
struct Map {
    /// Address, size and pattern, by address.
    sections: Vec<(u64, u64, String)>,
}

impl Map {
    /// Reads what lld writes for `-Map`.
    fn parse(text: &str) -> Result<Self, Failure> {
        let mut sections: Vec<_> = text.lines().filter_map(section).collect();
        sections.sort();
        if sections.is_empty() {
            return Err("the map has no sections: is it one of lld's?".to_owned());
        }
        Ok(Self { sections })
    }

    fn section(&self, address: u64) -> Option<&str> {
        let behind = self
            .sections
            .partition_point(|(start, ..)| *start <= address);
        let (start, size, pattern) = self.sections.get(behind.checked_sub(1)?)?;
        (address < start + size).then_some(pattern)
    }
}

/// A line of five columns: address twice, size, alignment, and `FILE:(SECTION)`.
fn section(line: &str) -> Option<(u64, u64, String)> {
    let mut words = line.split_whitespace();
    let mut number = || u64::from_str_radix(words.next()?, 16).ok();
    let (address, _, size, _) = (number()?, number()?, number()?, number()?);
    let (file, name) = words.next()?.strip_suffix(')')?.rsplit_once(":(")?;
    if !name.starts_with(".text") {
        return None;
    }
    Some((address, size, pattern(file, name)?))
}

/// A pattern for the section, which holds for other compilers and another state of the sources too.
/// The C library's sections are known by the names of files, and of the archives that these are in.
fn pattern(file: &str, section: &str) -> Option<String> {
    let name = file.rsplit('/').next()?;
    if name.starts_with("crt") {
        return Some(format!("*{name}({section})"));
    }
    let member = name
        .strip_suffix(')')
        .and_then(|name| name.rsplit_once('('));
    if let Some((archive, member)) = member.filter(|(archive, _)| archive.ends_with(".a")) {
        let (archive, _version) = archive.split_once(['-', '.'])?;
        return Some(format!("*{archive}*.a:{member}({section})"));
    }
    let is_one_function = section != ".text";
    is_one_function.then(|| format!("*({})", without_hashes(section)))
}

/// Symbols have hashes of what they were made from: `17h0123456789abcdefE` at the end, or
/// `Cs0aZ_` before the name of a crate; a function that was there twice has a number behind it.
fn without_hashes(name: &str) -> String {
    let name = name.split(".llvm.").next().unwrap_or(name);
    if let Some((start, _)) = name.rsplit_once("17h") {
        return format!("{start}17h*");
    }
    let (name, number) = match name.rsplit_once('.') {
        Some((name, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => (name, "*"),
        _ => (name, ""),
    };
    let mut pieces = name.split("Cs");
    let mut pattern = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let rest = piece.split_once('_').map_or(piece, |(_, rest)| rest);
        pattern.push_str("Cs*_");
        pattern.push_str(rest);
    }
    pattern + number
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "\
             VMA              LMA     Size Align Out     In      Symbol
          257e40           257e40    c8741    64 .text.hot
          257e40           257e40       30    16         /lib/x86_64-linux-gnu/libc.a(malloc.o):(.text)
          257e40           257e40        0     1                 malloc
          257e70           257e70        f    16         /tmp/a.o:(.text._ZN5oxrun4main17h0123456789abcdefE)
          257e90           257e90       10    16         /tmp/a.o:(.text._RNvCslNYArtu3iFV_5alloc1aCsb_3std.12)
          257e80           257e80       10    16         /tmp/a.o:(.text.unlikely._ZN1a17h0123456789abcdefE)
          257ea0           257ea0       10    16         /lib/crt1.o:(.text)
          257eb0           257eb0       10    16         /lib/libm-2.36.a(e_pow.o):(.text)
          300000           300000       10     4         /tmp/a.o:(.rodata.a)
";

    #[test]
    fn addresses_are_found_in_a_map() {
        let map = Map::parse(MAP).unwrap();
        assert_eq!(map.section(0x257e3f), None);
        assert_eq!(map.section(0x257e40), Some("*libc*.a:malloc.o(.text)"));
        let main = Some("*(.text._ZN5oxrun4main17h*)");
        assert_eq!(map.section(0x257e7e), main);
        assert_eq!(map.section(0x257e7f), None);
        assert_eq!(map.section(0x257e80), Some("*(.text.unlikely._ZN1a17h*)"));
        let alloc = Some("*(.text._RNvCs*_5alloc1aCs*_3std*)");
        assert_eq!(map.section(0x257e90), alloc);
        assert_eq!(map.section(0x257ea0), Some("*crt1.o(.text)"));
        assert_eq!(map.section(0x257eb0), Some("*libm*.a:e_pow.o(.text)"));
        assert_eq!(map.section(0x300000), None);
        assert!(Map::parse("no map").is_err());
    }
}
