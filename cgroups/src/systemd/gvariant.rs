//! Values of `org.systemd.property.*` annotations: GVariant's text format. Pure, and
//! strict: the whole text must be one value, and nothing is guessed.
//!
//! Understood are booleans, numbers (`uint64 5`; without a word an int32), strings,
//! object paths and signatures, arrays, tuples, variants (`<…>`) and types given
//! with `@`. No property of a scope has a dictionary or a maybe type.

use super::value::Value;

/// Deeper nesting has no use.
const MAX_DEPTH: usize = 8;

/// Parses one value; says what is wrong otherwise.
///
/// # Errors
/// A description of the first thing that is not understood.
pub fn parse(text: &str) -> Result<Value, &'static str> {
    let mut parser = Parser { text, depth: 0 };
    let value = parser.value(None)?;
    parser.blanks();
    match parser.text {
        "" => Ok(value),
        _ => Err("something follows the value"),
    }
}

struct Parser<'a> {
    text: &'a str,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn blanks(&mut self) {
        self.text = self.text.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn eat(&mut self, token: char) -> bool {
        self.blanks();
        match self.text.strip_prefix(token) {
            Some(rest) => {
                self.text = rest;
                true
            }
            None => false,
        }
    }

    fn word(&mut self, part: impl Fn(char) -> bool) -> &'a str {
        let end = self.text.find(|c| !part(c)).unwrap_or(self.text.len());
        let (word, rest) = self.text.split_at(end);
        self.text = rest;
        word
    }

    fn value(&mut self, expected: Option<&str>) -> Result<Value, &'static str> {
        if self.depth >= MAX_DEPTH {
            return Err("too deeply nested");
        }
        self.depth += 1;
        self.blanks();
        let value = match self.text.chars().next() {
            None => Err("a value is missing"),
            Some('@') => self.typed(expected),
            Some('[') => self.array(expected),
            Some('(') => self.tuple(expected),
            Some('<') => self.variant(expected),
            Some('\'' | '"') => self.string().and_then(|text| typed_string(text, expected)),
            Some(c) if c.is_ascii_alphabetic() => self.keyword(expected),
            Some(_) => self.number(expected),
        };
        self.depth -= 1;
        value
    }

    fn typed(&mut self, expected: Option<&str>) -> Result<Value, &'static str> {
        self.eat('@');
        let signature = self.word(|c| c.is_ascii_alphabetic() || c == '(' || c == ')');
        match complete(signature) {
            Some(1) if expected.is_none_or(|expected| expected == signature) => {
                self.value(Some(signature))
            }
            Some(1) => Err("the type is not the one that is needed here"),
            _ => Err("the text after @ is not a type"),
        }
    }

    fn keyword(&mut self, expected: Option<&str>) -> Result<Value, &'static str> {
        let signature = match self.word(|c| c.is_ascii_alphanumeric()) {
            word @ ("true" | "false") => {
                return match expected {
                    None | Some("b") => Ok(Value::Bool(word == "true")),
                    Some(_) => Err("a boolean is not what is needed here"),
                };
            }
            "boolean" => "b",
            "byte" => "y",
            "int16" => "n",
            "uint16" => "q",
            "int32" => "i",
            "uint32" => "u",
            "int64" => "x",
            "uint64" => "t",
            "double" => "d",
            "string" => "s",
            "objectpath" => "o",
            "signature" => "g",
            _ => return Err("an unknown word (strings need quotes)"),
        };
        if !self.text.starts_with([' ', '\t']) {
            return Err("a value must follow the name of a type");
        }
        if expected.is_some_and(|expected| expected != signature) {
            return Err("the type is not the one that is needed here");
        }
        self.value(Some(signature))
    }

    fn number(&mut self, expected: Option<&str>) -> Result<Value, &'static str> {
        const RANGE: &str = "not a number of the type, or out of its range";
        let word = self.word(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
        if expected == Some("d") || (expected.is_none() && word.contains('.')) {
            let number: f64 = word.parse().map_err(|_| RANGE)?;
            return if number.is_finite() {
                Ok(Value::Double(number))
            } else {
                Err(RANGE)
            };
        }
        let (sign, digits) = match word.strip_prefix('-') {
            Some(digits) => (-1, digits),
            None => (1, word.strip_prefix('+').unwrap_or(word)),
        };
        let (digits, radix) = match digits.get(..2) {
            Some("0x" | "0X") => (digits.get(2..).unwrap_or_default(), 16),
            _ if digits.len() > 1 && digits.starts_with('0') => (digits, 8),
            _ => (digits, 10),
        };
        if digits.starts_with(['+', '-']) {
            return Err(RANGE);
        }
        let number = sign * i128::from_str_radix(digits, radix).map_err(|_| RANGE)?;
        integer(expected.unwrap_or("i"), number).ok_or(RANGE)
    }

    fn string(&mut self) -> Result<String, &'static str> {
        let mut chars = self.text.char_indices();
        let quote = chars.next().map(|(_, c)| c);
        let mut out = String::new();
        while let Some((at, c)) = chars.next() {
            if Some(c) == quote {
                self.text = self.text.get(at + 1..).unwrap_or_default();
                return Ok(out);
            }
            let c = match (c, c == '\\') {
                (_, true) => match chars.next().map(|(_, c)| c) {
                    Some('n') => '\n',
                    Some('t') => '\t',
                    Some('r') => '\r',
                    Some(c @ ('\\' | '\'' | '"')) => c,
                    Some('u') => {
                        let code: String = chars.by_ref().take(4).map(|(_, c)| c).collect();
                        let code = u32::from_str_radix(&code, 16).ok().and_then(char::from_u32);
                        code.ok_or("a bad \\u escape in a string")?
                    }
                    _ => return Err("an unknown escape in a string"),
                },
                (c, false) => c,
            };
            if c == '\0' {
                return Err("a string cannot hold NUL");
            }
            out.push(c);
        }
        Err("a string does not end")
    }

    fn array(&mut self, expected: Option<&str>) -> Result<Value, &'static str> {
        self.eat('[');
        let mut element = match expected {
            None => None,
            Some(signature) => Some(
                signature
                    .strip_prefix('a')
                    .ok_or("an array is not what is needed here")?
                    .to_owned(),
            ),
        };
        let mut values = Vec::new();
        if !self.eat(']') {
            loop {
                let value = self.value(element.as_deref())?;
                element.get_or_insert_with(|| value.signature());
                values.push(value);
                if self.eat(']') {
                    break;
                }
                if !self.eat(',') {
                    return Err("an array needs , or ] after a value");
                }
            }
        }
        let element = element.ok_or("an empty array needs a type, such as @as []")?;
        Ok(Value::Array(element, values))
    }

    fn tuple(&mut self, expected: Option<&str>) -> Result<Value, &'static str> {
        self.eat('(');
        let mut types = match expected {
            None => None,
            Some(signature) => Some(
                signature
                    .strip_prefix('(')
                    .and_then(|inner| inner.strip_suffix(')'))
                    .ok_or("a tuple is not what is needed here")?,
            ),
        };
        let mut fields = Vec::new();
        loop {
            let field = match types {
                None => None,
                Some(rest) => {
                    let length = complete(rest).map(|_| first_length(rest)).unwrap_or(0);
                    let (first, rest) = rest.split_at_checked(length).unwrap_or_default();
                    if first.is_empty() {
                        return Err("a tuple has more values than its type");
                    }
                    types = Some(rest);
                    Some(first)
                }
            };
            fields.push(self.value(field)?);
            let comma = self.eat(',');
            if self.eat(')') {
                break;
            }
            if !comma {
                return Err("a tuple needs , or ) after a value");
            }
        }
        match types {
            Some(rest) if !rest.is_empty() => Err("a tuple has fewer values than its type"),
            _ => Ok(Value::Struct(fields)),
        }
    }

    fn variant(&mut self, expected: Option<&str>) -> Result<Value, &'static str> {
        self.eat('<');
        if expected.is_some_and(|expected| expected != "v") {
            return Err("a variant is not what is needed here");
        }
        let value = self.value(None)?;
        match self.eat('>') {
            true => Ok(Value::Variant(Box::new(value))),
            false => Err("a variant needs > after its value"),
        }
    }
}

fn typed_string(text: String, expected: Option<&str>) -> Result<Value, &'static str> {
    match expected {
        None | Some("s") => Ok(Value::String(text)),
        Some("o") if is_object_path(&text) => Ok(Value::ObjectPath(text)),
        Some("g") if text.len() <= 255 && (text.is_empty() || complete(&text).is_some()) => {
            Ok(Value::Signature(text))
        }
        Some("o") => Err("not an object path"),
        Some("g") => Err("not a signature"),
        Some(_) => Err("a string is not what is needed here"),
    }
}

fn is_object_path(path: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    path == "/"
        || path
            .strip_prefix('/')
            .is_some_and(|rest| rest.split('/').all(part))
}

fn integer(signature: &str, number: i128) -> Option<Value> {
    Some(match signature {
        "y" => Value::Byte(number.try_into().ok()?),
        "n" => Value::Int16(number.try_into().ok()?),
        "q" => Value::Uint16(number.try_into().ok()?),
        "i" => Value::Int32(number.try_into().ok()?),
        "u" => Value::Uint32(number.try_into().ok()?),
        "x" => Value::Int64(number.try_into().ok()?),
        "t" => Value::Uint64(number.try_into().ok()?),
        _ => return None,
    })
}

/// How many complete types a signature consists of; none if it is no signature.
fn complete(signature: &str) -> Option<usize> {
    let (mut rest, mut count) = (signature, 0);
    while !rest.is_empty() {
        let length = first_length(rest);
        rest = rest.get(length..).filter(|_| length > 0)?;
        count += 1;
    }
    Some(count).filter(|count| *count > 0)
}

/// The length of the first complete type; 0 if there is none.
fn first_length(signature: &str) -> usize {
    let bytes = signature.as_bytes();
    let arrays = bytes.iter().take_while(|byte| **byte == b'a').count();
    match bytes.get(arrays) {
        Some(
            b'y' | b'b' | b'n' | b'q' | b'i' | b'u' | b'x' | b't' | b'd' | b's' | b'o' | b'g'
            | b'v',
        ) => arrays + 1,
        Some(b'(') => {
            let mut at = arrays + 1;
            loop {
                match bytes.get(at) {
                    Some(b')') if at > arrays + 1 => return at + 1,
                    _ => {}
                }
                let length = signature.get(at..).map_or(0, first_length);
                if length == 0 || arrays + at > 64 {
                    return 0;
                }
                at += length;
            }
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        let array = |element: &str, values| Value::Array(element.into(), values);
        for (text, want) in [
            ("true", Value::Bool(true)),
            ("5", Value::Int32(5)),
            ("-0x10", Value::Int32(-16)),
            ("uint64 18446744073709551615", Value::Uint64(u64::MAX)),
            ("byte 010", Value::Byte(8)),
            ("1.5", Value::Double(1.5)),
            (
                " 'inactive-or-failed' ",
                Value::string("inactive-or-failed"),
            ),
            (r#""a\"\u00e9\n""#, Value::string("a\"é\n")),
            ("objectpath '/a/b_1'", Value::ObjectPath("/a/b_1".into())),
            (
                "['a', 'b']",
                array("s", vec![Value::string("a"), Value::string("b")]),
            ),
            ("@as []", array("s", vec![])),
            (
                "[byte 1, 2]",
                array("y", vec![Value::Byte(1), Value::Byte(2)]),
            ),
            (
                "(1, 'a')",
                Value::Struct(vec![Value::Int32(1), Value::string("a")]),
            ),
            ("(1,)", Value::Struct(vec![Value::Int32(1)])),
            (
                "@a(st) [('/dev/sda', 5)]",
                array(
                    "(st)",
                    vec![Value::Struct(vec![
                        Value::string("/dev/sda"),
                        Value::Uint64(5),
                    ])],
                ),
            ),
            ("<uint32 1>", Value::Variant(Box::new(Value::Uint32(1)))),
        ] {
            assert_eq!(parse(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn nothing_is_guessed() {
        for text in [
            "",
            "  ",
            "abc",
            "5 6",
            "'a",
            "[]",
            "[1, 'a']",
            "uint64 -1",
            "uint32 4294967296",
            "uint64",
            "uint645",
            "2147483648",
            "+-1",
            "--1",
            "0x",
            "()",
            "(1",
            "[1",
            "<1",
            "@a 5",
            "@ 5",
            "@(s 'a'",
            "@as 5",
            "@(ss) ('a',)",
            "@(s) ('a','b')",
            "objectpath 'a'",
            "'\\q'",
            "'\\u00zz'",
            "nan",
            "[,]",
            "objectpath '//'",
            "1e400.0",
            "[[[[[[[[[[1]]]]]]]]]]",
            "'a\\u0000'",
        ] {
            assert!(parse(text).is_err(), "{text:?} gave {:?}", parse(text));
        }
    }
}
