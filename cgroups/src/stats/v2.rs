//! Version 2.

use super::model::{HugetlbStats, MemoryEntry, Stats};
use super::parse::{io_stat, key_values, psi};
use super::{number, page_sizes};
use crate::dir::Dir;
use crate::error::Error;
use crate::walk;

pub(super) fn read(dir: &Dir, stats: &mut Stats) -> Result<(), Error> {
    cpu(dir, stats)?;
    memory(dir, stats)?;
    pids(dir, stats)?;
    if let Some(text) = dir.read_if_present("io.stat")? {
        stats.blkio = io_stat(&text);
    }
    stats.cpu.psi = pressure(dir, "cpu.pressure")?;
    stats.memory.psi = pressure(dir, "memory.pressure")?;
    stats.blkio.psi = pressure(dir, "io.pressure")?;
    hugetlb(dir, stats)
}

fn pressure(dir: &Dir, file: &str) -> Result<Option<super::Psi>, Error> {
    Ok(dir.read_if_present(file)?.as_deref().and_then(psi))
}

/// Microseconds here, nanoseconds in the result.
fn cpu(dir: &Dir, stats: &mut Stats) -> Result<(), Error> {
    for (key, value) in key_values(&dir.read_if_present("cpu.stat")?.unwrap_or_default()) {
        let nanoseconds = value.saturating_mul(1000);
        match key {
            "usage_usec" => stats.cpu.usage.total = nanoseconds,
            "user_usec" => stats.cpu.usage.user = nanoseconds,
            "system_usec" => stats.cpu.usage.kernel = nanoseconds,
            "nr_periods" => stats.cpu.throttling.periods = value,
            "nr_throttled" => stats.cpu.throttling.throttled_periods = value,
            "throttled_usec" => stats.cpu.throttling.throttled_time = nanoseconds,
            _ => {}
        }
    }
    Ok(())
}

fn memory(dir: &Dir, stats: &mut Stats) -> Result<(), Error> {
    let Some(raw) = dir.read_if_present("memory.stat")? else {
        return Ok(());
    };
    stats.memory.raw = key_values(&raw)
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    stats.memory.cache = stats.memory.raw.get("file").copied().unwrap_or(0);
    let usage = entry(dir, "memory")?;
    let mut swap = entry(dir, "memory.swap")?;
    // Version 1 counts memory and swap together, and so do those who read this.
    swap.usage = swap.usage.saturating_add(usage.usage);
    swap.limit = swap.limit.saturating_add(usage.limit);
    // The two had their maxima at different times.
    swap.max = 0;
    stats.memory.usage = usage;
    stats.memory.swap = swap;
    Ok(())
}

fn entry(dir: &Dir, prefix: &str) -> Result<MemoryEntry, Error> {
    let value = |name: &str| Ok::<_, Error>(number(dir, &format!("{prefix}.{name}"))?.unwrap_or(0));
    Ok(MemoryEntry {
        limit: value("max")?,
        usage: value("current")?,
        max: value("peak")?,
        failcnt: 0,
    })
}

fn pids(dir: &Dir, stats: &mut Stats) -> Result<(), Error> {
    stats.pids.current = match number(dir, "pids.current")? {
        Some(current) => current,
        // Without the controller processes can still be counted.
        None => match dir.read_if_present("cgroup.procs")? {
            Some(text) => walk::parse_pids(&text).count() as u64,
            None => 0,
        },
    };
    let limit = number(dir, "pids.max")?;
    stats.pids.limit = limit.filter(|limit| *limit != u64::MAX).unwrap_or(0);
    Ok(())
}

fn hugetlb(dir: &Dir, stats: &mut Stats) -> Result<(), Error> {
    for size in page_sizes() {
        for prefix in [format!("hugetlb.{size}.rsvd"), format!("hugetlb.{size}")] {
            let Some(usage) = number(dir, &format!("{prefix}.current"))? else {
                continue;
            };
            let events = dir.read_if_present(&format!("hugetlb.{size}.events"))?;
            let events = events.unwrap_or_default();
            let failcnt = key_values(&events)
                .find(|(key, _)| *key == "max")
                .map_or(0, |(_, value)| value);
            stats.hugetlb.insert(
                size.clone(),
                HugetlbStats {
                    usage,
                    max: 0,
                    failcnt,
                },
            );
            break;
        }
    }
    Ok(())
}
