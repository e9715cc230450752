//! libseccomp in a process of its own: `libseccomp.c`, compiled when a test wants it.
//!
//! `CC` names the compiler, `LIBSECCOMP_FLAGS` says where another libseccomp than the system's is
//! (`-I…/include …/libseccomp.a`), `OXRUN_REQUIRE_ORACLE=1` makes its absence a failure.

use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;
use std::{env, fs};

use oci_spec::runtime::{Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSyscall};
use seccompiler::{BpfProgram, sock_filter};

/// What libseccomp makes of a profile.
#[derive(Debug)]
pub(crate) enum Answer {
    /// And how long the fastest run took.
    Program(
        BpfProgram,
        #[allow(dead_code, reason = "only the benchmark reads it")] Duration,
    ),
    /// It takes no such rules: it calls some of them contradictory.
    Refused,
    /// It does not come to an end.
    Endless,
}

#[derive(Debug)]
pub(crate) struct Oracle {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Oracle {
    /// `None`, and a line on standard error whatever the test harness captures, where libseccomp
    /// is not installed.
    pub(crate) fn start(who: &str) -> Option<Self> {
        let program = match build(who) {
            Ok(program) => program,
            Err(reason) => {
                let required = env::var_os("OXRUN_REQUIRE_ORACLE").is_some();
                assert!(!required, "libseccomp is required: {reason}");
                let note = format!("\nSKIPPED {who}: no libseccomp to compare with: {reason}\n");
                io::stderr().write_all(note.as_bytes()).unwrap();
                return None;
            }
        };
        let mut command = Command::new(&program);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut oracle = Self {
            child,
            input,
            output,
        };
        // Once it has answered it runs, and nothing is left behind however the test ends.
        oracle.resolve(Arch::ScmpArchX86_64, "read");
        fs::remove_file(program).unwrap();
        Some(oracle)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.truncate(line.trim_end().len());
        line
    }

    /// libseccomp's number of a call, negative where it has none.
    pub(crate) fn resolve(&mut self, arch: Arch, name: &str) -> i64 {
        writeln!(self.input, "resolve {} {name}", arch as u32).unwrap();
        self.line().parse().unwrap()
    }

    /// Compiles a profile as runc has libseccomp do it, `repeat` times.
    pub(crate) fn compile(
        &mut self,
        profile: &LinuxSeccomp,
        archs: &[Arch],
        optimize: bool,
        repeat: usize,
    ) -> Answer {
        let default = value(profile.default_action(), profile.default_errno_ret());
        let mut request = format!("filter {repeat} {} {default}", u8::from(optimize));
        for arch in archs {
            request += &format!(" {}", *arch as u32);
        }
        request += "\n";
        for syscall in profile.syscalls().iter().flatten() {
            let action = value(syscall.action(), syscall.errno_ret());
            if action != default {
                add_rules(&mut request, syscall, action);
            }
        }
        request += "end\n";
        self.input.write_all(request.as_bytes()).unwrap();
        let answer = self.line();
        if answer == "endless" {
            return Answer::Endless;
        }
        let fields: Vec<&str> = answer.split(' ').collect();
        let ["ok", length, nanoseconds] = fields[..] else {
            return Answer::Refused;
        };
        let took = Duration::from_nanos(nanoseconds.parse().unwrap());
        let length: usize = length.parse().unwrap();
        Answer::Program((0..length).map(|_| self.instruction()).collect(), took)
    }

    fn instruction(&mut self) -> sock_filter {
        let line = self.line();
        let fields: Vec<u32> = line
            .split(' ')
            .map(|field| field.parse().unwrap())
            .collect();
        sock_filter {
            code: u16::try_from(fields[0]).unwrap(),
            jt: u8::try_from(fields[1]).unwrap(),
            jf: u8::try_from(fields[2]).unwrap(),
            k: fields[3],
        }
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Compiles the C program into the directory for test files.
fn build(who: &str) -> Result<PathBuf, String> {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/libseccomp.c");
    let program = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("oracle-{who}"));
    let compiler = env::var_os("CC").unwrap_or_else(|| "cc".into());
    let flags = env::var("LIBSECCOMP_FLAGS").unwrap_or_else(|_| "-lseccomp".to_owned());
    let output = Command::new(&compiler)
        .args(["-O2", "-o"])
        .arg(&program)
        .arg(source)
        .args(flags.split_whitespace())
        .output()
        .map_err(|error| format!("{}: {error}", compiler.display()))?;
    let first = String::from_utf8_lossy(&output.stderr)
        .lines()
        .next()
        .unwrap_or("")
        .to_owned();
    if output.status.success() {
        Ok(program)
    } else {
        Err(first)
    }
}

/// An action as `SECCOMP_RET_*`, written without the crate's own table.
fn value(action: LinuxSeccompAction, errno: Option<u32>) -> u32 {
    action.as_u32(errno)
}

/// One rule for each name, and for each condition if an argument is named twice.
fn add_rules(request: &mut String, syscall: &LinuxSyscall, action: u32) {
    let args = syscall.args().as_deref().unwrap_or_default();
    let mut seen: Vec<usize> = args.iter().map(|arg| arg.index()).collect();
    seen.sort_unstable();
    seen.dedup();
    let whole = [args];
    let alone: Vec<_> = args.chunks(1).collect();
    let groups = if seen.len() < args.len() {
        &alone[..]
    } else {
        &whole[..]
    };
    for name in syscall.names() {
        for group in groups {
            *request += &format!("rule {action} {name} {}", group.len());
            for arg in *group {
                let (op, second) = (arg.op() as u32, arg.value_two().unwrap_or(0));
                *request += &format!(" {} {op} {} {second}", arg.index(), arg.value());
            }
            *request += "\n";
        }
    }
}
