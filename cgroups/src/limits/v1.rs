//! The version 1 table (`Documentation/admin-guide/cgroup-v1`).

use oci_spec::runtime::{LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxResources, LinuxThrottleDevice};

use super::{
    Present, Refused, Write, Writes, bytes, cpuset, device, hugetlb, idle, pids, rdma, set, word,
};
use crate::error::Error;

pub(super) fn writes(resources: &LinuxResources, present: &Present) -> Result<Vec<Write>, Error> {
    if let Some(key) = resources
        .unified()
        .iter()
        .flat_map(|unified| unified.keys())
        .min()
    {
        return Err(Error::invalid(
            "linux.resources.unified",
            key,
            "invalid configuration: cannot be used on a host with cgroup version 1",
        ));
    }
    let mut writes = Writes::default();
    cpuset(resources, &mut writes, true)?;
    if let Some(memory) = resources.memory() {
        self::memory(memory, present, &mut writes)?;
    }
    if let Some(cpu) = resources.cpu() {
        self::cpu(cpu, &mut writes)?;
    }
    pids(resources, &mut writes);
    if let Some(block) = resources.block_io() {
        self::block(block, &mut writes)?;
    }
    hugetlb(
        resources,
        &mut writes,
        "limit_in_bytes",
        "rsvd.limit_in_bytes",
    )?;
    network(resources, &mut writes)?;
    rdma(resources, &mut writes)?;
    Ok(writes.0)
}

fn memory(memory: &LinuxMemory, present: &Present, writes: &mut Writes) -> Result<(), Error> {
    const LIMIT: &str = "linux.resources.memory.limit";
    const SWAP: &str = "linux.resources.memory.swap";
    const TOTAL: &str = "memory.memsw.limit_in_bytes";
    // `false` is not written: it is what a spec without the key means, and a
    // kernel since 5.11 has hierarchical accounting only and refuses it.
    if memory.use_hierarchy() == Some(true) {
        let field = "linux.resources.memory.useHierarchy";
        writes.push(
            "memory",
            "memory.use_hierarchy",
            1,
            field,
            Refused::SkipIfAbsent,
        );
    }
    let (limit, swap) = (bytes(LIMIT, memory.limit())?, bytes(SWAP, memory.swap())?);
    if let (Some(limit @ 1..), Some(swap @ 1..)) = (limit, swap)
        && swap < limit
    {
        return Err(Error::invalid(
            SWAP,
            swap.to_string(),
            "memory plus swap must not be less than the memory limit",
        ));
    }
    if let Some(limit) = limit {
        writes.push(
            "memory",
            "memory.limit_in_bytes",
            limit.max(-1),
            LIMIT,
            Refused::Again,
        );
    }
    match (swap, limit) {
        (Some(..0), _) => writes.push("memory", TOTAL, -1, SWAP, Refused::SkipIfAbsent),
        (Some(swap), _) => writes.push("memory", TOTAL, swap, SWAP, Refused::Again),
        // Unlimited memory cannot be below a limit of memory plus swap.
        (None, Some(..0)) => writes.push("memory", TOTAL, -1, LIMIT, Refused::SkipIfAbsent),
        (None, _) => {}
    }
    if let Some(value) = set(memory.kernel_tcp()) {
        let field = "linux.resources.memory.kernelTCP";
        writes.push(
            "memory",
            "memory.kmem.tcp.limit_in_bytes",
            value,
            field,
            Refused::SkipIfAbsent,
        );
    }
    if let Some(value) = set(memory.reservation()) {
        let field = "linux.resources.memory.reservation";
        writes.push(
            "memory",
            "memory.soft_limit_in_bytes",
            value.max(-1),
            field,
            Refused::Fail,
        );
    }
    if let Some(value) = memory.swappiness() {
        let field = "linux.resources.memory.swappiness";
        if value > 100 {
            return Err(Error::invalid(
                field,
                value.to_string(),
                "must be between 0 and 100",
            ));
        }
        writes.push("memory", "memory.swappiness", value, field, Refused::Fail);
    }
    match (memory.disable_oom_killer(), present) {
        (None, _) | (Some(false), Present::Fresh) => {}
        (Some(disable), _) => {
            let field = "linux.resources.memory.disableOOMKiller";
            writes.push(
                "memory",
                "memory.oom_control",
                u8::from(disable),
                field,
                Refused::Fail,
            );
        }
    }
    Ok(())
}

fn cpu(cpu: &LinuxCpu, writes: &mut Writes) -> Result<(), Error> {
    if let Some(value) = set(cpu.realtime_period()) {
        let field = "linux.resources.cpu.realtimePeriod";
        writes.push("cpu", "cpu.rt_period_us", value, field, Refused::Again);
    }
    if let Some(value) = set(cpu.realtime_runtime()) {
        let field = "linux.resources.cpu.realtimeRuntime";
        writes.push("cpu", "cpu.rt_runtime_us", value, field, Refused::Again);
    }
    if let Some(value) = set(cpu.shares()) {
        let field = "linux.resources.cpu.shares";
        // The kernel would silently take the nearest value.
        if !(2..=262_144).contains(&value) {
            return Err(Error::invalid(
                field,
                value.to_string(),
                "must be between 2 and 262144",
            ));
        }
        writes.push("cpu", "cpu.shares", value, field, Refused::Fail);
    }
    if let Some(value) = cpu.idle() {
        writes.push(
            "cpu",
            "cpu.idle",
            idle(value)?,
            "linux.resources.cpu.idle",
            Refused::Fail,
        );
    }
    if let Some(value) = set(cpu.period()) {
        let field = "linux.resources.cpu.period";
        writes.push("cpu", "cpu.cfs_period_us", value, field, Refused::Again);
    }
    if let Some(value) = set(cpu.quota()) {
        let field = "linux.resources.cpu.quota";
        writes.push(
            "cpu",
            "cpu.cfs_quota_us",
            value.max(-1),
            field,
            Refused::Again,
        );
    }
    if let Some(value) = cpu.burst() {
        let field = "linux.resources.cpu.burst";
        writes.push("cpu", "cpu.cfs_burst_us", value, field, Refused::Again);
    }
    Ok(())
}

/// `blkio.weight` belongs to CFQ, which went with kernel 5.0; BFQ has its own file.
fn block(block: &LinuxBlockIo, writes: &mut Writes) -> Result<(), Error> {
    let bfq = |file: &'static str, value: &str| Refused::Instead {
        file: file.into(),
        value: value.to_owned(),
    };
    if let Some(weight) = set(block.weight()) {
        let (weight, field) = (weight.to_string(), "linux.resources.blockIO.weight");
        let instead = bfq("blkio.bfq.weight", &weight);
        writes.push("blkio", "blkio.weight", weight, field, instead);
    }
    if let Some(weight) = set(block.leaf_weight()) {
        let field = "linux.resources.blockIO.leafWeight";
        writes.push("blkio", "blkio.leaf_weight", weight, field, Refused::Fail);
    }
    for entry in block.weight_device().iter().flatten() {
        let field = "linux.resources.blockIO.weightDevice";
        let device = device(field, entry.major(), entry.minor())?;
        if let Some(weight) = set(entry.weight()) {
            let value = format!("{device} {weight}");
            let instead = bfq("blkio.bfq.weight_device", &value);
            writes.push("blkio", "blkio.weight_device", value, field, instead);
        }
        if let Some(weight) = set(entry.leaf_weight()) {
            let value = format!("{device} {weight}");
            writes.push(
                "blkio",
                "blkio.leaf_weight_device",
                value,
                field,
                Refused::Fail,
            );
        }
    }
    for (entries, file, field) in throttles(block) {
        for entry in entries {
            let value = format!(
                "{} {}",
                device(field, entry.major(), entry.minor())?,
                entry.rate()
            );
            writes.push("blkio", file, value, field, Refused::Fail);
        }
    }
    Ok(())
}

type Throttle<'a> = (&'a [LinuxThrottleDevice], &'static str, &'static str);

fn throttles(block: &LinuxBlockIo) -> [Throttle<'_>; 4] {
    [
        (
            block
                .throttle_read_bps_device()
                .as_deref()
                .unwrap_or_default(),
            "blkio.throttle.read_bps_device",
            "linux.resources.blockIO.throttleReadBpsDevice",
        ),
        (
            block
                .throttle_write_bps_device()
                .as_deref()
                .unwrap_or_default(),
            "blkio.throttle.write_bps_device",
            "linux.resources.blockIO.throttleWriteBpsDevice",
        ),
        (
            block
                .throttle_read_iops_device()
                .as_deref()
                .unwrap_or_default(),
            "blkio.throttle.read_iops_device",
            "linux.resources.blockIO.throttleReadIOPSDevice",
        ),
        (
            block
                .throttle_write_iops_device()
                .as_deref()
                .unwrap_or_default(),
            "blkio.throttle.write_iops_device",
            "linux.resources.blockIO.throttleWriteIOPSDevice",
        ),
    ]
}

fn network(resources: &LinuxResources, writes: &mut Writes) -> Result<(), Error> {
    let Some(network) = resources.network() else {
        return Ok(());
    };
    if let Some(class) = set(network.class_id()) {
        let field = "linux.resources.network.classID";
        writes.push("net_cls", "net_cls.classid", class, field, Refused::Fail);
    }
    for entry in network.priorities().iter().flatten() {
        let field = "linux.resources.network.priorities";
        let value = format!("{} {}", word(field, entry.name())?, entry.priority());
        writes.push(
            "net_prio",
            "net_prio.ifpriomap",
            value,
            field,
            Refused::Fail,
        );
    }
    Ok(())
}
