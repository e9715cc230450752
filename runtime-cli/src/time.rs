//! Points in time as text.

#![forbid(unsafe_code)]

use std::time::{SystemTime, UNIX_EPOCH};

/// The current second as RFC 3339 in UTC.
pub(crate) fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    rfc3339(since.map_or(0, |since| since.as_secs()))
}

/// Seconds since 1970 as RFC 3339 in UTC. The calendar is the proleptic Gregorian one; years are
/// counted from 1 March, so that a leap day is the last of its year.
fn rfc3339(seconds: u64) -> String {
    const DAYS_OF_400_YEARS: u64 = 146_097;
    const DAYS_FROM_YEAR_0: u64 = 719_468;
    let (days, second) = (seconds / 86_400 + DAYS_FROM_YEAR_0, seconds % 86_400);
    let (era, day) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    let year = era * 400 + year + next;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_agree_with_date_1() {
        for seconds in [
            0,
            68_169_599,
            68_169_600,
            951_782_399,
            951_782_400,
            4_102_444_799,
            1_795_478_400,
        ] {
            let output = std::process::Command::new("date")
                .args(["-u", "-d", &format!("@{seconds}"), "+%Y-%m-%dT%H:%M:%SZ"])
                .output()
                .unwrap();
            let expected = String::from_utf8(output.stdout).unwrap();
            assert_eq!(rfc3339(seconds), expected.trim());
        }
    }
}
