//! `update`: changes a container's limits.

#![forbid(unsafe_code)]

use std::path::Path;

use oci_spec::runtime::{LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxPids, LinuxResources};

use super::{Context, read_json};
use crate::args::{Matches, UsageError, flags};
use crate::failure::Failure;
use crate::output::Status;

pub(super) fn update(context: &Context<'_>) -> Result<Status, Failure> {
    let matches = context.matches;
    let container = context.container()?;
    for flag in [&flags::KERNEL_MEMORY, &flags::KERNEL_MEMORY_TCP] {
        if matches.is_given(flag) {
            let warning = "has no effect: kernels have no such limit any more";
            context.log.warning(&format!("--{}: {warning}", flag.long));
        }
    }
    let resources = match matches.path(&flags::RESOURCES) {
        Some(path) => read_json(Path::new(&path))?,
        None => from_flags(matches)?,
    };
    if let Some(warning) = container.update(&resources)? {
        context.log.warning(warning);
    }
    let l3 = matches.text(&flags::L3_CACHE_SCHEMA);
    let bandwidth = matches.text(&flags::MEM_BW_SCHEMA);
    if l3.is_some() || bandwidth.is_some() {
        container.update_intel_rdt(l3.as_deref(), bandwidth.as_deref())?;
    }
    Ok(Status::Success)
}

/// What the flags change; everything else stays `None`, which leaves the limit as it is.
fn from_flags(matches: &Matches) -> Result<LinuxResources, UsageError> {
    let mut resources = LinuxResources::default();
    resources
        .set_cpu(cpu(matches)?)
        .set_memory(memory(matches)?);
    if let Some(weight) = matches.weight(&flags::BLKIO_WEIGHT)?.filter(|&w| w != 0) {
        let mut block_io = LinuxBlockIo::default();
        block_io.set_weight(Some(weight));
        resources.set_block_io(Some(block_io));
    }
    if let Some(limit) = matches.signed(&flags::PIDS_LIMIT)? {
        let mut pids = LinuxPids::default();
        pids.set_limit(limit);
        resources.set_pids(Some(pids));
    }
    resources.set_devices(None);
    Ok(resources)
}

fn cpu(matches: &Matches) -> Result<Option<LinuxCpu>, UsageError> {
    let mut cpu = LinuxCpu::default();
    let unchanged = cpu.clone();
    cpu.set_shares(matches.unsigned(&flags::CPU_SHARE)?)
        .set_quota(matches.signed(&flags::CPU_QUOTA)?)
        .set_period(matches.unsigned(&flags::CPU_PERIOD)?)
        .set_burst(matches.unsigned(&flags::CPU_BURST)?)
        .set_realtime_runtime(matches.signed(&flags::CPU_RT_RUNTIME)?)
        .set_realtime_period(matches.unsigned(&flags::CPU_RT_PERIOD)?)
        .set_idle(matches.signed(&flags::CPU_IDLE)?)
        .set_cpus(matches.text(&flags::CPUSET_CPUS))
        .set_mems(matches.text(&flags::CPUSET_MEMS));
    Ok((cpu != unchanged).then_some(cpu))
}

fn memory(matches: &Matches) -> Result<Option<LinuxMemory>, UsageError> {
    let mut memory = LinuxMemory::default();
    let unchanged = memory;
    memory
        .set_limit(matches.size(&flags::MEMORY)?)
        .set_reservation(matches.size(&flags::MEMORY_RESERVATION)?)
        .set_swap(matches.size(&flags::MEMORY_SWAP)?);
    Ok((memory != unchanged).then_some(memory))
}
