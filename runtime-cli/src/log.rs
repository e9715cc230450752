//! The log that `--log`, `--log-format` and `--debug` ask for, in runc's two formats.

#![forbid(unsafe_code)]

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;

use crate::args::{Matches, flags};
use crate::failure::Failure;
use crate::output;

/// Where messages go. Each message is one `write(2)`: several programs may share the file.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    file: Option<Arc<File>>,
    json: bool,
    debug: bool,
}

/// The JSON format; engines read the last line whose level is `error`.
#[derive(Serialize)]
struct Line<'a> {
    level: &'a str,
    msg: &'a str,
    time: &'a str,
}

impl Log {
    /// A log to stderr as text, for errors before the real one is open.
    pub(crate) fn stderr() -> Self {
        Self {
            file: None,
            json: false,
            debug: false,
        }
    }

    /// The log that the global options ask for; stderr unless they name a file.
    pub(crate) fn open(global: &Matches) -> Result<Self, Failure> {
        let path = global.path(&flags::LOG);
        let path =
            path.filter(|path| !path.as_os_str().is_empty() && path.as_os_str() != "/dev/stderr");
        let open = |path| {
            let file = OpenOptions::new().create(true).append(true).open(&path);
            file.map(Arc::new)
                .map_err(|source| Failure::File { path, source })
        };
        Ok(Self {
            file: path.map(open).transpose()?,
            json: global.text(&flags::LOG_FORMAT).as_deref() == Some("json"),
            debug: global.is_set(&flags::DEBUG),
        })
    }

    /// With `--debug`, has the library's messages for a person who looks for a fault written here.
    pub(crate) fn receive_debug(&self) {
        if self.debug {
            // Only a second call could fail.
            drop(::log::set_logger(Box::leak(Box::new(self.clone()))));
            ::log::set_max_level(::log::LevelFilter::Debug);
        }
    }

    /// Whether messages go to a file.
    pub(crate) fn has_file(&self) -> bool {
        self.file.is_some()
    }

    /// Something that the caller should hear of although the command goes on.
    pub(crate) fn warning(&self, message: &str) {
        self.write("warning", message);
    }

    /// Why the command failed. Where the log is a file, stderr gets the plain message too, as its
    /// last line.
    pub(crate) fn fatal(&self, message: &str) {
        self.write("error", message);
        if self.file.is_some() {
            output::error_line(&message.replace('\n', " "));
        }
    }

    fn write(&self, level: &str, message: &str) {
        let now = humantime::format_rfc3339_seconds(SystemTime::now());
        let line = self.line(level, message, &now.to_string());
        match &self.file {
            // A log that cannot be written must not fail the command that is logged.
            Some(file) => drop((&**file).write_all(format!("{line}\n").as_bytes())),
            None => output::error_line(&line),
        }
    }

    fn line(&self, level: &str, message: &str, time: &str) -> String {
        if self.json {
            let line = Line {
                level,
                msg: message,
                time,
            };
            serde_json::to_string(&line).unwrap_or_default()
        } else {
            format!("time=\"{time}\" level={level} msg={}", quoted(message))
        }
    }
}

impl ::log::Log for Log {
    fn enabled(&self, metadata: &::log::Metadata<'_>) -> bool {
        metadata.level() == ::log::Level::Debug
    }

    fn log(&self, record: &::log::Record<'_>) {
        if self.enabled(record.metadata()) {
            self.write("debug", &record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// The message as a value of the text format: quoted, unless nothing in it needs that.
fn quoted(message: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._/@^+".contains(c);
    if !message.is_empty() && message.chars().all(plain) {
        return message.to_owned();
    }
    let mut text = String::with_capacity(message.len() + 2);
    text.push('"');
    for c in message.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            c if c.is_control() => drop(write!(text, "\\u{:04x}", u32::from(c))),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(json: bool) -> Log {
        Log {
            file: None,
            json,
            debug: false,
        }
    }

    #[test]
    fn text_lines_are_those_of_runc() {
        // Debian's runc 1.1.5: `runc state nope`, `runc create`, and a word without spaces.
        let time = "2026-11-24T00:15:41Z";
        assert_eq!(
            log(false).line("error", "container does not exist", time),
            "time=\"2026-11-24T00:15:41Z\" level=error msg=\"container does not exist\""
        );
        assert_eq!(
            log(false).line("error", "runc: \"create\" requires", time),
            "time=\"2026-11-24T00:15:41Z\" level=error msg=\"runc: \\\"create\\\" requires\""
        );
        assert_eq!(
            log(false).line("error", "word", time),
            "time=\"2026-11-24T00:15:41Z\" level=error msg=word"
        );
    }

    #[test]
    fn json_lines_are_those_of_runc() {
        assert_eq!(
            log(true).line("error", "container does not exist", "2026-11-24T00:15:41Z"),
            r#"{"level":"error","msg":"container does not exist","time":"2026-11-24T00:15:41Z"}"#
        );
    }
}
