//! The forms that the kernel's statistics files have. Pure; what is not
//! understood is left out.

use super::model::{BlkioEntry, BlkioStats, Psi, PsiLine};

/// A number, or `max` for the largest.
pub(super) fn number(text: &str) -> Option<u64> {
    match text.trim() {
        "max" => Some(u64::MAX),
        // Old kernels count down below zero in some files.
        negative if negative.starts_with('-') => negative.parse::<i64>().ok().map(|_| 0),
        text => text.parse().ok(),
    }
}

/// Lines of a key and a number ("flat keyed").
pub fn key_values(text: &str) -> impl Iterator<Item = (&str, u64)> {
    text.lines().filter_map(|line| {
        let (key, value) = line.split_once(' ')?;
        Some((key, number(value)?))
    })
}

/// A list of CPUs or memory nodes, one by one.
pub fn cpu_list(text: &str) -> Vec<u16> {
    let mut list = Vec::new();
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<u16>(), last.parse::<u16>()) {
            list.extend(first..=last);
        }
    }
    list
}

/// A pressure file; none if it is empty.
pub fn psi(text: &str) -> Option<Psi> {
    let mut psi = Psi::default();
    let mut any = false;
    for line in text.lines() {
        match line.split_once(' ') {
            Some(("some", rest)) => psi.some = psi_line(rest)?,
            Some(("full", rest)) => psi.full = psi_line(rest)?,
            _ => continue,
        }
        any = true;
    }
    any.then_some(psi)
}

/// `avg10=0.00 avg60=0.00 avg300=0.00 total=0`
pub fn psi_line(text: &str) -> Option<PsiLine> {
    let mut line = PsiLine::default();
    for word in text.split_whitespace() {
        let (key, value) = word.split_once('=')?;
        // JSON has no words for what is not a finite number.
        let average = || value.parse::<f64>().ok().filter(|value| value.is_finite());
        match key {
            "avg10" => line.avg10 = average()?,
            "avg60" => line.avg60 = average()?,
            "avg300" => line.avg300 = average()?,
            "total" => line.total = value.parse().ok()?,
            _ => {}
        }
    }
    Some(line)
}

/// A version 1 file of block devices: `8:0 Read 4096`, or `8:0 4096`.
/// The sum over all devices, `Total 4096`, is left out.
pub fn blkio(text: &str) -> Vec<BlkioEntry> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (major, minor) = device(words.next()?)?;
            let (op, value) = match (words.next()?, words.next()) {
                (op, Some(value)) => (op, value),
                (value, None) => ("", value),
            };
            Some(BlkioEntry {
                major,
                minor,
                op: op.to_owned(),
                value: value.parse().ok()?,
            })
        })
        .collect()
}

/// Version 2's `io.stat`, in version 1's terms.
pub fn io_stat(text: &str) -> BlkioStats {
    let mut stats = BlkioStats::default();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let Some((major, minor)) = words.next().and_then(device) else {
            continue;
        };
        for word in words {
            let Some((key, value)) = word.split_once('=') else {
                continue;
            };
            let Ok(value) = value.parse() else { continue };
            let (list, op) = match key {
                "rbytes" => (&mut stats.io_service_bytes_recursive, "Read"),
                "wbytes" => (&mut stats.io_service_bytes_recursive, "Write"),
                "dbytes" => (&mut stats.io_service_bytes_recursive, "Discard"),
                "rios" => (&mut stats.io_serviced_recursive, "Read"),
                "wios" => (&mut stats.io_serviced_recursive, "Write"),
                "dios" => (&mut stats.io_serviced_recursive, "Discard"),
                _ => continue,
            };
            list.push(BlkioEntry {
                major,
                minor,
                op: op.to_owned(),
                value,
            });
        }
    }
    stats
}

fn device(text: &str) -> Option<(u64, u64)> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure() {
        let text = "some avg10=1.71 avg60=2.36 avg300=2.57 total=230548833\n\
                    full avg10=1.00 avg60=1.01 avg300=1.00 total=157622356\n";
        let psi = psi(text).unwrap();
        assert_eq!((psi.some.avg10, psi.full.total), (1.71, 157_622_356));
        assert_eq!(super::psi(""), None);
        assert_eq!(super::psi("some avg10=NaN"), None);
    }

    #[test]
    fn block_devices() {
        let entries = blkio("8:0 Read 4096\n8:0 Total 4096\n8:16 12\nTotal 4096\nrubbish\n8:0\n");
        assert_eq!(entries.len(), 3);
        assert_eq!(
            (entries[2].minor, entries[2].op.as_str(), entries[2].value),
            (16, "", 12)
        );
        let stats =
            io_stat("8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6 cost.x=7\n9:1 \nx");
        let ops: Vec<_> = stats
            .io_service_bytes_recursive
            .iter()
            .map(|e| e.value)
            .collect();
        assert_eq!(ops, [1, 2, 5]);
        assert_eq!(stats.io_serviced_recursive.len(), 3);
    }

    #[test]
    fn numbers() {
        assert_eq!(number("max\n"), Some(u64::MAX));
        assert_eq!(number("-3"), Some(0));
        assert_eq!(number("x"), None);
        assert_eq!(cpu_list("0-2,5\n"), [0, 1, 2, 5]);
        assert!(cpu_list("\n").is_empty());
        assert_eq!(
            key_values("a 1\nb\nc x\nd 2").collect::<Vec<_>>(),
            [("a", 1), ("d", 2)]
        );
    }
}
