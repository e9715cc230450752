//! What the suite's program does inside containers, where a shell cannot make a system call of
//! one's choice: `guest ACTION NUMBER [ARGUMENT…]`.
//!
//! The suite's program is static, so a container runs it from a bind mount.

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, raise};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};
use std::os::unix::fs::MetadataExt as _;
use std::process::ExitCode;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};
use std::{fs, io};

/// The first argument that makes the suite's program a guest.
pub const GUEST: &str = "guest";

/// What the tracer makes of a call that it is told of.
#[cfg(target_arch = "x86_64")]
const TRACED: u64 = 4711;

/// Plays the guest if the arguments say so.
#[must_use]
pub fn enter(arguments: &[String]) -> Option<ExitCode> {
    let [guest, action, rest @ ..] = arguments else {
        return None;
    };
    if guest != GUEST {
        return None;
    }
    let numbers: Option<Vec<u64>> = rest.iter().map(|text| number(text)).collect();
    let (call, args) = numbers.as_deref().and_then(<[u64]>::split_first)?;
    let mut given = [0; 6];
    given
        .iter_mut()
        .zip(args)
        .for_each(|(to, from)| *to = *from);
    match action.as_str() {
        "call" => println!("{}", outcome(*call, given)),
        "climb" => println!("{}", climb(*call).unwrap_or_else(|error| error.to_string())),
        "thread" => println!("{}", thread(*call)),
        "handler" => println!("{}", handler(*call)),
        #[cfg(target_arch = "x86_64")]
        "traced" => println!("{}", traced(*call)),
        _ => return None,
    }
    Some(ExitCode::SUCCESS)
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Makes a system call.
fn call(number: u64, args: [u64; 6]) -> i64 {
    let [a, b, c, d, e, f] = args;
    // SAFETY: the cases name calls that take no pointers, or get none that are valid.
    unsafe { libc::syscall(number.cast_signed(), a, b, c, d, e, f) }
}

/// `ok` and the result, or the error's name.
fn outcome(number: u64, args: [u64; 6]) -> String {
    match call(number, args) {
        -1 => format!("{:?}", Errno::last()),
        result => format!("ok {result}"),
    }
}

/// Leaves the root by the way that chroot(2) tells of, `steps` up, and says where that leads.
#[allow(clippy::disallowed_methods)] // the process has nothing else to do
fn climb(steps: u64) -> io::Result<String> {
    let place = |path| fs::metadata(path).map(|data| (data.dev(), data.ino()));
    let root = place("/")?;
    fs::create_dir("/dev/shm/below")?;
    std::env::set_current_dir("/")?;
    std::os::unix::fs::chroot("/dev/shm/below")?;
    for _ in 0..steps {
        std::env::set_current_dir("..")?;
    }
    if place(".")? == root {
        return Ok("the root".to_owned());
    }
    let names = fs::read_dir(".")?.map(|entry| entry.map(|entry| entry.file_name()));
    names
        .collect::<io::Result<Vec<_>>>()
        .map(|names| format!("{names:?}"))
}

/// Makes the call in a thread: what is left of the process afterwards.
fn thread(number: u64) -> &'static str {
    drop(std::thread::spawn(move || call(number, [0; 6])));
    let end = Instant::now() + Duration::from_secs(5);
    while fs::read_dir("/proc/self/task").map_or(0, Iterator::count) > 1 {
        if Instant::now() > end {
            return "the thread lives";
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    "the thread is gone, the process lives"
}

static CODE: AtomicI32 = AtomicI32::new(0);
static NUMBER: AtomicI32 = AtomicI32::new(0);
static ERROR: AtomicI32 = AtomicI32::new(0);

/// The beginning of `siginfo_t` for SIGSYS (sigaction(2)).
#[repr(C)]
struct SigSys {
    signo: i32,
    errno: i32,
    code: i32,
    address: *const libc::c_void,
    number: i32,
    arch: u32,
}

extern "C" fn note(_: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel passes a siginfo_t of SIGSYS, which begins like this.
    let info = unsafe { &*info.cast::<SigSys>() };
    CODE.store(info.code, Ordering::SeqCst);
    NUMBER.store(info.number, Ordering::SeqCst);
    ERROR.store(info.errno, Ordering::SeqCst);
}

/// Makes the call with a handler for SIGSYS: what that hears.
fn handler(number: u64) -> String {
    // SAFETY: all zeroes is a valid sigaction; the handler only stores numbers.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_flags = libc::SA_SIGINFO;
        action.sa_sigaction = note as *const () as usize;
        libc::sigaction(libc::SIGSYS, &raw const action, std::ptr::null_mut());
    }
    call(number, [0; 6]);
    let heard = [&CODE, &NUMBER, &ERROR].map(|value| value.load(Ordering::SeqCst));
    format!("code {} call {} errno {}", heard[0], heard[1], heard[2])
}

/// Traces a child that makes the call, and answers in the kernel's place.
#[cfg(target_arch = "x86_64")]
fn traced(number: u64) -> String {
    // SAFETY: the process has one thread.
    match unsafe { fork() } {
        Err(errno) => format!("fork: {errno}"),
        Ok(ForkResult::Parent { child }) => {
            tracer(child).unwrap_or_else(|errno| format!("tracer: {errno}"))
        }
        Ok(ForkResult::Child) => {
            let traced = ptrace::traceme().and_then(|()| raise(Signal::SIGSTOP));
            let answered = traced.is_ok() && call(number, [0; 6]).cast_unsigned() == TRACED;
            // SAFETY: ends the child.
            unsafe { libc::_exit(i32::from(!answered)) }
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn tracer(child: Pid) -> nix::Result<String> {
    waitpid(child, None)?;
    ptrace::setoptions(child, ptrace::Options::PTRACE_O_TRACESECCOMP)?;
    ptrace::cont(child, None)?;
    let event = ptrace::Event::PTRACE_EVENT_SECCOMP as i32;
    if waitpid(child, None)? != WaitStatus::PtraceEvent(child, Signal::SIGTRAP, event) {
        return Ok("no event".to_owned());
    }
    let message = ptrace::getevent(child)?;
    let mut registers = ptrace::getregs(child)?;
    let number = registers.orig_rax;
    registers.orig_rax = u64::MAX;
    registers.rax = TRACED;
    ptrace::setregs(child, registers)?;
    ptrace::cont(child, None)?;
    let answered = waitpid(child, None)? == WaitStatus::Exited(child, 0);
    Ok(format!(
        "call {number} message {message} answered {answered}"
    ))
}
