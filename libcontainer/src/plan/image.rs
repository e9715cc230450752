//! The program, its arguments and its environment.

#![forbid(unsafe_code)]

use std::ffi::CStr;

use oci_spec::runtime::Process;

use super::builder::{at_most, c_string, quoted};
use super::step::CStringArray;
use super::{HOME_ROOM, Image};
use crate::error::{Error, ErrorKind, Result};
use crate::facts::Facts;

const ARGUMENTS: usize = 65_536;
/// Elements of `PATH` that are looked at.
const PATH_ELEMENTS: usize = 256;
/// The longest path of a program.
const PATH_MAX: usize = 4096;
/// Where programs are looked for when the environment has no `PATH`, as execvp(3) has it.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// `LISTEN_PID=` with room for the digits.
const LISTEN_PID_ROOM: usize = 22;

/// The image of a process.
pub(crate) fn plan(process: &Process, facts: &Facts) -> Result<Image> {
    let args = process.args().as_deref().unwrap_or_default();
    let Some(name) = args.first() else {
        return Err(Error::config("process.args", "args must not be empty"));
    };
    at_most("process.args", args.len(), ARGUMENTS)?;
    let argv = args
        .iter()
        .enumerate()
        .map(|(index, arg)| c_string(&format!("process.args[{index}]"), arg))
        .collect::<Result<Vec<_>>>()?;
    let environment = Environment::of(process, facts)?;
    Ok(Image {
        candidates: candidates(name, environment.path.as_deref())?,
        name: name.clone(),
        argv: CStringArray::new(argv),
        envp: environment.array,
        home: environment.home,
        listen_pid: environment.listen_pid,
    })
}

struct Environment {
    array: CStringArray,
    path: Option<String>,
    home: Option<usize>,
    listen_pid: Option<usize>,
}

impl Environment {
    /// The configuration's variables, each once with its last value, and those that the runtime adds.
    fn of(process: &Process, facts: &Facts) -> Result<Self> {
        let env = process.env().as_deref().unwrap_or_default();
        at_most("process.env", env.len(), ARGUMENTS)?;
        let mut seen = std::collections::BTreeSet::new();
        let mut strings: Vec<Box<CStr>> = Vec::with_capacity(env.len());
        let mut path = None;
        let mut has_home = false;
        for (index, variable) in env.iter().enumerate().rev() {
            let field = format!("process.env[{index}]");
            let string = c_string(&field, variable)?;
            let (name, value) = split(&field, variable)?;
            let replaced = name == "HOME" && value.is_empty()
                || facts.listen_fds > 0 && matches!(name, "LISTEN_FDS" | "LISTEN_PID");
            if !seen.insert(name) || replaced {
                continue;
            }
            has_home |= name == "HOME";
            if name == "PATH" {
                path = Some(value.to_owned());
            }
            strings.push(string);
        }
        strings.reverse();
        let mut listen_pid = None;
        if facts.listen_fds > 0 {
            let count = format!("LISTEN_FDS={}", facts.listen_fds);
            strings.push(c_string("process.env", count)?);
            listen_pid = Some(reserve(&mut strings, c"LISTEN_PID="));
        }
        let home = (!has_home).then(|| reserve(&mut strings, c"HOME="));
        let mut array = CStringArray::new(strings);
        if let Some(index) = home {
            array.reserve(index, HOME_ROOM);
        }
        if let Some(index) = listen_pid {
            array.reserve(index, LISTEN_PID_ROOM);
        }
        Ok(Self {
            array,
            path,
            home,
            listen_pid,
        })
    }
}

fn reserve(strings: &mut Vec<Box<CStr>>, start: &std::ffi::CStr) -> usize {
    strings.push(start.into());
    strings.len() - 1
}

fn split<'a>(field: &str, variable: &'a str) -> Result<(&'a str, &'a str)> {
    match variable.split_once('=') {
        None => Err(Error::config(
            field,
            format_args!(
                "{}: invalid environment variable: missing '='",
                quoted(variable)
            ),
        )),
        Some(("", _)) => Err(Error::config(
            field,
            format_args!(
                "{}: invalid environment variable: name cannot be empty",
                quoted(variable)
            ),
        )),
        Some(parts) => Ok(parts),
    }
}

/// Where the program may be: one path when the name has a slash, else one for each directory of
/// `PATH`. Relative directories are passed over, as what they lead to depends on the working
/// directory.
fn candidates(name: &str, path: Option<&str>) -> Result<Vec<Box<CStr>>> {
    if name.is_empty() {
        return Err(not_found(name));
    }
    if name.len() >= PATH_MAX {
        return Err(Error::config(
            "process.args[0]",
            format_args!(
                "is {} bytes long; a path has at most {}",
                name.len(),
                PATH_MAX - 1
            ),
        ));
    }
    if name.contains('/') {
        return Ok(vec![c_string("process.args[0]", name)?]);
    }
    let candidates = path
        .unwrap_or(DEFAULT_PATH)
        .split(':')
        .take(PATH_ELEMENTS)
        .filter(|directory| directory.starts_with('/'))
        .map(|directory| format!("{}/{name}", directory.trim_end_matches('/')))
        .filter(|candidate| candidate.len() < PATH_MAX)
        .map(|candidate| c_string("process.args[0]", candidate))
        .collect::<Result<Vec<_>>>()?;
    if candidates.is_empty() {
        return Err(not_found(name));
    }
    Ok(candidates)
}

/// The phrase that engines take an exit code of 127 from.
pub(crate) fn not_found(name: &str) -> Error {
    Error::new(
        ErrorKind::Program,
        format!("exec: {name:?}: executable file not found in $PATH"),
    )
    .within("unable to start container process")
}
