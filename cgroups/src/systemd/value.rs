//! D-Bus values and their encoding (D-Bus Specification, "Marshaling"). Pure.

/// A value of a D-Bus type.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // the types of the specification, by name
pub enum Value {
    Byte(u8),
    Bool(bool),
    Int16(i16),
    Uint16(u16),
    Int32(i32),
    Uint32(u32),
    Int64(i64),
    Uint64(u64),
    Double(f64),
    String(String),
    ObjectPath(String),
    Signature(String),
    /// The signature of an element, and the elements.
    Array(String, Vec<Value>),
    Struct(Vec<Value>),
    Variant(Box<Value>),
}

impl Value {
    /// A string.
    pub fn string(text: impl Into<String>) -> Value {
        Value::String(text.into())
    }

    /// The type's signature.
    pub fn signature(&self) -> String {
        match self {
            Value::Byte(_) => "y".into(),
            Value::Bool(_) => "b".into(),
            Value::Int16(_) => "n".into(),
            Value::Uint16(_) => "q".into(),
            Value::Int32(_) => "i".into(),
            Value::Uint32(_) => "u".into(),
            Value::Int64(_) => "x".into(),
            Value::Uint64(_) => "t".into(),
            Value::Double(_) => "d".into(),
            Value::String(_) => "s".into(),
            Value::ObjectPath(_) => "o".into(),
            Value::Signature(_) => "g".into(),
            Value::Array(element, _) => format!("a{element}"),
            Value::Struct(fields) => {
                let fields: String = fields.iter().map(Value::signature).collect();
                format!("({fields})")
            }
            Value::Variant(_) => "v".into(),
        }
    }

    /// Appends the value, little-endian. Alignment counts from the buffer's start.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        align(out, alignment(&self.signature()));
        match self {
            Value::Byte(value) => out.push(*value),
            Value::Bool(value) => out.extend(u32::from(*value).to_le_bytes()),
            Value::Int16(value) => out.extend(value.to_le_bytes()),
            Value::Uint16(value) => out.extend(value.to_le_bytes()),
            Value::Int32(value) => out.extend(value.to_le_bytes()),
            Value::Uint32(value) => out.extend(value.to_le_bytes()),
            Value::Int64(value) => out.extend(value.to_le_bytes()),
            Value::Uint64(value) => out.extend(value.to_le_bytes()),
            Value::Double(value) => out.extend(value.to_le_bytes()),
            Value::String(text) | Value::ObjectPath(text) => {
                out.extend(length(text.len()).to_le_bytes());
                out.extend(text.as_bytes());
                out.push(0);
            }
            Value::Signature(text) => put_signature(text, out),
            Value::Array(element, values) => put_array(element, values, out),
            Value::Struct(fields) => fields.iter().for_each(|field| field.put(out)),
            Value::Variant(value) => {
                put_signature(&value.signature(), out);
                value.put(out);
            }
        }
    }
}

fn put_signature(text: &str, out: &mut Vec<u8>) {
    // Signatures come from this crate, which makes none that long.
    out.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    out.extend(text.as_bytes());
    out.push(0);
}

fn put_array(element: &str, values: &[Value], out: &mut Vec<u8>) {
    let at = out.len();
    out.extend([0; 4]);
    // The padding before the first element is not counted.
    align(out, alignment(element));
    let start = out.len();
    values.iter().for_each(|value| value.put(out));
    let bytes = length(out.len() - start).to_le_bytes();
    if let Some(slot) = out.get_mut(at..at + 4) {
        slot.copy_from_slice(&bytes);
    }
}

/// A message is refused by the bus long before it gets that long.
fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn alignment(signature: &str) -> usize {
    match signature.as_bytes().first() {
        Some(b'n' | b'q') => 2,
        Some(b'b' | b'i' | b'u' | b's' | b'o' | b'a') => 4,
        Some(b'x' | b't' | b'd' | b'(' | b'{') => 8,
        _ => 1,
    }
}

pub(crate) fn align(out: &mut Vec<u8>, to: usize) {
    while !out.len().is_multiple_of(to) {
        out.push(0);
    }
}

/// Reads the values that a reply holds: a sequence of simple types and variants of them.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0 }
    }

    pub(crate) fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    pub(crate) fn at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.align(4);
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    /// A string or an object path.
    pub(crate) fn string(&mut self) -> Option<&'a str> {
        let length = self.u32()? as usize;
        let text = std::str::from_utf8(self.take(length)?).ok()?;
        self.take(1)?;
        Some(text)
    }

    pub(crate) fn signature(&mut self) -> Option<&'a str> {
        let length = usize::from(self.byte()?);
        let text = std::str::from_utf8(self.take(length)?).ok()?;
        self.take(1)?;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked out by hand from the specification's rules of alignment.
    #[test]
    fn encoding() {
        let mut out = Vec::new();
        Value::Byte(7).put(&mut out);
        Value::Uint32(1).put(&mut out);
        assert_eq!(out, [7, 0, 0, 0, 1, 0, 0, 0]);

        let mut out = Vec::new();
        let property = Value::Struct(vec![
            Value::string("A"),
            Value::Variant(Box::new(Value::Uint64(2))),
        ]);
        Value::Array("(sv)".into(), vec![property]).put(&mut out);
        let expected: &[u8] = &[
            24, 0, 0, 0, 0, 0, 0, 0, // length without the padding after it
            1, 0, 0, 0, b'A', 0, 1, b't', // string, signature
            0, 0, 0, 0, 0, 0, 0, 0, // padding to 8, after the signature's end
            2, 0, 0, 0, 0, 0, 0, 0,
        ];
        assert_eq!(out, expected);
    }

    #[test]
    fn an_empty_array_is_padded_for_its_elements() {
        let mut out = Vec::new();
        Value::Array("(ss)".into(), vec![]).put(&mut out);
        assert_eq!(out, [0; 8]);
        assert_eq!(Value::Array("(ss)".into(), vec![]).signature(), "a(ss)");
    }

    #[test]
    fn reading_stops_at_the_end() {
        let mut reader = Reader::new(&[255, 255, 255, 255, 1]);
        assert_eq!(reader.string(), None);
        assert_eq!(Reader::new(&[]).signature(), None);
    }
}
