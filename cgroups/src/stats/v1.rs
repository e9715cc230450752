//! Version 1.

use super::model::{BlkioStats, CpuUsage, CpusetStats, HugetlbStats, MemoryEntry, Stats};
use super::parse::{blkio, cpu_list, key_values};
use super::{number, page_sizes};
use crate::dir::Dir;
use crate::error::Error;

/// What `user` and `system` of cpuacct.stat are counted in: `USER_HZ` is 100 on
/// every architecture that Linux still has containers on (time(7)).
const TICK: u64 = 1_000_000_000 / 100;

pub(super) fn read(dir: &Dir, controllers: &[String], stats: &mut Stats) -> Result<(), Error> {
    for controller in controllers {
        match controller.as_str() {
            "cpu" => cpu(dir, stats)?,
            "cpuacct" => stats.cpu.usage = cpuacct(dir)?,
            "cpuset" => stats.cpuset = cpuset(dir)?,
            "memory" => memory(dir, stats)?,
            "pids" => {
                stats.pids.current = number(dir, "pids.current")?.unwrap_or(0);
                let limit = number(dir, "pids.max")?;
                stats.pids.limit = limit.filter(|limit| *limit != u64::MAX).unwrap_or(0);
            }
            "blkio" => stats.blkio = block(dir)?,
            "hugetlb" => hugetlb(dir, stats)?,
            _ => {}
        }
    }
    Ok(())
}

fn cpu(dir: &Dir, stats: &mut Stats) -> Result<(), Error> {
    for (key, value) in key_values(&dir.read_if_present("cpu.stat")?.unwrap_or_default()) {
        match key {
            "nr_periods" => stats.cpu.throttling.periods = value,
            "nr_throttled" => stats.cpu.throttling.throttled_periods = value,
            "throttled_time" => stats.cpu.throttling.throttled_time = value,
            _ => {}
        }
    }
    Ok(())
}

fn cpuacct(dir: &Dir) -> Result<CpuUsage, Error> {
    let mut usage = CpuUsage {
        total: number(dir, "cpuacct.usage")?.unwrap_or(0),
        ..CpuUsage::default()
    };
    for (key, value) in key_values(&dir.read_if_present("cpuacct.stat")?.unwrap_or_default()) {
        match key {
            "user" => usage.user = value.saturating_mul(TICK),
            "system" => usage.kernel = value.saturating_mul(TICK),
            _ => {}
        }
    }
    let percpu = dir
        .read_if_present("cpuacct.usage_percpu")?
        .unwrap_or_default();
    usage.percpu = percpu
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    // A header, then lines of CPU, user and system time.
    let all = dir
        .read_if_present("cpuacct.usage_all")?
        .unwrap_or_default();
    for line in all.lines().skip(1) {
        let mut numbers = line
            .split_whitespace()
            .skip(1)
            .map(|word| word.parse().unwrap_or(0));
        if let (Some(user), Some(system)) = (numbers.next(), numbers.next()) {
            usage.percpu_user.push(user);
            usage.percpu_kernel.push(system);
        }
    }
    Ok(usage)
}

fn cpuset(dir: &Dir) -> Result<CpusetStats, Error> {
    let list =
        |file: &str| Ok::<_, Error>(cpu_list(&dir.read_if_present(file)?.unwrap_or_default()));
    let flag = |file: &str| Ok::<_, Error>(number(dir, file)?.unwrap_or(0));
    let level = dir.read_if_present("cpuset.sched_relax_domain_level")?;
    Ok(CpusetStats {
        cpus: list("cpuset.cpus")?,
        cpu_exclusive: flag("cpuset.cpu_exclusive")?,
        mems: list("cpuset.mems")?,
        mem_hardwall: flag("cpuset.mem_hardwall")?,
        mem_exclusive: flag("cpuset.mem_exclusive")?,
        memory_migrate: flag("cpuset.memory_migrate")?,
        memory_spread_page: flag("cpuset.memory_spread_page")?,
        memory_spread_slab: flag("cpuset.memory_spread_slab")?,
        memory_pressure: flag("cpuset.memory_pressure")?,
        sched_load_balance: flag("cpuset.sched_load_balance")?,
        sched_relax_domain_level: level.and_then(|text| text.trim().parse().ok()).unwrap_or(0),
    })
}

fn memory(dir: &Dir, stats: &mut Stats) -> Result<(), Error> {
    let raw = dir.read_if_present("memory.stat")?.unwrap_or_default();
    stats.memory.raw = key_values(&raw)
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    stats.memory.cache = stats.memory.raw.get("cache").copied().unwrap_or(0);
    stats.memory.usage = entry(dir, "memory")?;
    stats.memory.swap = entry(dir, "memory.memsw")?;
    stats.memory.kernel = entry(dir, "memory.kmem")?;
    stats.memory.kernel_tcp = entry(dir, "memory.kmem.tcp")?;
    Ok(())
}

fn entry(dir: &Dir, prefix: &str) -> Result<MemoryEntry, Error> {
    let value = |name: &str| Ok::<_, Error>(number(dir, &format!("{prefix}.{name}"))?.unwrap_or(0));
    Ok(MemoryEntry {
        limit: value("limit_in_bytes")?,
        usage: value("usage_in_bytes")?,
        max: value("max_usage_in_bytes")?,
        failcnt: value("failcnt")?,
    })
}

type Field = fn(&mut BlkioStats) -> &mut Vec<super::BlkioEntry>;

const BYTES: Field = |stats| &mut stats.io_service_bytes_recursive;
const SERVICED: Field = |stats| &mut stats.io_serviced_recursive;

/// The files of one scheduler after the other: the first that has numbers counts.
fn block(dir: &Dir) -> Result<BlkioStats, Error> {
    let detailed: [(&str, Field); 8] = [
        ("sectors_recursive", |stats| &mut stats.sectors_recursive),
        ("io_service_bytes_recursive", BYTES),
        ("io_serviced_recursive", SERVICED),
        ("io_queued_recursive", |stats| {
            &mut stats.io_queued_recursive
        }),
        ("io_service_time_recursive", |stats| {
            &mut stats.io_service_time_recursive
        }),
        ("io_wait_time_recursive", |stats| {
            &mut stats.io_wait_time_recursive
        }),
        ("io_merged_recursive", |stats| {
            &mut stats.io_merged_recursive
        }),
        ("time_recursive", |stats| &mut stats.io_time_recursive),
    ];
    let counted: [(&str, Field); 2] = [
        ("io_serviced_recursive", SERVICED),
        ("io_service_bytes_recursive", BYTES),
    ];
    let plain: [(&str, Field); 2] = [("io_serviced", SERVICED), ("io_service_bytes", BYTES)];
    let sources: [(&str, &[(&str, Field)]); 5] = [
        ("blkio.bfq.", &detailed),
        ("blkio.bfq.", &counted),
        ("blkio.", &detailed),
        ("blkio.throttle.", &counted),
        ("blkio.throttle.", &plain),
    ];
    for (prefix, files) in sources {
        let mut stats = BlkioStats::default();
        let mut any = false;
        for (name, field) in files {
            let Some(text) = dir.read_if_present(&format!("{prefix}{name}"))? else {
                break;
            };
            *field(&mut stats) = blkio(&text);
            any |= !field(&mut stats).is_empty();
        }
        if any {
            return Ok(stats);
        }
    }
    Ok(BlkioStats::default())
}

fn hugetlb(dir: &Dir, stats: &mut Stats) -> Result<(), Error> {
    for size in page_sizes() {
        // What is reserved is what can run out.
        for prefix in [format!("hugetlb.{size}.rsvd"), format!("hugetlb.{size}")] {
            let Some(usage) = number(dir, &format!("{prefix}.usage_in_bytes"))? else {
                continue;
            };
            let max = number(dir, &format!("{prefix}.max_usage_in_bytes"))?.unwrap_or(0);
            let failcnt = number(dir, &format!("{prefix}.failcnt"))?.unwrap_or(0);
            stats.hugetlb.insert(
                size.clone(),
                HugetlbStats {
                    usage,
                    max,
                    failcnt,
                },
            );
            break;
        }
    }
    Ok(())
}
