//! Unit properties that say the same as the control files: systemd writes the
//! files of its units again whenever it likes (`daemon-reload`), and must not
//! find other values to write. Pure.
//!
//! The properties are those of systemd.resource-control(5), the types those of
//! org.freedesktop.systemd1(5).

use std::collections::HashMap;

use super::gvariant;
use super::value::Value;
use crate::devices::rules::{AccessList, Devices, Kind};
use crate::error::Error;
use crate::limits::{Refused, Write, cpulist};

/// A property and its value.
pub type Property = (String, Value);

/// The kernel's default for the period of `cpu.max`, in microseconds.
const PERIOD: u64 = 100_000;

/// systemd's "infinity".
const INFINITY: u64 = u64::MAX;

/// The properties for a list of writes. What systemd has no property for, or
/// this version of it, is left to the control files.
///
/// # Errors
/// [`Error::Invalid`] for a value of `unified` that its file cannot take.
pub fn resources(writes: &[Write], version: u32) -> Result<Vec<Property>, Error> {
    let mut properties = Vec::new();
    for write in writes {
        let value = write.value.trim();
        let mut push = |name: &str, value: Value| properties.push((name.to_owned(), value));
        let name = match &*write.file {
            "cpu.idle" => {
                // A weight of nothing is how systemd says idle. No other is written beside it.
                if value == "1" && version >= 252 {
                    push("CPUWeight", Value::Uint64(0));
                }
                continue;
            }
            "cpu.weight" => "CPUWeight",
            "cpu.max" => {
                cpu_quota(write, version, &mut push)?;
                continue;
            }
            "cpuset.cpus" | "cpuset.mems" => {
                let mems = write.file.ends_with("mems");
                let name = if mems {
                    "AllowedMemoryNodes"
                } else {
                    "AllowedCPUs"
                };
                if version >= 244 {
                    let bits = cpulist::bits(&write.field, value)?;
                    let bytes = bits.into_iter().map(Value::Byte).collect();
                    push(name, Value::Array("y".to_owned(), bytes));
                }
                continue;
            }
            "io.weight" | "io.bfq.weight" => {
                if let Some(weight) = io_weight(write) {
                    push("IOWeight", Value::Uint64(weight));
                }
                continue;
            }
            "memory.max" => "MemoryMax",
            "memory.high" => "MemoryHigh",
            "memory.low" => "MemoryLow",
            "memory.min" => "MemoryMin",
            "memory.swap.max" => "MemorySwapMax",
            "pids.max" => "TasksMax",
            // Version 1.
            "memory.limit_in_bytes" => "MemoryLimit",
            "cpu.shares" => "CPUShares",
            "blkio.weight" => "BlockIOWeight",
            _ => continue,
        };
        let number = match (value, name) {
            ("max" | "-1", _) => INFINITY,
            // systemd knows no limit of no tasks; one is there anyway.
            ("0", "TasksMax") => 1,
            (value, _) => value.parse().map_err(|_| bad(write))?,
        };
        push(name, Value::Uint64(number));
    }
    version_1_quota(writes, version, &mut properties);
    Ok(properties)
}

fn bad(write: &Write) -> Error {
    Error::invalid(&*write.field, &write.value, "must be a number or \"max\"")
}

/// `cpu.max`: a quota, or a quota and a period.
fn cpu_quota(write: &Write, version: u32, push: &mut dyn FnMut(&str, Value)) -> Result<(), Error> {
    let mut words = write.value.split_whitespace();
    let (quota, period) = (words.next(), words.next());
    let quota = match quota {
        Some("max") => None,
        Some(quota) => Some(quota.parse::<u64>().map_err(|_| bad(write))?),
        None => return Err(bad(write)),
    };
    let period = match period {
        Some(period) => Some(period.parse::<u64>().map_err(|_| bad(write))?),
        None => None,
    };
    if let (Some(period), true) = (period, version >= 242) {
        push("CPUQuotaPeriodUSec", Value::Uint64(period));
    }
    push(
        "CPUQuotaPerSecUSec",
        Value::Uint64(per_second(quota, period.unwrap_or(PERIOD))),
    );
    Ok(())
}

/// A quota for a period as one for a second, rounded up to the percent that
/// systemd keeps: rounded down, a cgroup below could not have what was asked for.
fn per_second(quota: Option<u64>, period: u64) -> u64 {
    match quota {
        Some(quota) if period > 0 => (quota.saturating_mul(1_000_000) / period)
            .div_ceil(10_000)
            .saturating_mul(10_000),
        _ => INFINITY,
    }
}

/// Makes the quota of `cpu.max` what systemd will make of it, which keeps a percentage: what it
/// is told is what it writes at its next `daemon-reload`. What is no quota stays as it is.
pub(crate) fn round_quotas(writes: &mut [Write]) {
    for write in writes.iter_mut().filter(|write| write.file == "cpu.max") {
        let mut words = write.value.split_whitespace();
        let quota = words.next().and_then(|quota| quota.parse::<u64>().ok());
        let given = words.next();
        let period = given.map_or(Ok(PERIOD), str::parse::<u64>);
        let (Some(quota), Ok(period @ 1..)) = (quota, period) else {
            continue;
        };
        let second = u128::from(per_second(Some(quota), period));
        let kept = second * u128::from(period) / 1_000_000;
        write.value = match given {
            Some(_) => format!("{kept} {period}"),
            None => kept.to_string(),
        };
    }
}

/// Version 1 has the two in two files.
fn version_1_quota(writes: &[Write], version: u32, properties: &mut Vec<Property>) {
    let value = |file: &str| {
        writes
            .iter()
            .find(|write| write.file == file)
            .map(|write| write.value.parse::<i64>())
    };
    let period = match value("cpu.cfs_period_us") {
        Some(Ok(period)) => u64::try_from(period).ok(),
        _ => None,
    };
    let quota = value("cpu.cfs_quota_us");
    if let (Some(period), true) = (period, version >= 242) {
        properties.push(("CPUQuotaPeriodUSec".to_owned(), Value::Uint64(period)));
    }
    if let Some(Ok(quota)) = quota {
        let per_second = per_second(u64::try_from(quota).ok(), period.unwrap_or(PERIOD));
        properties.push(("CPUQuotaPerSecUSec".to_owned(), Value::Uint64(per_second)));
    }
}

/// The weight for all devices, in `io.weight`'s scale.
fn io_weight(write: &Write) -> Option<u64> {
    let value = match &write.refused {
        Refused::Instead { file, value } if file == "io.weight" => value,
        _ if write.file == "io.weight" => &write.value,
        _ => return None,
    };
    match value.split_once(' ') {
        Some(("default", weight)) => weight.parse().ok(),
        Some(_) => None,
        None => value.parse().ok(),
    }
}

/// The device rules. systemd cannot express everything: with a list that allows
/// by default, the program that this crate attaches is the only one that denies.
pub fn devices(list: &AccessList, version: u32) -> Vec<Property> {
    const ENTRY: &str = "(ss)";
    let array = |values| {
        (
            "DeviceAllow".to_owned(),
            Value::Array(ENTRY.to_owned(), values),
        )
    };
    // An empty list first makes systemd forget the entries that it has.
    let mut properties = vec![array(Vec::new())];
    if !list.allow_by_default {
        let entries: Vec<Value> = list
            .exceptions
            .iter()
            .filter_map(|(devices, access)| {
                let path = device_path(devices, version)?;
                Some(Value::Struct(vec![
                    Value::String(path),
                    Value::String(access.to_string()),
                ]))
            })
            .collect();
        properties.push(array(entries));
    }
    // The policy comes after the list: the other way round there is a moment
    // without any device.
    let policy = if list.allow_by_default {
        "auto"
    } else {
        "strict"
    };
    properties.push(("DevicePolicy".to_owned(), Value::string(policy)));
    properties
}

fn device_path(devices: &Devices, version: u32) -> Option<String> {
    let kind = match devices.kind {
        Kind::Block => "block",
        Kind::Char => "char",
    };
    match (devices.major, devices.minor) {
        (None, None) => Some(format!("{kind}-*")),
        (Some(major), None) if version >= 240 => Some(format!("{kind}-{major}")),
        (Some(major), Some(minor)) => Some(format!("/dev/{kind}/{major}:{minor}")),
        _ => None,
    }
}

/// The properties of `org.systemd.property.*` annotations, by name.
///
/// A name that ends in `Sec` is given in seconds, as in a unit file, and passed on
/// as `USec`.
///
/// # Errors
/// [`Error::Invalid`].
pub fn annotations(annotations: &HashMap<String, String>) -> Result<Vec<Property>, Error> {
    const PREFIX: &str = "org.systemd.property.";
    let mut properties = Vec::new();
    for (key, text) in annotations {
        let Some(name) = key.strip_prefix(PREFIX) else {
            continue;
        };
        let field = || format!("annotations[{key:?}]");
        if !(3..=64).contains(&name.len()) || !name.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            let allowed = "the name of a property must be 3 to 64 letters";
            return Err(Error::invalid(field(), name, allowed));
        }
        let value = gvariant::parse(text).map_err(|why| Error::invalid(field(), text, why))?;
        match name.strip_suffix("Sec").filter(|stem| !stem.ends_with('U')) {
            None => properties.push((name.to_owned(), value)),
            Some(stem) => {
                let value = microseconds(&value).ok_or_else(|| {
                    Error::invalid(field(), text, "must be a number of seconds, not negative")
                })?;
                properties.push((format!("{stem}USec"), Value::Uint64(value)));
            }
        }
    }
    properties.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(properties)
}

fn microseconds(seconds: &Value) -> Option<u64> {
    let whole = match seconds {
        Value::Byte(value) => u64::from(*value),
        Value::Uint16(value) => u64::from(*value),
        Value::Uint32(value) => u64::from(*value),
        Value::Uint64(value) => *value,
        Value::Int16(value) => u64::try_from(*value).ok()?,
        Value::Int32(value) => u64::try_from(*value).ok()?,
        Value::Int64(value) => u64::try_from(*value).ok()?,
        Value::Double(value) if (0.0..1e12).contains(value) => {
            // Bounded on both sides just now.
            #[allow(clippy::cast_sign_loss)]
            return Some((value * 1e6) as u64);
        }
        _ => return None,
    };
    whole.checked_mul(1_000_000)
}

/// The number in a version such as `252.39-1~deb12u1` or `v249.11-0ubuntu3`.
pub(crate) fn version_number(text: &str) -> u32 {
    let digits = text.trim_start_matches(['v', '"']);
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    // An unknown version gets only what every version has.
    digits
        .get(..end)
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{self, Present};

    fn of(json: &str, version: u32) -> Vec<Property> {
        let resources = serde_json::from_str(json).unwrap();
        super::resources(&limits::v2(&resources, &Present::Fresh).unwrap(), version).unwrap()
    }

    fn number(name: &str, value: u64) -> Property {
        (name.to_owned(), Value::Uint64(value))
    }

    #[test]
    fn every_limit_has_its_property() {
        let memory = r#"{"memory": {"limit": 1000, "swap": 3000, "reservation": 500}}"#;
        assert_eq!(
            of(memory, 252),
            [
                number("MemorySwapMax", 2000),
                number("MemoryMax", 1000),
                number("MemoryLow", 500)
            ]
        );
        assert_eq!(
            of(r#"{"pids": {"limit": 0}}"#, 252),
            [number("TasksMax", 1)]
        );
        assert_eq!(
            of(r#"{"pids": {"limit": -1}}"#, 252),
            [number("TasksMax", INFINITY)]
        );
        assert_eq!(
            of(r#"{"blockIO": {"weight": 100}}"#, 252),
            [number("IOWeight", 910)]
        );
        let bits = Value::Array("y".into(), vec![Value::Byte(3), Value::Byte(2)]);
        let cpus = r#"{"cpu": {"cpus": "0-1,9"}}"#;
        assert_eq!(of(cpus, 252), [("AllowedCPUs".to_owned(), bits)]);
        assert_eq!(of(cpus, 243), []);
    }

    #[test]
    fn a_quota_is_rounded_as_systemd_does() {
        for (given, kept) in [
            ("33333 100000", "34000 100000"),
            ("500000 900000", "504000 900000"),
            ("50000 100000", "50000 100000"),
            ("33333", "34000"),
            ("max 100000", "max 100000"),
            ("1 0", "1 0"),
            ("nothing", "nothing"),
        ] {
            let json = serde_json::json!({"unified": {"cpu.max": given}});
            let resources = serde_json::from_value(json).unwrap();
            let mut writes = limits::v2(&resources, &Present::Fresh).unwrap();
            round_quotas(&mut writes);
            assert_eq!(writes[0].value, kept, "{given}");
        }
    }

    #[test]
    fn cpu() {
        assert_eq!(
            of(r#"{"cpu": {"quota": 33333, "period": 100000}}"#, 252),
            [
                number("CPUQuotaPeriodUSec", 100_000),
                number("CPUQuotaPerSecUSec", 340_000)
            ]
        );
        assert_eq!(
            of(r#"{"cpu": {"quota": 50000}}"#, 241),
            [number("CPUQuotaPerSecUSec", 500_000)]
        );
        assert_eq!(
            of(r#"{"cpu": {"quota": -1}}"#, 252),
            [number("CPUQuotaPerSecUSec", INFINITY)]
        );
        let idle = r#"{"cpu": {"shares": 2048, "idle": 1}}"#;
        assert_eq!(of(idle, 252), [number("CPUWeight", 0)]);
        assert_eq!(of(idle, 251), []);
    }

    #[test]
    fn unified_says_the_same() {
        let json = r#"{"unified": {"memory.high": "5000", "cpu.max": "max", "pids.max": "7", "io.foo": "x"}}"#;
        assert_eq!(
            of(json, 252),
            [
                number("CPUQuotaPerSecUSec", INFINITY),
                number("MemoryHigh", 5000),
                number("TasksMax", 7)
            ]
        );
        let resources = serde_json::from_str(r#"{"unified": {"memory.high": "x"}}"#).unwrap();
        let writes = limits::v2(&resources, &Present::Fresh).unwrap();
        assert!(super::resources(&writes, 252).is_err());
    }

    #[test]
    fn device_lists() {
        let list = AccessList::from_spec(&[]).unwrap();
        let properties = devices(&list, 252);
        let names: Vec<_> = properties.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["DeviceAllow", "DeviceAllow", "DevicePolicy"]);
        let text = format!("{properties:?}");
        for path in ["char-*", "block-*", "char-136", "/dev/char/1:3"] {
            assert!(text.contains(&format!("{path:?}")), "{path}");
        }
    }

    #[test]
    fn annotated_properties() {
        let of = |key: &str, value: &str| {
            annotations(&HashMap::from([(key.to_owned(), value.to_owned())]))
        };
        assert_eq!(of("other", "x").unwrap(), []);
        assert_eq!(
            of("org.systemd.property.TimeoutStopSec", "1.5").unwrap(),
            [number("TimeoutStopUSec", 1_500_000)]
        );
        assert_eq!(
            of("org.systemd.property.TimeoutStopUSec", "uint64 5").unwrap(),
            [number("TimeoutStopUSec", 5)]
        );
        for (key, value) in [("A", "1"), ("A.b", "1"), ("Abc", "x"), ("StopSec", "-1")] {
            assert!(
                of(&format!("org.systemd.property.{key}"), value).is_err(),
                "{key}"
            );
        }
    }

    #[test]
    fn versions() {
        for (text, version) in [("252.39-1~deb12u1", 252), ("v249.11", 249), ("x", 0)] {
            assert_eq!(version_number(text), version);
        }
    }
}
