//! D-Bus messages (D-Bus Specification, "Message Format"). Pure.

use super::value::{Reader, Value, align};

/// The largest message that the specification allows.
const MAX: usize = 128 << 20;

/// A method to call.
pub(crate) struct Call<'a> {
    pub(crate) destination: &'a str,
    pub(crate) path: &'a str,
    pub(crate) interface: &'a str,
    pub(crate) member: &'a str,
    pub(crate) body: Vec<Value>,
}

impl Call<'_> {
    pub(crate) fn encode(&self, serial: u32) -> Vec<u8> {
        let signature: String = self.body.iter().map(Value::signature).collect();
        let mut body = Vec::new();
        self.body.iter().for_each(|value| value.put(&mut body));
        let field = |code: u8, value: Value| {
            Value::Struct(vec![Value::Byte(code), Value::Variant(Box::new(value))])
        };
        let mut fields = vec![
            field(1, Value::ObjectPath(self.path.to_owned())),
            field(2, Value::string(self.interface)),
            field(3, Value::string(self.member)),
            field(6, Value::string(self.destination)),
        ];
        if !signature.is_empty() {
            fields.push(field(8, Value::Signature(signature)));
        }
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
        // Little-endian, method call, no flags, version 1.
        let mut message = vec![b'l', 1, 0, 1];
        message.extend(length.to_le_bytes());
        message.extend(serial.to_le_bytes());
        Value::Array("(yv)".to_owned(), fields).put(&mut message);
        align(&mut message, 8);
        message.append(&mut body);
        message
    }
}

/// The kinds of messages that are received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Return,
    Error,
    Signal,
    Other,
}

/// A received message: what this crate looks at.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) kind: Kind,
    pub(crate) reply_to: u32,
    pub(crate) member: String,
    pub(crate) error: String,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// How long a message is, once its first 16 bytes are there. None if it is none.
    pub(crate) fn length(start: &[u8; 16]) -> Option<usize> {
        let number = |at: usize| {
            let bytes = start.get(at..at + 4)?.try_into().ok()?;
            usize::try_from(u32::from_le_bytes(bytes)).ok()
        };
        if start.first() != Some(&b'l') {
            return None;
        }
        let (body, fields) = (number(4)?, number(12)?);
        let length = 16usize
            .checked_add(fields)?
            .next_multiple_of(8)
            .checked_add(body)?;
        (length <= MAX).then_some(length)
    }

    /// Reads a whole message.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Message> {
        let mut reader = Reader::new(bytes);
        let kind = match reader.take(2)?.get(1)? {
            2 => Kind::Return,
            3 => Kind::Error,
            4 => Kind::Signal,
            _ => Kind::Other,
        };
        reader.take(10)?;
        let fields = reader.u32()? as usize;
        let end = 16usize.checked_add(fields)?;
        let body = bytes.get(end.next_multiple_of(8)..)?.to_vec();
        let mut message = Message {
            kind,
            reply_to: 0,
            member: String::new(),
            error: String::new(),
            body,
        };
        let mut reader = Reader::new(bytes.get(..end)?);
        reader.take(16)?;
        while !reader.at_end() {
            reader.align(8);
            let code = reader.byte()?;
            match (code, reader.signature()?) {
                (5, "u") => message.reply_to = reader.u32()?,
                (3, "s") => message.member = reader.string()?.to_owned(),
                (4, "s") => message.error = reader.string()?.to_owned(),
                (_, "s" | "o") => drop(reader.string()?),
                (_, "g") => drop(reader.signature()?),
                (_, "u") => drop(reader.u32()?),
                _ => return None,
            }
        }
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_can_be_read_back() {
        let call = Call {
            destination: "org.freedesktop.systemd1",
            path: "/org/freedesktop/systemd1",
            interface: "org.freedesktop.systemd1.Manager",
            member: "StopUnit",
            body: vec![Value::string("a.scope"), Value::string("replace")],
        };
        let bytes = call.encode(7);
        let start: [u8; 16] = bytes[..16].try_into().unwrap();
        assert_eq!(Message::length(&start), Some(bytes.len()));
        let message = Message::decode(&bytes).unwrap();
        assert_eq!(message.kind, Kind::Other);
        assert_eq!(message.member, "StopUnit");
        let mut body = Reader::new(&message.body);
        assert_eq!(
            (body.string(), body.string()),
            (Some("a.scope"), Some("replace"))
        );
    }

    #[test]
    fn rubbish_is_refused() {
        assert_eq!(Message::length(&[0; 16]), None);
        assert_eq!(
            Message::length(&[b'l', 2, 0, 1, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0]),
            None
        );
        let good = Call {
            destination: "a",
            path: "/",
            interface: "b",
            member: "c",
            body: vec![],
        };
        let bytes = good.encode(1);
        for cut in 0..bytes.len() {
            let _ = Message::decode(&bytes[..cut]);
        }
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0xff;
            let _ = Message::decode(&bytes);
        }
    }
}
