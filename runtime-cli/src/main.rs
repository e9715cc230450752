//! `oxrun`: a low-level OCI container runtime with runc's command line.
//!
//! With glibc, which hands the arguments to the standard library itself, the program begins at C's
//! `main`. On the way to Rust's own the standard library reads the memory map and makes a handler
//! for the overflow of its stack: eighteen system calls, and as many again in a program that
//! executes itself anew to be sealed. What of that counts here is done below.

#![deny(unsafe_code)]
#![cfg_attr(target_env = "gnu", no_main)]

#[cfg(begins_at_entry)]
#[allow(unsafe_code)]
mod entry;
#[cfg(begins_at_entry)]
#[allow(unsafe_code)]
mod memory;

#[cfg(not(target_env = "gnu"))]
fn main() -> std::process::ExitCode {
    oxrun::main().into()
}

/// C's `main`, which may leave its parameters out.
// SAFETY: no other function of the program has this name.
#[cfg(target_env = "gnu")]
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
extern "C" fn main() -> core::ffi::c_int {
    if open_stdio().is_err() {
        return 1;
    }
    // A reader that goes away is an error of the write, not the end of this program. Blocked, and not
    // ignored: every program that is started from here gets an empty mask anyway.
    let mut broken_pipe = nix::sys::signal::SigSet::empty();
    broken_pipe.add(nix::sys::signal::Signal::SIGPIPE);
    if broken_pipe.thread_block().is_err() {
        return 1;
    }
    end(oxrun::main())
}

/// Nothing is buffered, and nothing waits for the end: what the C library does then is only touching
/// pages, which the container's process may share.
#[cfg(begins_at_entry)]
use entry::end;

#[cfg(all(target_env = "gnu", not(begins_at_entry)))]
fn end(status: u8) -> ! {
    #[allow(clippy::exit)]
    std::process::exit(status.into())
}

/// Opens the null device in place of standard streams that are closed: files would otherwise be
/// taken for them.
#[cfg(target_env = "gnu")]
fn open_stdio() -> nix::Result<()> {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::{AsFd, IntoRawFd};

    let (input, output, error) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let streams = [input.as_fd(), output.as_fd(), error.as_fd()];
    let mut asked = streams.map(|stream| PollFd::new(stream, PollFlags::empty()));
    poll(&mut asked, PollTimeout::ZERO)?;
    for stream in asked {
        let events = stream.revents().unwrap_or(PollFlags::empty());
        if events.contains(PollFlags::POLLNVAL) {
            let flags = nix::fcntl::OFlag::O_RDWR;
            // It takes the lowest number that is free, and keeps it.
            let null = nix::fcntl::open("/dev/null", flags, nix::sys::stat::Mode::empty())?;
            let _ = null.into_raw_fd();
        }
    }
    Ok(())
}
