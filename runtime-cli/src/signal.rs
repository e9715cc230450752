//! Names of signals.

#![forbid(unsafe_code)]

use nix::sys::signal::Signal;

/// First realtime signal as programs see it: the C library keeps the two below (signal(7)).
const RTMIN: i32 = 34;
/// Last realtime signal.
const RTMAX: i32 = 64;

/// The number of a signal (0 only asks whether one could be sent): `15`, `TERM`, `SIGTERM`, `sigterm`, `SIGRTMIN+3`, `RTMAX-1`.
pub(crate) fn parse(text: &str) -> Option<i32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text
            .parse()
            .ok()
            .filter(|signal| (0..=RTMAX).contains(signal));
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    realtime(name).or_else(|| named(name))
}

fn named(name: &str) -> Option<i32> {
    match name {
        // Other names of the same signals (signal(7)).
        "CLD" => return Some(Signal::SIGCHLD as i32),
        "IOT" => return Some(Signal::SIGABRT as i32),
        "POLL" => return Some(Signal::SIGIO as i32),
        _ => {}
    }
    let signal =
        Signal::iterator().find(|signal| signal.as_str().strip_prefix("SIG") == Some(name));
    signal.map(|signal| signal as i32)
}

fn realtime(name: &str) -> Option<i32> {
    let (base, offset, sign) = if let Some(offset) = name.strip_prefix("RTMIN") {
        (RTMIN, offset, '+')
    } else {
        (RTMAX, name.strip_prefix("RTMAX")?, '-')
    };
    if offset.is_empty() {
        return Some(base);
    }
    let digits = offset.strip_prefix(sign)?;
    let number: i32 = digits
        .parse()
        .ok()
        .filter(|_| digits.bytes().all(|b| b.is_ascii_digit()))?;
    let signal = if sign == '+' {
        base.checked_add(number)?
    } else {
        base.checked_sub(number)?
    };
    (RTMIN..=RTMAX).contains(&signal).then_some(signal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_those_of_kill_1() {
        // bash's own table is the oracle.
        let listing = std::process::Command::new("bash")
            .args(["-c", "kill -l"])
            .output()
            .unwrap();
        let listing = String::from_utf8(listing.stdout).unwrap();
        let mut words = listing.split_ascii_whitespace();
        let mut seen = 0;
        while let (Some(number), Some(name)) = (words.next(), words.next()) {
            let number: i32 = number.trim_end_matches(')').parse().unwrap();
            for form in [
                name.to_owned(),
                name.to_lowercase(),
                name.replace("SIG", ""),
                number.to_string(),
            ] {
                assert_eq!(parse(&form), Some(number), "{form}");
            }
            seen += 1;
        }
        assert!(seen >= 60, "{seen}");
    }

    #[test]
    fn other_words_are_no_signals() {
        for wrong in [
            "",
            "65",
            "-9",
            "SIG",
            "SIGSIGTERM",
            "TERM ",
            "RTMIN+",
            "RTMIN+31",
            "RTMIN-1",
            "RTMAX+1",
            "RTMIN++1",
            "99999999999",
        ] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
