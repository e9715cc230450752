//! Carries bytes between the caller's standard input and output and the container's terminal.

#![forbid(unsafe_code)]

use std::io::{stdin, stdout};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{read, write};

use super::terminal::HostTerminal;
use crate::failure::Failure;

/// As much as a pipe that poll(2) calls writable takes without blocking (pipe(7), `PIPE_BUF`).
const CHUNK: usize = 4096;

/// Standard input and output, the container's terminal, and what is on its way between them.
#[derive(Debug)]
pub(super) struct Proxy {
    stdin: OwnedFd,
    stdout: OwnedFd,
    master: OwnedFd,
    host: Option<HostTerminal>,
    input: Lane,
    output: Lane,
}

/// One direction.
#[derive(Debug)]
struct Lane {
    /// Read and not yet written.
    held: Vec<u8>,
    /// Whether there may be more to read.
    open: bool,
}

impl Lane {
    const NEW: Self = Self {
        held: Vec::new(),
        open: true,
    };

    fn wants_read(&self) -> bool {
        self.open && self.held.is_empty()
    }

    /// Reads once. The end of the file and an error close the lane: the master of a terminal gives
    /// `EIO` when nobody has the other side open.
    fn read(&mut self, from: BorrowedFd<'_>) {
        let mut chunk = [0; CHUNK];
        match read(from, &mut chunk) {
            Ok(0) => self.open = false,
            Ok(count) => self.held.extend(chunk.iter().take(count)),
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(_) => self.open = false,
        }
    }

    /// Writes once. What nobody takes any more is dropped, so that the container does not wait.
    fn write(&mut self, to: BorrowedFd<'_>) {
        match write(to, &self.held) {
            Ok(count) => drop(self.held.drain(..count.min(self.held.len()))),
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(_) => self.held.clear(),
        }
    }
}

impl Proxy {
    /// Connects the terminal whose master this is to the caller's standard input and output. Where
    /// keys come from a terminal, that is raw until this is dropped.
    pub(super) fn new(master: OwnedFd) -> Result<Self, Failure> {
        let input = stdin().as_fd().try_clone_to_owned();
        let output = stdout().as_fd().try_clone_to_owned();
        let duplicate = |source| Failure::Stdio { source };
        Self::between(
            input.map_err(duplicate)?,
            output.map_err(duplicate)?,
            master,
        )
    }

    fn between(stdin: OwnedFd, stdout: OwnedFd, master: OwnedFd) -> Result<Self, Failure> {
        let flags = fcntl(&master, FcntlArg::F_GETFL).map_err(Failure::system("fcntl F_GETFL"))?;
        let flags = OFlag::from_bits_retain(flags) | OFlag::O_NONBLOCK;
        fcntl(&master, FcntlArg::F_SETFL(flags)).map_err(Failure::system("fcntl F_SETFL"))?;
        let host = HostTerminal::open(stdin.as_fd(), stdout.as_fd());
        if let Some(host) = &host {
            host.give_size(&master);
        }
        Ok(Self {
            stdin,
            stdout,
            master,
            host: host.map(HostTerminal::into_raw).transpose()?,
            input: Lane::NEW,
            output: Lane::NEW,
        })
    }

    /// Gives the container's terminal the size of the caller's.
    pub(super) fn resize(&self) {
        if let Some(host) = &self.host {
            host.give_size(&self.master);
        }
    }

    /// What to wait for.
    pub(super) fn waits(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        let mut master = PollFlags::empty();
        master.set(PollFlags::POLLOUT, !self.input.held.is_empty());
        master.set(PollFlags::POLLIN, self.output.wants_read());
        let wanted = [
            (
                self.stdin.as_fd(),
                self.input.wants_read(),
                PollFlags::POLLIN,
            ),
            (self.stdout.as_fd(), self.holds_output(), PollFlags::POLLOUT),
            (self.master.as_fd(), !master.is_empty(), master),
        ];
        let wanted = wanted.into_iter().filter(|(_, wanted, _)| *wanted);
        wanted.map(|(fd, _, flags)| (fd, flags))
    }

    /// Whether there is output that has not been written.
    pub(super) fn holds_output(&self) -> bool {
        !self.output.held.is_empty()
    }

    /// Moves what can be moved without blocking.
    pub(super) fn transfer(&mut self) {
        if self.input.wants_read() && is_ready(self.stdin.as_fd(), PollFlags::POLLIN) {
            self.input.read(self.stdin.as_fd());
        }
        if !self.input.held.is_empty() {
            self.input.write(self.master.as_fd());
        }
        if self.output.wants_read() {
            self.output.read(self.master.as_fd());
        }
        if self.holds_output() && is_ready(self.stdout.as_fd(), PollFlags::POLLOUT) {
            self.output.write(self.stdout.as_fd());
        }
    }
}

/// Whether a descriptor that others share, and which therefore stays blocking, can be used now.
fn is_ready(fd: BorrowedFd<'_>, flags: PollFlags) -> bool {
    let mut waits = [PollFd::new(fd, flags)];
    poll(&mut waits, PollTimeout::ZERO).is_ok_and(|count| count > 0)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::fd::AsRawFd;
    use std::time::{Duration, Instant};

    use nix::pty::{OpenptyResult, openpty};
    use nix::unistd::pipe;
    use rustix::termios::{LocalModes, Winsize, tcgetattr, tcgetwinsize, tcsetwinsize};

    use super::*;

    /// Moves bytes until the condition holds; a proxy that loses them fails the test in time.
    fn until(proxy: &mut Proxy, mut condition: impl FnMut(&Proxy) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !condition(proxy) {
            assert!(Instant::now() < deadline, "{proxy:?}");
            let mut waits: Vec<_> = proxy
                .waits()
                .map(|(fd, flags)| PollFd::new(fd, flags))
                .collect();
            poll(&mut waits, 100_u8).unwrap();
            drop(waits);
            proxy.transfer();
        }
    }

    fn pty() -> OpenptyResult {
        openpty(None, None).unwrap()
    }

    #[test]
    fn bytes_go_both_ways_and_the_end_of_input_is_no_end() {
        let container = pty();
        let (input, mut keys) = pipe().map(|(r, w)| (r, File::from(w))).unwrap();
        let (mut shown, output) = pipe().map(|(r, w)| (File::from(r), w)).unwrap();
        let mut proxy = Proxy::between(input, output, container.master).unwrap();
        let mut program = File::from(container.slave);

        keys.write_all(b"ls\n").unwrap();
        drop(keys);
        until(&mut proxy, |proxy| !proxy.input.open);
        let mut line = [0; 3];
        program.read_exact(&mut line).unwrap();
        assert_eq!(&line, b"ls\n");

        program.write_all(b"done\n").unwrap();
        drop(program);
        until(&mut proxy, |proxy| {
            !proxy.output.open && !proxy.holds_output()
        });
        drop(proxy);
        let mut text = String::new();
        shown.read_to_string(&mut text).unwrap();
        assert_eq!(
            text, "ls\r\ndone\r\n",
            "the terminal echoes, and ends lines with both"
        );
    }

    #[test]
    fn a_reader_that_is_gone_does_not_stop_the_program() {
        let container = pty();
        let (input, _keys) = pipe().unwrap();
        let (shown, output) = pipe().unwrap();
        drop(shown);
        let mut proxy = Proxy::between(input, output, container.master).unwrap();
        let mut program = File::from(container.slave);
        for _ in 0..64 {
            program.write_all(&[b'x'; 1024]).unwrap();
            let pending = |proxy: &Proxy| proxy.output.held.is_empty();
            proxy.transfer();
            until(&mut proxy, pending);
        }
    }

    #[test]
    fn much_output_arrives_whole_although_its_reader_is_slow() {
        const BYTES: usize = 1 << 20;
        let container = pty();
        let (input, _keys) = pipe().unwrap();
        let (shown, output) = pipe().map(|(r, w)| (File::from(r), w)).unwrap();
        let mut proxy = Proxy::between(input, output, container.master).unwrap();
        let mut program = File::from(container.slave);
        let writer = std::thread::spawn(move || program.write_all(&[b'x'; BYTES]).unwrap());
        let reader = std::thread::spawn(move || {
            poll(&mut [], 50_u8).unwrap();
            let mut text = Vec::new();
            (&shown).read_to_end(&mut text).map(|_| text).unwrap()
        });
        until(&mut proxy, |proxy| {
            !proxy.output.open && !proxy.holds_output()
        });
        drop(proxy);
        writer.join().unwrap();
        assert!(reader.join().unwrap() == [b'x'; BYTES]);
    }

    #[test]
    fn the_callers_terminal_is_raw_meanwhile_and_gives_its_size() {
        let (caller, container) = (pty(), pty());
        let size = Winsize {
            ws_row: 33,
            ws_col: 77,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&caller.slave, size).unwrap();
        let before = tcgetattr(&caller.slave).unwrap();
        assert!(
            before
                .local_modes
                .contains(LocalModes::ICANON | LocalModes::ISIG)
        );
        let copy = |fd: &OwnedFd| fd.try_clone().unwrap();

        let proxy =
            Proxy::between(copy(&caller.slave), copy(&caller.slave), container.master).unwrap();
        let raw = tcgetattr(&caller.slave).unwrap();
        assert!(
            !raw.local_modes
                .intersects(LocalModes::ICANON | LocalModes::ISIG | LocalModes::ECHO)
        );
        assert_eq!(tcgetwinsize(&container.slave).unwrap().ws_col, 77);

        tcsetwinsize(&caller.slave, Winsize { ws_col: 99, ..size }).unwrap();
        proxy.resize();
        assert_eq!(tcgetwinsize(&container.slave).unwrap().ws_col, 99);

        drop(proxy);
        let after = tcgetattr(&caller.slave).unwrap();
        assert_eq!(after.local_modes, before.local_modes);
        assert_eq!(after.output_modes, before.output_modes);
        assert!(caller.master.as_raw_fd() >= 0);
    }

    #[test]
    fn a_terminal_that_only_shows_output_stays_as_it_is() {
        let (caller, container) = (pty(), pty());
        let (input, _keys) = pipe().unwrap();
        let before = tcgetattr(&caller.slave).unwrap();
        let output = caller.slave.try_clone().unwrap();
        let _proxy = Proxy::between(input, output, container.master).unwrap();
        assert_eq!(
            tcgetattr(&caller.slave).unwrap().local_modes,
            before.local_modes
        );
    }
}
