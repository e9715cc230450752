//! A connection to systemd: blocking, with a time limit for everything.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike as _};

use super::Error;
use super::message::{Call, Kind, Message};
use super::value::{Reader, Value};
use crate::error::errno_of;

/// How long a call, and the job that it starts, may take; the last wait for a part of an answer may be as
/// long once more.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

const SYSTEMD: &str = "org.freedesktop.systemd1";
const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const BUS: &str = "org.freedesktop.DBus";

/// What a job that is done said: the unit, and how it went.
struct JobRemoved {
    job: String,
    result: String,
}

/// A connection to systemd's manager.
pub(crate) struct Bus {
    stream: UnixStream,
    /// What was received and not taken yet: nothing else is read from the socket by pieces.
    received: VecDeque<u8>,
    serial: u32,
    /// Jobs that ended before anybody asked.
    ended: VecDeque<JobRemoved>,
}

impl Bus {
    /// Connects to systemd itself if that is allowed, which spares the bus daemon;
    /// else by way of the bus.
    pub(crate) fn connect(user: bool) -> Result<Bus, Error> {
        let mut first = None;
        for (path, broker) in addresses(user) {
            match Bus::open(&path) {
                Ok(mut bus) if broker => {
                    bus.greet()?;
                    return Ok(bus);
                }
                Ok(bus) => return Ok(bus),
                Err(error) => first = first.or(Some(error)),
            }
        }
        Err(first.unwrap_or(Error::NoAddress))
    }

    fn open(path: &PathBuf) -> Result<Bus, Error> {
        let failed = |errno| Error::Connect {
            path: path.clone(),
            errno,
        };
        let fd = socket(
            AddressFamily::Unix,
            SockType::Stream,
            SockFlag::SOCK_CLOEXEC,
            None,
        )
        .map_err(failed)?;
        // A listener with a full queue lets connect(2) wait, which is sending.
        let seconds = TimeVal::seconds(i64::try_from(LIMIT.as_secs()).unwrap_or(i64::MAX));
        setsockopt(&fd, sockopt::SendTimeout, &seconds).map_err(failed)?;
        setsockopt(&fd, sockopt::ReceiveTimeout, &seconds).map_err(failed)?;
        let address = UnixAddr::new(path).map_err(failed)?;
        connect(fd.as_raw_fd(), &address).map_err(failed)?;
        let mut bus = Bus {
            stream: UnixStream::from(fd),
            received: VecDeque::new(),
            serial: 0,
            ended: VecDeque::new(),
        };
        bus.authenticate().map_err(|error| match error {
            Error::TimedOut { .. } => failed(Errno::ETIMEDOUT),
            error => error,
        })?;
        Ok(bus)
    }

    /// `EXTERNAL` with nothing said: the other side takes the user from the
    /// socket, which is right inside a user namespace, too.
    fn authenticate(&mut self) -> Result<(), Error> {
        const WHAT: &str = "authentication";
        let end = Instant::now() + LIMIT;
        self.send(WHAT, b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")?;
        let mut answer = Vec::new();
        while answer.windows(2).filter(|pair| pair == b"\r\n").count() < 2 {
            let mut byte = [0];
            self.take(WHAT, &mut byte, end)?;
            answer.extend(byte);
            if answer.len() > 4096 {
                break;
            }
        }
        let answer = String::from_utf8_lossy(&answer).into_owned();
        match answer.lines().any(|line| line.starts_with("OK")) {
            true => Ok(()),
            false => Err(Error::Refused {
                answer: answer.trim().replace("\r\n", "; "),
            }),
        }
    }

    /// What a client of the bus daemon says first; and that it wants to hear of jobs.
    fn greet(&mut self) -> Result<(), Error> {
        let bus = |member: &'static str, body| Call {
            destination: BUS,
            path: "/org/freedesktop/DBus",
            interface: BUS,
            member,
            body,
        };
        self.call(&bus("Hello", vec![]))?;
        let rule =
            format!("type='signal',sender='{SYSTEMD}',interface='{MANAGER}',member='JobRemoved'");
        self.call(&bus("AddMatch", vec![Value::String(rule)]))?;
        self.manager("Subscribe", vec![]).map(drop)
    }

    /// Calls a method of systemd's manager; the body of its answer.
    pub(crate) fn manager(&mut self, member: &str, body: Vec<Value>) -> Result<Vec<u8>, Error> {
        self.call(&Call {
            destination: SYSTEMD,
            path: MANAGER_PATH,
            interface: MANAGER,
            member,
            body,
        })
    }

    /// Calls a method that starts a job, and waits until the job has ended.
    pub(crate) fn job(&mut self, member: &str, unit: &str, body: Vec<Value>) -> Result<(), Error> {
        let answer = self.manager(member, body)?;
        let job = Reader::new(&answer)
            .string()
            .ok_or(Error::Protocol { what: "answer" })?;
        let job = job.to_owned();
        let end = Instant::now() + LIMIT;
        loop {
            while let Some(ended) = self.ended.pop_front() {
                if ended.job == job {
                    return match ended.result.as_str() {
                        "done" => Ok(()),
                        _ => Err(Error::Job {
                            unit: unit.to_owned(),
                            result: ended.result,
                        }),
                    };
                }
            }
            self.message(member, end)?;
        }
    }

    /// A string property of the manager, or of a unit.
    pub(crate) fn string(&mut self, unit: Option<&str>, name: &str) -> Result<String, Error> {
        let path = unit.map_or_else(|| MANAGER_PATH.to_owned(), unit_path);
        let interface = if unit.is_some() {
            "org.freedesktop.systemd1.Scope"
        } else {
            MANAGER
        };
        let answer = self.call(&Call {
            destination: SYSTEMD,
            path: &path,
            interface: PROPERTIES,
            member: "Get",
            body: vec![Value::string(interface), Value::string(name)],
        })?;
        let mut reader = Reader::new(&answer);
        match (reader.signature(), reader.string()) {
            (Some("s"), Some(text)) => Ok(text.to_owned()),
            _ => Err(Error::Protocol { what: "property" }),
        }
    }

    fn call(&mut self, call: &Call<'_>) -> Result<Vec<u8>, Error> {
        let end = Instant::now() + LIMIT;
        self.serial = self.serial.wrapping_add(1).max(1);
        let serial = self.serial;
        self.send(call.member, &call.encode(serial))?;
        loop {
            let Some(message) = self.message(call.member, end)? else {
                continue;
            };
            match message.kind {
                Kind::Return if message.reply_to == serial => return Ok(message.body),
                Kind::Error if message.reply_to == serial => {
                    let text = Reader::new(&message.body)
                        .string()
                        .unwrap_or_default()
                        .to_owned();
                    let method = call.member.to_owned();
                    return Err(Error::Call {
                        method,
                        name: message.error,
                        text,
                    });
                }
                _ => {}
            }
        }
    }

    /// One message; none if it was the end of a job, which is put aside.
    fn message(&mut self, what: &str, end: Instant) -> Result<Option<Message>, Error> {
        const BAD: Error = Error::Protocol { what: "message" };
        let mut start = [0; 16];
        self.take(what, &mut start, end)?;
        let length = Message::length(&start).ok_or(BAD)?;
        let mut bytes = start.to_vec();
        bytes.resize(length, 0);
        self.take(what, bytes.get_mut(16..).unwrap_or_default(), end)?;
        let message = Message::decode(&bytes).ok_or(BAD)?;
        if message.kind != Kind::Signal || message.member != "JobRemoved" {
            return Ok(Some(message));
        }
        // JobRemoved(u id, o job, s unit, s result)
        let mut body = Reader::new(&message.body);
        if let (Some(_), Some(job), Some(_), Some(result)) =
            (body.u32(), body.string(), body.string(), body.string())
        {
            self.ended.push_back(JobRemoved {
                job: job.to_owned(),
                result: result.to_owned(),
            });
        }
        Ok(None)
    }

    fn send(&mut self, what: &str, bytes: &[u8]) -> Result<(), Error> {
        // The time limits are there since the connection was made.
        self.stream
            .write_all(bytes)
            .map_err(|error| lost(what, &error))
    }

    /// Fills the buffer with what comes next.
    fn take(&mut self, what: &str, buffer: &mut [u8], end: Instant) -> Result<(), Error> {
        while self.received.len() < buffer.len() {
            self.receive(what, end)?;
        }
        let length = buffer.len();
        for (place, byte) in buffer.iter_mut().zip(self.received.drain(..length)) {
            *place = byte;
        }
        Ok(())
    }

    /// Receives something, as much of it as is there.
    fn receive(&mut self, what: &str, end: Instant) -> Result<(), Error> {
        let mut buffer = [0; 4096];
        loop {
            if Instant::now() >= end {
                return Err(Error::TimedOut {
                    what: what.to_owned(),
                    limit: LIMIT,
                });
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(lost(what, &ErrorKind::UnexpectedEof.into())),
                Ok(count) => {
                    self.received
                        .extend(buffer.get(..count).unwrap_or_default());
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(lost(what, &error)),
            }
        }
    }
}

fn lost(what: &str, error: &std::io::Error) -> Error {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Error::TimedOut {
            what: what.to_owned(),
            limit: LIMIT,
        },
        ErrorKind::UnexpectedEof => Error::Lost {
            what: what.to_owned(),
            errno: Errno::ECONNRESET,
        },
        _ => Error::Lost {
            what: what.to_owned(),
            errno: errno_of(error),
        },
    }
}

/// Where systemd can be reached, the best first; and whether a bus daemon is there.
fn addresses(user: bool) -> Vec<(PathBuf, bool)> {
    if !user {
        let private = PathBuf::from("/run/systemd/private");
        return vec![
            (private, false),
            (PathBuf::from("/run/dbus/system_bus_socket"), true),
        ];
    }
    let mut list = Vec::new();
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty());
    let runtime = runtime.map_or_else(
        || PathBuf::from(format!("/run/user/{}", nix::unistd::geteuid())),
        PathBuf::from,
    );
    list.push((runtime.join("systemd/private"), false));
    let address = std::env::var("DBUS_SESSION_BUS_ADDRESS").unwrap_or_default();
    list.extend(address_paths(&address).map(|path| (path, true)));
    list.push((runtime.join("bus"), true));
    list
}

/// The socket paths of a D-Bus address list (D-Bus Specification, "Server Addresses").
fn address_paths(list: &str) -> impl Iterator<Item = PathBuf> {
    list.split(';').filter_map(|address| {
        let pairs = address.strip_prefix("unix:")?;
        let path = pairs
            .split(',')
            .find_map(|pair| pair.strip_prefix("path="))?;
        // What is escaped here is never in the path of a runtime directory.
        (!path.contains('%')).then(|| PathBuf::from(path))
    })
}

/// The object path of a unit: what is not a letter or digit is escaped.
fn unit_path(unit: &str) -> String {
    let mut path = String::from("/org/freedesktop/systemd1/unit/");
    for (at, byte) in unit.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => path.push(char::from(byte)),
            b'0'..=b'9' if at > 0 => path.push(char::from(byte)),
            _ => path.push_str(&format!("_{byte:02x}")),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(
            unit_path("1a-b.scope"),
            "/org/freedesktop/systemd1/unit/_31a_2db_2escope"
        );
        let paths: Vec<_> =
            address_paths("tcp:host=x;unix:abstract=y;unix:guid=1,path=/a").collect();
        assert_eq!(paths, [PathBuf::from("/a")]);
    }
}
