//! Lists of CPUs and memory nodes such as `0-3,7` (cpuset(7), "List format"). Pure.

use crate::error::Error;

/// The kernel's own bound on both kinds of numbers is far below this.
const MAX: u32 = 65535;

/// The ranges of a list, in the order given.
///
/// # Errors
/// [`Error::Invalid`] when it is not a list.
pub fn parse(field: &str, list: &str) -> Result<Vec<(u32, u32)>, Error> {
    let bad = || {
        Error::invalid(
            field,
            list,
            "must be a list of numbers and ranges such as 0-3,7",
        )
    };
    let number = |text: &str| match text.trim().parse::<u32>() {
        Ok(number) if number <= MAX && !text.trim().starts_with('+') => Ok(number),
        _ => Err(bad()),
    };
    let mut ranges = Vec::new();
    for part in list.trim().split(',') {
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (number(first)?, number(last)?),
            None => (number(part)?, number(part)?),
        };
        if first > last {
            return Err(bad());
        }
        ranges.push((first, last));
    }
    Ok(ranges)
}

/// The list as systemd's `AllowedCPUs=` and `AllowedMemoryNodes=` take it on the
/// bus: one bit for each number, number 0 the lowest bit of the first byte.
///
/// # Errors
/// As [`parse`].
pub fn bits(field: &str, list: &str) -> Result<Vec<u8>, Error> {
    let mut bits = Vec::new();
    for (first, last) in parse(field, list)? {
        for number in first..=last {
            let byte = (number / 8) as usize;
            if bits.len() <= byte {
                bits.resize(byte + 1, 0);
            }
            if let Some(slot) = bits.get_mut(byte) {
                *slot |= 1 << (number % 8);
            }
        }
    }
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        assert_eq!(parse("f", "0-3,7").unwrap(), [(0, 3), (7, 7)]);
        assert_eq!(parse("f", " 1 , 2 - 4\n").unwrap(), [(1, 1), (2, 4)]);
        for bad in [
            "",
            ",",
            "a",
            "3-1",
            "1-",
            "-1",
            "0-65536",
            "+1",
            "1,,2",
            "4294967296",
        ] {
            assert!(parse("f", bad).is_err(), "{bad:?}");
        }
    }

    /// The encodings that systemd prints for `AllowedCPUs=` (`busctl get-property`):
    /// more than eight CPUs are where an implementation with the wrong order fails.
    #[test]
    fn bits_go_up_from_the_first_byte() {
        assert_eq!(bits("f", "0").unwrap(), [1]);
        assert_eq!(bits("f", "0-1,9").unwrap(), [3, 2]);
        assert_eq!(bits("f", "2-3,0,1").unwrap(), [15]);
        assert_eq!(bits("f", "4,6,8,10").unwrap(), [0x50, 5]);
    }
}
