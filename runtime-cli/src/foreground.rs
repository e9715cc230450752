//! What `run` and `exec` do until their process ends: pass signals on, connect terminals, collect
//! processes that were left behind.
//!
//! Everything happens in one thread and one poll(2): signals come through a descriptor, the end of
//! the process through its pidfd.

#![forbid(unsafe_code)]

mod proxy;
mod terminal;

use std::mem::ManuallyDrop;
use std::os::fd::AsFd;

use libcontainer::{Exit, NotifySocket, Process, WindowSize};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};

use crate::failure::Failure;
use proxy::Proxy;

/// Signals that report a fault of this program itself: they are not for the container.
const FAULTS: [Signal; 7] = [
    Signal::SIGSEGV,
    Signal::SIGBUS,
    Signal::SIGFPE,
    Signal::SIGILL,
    Signal::SIGTRAP,
    Signal::SIGSYS,
    Signal::SIGABRT,
];

/// Signals that end the wait for somebody to read the rest of the output.
const ENDINGS: [Signal; 4] = [
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
];

/// The size of the terminal that a process in the foreground will be shown on.
pub(crate) fn caller_size() -> Option<WindowSize> {
    terminal::HostTerminal::of_caller()?.size()
}

/// The caller's side of a process in the foreground.
#[derive(Debug)]
pub(crate) struct Foreground {
    /// Left open: the program ends when there is nothing to attend to any more.
    signals: ManuallyDrop<SignalFd>,
}

impl Foreground {
    /// Call it before the process exists, so that no signal is lost between. What it changes in this
    /// program is undone for the process: it starts with every signal unblocked.
    pub(crate) fn new(subreaper: bool) -> Result<Self, Failure> {
        let mut watched = SigSet::all();
        for fault in FAULTS {
            watched.remove(fault);
        }
        watched
            .thread_block()
            .map_err(Failure::system("sigprocmask"))?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let signals = SignalFd::with_flags(&watched, flags).map_err(Failure::system("signalfd"))?;
        if subreaper {
            prctl::set_child_subreaper(true)
                .map_err(Failure::system("prctl PR_SET_CHILD_SUBREAPER"))?;
        }
        Ok(Self {
            signals: ManuallyDrop::new(signals),
        })
    }

    /// Waits for the end of the process. The caller's terminal is as it was when this returns.
    pub(crate) fn attend(&self, process: &mut Process) -> Result<Exit, Failure> {
        let mut proxy = process.take_terminal().map(Proxy::new).transpose()?;
        let notify = process.take_notify_socket();
        while !self.step(process, proxy.as_mut(), notify.as_ref())? {}
        let exit = process.wait()?;
        if let Some(mut proxy) = proxy {
            self.drain(&mut proxy)?;
        }
        Ok(exit)
    }

    /// Waits for something to do and does it. Tells whether the process has ended.
    fn step(
        &self,
        process: &Process,
        mut proxy: Option<&mut Proxy>,
        notify: Option<&NotifySocket>,
    ) -> Result<bool, Failure> {
        let mut waits = vec![
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(process.pidfd(), PollFlags::POLLIN),
        ];
        let notified = notify.map(|notify| {
            waits.push(PollFd::new(notify.as_fd(), PollFlags::POLLIN));
            waits.len() - 1
        });
        if let Some(proxy) = &proxy {
            waits.extend(proxy.waits().map(|(fd, flags)| PollFd::new(fd, flags)));
        }
        wait(&mut waits)?;
        let ready = |index: usize| {
            waits
                .get(index)
                .is_some_and(|wait| wait.any() == Some(true))
        };
        let (signalled, ended) = (ready(0), ready(1));
        let notified = notified.is_some_and(ready);
        drop(waits);
        if let Some(notify) = notify.filter(|_| notified) {
            // systemd watches this process, which ends with the container's and has its status.
            notify.forward(nix::unistd::getpid().as_raw())?;
        }
        // What comes at the end is for nobody any more.
        if signalled && !ended {
            while let Some(signal) = self.next_signal()? {
                handle(signal, process, proxy.as_deref());
            }
        }
        if let Some(proxy) = &mut proxy {
            proxy.transfer();
        }
        Ok(ended)
    }

    /// Writes what the process has left in the terminal.
    fn drain(&self, proxy: &mut Proxy) -> Result<(), Failure> {
        proxy.transfer();
        while proxy.holds_output() {
            let mut waits = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
            let output = proxy
                .waits()
                .filter(|(_, flags)| *flags == PollFlags::POLLOUT);
            waits.extend(output.map(|(fd, flags)| PollFd::new(fd, flags)));
            wait(&mut waits)?;
            drop(waits);
            while let Some(signal) = self.next_signal()? {
                if ENDINGS.iter().any(|&ending| ending as i32 == signal) {
                    return Ok(());
                }
            }
            proxy.transfer();
        }
        Ok(())
    }

    fn next_signal(&self) -> Result<Option<i32>, Failure> {
        let read = self
            .signals
            .read_signal()
            .map_err(Failure::system("read signalfd"))?;
        Ok(read.and_then(|signal| i32::try_from(signal.ssi_signo).ok()))
    }
}

fn wait(waits: &mut [PollFd<'_>]) -> Result<(), Failure> {
    match poll(waits, PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(Failure::system("poll")(errno)),
    }
}

fn handle(signal: i32, process: &Process, proxy: Option<&Proxy>) {
    match Signal::try_from(signal) {
        Ok(Signal::SIGCHLD) => reap(process.pid()),
        Ok(Signal::SIGWINCH) => {
            if let Some(proxy) = proxy {
                proxy.resize();
            }
        }
        // The first is this program's own, when a reader of its output is gone; the second comes
        // with urgent data on a socket and means nothing to another process.
        Ok(Signal::SIGPIPE | Signal::SIGURG) => {}
        // A process that has just ended needs no signal.
        _ => drop(process.kill(signal)),
    }
}

/// Collects processes that became this program's children when their parents ended, but leaves the
/// status of `kept` where it is.
fn reap(kept: i32) {
    let peek = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    loop {
        let ended = match waitid(Id::All, peek) {
            Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, _, _)) => pid,
            _ => return,
        };
        if ended.as_raw() == kept || waitid(Id::Pid(ended), WaitPidFlag::WEXITED).is_err() {
            return;
        }
    }
}
