//! The version 2 table (`Documentation/admin-guide/cgroup-v2.rst`).

use oci_spec::runtime::{LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxResources};

use super::convert::{block_weight_to_io_weight, shares_to_weight, swap_alone};
use super::{
    Present, Refused, Write, Writes, bytes, cpuset, device, hugetlb, idle, passed_over, pids, rdma,
    set,
};
use crate::error::Error;
use crate::path;

pub(super) fn writes(resources: &LinuxResources, present: &Present) -> Result<Vec<Write>, Error> {
    let mut writes = Writes::default();
    cpuset(resources, &mut writes, false)?;
    if let Some(memory) = resources.memory() {
        self::memory(memory, present, &mut writes)?;
    }
    if let Some(cpu) = resources.cpu() {
        self::cpu(cpu, present, &mut writes)?;
    }
    pids(resources, &mut writes);
    if let Some(block) = resources.block_io() {
        self::io(block, &mut writes)?;
    }
    hugetlb(resources, &mut writes, "max", "rsvd.max")?;
    rdma(resources, &mut writes)?;
    unified(resources, &mut writes)?;
    if passed_over(resources).is_some() {
        writes.0.retain(|write| write.file != "cpu.weight");
    }
    Ok(writes.0)
}

/// -1 was version 1's way to say "no limit".
fn or_max(value: i64) -> String {
    if value < 0 {
        "max".to_owned()
    } else {
        value.to_string()
    }
}

fn memory(memory: &LinuxMemory, present: &Present, writes: &mut Writes) -> Result<(), Error> {
    const LIMIT: &str = "linux.resources.memory.limit";
    const SWAP: &str = "linux.resources.memory.swap";
    let limit = bytes(LIMIT, memory.limit())?;
    let swap = match bytes(SWAP, memory.swap())? {
        Some(swap) => {
            let holds = match (limit, present) {
                (None, Present::Used { memory_max, .. }) => *memory_max,
                _ => limit,
            };
            Some((swap_alone(swap, holds)?, SWAP))
        }
        // Version 1 has memory plus swap unlimited with memory.
        None if limit.is_some_and(|limit| limit < 0) => Some((-1, LIMIT)),
        None => None,
    };
    if let Some((swap, field)) = swap {
        // Without swap accounting there is nothing to forbid and nothing to allow.
        let refused = if swap <= 0 {
            Refused::SkipIfAbsent
        } else {
            Refused::Fail
        };
        writes.push("memory", "memory.swap.max", or_max(swap), field, refused);
    }
    if let Some(limit) = limit {
        writes.push("memory", "memory.max", or_max(limit), LIMIT, Refused::Fail);
    }
    if let Some(reservation) = set(memory.reservation()) {
        let field = "linux.resources.memory.reservation";
        writes.push(
            "memory",
            "memory.low",
            or_max(reservation),
            field,
            Refused::Fail,
        );
    }
    Ok(())
}

fn cpu(cpu: &LinuxCpu, present: &Present, writes: &mut Writes) -> Result<(), Error> {
    // An idle cgroup takes no weight: what makes it not idle goes first.
    if let Some(value) = cpu.idle() {
        writes.push(
            "cpu",
            "cpu.idle",
            idle(value)?,
            "linux.resources.cpu.idle",
            Refused::Fail,
        );
    }
    if let Some(shares) = set(cpu.shares()) {
        let field = "linux.resources.cpu.shares";
        writes.push(
            "cpu",
            "cpu.weight",
            shares_to_weight(shares),
            field,
            Refused::Fail,
        );
    }
    let quota = set(cpu.quota()).map(or_max);
    let max = match (quota, set(cpu.period()), present) {
        (None, None, _) => None,
        // The kernel keeps the period when only the quota is written.
        (Some(quota), None, _) => Some((quota, "linux.resources.cpu.quota")),
        (Some(quota), Some(period), _) => {
            Some((format!("{quota} {period}"), "linux.resources.cpu.quota"))
        }
        // The period cannot be written alone: the quota is said again.
        (None, Some(period), present) => {
            let quota = match present {
                Present::Used {
                    cpu_quota: Some(quota),
                    ..
                } => quota,
                _ => "max",
            };
            Some((format!("{quota} {period}"), "linux.resources.cpu.period"))
        }
    };
    if let Some((value, field)) = max {
        writes.push("cpu", "cpu.max", value, field, Refused::Again);
    }
    if let Some(burst) = cpu.burst() {
        let field = "linux.resources.cpu.burst";
        writes.push("cpu", "cpu.max.burst", burst, field, Refused::Again);
    }
    Ok(())
}

/// BFQ keeps version 1's scale in a file of its own; `io.weight` is blk-iocost's.
fn io(block: &LinuxBlockIo, writes: &mut Writes) -> Result<(), Error> {
    let instead = |value: String| Refused::Instead {
        file: "io.weight".into(),
        value,
    };
    if let Some(weight) = set(block.weight()) {
        let field = "linux.resources.blockIO.weight";
        let other = instead(format!("default {}", block_weight_to_io_weight(weight)));
        writes.push("io", "io.bfq.weight", weight, field, other);
    }
    for entry in block.weight_device().iter().flatten() {
        let field = "linux.resources.blockIO.weightDevice";
        let device = device(field, entry.major(), entry.minor())?;
        if let Some(weight) = set(entry.weight()) {
            let other = instead(format!("{device} {}", block_weight_to_io_weight(weight)));
            writes.push(
                "io",
                "io.bfq.weight",
                format!("{device} {weight}"),
                field,
                other,
            );
        }
    }
    for (entries, key, field) in [
        (
            block.throttle_read_bps_device(),
            "rbps",
            "linux.resources.blockIO.throttleReadBpsDevice",
        ),
        (
            block.throttle_write_bps_device(),
            "wbps",
            "linux.resources.blockIO.throttleWriteBpsDevice",
        ),
        (
            block.throttle_read_iops_device(),
            "riops",
            "linux.resources.blockIO.throttleReadIOPSDevice",
        ),
        (
            block.throttle_write_iops_device(),
            "wiops",
            "linux.resources.blockIO.throttleWriteIOPSDevice",
        ),
    ] {
        for entry in entries.iter().flatten() {
            let device = device(field, entry.major(), entry.minor())?;
            // 0 lifts the limit in version 1's files; here that has a word.
            let rate = match entry.rate() {
                0 => "max".to_owned(),
                rate => rate.to_string(),
            };
            writes.push(
                "io",
                "io.max",
                format!("{device} {key}={rate}"),
                field,
                Refused::Fail,
            );
        }
    }
    Ok(())
}

/// `unified`: every key is a file, every line of its value a write. Sorted, so
/// that the same configuration always does the same.
fn unified(resources: &LinuxResources, writes: &mut Writes) -> Result<(), Error> {
    let mut entries: Vec<_> = resources.unified().iter().flatten().collect();
    entries.sort();
    for (file, value) in entries {
        const FIELD: &str = "linux.resources.unified";
        path::component(FIELD, file)?;
        let controller = match file.split_once('.') {
            Some((controller, rest)) if !controller.is_empty() && !rest.is_empty() => controller,
            _ => {
                return Err(Error::invalid(
                    FIELD,
                    file,
                    "must have the form CONTROLLER.NAME",
                ));
            }
        };
        if matches!(file.as_str(), "cgroup.procs" | "cgroup.threads") {
            return Err(Error::invalid(
                FIELD,
                file,
                "moves processes; it is not a resource",
            ));
        }
        for line in value.lines().filter(|line| !line.trim().is_empty()) {
            writes.0.push(Write {
                controller: controller.to_owned().into(),
                file: file.clone().into(),
                value: line.to_owned(),
                field: format!("{FIELD}[{file:?}]").into(),
                refused: Refused::Fail,
            });
        }
    }
    Ok(())
}
