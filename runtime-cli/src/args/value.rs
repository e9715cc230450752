//! What flags take: kinds of values and their strict parsers.

#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::fmt;
use std::time::Duration;

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing, or `=true`/`=false`.
    Switch,
    /// Any text in UTF-8.
    Text,
    /// Path of a file.
    File,
    /// Path of a directory.
    Directory,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `true`, `false` or `auto`.
    Rootless,
    /// A number that is not negative, in 32 bits.
    Count,
    /// A number that is not negative, in 16 bits.
    Weight,
    /// A number that is not negative, in 64 bits.
    Unsigned,
    /// A number in 64 bits.
    Signed,
    /// A number of bytes, with an optional binary unit (`512k`, `1.5GiB`), or -1.
    Size,
    /// A span of time as Go writes it: `100ms`, `5s`, `1m30s`.
    Interval,
    /// A user id, or user and group id: `1000`, `1000:100`.
    User,
    /// A group id.
    Id,
}

/// Why a value was refused: what is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueError(Kind);

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "allowed is {}", self.0)
    }
}

impl std::error::Error for ValueError {}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Switch => "true or false",
            Self::Text => "text in UTF-8",
            Self::File => "a path of a file",
            Self::Directory => "a path of a directory",
            Self::Choice(words) => {
                for (index, word) in words.iter().enumerate() {
                    let separator = if index == 0 { "" } else { " or " };
                    write!(f, "{separator}{word}")?;
                }
                return Ok(());
            }
            Self::Rootless => "true, false or auto",
            Self::Count => "a whole number from 0 to 4294967295",
            Self::Weight => "a whole number from 0 to 65535",
            Self::Unsigned => "a whole number that is not negative",
            Self::Signed => "a whole number",
            Self::Size => "a number of bytes such as 1073741824, 512k or 1.5g, or -1",
            Self::Interval => "a span of time such as 100ms, 5s or 1m30s",
            Self::User => "UID or UID:GID, each a number from 0 to 4294967294",
            Self::Id => "a number from 0 to 4294967294",
        })
    }
}

impl Kind {
    /// The word that stands for the value in help.
    pub fn placeholder(self) -> &'static str {
        match self {
            Self::Switch => "",
            Self::Text => "TEXT",
            Self::File => "FILE",
            Self::Directory => "DIR",
            Self::Choice(_) => "FORMAT",
            Self::Rootless => "true|false|auto",
            Self::Count | Self::Weight | Self::Unsigned | Self::Signed => "N",
            Self::Size => "BYTES",
            Self::Interval => "TIME",
            Self::User => "UID[:GID]",
            Self::Id => "GID",
        }
    }

    /// Whether a value is one of this kind.
    pub fn check(self, value: &OsStr) -> Result<(), ValueError> {
        let text = || value.to_str().ok_or(ValueError(self));
        match self {
            Self::File | Self::Directory => Ok(()),
            Self::Text => text().map(drop),
            Self::Switch => switch(text()?).map(drop),
            Self::Choice(words) if words.contains(&text()?) => Ok(()),
            Self::Choice(_) => Err(ValueError(self)),
            Self::Rootless => rootless(text()?).map(drop),
            Self::Count => count(text()?).map(drop),
            Self::Weight => weight(text()?).map(drop),
            Self::Unsigned => unsigned(text()?).map(drop),
            Self::Signed => signed(text()?).map(drop),
            Self::Size => size(text()?).map(drop),
            Self::Interval => interval(text()?).map(drop),
            Self::User => user(text()?).map(drop),
            Self::Id => id(text()?).map(drop),
        }
    }
}

/// What `--rootless` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rootless {
    /// `true`
    Yes,
    /// `false`
    No,
    /// `auto`
    Auto,
}

/// A truth value as Go's `strconv.ParseBool` takes it: engines send `true` and `false`.
pub fn switch(text: &str) -> Result<bool, ValueError> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(ValueError(Kind::Switch)),
    }
}

/// `--rootless`: a truth value, or `auto`; empty is `auto`, as in runc.
pub fn rootless(text: &str) -> Result<Rootless, ValueError> {
    match text {
        "" | "auto" => Ok(Rootless::Auto),
        _ => match switch(text).map_err(|_| ValueError(Kind::Rootless))? {
            true => Ok(Rootless::Yes),
            false => Ok(Rootless::No),
        },
    }
}

/// Digits and nothing else; `str::parse` alone would take a sign.
fn digits<T: std::str::FromStr>(text: &str, kind: Kind) -> Result<T, ValueError> {
    let all = text.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = all.then(|| text.parse().ok()).flatten();
    parsed.ok_or(ValueError(kind))
}

/// [`Kind::Count`]
pub fn count(text: &str) -> Result<u32, ValueError> {
    digits(text, Kind::Count)
}

/// [`Kind::Weight`]
pub fn weight(text: &str) -> Result<u16, ValueError> {
    digits(text, Kind::Weight)
}

/// [`Kind::Unsigned`]
pub fn unsigned(text: &str) -> Result<u64, ValueError> {
    digits(text, Kind::Unsigned)
}

/// [`Kind::Signed`]
pub fn signed(text: &str) -> Result<i64, ValueError> {
    text.parse().map_err(|_| ValueError(Kind::Signed))
}

/// [`Kind::Id`]. The largest number means "no id" to the kernel (setresuid(2)).
pub fn id(text: &str) -> Result<u32, ValueError> {
    digits(text, Kind::Id)
        .ok()
        .filter(|&id| id != u32::MAX)
        .ok_or(ValueError(Kind::Id))
}

/// [`Kind::User`]
pub fn user(text: &str) -> Result<(u32, Option<u32>), ValueError> {
    let wrong = |_| ValueError(Kind::User);
    match text.split_once(':') {
        Some((uid, gid)) => Ok((id(uid).map_err(wrong)?, Some(id(gid).map_err(wrong)?))),
        None => Ok((id(text).map_err(wrong)?, None)),
    }
}

/// [`Kind::Size`]: units are powers of 1024 whatever their spelling (`k`, `kb`, `KiB`), as in runc.
pub fn size(text: &str) -> Result<i64, ValueError> {
    let wrong = ValueError(Kind::Size);
    if text == "-1" {
        return Ok(-1);
    }
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end).ok_or(wrong)?;
    let unit = unit.strip_prefix(' ').unwrap_or(unit).to_ascii_lowercase();
    let shift = match unit.as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        "p" | "pb" | "pib" => 50,
        _ => return Err(wrong),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: i64 = digits(whole, Kind::Size)?;
    let bytes = whole.checked_mul(1_i64 << shift).ok_or(wrong)?;
    bytes.checked_add(part_of(fraction, shift)?).ok_or(wrong)
}

/// The bytes of a decimal fraction of `1 << shift`, rounded down.
fn part_of(fraction: &str, shift: u32) -> Result<i64, ValueError> {
    let wrong = ValueError(Kind::Size);
    if fraction.is_empty() {
        return Ok(0);
    }
    let places = u32::try_from(fraction.len()).map_err(|_| wrong)?;
    let numerator: i128 = digits(fraction, Kind::Size)?;
    let denominator = 10_i128.checked_pow(places).ok_or(wrong)?;
    let product = numerator.checked_mul(1_i128 << shift).ok_or(wrong)?;
    i64::try_from(product / denominator).map_err(|_| wrong)
}

/// [`Kind::Interval`]: numbers with units, one after the other.
pub fn interval(text: &str) -> Result<Duration, ValueError> {
    let wrong = ValueError(Kind::Interval);
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or(wrong)?;
        let (number, tail) = rest.split_at_checked(end).ok_or(wrong)?;
        let end = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, next) = tail.split_at_checked(end).ok_or(wrong)?;
        let seconds = number.parse::<f64>().map_err(|_| wrong)? * seconds_of(unit).ok_or(wrong)?;
        let part = Duration::try_from_secs_f64(seconds).map_err(|_| wrong)?;
        total = total.checked_add(part).ok_or(wrong)?;
        rest = next;
    }
    if text.is_empty() {
        Err(wrong)
    } else {
        Ok(total)
    }
}

fn seconds_of(unit: &str) -> Option<f64> {
    match unit {
        "ns" => Some(1e-9),
        "us" | "µs" | "μs" => Some(1e-6),
        "ms" => Some(1e-3),
        "s" => Some(1.0),
        "m" => Some(60.0),
        "h" => Some(3600.0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_strict() {
        assert_eq!(user("0"), Ok((0, None)));
        assert_eq!(user("1000:100"), Ok((1000, Some(100))));
        assert_eq!(user("4294967294:4294967294").unwrap().0, u32::MAX - 1);
        for wrong in [
            "",
            ":",
            "1:",
            ":1",
            "-1",
            " 1",
            "1 ",
            "+1",
            "1:2:3",
            "root",
            "4294967295",
            "1:4294967295",
            "4294967296",
            "99999999999999999999",
            "0x10",
            "1:-1",
            "१",
        ] {
            assert!(user(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn sizes_are_those_of_runc() {
        for (text, bytes) in [
            ("-1", -1),
            ("0", 0),
            ("33554432", 33_554_432),
            ("512k", 524_288),
            ("512KB", 524_288),
            ("1KiB", 1024),
            ("1.5g", 1_610_612_736),
            ("10 m", 10_485_760),
            ("0.3k", 307),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for wrong in [
            "",
            "-2",
            "k",
            "1x",
            "1.2.3",
            ".5",
            "9223372036854775807k",
            "1e3",
            "1..",
            "١",
        ] {
            assert!(size(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn intervals_are_those_of_go() {
        for (text, millis) in [
            ("5s", 5_000),
            ("100ms", 100),
            ("1m30s", 90_000),
            ("1.5s", 1_500),
            ("0", 0),
        ] {
            assert_eq!(interval(text).unwrap().as_millis(), millis, "{text}");
        }
        for wrong in [
            "",
            "5",
            "s",
            "-1s",
            "5x",
            "1s2",
            "..s",
            "99999999999999999999999h",
        ] {
            assert!(interval(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn numbers_take_no_sign() {
        assert_eq!(count("7"), Ok(7));
        for wrong in ["", "+7", "-7", "7 ", "4294967296"] {
            assert!(count(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(signed("-7"), Ok(-7));
    }
}
