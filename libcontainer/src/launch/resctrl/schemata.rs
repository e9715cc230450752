//! The form of `schemata`: a line a resource, `L3:0=ff;1=c0`.

#![forbid(unsafe_code)]

/// Whether everything that `wanted` sets has that value in `present`. The kernel pads what it
/// shows, writes masks without leading zeros, and may list more resources and caches.
pub(super) fn covers(present: &str, wanted: &str) -> bool {
    let present: Vec<_> = settings(present).collect();
    settings(wanted).all(|setting| present.contains(&setting))
}

/// Resource, cache id and value of every setting. A text that is no number stands for itself, so
/// that a malformed line is equal only to itself.
fn settings(text: &str) -> impl Iterator<Item = (&str, &str, String)> {
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .flat_map(|line| {
            let (resource, domains) = line.split_once(':').unwrap_or((line, ""));
            domains.split(';').map(move |domain| {
                let (id, value) = domain.split_once('=').unwrap_or((domain, ""));
                (resource.trim(), id.trim(), normal(value))
            })
        })
}

fn normal(value: &str) -> String {
    let value = value.trim();
    let digits = value.trim_start_matches('0').to_ascii_lowercase();
    match digits.is_empty() && !value.is_empty() {
        true => "0".to_owned(),
        false => digits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_zeros_order_and_other_resources_do_not_matter() {
        let present = "    L3:0=000ff;1=7f0\n    MB:0= 100;1=  20\n";
        for wanted in [
            "L3:0=ff",
            "L3:1=7F0;0=0ff",
            "MB:1=20;0=100",
            "MB: 1=20\nL3:0=ff",
            "",
        ] {
            assert!(covers(present, wanted), "{wanted}");
        }
    }

    #[test]
    fn another_value_resource_or_cache_does() {
        let present = "L3:0=ff;1=7f0\nMB:0=100\n";
        for wanted in [
            "L3:0=f", "L2:0=ff", "L3:2=ff", "MB:0=10", "nonsense", "L3:0",
        ] {
            assert!(!covers(present, wanted), "{wanted}");
        }
    }
}
