//! Reads a command line with the table.
//!
//! The habits are those of runc's callers: global options before the command; `--name value`,
//! `--name=value`, `-n value`, `-nvalue` and, as Go takes it, `-name value`; switches with `=true` or
//! `=false`; options also after operands, except where the operands hold another command line.

#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::Arg;

use super::commands::{COMMANDS, Command};
use super::value::{self, Kind, Rootless, ValueError};
use super::{Flag, UsageError, flags, help};

/// What a command line asks for. The global options are there even where the rest is wrong: they say
/// where to tell that.
#[derive(Debug)]
pub struct Invocation {
    /// Options before the command.
    pub global: Matches,
    /// The rest.
    pub request: Result<Request, UsageError>,
}

/// What is to be done.
#[derive(Debug)]
pub enum Request {
    /// Print the version.
    Version,
    /// Print help for the program or a command.
    Help(Option<&'static Command>),
    /// Perform a command.
    Command(&'static Command, Matches),
}

/// Options and operands as they were given, their values checked.
#[derive(Debug, Default)]
pub struct Matches {
    options: Vec<(&'static Flag, Option<OsString>)>,
    operands: Vec<OsString>,
}

/// Reads the arguments after the program's name.
pub fn parse(arguments: &[OsString]) -> Invocation {
    let mut reader = Reader::new(arguments);
    let mut global = Matches::default();
    let request = read(&mut reader, &mut global);
    Invocation { global, request }
}

fn read(reader: &mut Reader, global: &mut Matches) -> Result<Request, UsageError> {
    let place = || help::name().to_owned();
    let name = loop {
        match reader.next(flags::GLOBAL, place)? {
            None => return Ok(Request::Help(None)),
            Some(Token::Option(flag, _)) if flag.long == flags::HELP.long => {
                return Ok(Request::Help(None));
            }
            Some(Token::Option(flag, _)) if flag.long == flags::VERSION.long => {
                return Ok(Request::Version);
            }
            Some(Token::Option(flag, value)) => global.options.push((flag, value)),
            Some(Token::Operand(name)) => break name,
        }
    };
    if name == "help" || name == "h" {
        return match reader.next(&[], place)? {
            Some(Token::Operand(topic)) => find(&topic).map(|command| Request::Help(Some(command))),
            _ => Ok(Request::Help(None)),
        };
    }
    read_command(reader, find(&name)?)
}

fn read_command(reader: &mut Reader, command: &'static Command) -> Result<Request, UsageError> {
    let mut matches = Matches::default();
    let place = || format!("{} {}", help::name(), command.name);
    while let Some(token) = reader.next(command.flags, place)? {
        match token {
            Token::Option(flag, _) if flag.long == flags::HELP.long => {
                return Ok(Request::Help(Some(command)));
            }
            Token::Option(flag, value) => matches.options.push((flag, value)),
            Token::Operand(operand) => {
                matches.operands.push(operand);
                if command.options_first {
                    reader.rest(&mut matches.operands);
                }
            }
        }
    }
    command.operands.check(command, matches.operands.len())?;
    Ok(Request::Command(command, matches))
}

fn find(name: &OsStr) -> Result<&'static Command, UsageError> {
    let found = COMMANDS.iter().find(|command| name == command.name);
    found.ok_or_else(|| UsageError::UnknownCommand {
        name: name.to_string_lossy().into_owned(),
    })
}

/// One thing on the command line.
enum Token {
    Option(&'static Flag, Option<OsString>),
    Operand(OsString),
}

/// lexopt, and before it what Go's flag package takes in addition.
struct Reader {
    parser: lexopt::Parser,
    /// Whether `--` has been read.
    only_operands: bool,
}

impl Reader {
    fn new(arguments: &[OsString]) -> Self {
        Self {
            parser: lexopt::Parser::from_args(arguments.to_vec()),
            only_operands: false,
        }
    }

    fn next(
        &mut self,
        flags: &[&'static Flag],
        place: impl Fn() -> String,
    ) -> Result<Option<Token>, UsageError> {
        if let Some((flag, value)) = self.single_dash(flags) {
            return self.option(flag, value).map(Some);
        }
        let unknown = |option: String| UsageError::UnknownOption {
            place: place(),
            option,
        };
        let (flag, attached) = match self.parser.next() {
            Ok(None) => return Ok(None),
            Ok(Some(Arg::Value(operand))) => return Ok(Some(Token::Operand(operand))),
            Ok(Some(Arg::Long(name))) => {
                let found = flags.iter().find(|flag| flag.long == name).copied();
                let flag = found.ok_or_else(|| unknown(format!("--{name}")))?;
                (flag, self.parser.optional_value())
            }
            Ok(Some(Arg::Short(letter))) => {
                let found = flags
                    .iter()
                    .find(|flag| flag.short == Some(letter))
                    .copied();
                let flag = found.ok_or_else(|| unknown(format!("-{letter}")))?;
                let takes = flag.kind != Kind::Switch;
                (flag, takes.then(|| self.parser.optional_value()).flatten())
            }
            Err(error) => return Err(unknown(error.to_string())),
        };
        self.option(flag, attached).map(Some)
    }

    /// `-name`, `-name=value` and `-n=value`, which lexopt would read as letters.
    fn single_dash(
        &mut self,
        flags: &[&'static Flag],
    ) -> Option<(&'static Flag, Option<OsString>)> {
        if self.only_operands {
            return None;
        }
        let mut raw = self.parser.try_raw_args()?;
        let argument = raw.peek()?;
        if argument == "--" {
            self.only_operands = true;
            return None;
        }
        let bytes = argument.as_bytes().strip_prefix(b"-")?;
        let equals = bytes.iter().position(|&byte| byte == b'=');
        let (name, value) = match equals {
            Some(at) => (bytes.get(..at)?, bytes.get(at + 1..)),
            None => (bytes, None),
        };
        let name = std::str::from_utf8(name).ok()?;
        let mut letters = name.chars();
        let letter = letters
            .next()
            .filter(|_| letters.next().is_none() && value.is_some());
        let named = |flag: &&&'static Flag| match letter {
            Some(_) => flag.short == letter,
            None => name.len() > 1 && flag.long == name,
        };
        let flag = flags.iter().find(named).copied()?;
        let value = value.map(|value| OsStr::from_bytes(value).to_owned());
        raw.next();
        Some((flag, value))
    }

    /// Takes the value where the flag wants one, and checks it.
    fn option(
        &mut self,
        flag: &'static Flag,
        attached: Option<OsString>,
    ) -> Result<Token, UsageError> {
        let value = match (attached, flag.kind) {
            (None, Kind::Switch) => return Ok(Token::Option(flag, None)),
            (Some(value), _) => value,
            (None, kind) => self.parser.value().map_err(|_| UsageError::MissingValue {
                flag: flag.long,
                kind: kind.to_string(),
            })?,
        };
        let checked = flag.kind.check(&value);
        checked.map_err(|problem| wrong_value(flag, &value, problem))?;
        Ok(Token::Option(flag, Some(value)))
    }

    fn rest(&mut self, operands: &mut Vec<OsString>) {
        if let Ok(raw) = self.parser.raw_args() {
            operands.extend(raw);
        }
    }
}

fn wrong_value(flag: &Flag, value: &OsStr, problem: ValueError) -> UsageError {
    UsageError::Value {
        flag: flag.long,
        value: value.to_string_lossy().into_owned(),
        problem,
    }
}

impl Matches {
    /// What is not an option, in order.
    pub fn operands(&self) -> &[OsString] {
        &self.operands
    }

    /// The operand at this place, as text where it is UTF-8.
    pub fn operand(&self, index: usize) -> Option<Cow<'_, str>> {
        self.operands.get(index).map(|o| o.to_string_lossy())
    }

    /// Whether a flag was given at all.
    pub fn is_given(&self, flag: &Flag) -> bool {
        self.options
            .iter()
            .any(|(given, _)| given.long == flag.long)
    }

    /// Whether a switch is on.
    pub fn is_set(&self, flag: &Flag) -> bool {
        let last = self
            .options
            .iter()
            .rev()
            .find(|(given, _)| given.long == flag.long);
        last.is_some_and(|(_, value)| match value {
            None => true,
            Some(value) => value.to_str().is_some_and(|v| value::switch(v) == Ok(true)),
        })
    }

    /// The values of a flag, in order.
    pub fn values<'a>(&'a self, flag: &'a Flag) -> impl DoubleEndedIterator<Item = &'a OsStr> {
        let of_flag = move |(given, _): &&(&'static Flag, _)| given.long == flag.long;
        let given = self.options.iter().filter(of_flag);
        given.filter_map(|(_, value)| value.as_deref())
    }

    /// The last value of a flag.
    pub fn value<'a>(&'a self, flag: &'a Flag) -> Option<&'a OsStr> {
        self.values(flag).next_back()
    }

    /// The last value of a flag as a path.
    pub fn path(&self, flag: &Flag) -> Option<PathBuf> {
        self.value(flag).map(PathBuf::from)
    }

    /// The last value of a flag as text.
    pub fn text(&self, flag: &Flag) -> Option<String> {
        self.value(flag)
            .map(|value| value.to_string_lossy().into_owned())
    }

    /// The values of a flag as text.
    pub fn texts(&self, flag: &Flag) -> Vec<String> {
        let texts = self
            .values(flag)
            .map(|value| value.to_string_lossy().into_owned());
        texts.collect()
    }

    /// [`Kind::Count`]
    pub fn count(&self, flag: &Flag) -> Result<Option<u32>, UsageError> {
        self.parsed(flag, value::count)
    }

    /// [`Kind::Weight`]
    pub fn weight(&self, flag: &Flag) -> Result<Option<u16>, UsageError> {
        self.parsed(flag, value::weight)
    }

    /// [`Kind::Unsigned`]
    pub fn unsigned(&self, flag: &Flag) -> Result<Option<u64>, UsageError> {
        self.parsed(flag, value::unsigned)
    }

    /// [`Kind::Signed`]
    pub fn signed(&self, flag: &Flag) -> Result<Option<i64>, UsageError> {
        self.parsed(flag, value::signed)
    }

    /// [`Kind::Size`]
    pub fn size(&self, flag: &Flag) -> Result<Option<i64>, UsageError> {
        self.parsed(flag, value::size)
    }

    /// [`Kind::Interval`]
    pub fn interval(&self, flag: &Flag) -> Result<Option<Duration>, UsageError> {
        self.parsed(flag, value::interval)
    }

    /// [`Kind::Rootless`]
    pub fn rootless(&self, flag: &Flag) -> Result<Option<Rootless>, UsageError> {
        self.parsed(flag, value::rootless)
    }

    /// [`Kind::User`]
    pub fn user(&self, flag: &Flag) -> Result<Option<(u32, Option<u32>)>, UsageError> {
        self.parsed(flag, value::user)
    }

    /// [`Kind::Id`], all of them.
    pub fn ids(&self, flag: &Flag) -> Result<Vec<u32>, UsageError> {
        let parse = |text: &OsStr| {
            let id = value::id(&text.to_string_lossy());
            id.map_err(|problem| wrong_value(flag, text, problem))
        };
        self.values(flag).map(parse).collect()
    }

    fn parsed<T>(
        &self,
        flag: &Flag,
        parse: impl Fn(&str) -> Result<T, ValueError>,
    ) -> Result<Option<T>, UsageError> {
        let Some(text) = self.value(flag) else {
            return Ok(None);
        };
        let parsed = parse(&text.to_string_lossy());
        parsed
            .map(Some)
            .map_err(|problem| wrong_value(flag, text, problem))
    }
}
