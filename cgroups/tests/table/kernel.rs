//! What the kernel shows in a control file after values were written to it.

use std::collections::BTreeMap;

const UNLIMITED: &str = "9223372036854771712";

/// What a file shows after the writes, one after the other; `before` is what it showed
/// before them, none for a cgroup that was just made.
pub(crate) fn shows(file: &str, before: Option<&str>, values: &[&str]) -> String {
    let before = || before.unwrap_or_else(|| untouched(file));
    let Some(last) = values.last() else {
        return before().to_owned();
    };
    match file {
        "memory.oom_control" => format!("oom_kill_disable {last}\nunder_oom 0\noom_kill 0"),
        "cpu.max" if !last.contains(' ') => {
            let period = before()
                .split_once(' ')
                .map_or("100000", |(_, period)| period);
            format!("{last} {period}")
        }
        "io.max" => keyed(values, &["rbps", "wbps", "riops", "wiops"]),
        "rdma.max" => keyed(values, &["hca_handle", "hca_object"]),
        "io.weight" | "io.bfq.weight" | "blkio.bfq.weight_device" => weights(values),
        // 0 lifts the limit.
        _ if file.starts_with("blkio.throttle.") && last.ends_with(" 0") => String::new(),
        _ if file.starts_with("memory.") && *last == "-1" => UNLIMITED.to_owned(),
        _ => (*last).to_owned(),
    }
}

/// What was read, without what the table does not have: interfaces that have no priority,
/// and blanks at the end.
pub(crate) fn plain(file: &str, shown: &str) -> String {
    let lines = shown
        .lines()
        .filter(|line| file != "net_prio.ifpriomap" || !line.ends_with(" 0"));
    lines.map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// One line for the device, with a value for each key that has one.
fn keyed(values: &[&str], keys: &[&str]) -> String {
    let mut set = BTreeMap::new();
    let mut device = "";
    for value in values {
        let mut words = value.split(' ');
        device = words.next().unwrap_or_default();
        set.extend(words.filter_map(|word| word.split_once('=')));
    }
    if set.values().all(|value| *value == "max") {
        return String::new();
    }
    let pairs = keys
        .iter()
        .map(|key| format!(" {key}={}", set.get(key).unwrap_or(&"max")));
    format!("{device}{}", pairs.collect::<String>())
}

/// The default of all devices, then those with a weight of their own.
fn weights(values: &[&str]) -> String {
    let mut default = "100";
    let mut devices = String::new();
    for value in values {
        match value.split_once(' ') {
            Some(("default", weight)) => default = weight,
            Some(_) => devices = format!("\n{value}"),
            None => default = value,
        }
    }
    format!("default {default}{devices}")
}

/// What a file shows in a cgroup where nothing was written.
fn untouched(file: &str) -> &'static str {
    match file {
        "memory.limit_in_bytes" | "memory.memsw.limit_in_bytes" | "memory.kmem.limit_in_bytes" => {
            UNLIMITED
        }
        "memory.use_hierarchy" => "1",
        "memory.oom_control" => "oom_kill_disable 0\nunder_oom 0\noom_kill 0",
        "memory.max" | "memory.swap.max" => "max",
        "cpu.shares" => "1024",
        "cpu.weight" => "100",
        "cpu.max" => "max 100000",
        "cpu.cfs_period_us" => "100000",
        "cpu.cfs_quota_us" => "-1",
        "cpu.rt_period_us" => "1000000",
        "cpuset.mems" => "0",
        "io.weight" => "default 100",
        file => panic!("{file} should have been written"),
    }
}
