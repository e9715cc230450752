//! Finds the JSON path of the place where the parser stopped.

#![forbid(unsafe_code)]

use crate::error::Error;

/// The error with the path of its field.
pub(super) fn error(root: &str, text: &[u8], error: &serde_json::Error) -> Error {
    let message = error.to_string();
    let message = match message.rfind(" at line ") {
        Some(at) => message.get(..at).unwrap_or(&message),
        None => &message,
    };
    let mut walk = Walk::new(root);
    walk.until(text, offset(text, error.line(), error.column()));
    let (field, message) = match missing(message) {
        Some(name) => (walk.container().member(name), "is required".to_owned()),
        None => (walk.path(), message.to_owned()),
    };
    let field = if field.is_empty() {
        "config.json"
    } else {
        &field
    };
    Error::config(&printable(field), printable(&message))
}

/// Values and names are quoted as they are: control characters would break the one line.
fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|character| {
            let escape = character.is_control().then(|| character.escape_default());
            let plain = escape.is_none().then_some(character);
            escape.into_iter().flatten().chain(plain)
        })
        .collect()
}

/// The name in "missing field `name`".
fn missing(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.strip_suffix('`')
}

/// Lines and columns start at 1; the column is that of the last byte that was looked at.
fn offset(text: &[u8], line: usize, column: usize) -> usize {
    let start = match line.checked_sub(2) {
        None => 0,
        Some(breaks) => text
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'\n')
            .nth(breaks)
            .map_or(text.len(), |(at, _)| at + 1),
    };
    start.saturating_add(column).min(text.len())
}

enum Frame {
    Object { member: Option<String> },
    Array { index: usize },
}

/// Where in a document, which is known to be JSON, one is.
struct Walk<'a> {
    root: &'a str,
    frames: Vec<Frame>,
    /// The last string, and whether it is followed by a colon is not known yet.
    string: Option<String>,
}

impl<'a> Walk<'a> {
    fn new(root: &'a str) -> Self {
        Self {
            root,
            frames: Vec::new(),
            string: None,
        }
    }

    fn until(&mut self, text: &[u8], end: usize) {
        let mut at = 0;
        while let Some(byte) = text.get(at).filter(|_| at < end) {
            at += 1;
            match byte {
                b'"' => {
                    let start = at;
                    at = end_of_string(text, at);
                    self.string = text
                        .get(start..at.saturating_sub(1))
                        .map(|name| String::from_utf8_lossy(name).into_owned());
                }
                b':' => {
                    if let Some(Frame::Object { member }) = self.frames.last_mut() {
                        *member = self.string.take();
                    }
                }
                b',' => match self.frames.last_mut() {
                    Some(Frame::Array { index }) => *index += 1,
                    Some(Frame::Object { member }) => *member = None,
                    None => {}
                },
                b'{' => self.frames.push(Frame::Object { member: None }),
                b'[' => self.frames.push(Frame::Array { index: 0 }),
                // The parser stops behind the end of an object that lacks something.
                b'}' | b']' if at < end => {
                    self.frames.pop();
                }
                _ => {}
            }
        }
    }

    /// The path without the member that was last seen.
    fn container(mut self) -> Self {
        if let Some(Frame::Object { member }) = self.frames.last_mut() {
            *member = None;
        }
        self
    }

    fn member(&self, name: &str) -> String {
        join(self.path(), name)
    }

    fn path(&self) -> String {
        let start = self.root.to_owned();
        self.frames.iter().fold(start, |path, frame| match frame {
            Frame::Object { member: Some(name) } => join(path, name),
            Frame::Object { member: None } => path,
            Frame::Array { index } => format!("{path}[{index}]"),
        })
    }
}

fn join(path: String, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// Behind the closing quote.
fn end_of_string(text: &[u8], mut at: usize) -> usize {
    while let Some(byte) = text.get(at) {
        at += match byte {
            b'\\' => 2,
            b'"' => return at + 1,
            _ => 1,
        };
    }
    at
}
