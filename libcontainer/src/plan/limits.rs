//! Limits and scheduling of the process: resource limits, scheduler, I/O priority, CPU affinity,
//! memory policy, personality.

#![forbid(unsafe_code)]

use oci_spec::runtime::{
    IOPriorityClass, LinuxIOPriority, LinuxMemoryPolicy, LinuxPersonality, LinuxPersonalityDomain,
    LinuxSchedulerFlag, LinuxSchedulerPolicy, MemoryPolicyFlagType, MemoryPolicyModeType,
    PosixRlimit, PosixRlimitType, Scheduler,
};

use super::builder::Builder;
use super::lists;
use super::step::{CpuMask, SchedAttr, Step};
use crate::error::{Error, Result};

/// More CPUs than any kernel can have.
const CPUS: u32 = 65_536;
/// More memory nodes than any kernel can have.
const NODES: u32 = 1024;

/// Resource, soft and hard limit, each resource once.
pub(crate) fn rlimits(list: Option<&[PosixRlimit]>) -> Result<Vec<(u32, u64, u64)>> {
    let mut limits: Vec<(u32, u64, u64)> = Vec::new();
    for (index, limit) in list.unwrap_or_default().iter().enumerate() {
        let field = format!("process.rlimits[{index}]");
        let resource = resource(limit.typ());
        if limits.iter().any(|(other, ..)| *other == resource) {
            return Err(Error::config(
                &format!("{field}.type"),
                format_args!("{} is listed twice", limit.typ()),
            ));
        }
        let (soft, hard) = (limit.soft(), limit.hard());
        if soft > hard {
            return Err(Error::config(
                &format!("{field}.soft"),
                format_args!("{soft} is more than the hard limit {hard}"),
            ));
        }
        limits.push((resource, soft, hard));
    }
    Ok(limits)
}

/// All of them.
pub(crate) const RESOURCES: [PosixRlimitType; 16] = [
    PosixRlimitType::RlimitCpu,
    PosixRlimitType::RlimitFsize,
    PosixRlimitType::RlimitData,
    PosixRlimitType::RlimitStack,
    PosixRlimitType::RlimitCore,
    PosixRlimitType::RlimitRss,
    PosixRlimitType::RlimitNproc,
    PosixRlimitType::RlimitNofile,
    PosixRlimitType::RlimitMemlock,
    PosixRlimitType::RlimitAs,
    PosixRlimitType::RlimitLocks,
    PosixRlimitType::RlimitSigpending,
    PosixRlimitType::RlimitMsgqueue,
    PosixRlimitType::RlimitNice,
    PosixRlimitType::RlimitRtprio,
    PosixRlimitType::RlimitRttime,
];

/// The kernel's number of a resource, which differs between architectures; its type differs between
/// C libraries.
#[allow(clippy::cast_sign_loss, clippy::unnecessary_cast)]
pub(crate) fn resource(typ: PosixRlimitType) -> u32 {
    let number = match typ {
        PosixRlimitType::RlimitCpu => libc::RLIMIT_CPU,
        PosixRlimitType::RlimitFsize => libc::RLIMIT_FSIZE,
        PosixRlimitType::RlimitData => libc::RLIMIT_DATA,
        PosixRlimitType::RlimitStack => libc::RLIMIT_STACK,
        PosixRlimitType::RlimitCore => libc::RLIMIT_CORE,
        PosixRlimitType::RlimitRss => libc::RLIMIT_RSS,
        PosixRlimitType::RlimitNproc => libc::RLIMIT_NPROC,
        PosixRlimitType::RlimitNofile => libc::RLIMIT_NOFILE,
        PosixRlimitType::RlimitMemlock => libc::RLIMIT_MEMLOCK,
        PosixRlimitType::RlimitAs => libc::RLIMIT_AS,
        PosixRlimitType::RlimitLocks => libc::RLIMIT_LOCKS,
        PosixRlimitType::RlimitSigpending => libc::RLIMIT_SIGPENDING,
        PosixRlimitType::RlimitMsgqueue => libc::RLIMIT_MSGQUEUE,
        PosixRlimitType::RlimitNice => libc::RLIMIT_NICE,
        PosixRlimitType::RlimitRtprio => libc::RLIMIT_RTPRIO,
        PosixRlimitType::RlimitRttime => libc::RLIMIT_RTTIME,
    };
    number as u32
}

/// The scheduler's attributes (sched_setattr(2)).
pub(crate) fn scheduler(scheduler: &Scheduler) -> Result<SchedAttr> {
    let policy = *scheduler.policy();
    let nice = scheduler.nice().unwrap_or(0);
    let priority = scheduler.priority().unwrap_or(0);
    if !(-20..=19).contains(&nice) {
        return Err(Error::config(
            "process.scheduler.nice",
            format_args!("{nice} is not between -20 and 19"),
        ));
    }
    let real_time = matches!(
        policy,
        LinuxSchedulerPolicy::SchedFifo | LinuxSchedulerPolicy::SchedRr
    );
    if priority != 0 && !real_time {
        return Err(Error::config(
            "process.scheduler.priority",
            "scheduler.priority can only be specified for SCHED_FIFO or SCHED_RR policy",
        ));
    }
    let runtime = scheduler.runtime().unwrap_or(0);
    let deadline = scheduler.deadline().unwrap_or(0);
    let period = scheduler.period().unwrap_or(0);
    if policy != LinuxSchedulerPolicy::SchedDeadline && (runtime | deadline | period) != 0 {
        return Err(Error::config(
            "process.scheduler",
            "scheduler runtime/deadline/period can only be specified for SCHED_DEADLINE policy",
        ));
    }
    let Ok(priority) = u32::try_from(priority) else {
        return Err(Error::config(
            "process.scheduler.priority",
            format_args!("{priority} is less than 0"),
        ));
    };
    let flags = scheduler.flags().as_deref().unwrap_or_default();
    Ok(SchedAttr {
        size: u32::try_from(size_of::<SchedAttr>()).unwrap_or_default(),
        policy: policy_number(policy),
        flags: flags.iter().fold(0, |word, flag| word | flag_bit(*flag)),
        nice,
        priority,
        runtime,
        deadline,
        period,
        util_min: 0,
        util_max: 0,
    })
}

fn policy_number(policy: LinuxSchedulerPolicy) -> u32 {
    match policy {
        LinuxSchedulerPolicy::SchedOther => 0,
        LinuxSchedulerPolicy::SchedFifo => 1,
        LinuxSchedulerPolicy::SchedRr => 2,
        LinuxSchedulerPolicy::SchedBatch => 3,
        LinuxSchedulerPolicy::SchedIso => 4,
        LinuxSchedulerPolicy::SchedIdle => 5,
        LinuxSchedulerPolicy::SchedDeadline => 6,
    }
}

fn flag_bit(flag: LinuxSchedulerFlag) -> u64 {
    match flag {
        LinuxSchedulerFlag::SchedResetOnFork => 0x01,
        LinuxSchedulerFlag::SchedFlagReclaim => 0x02,
        LinuxSchedulerFlag::SchedFlagDLOverrun => 0x04,
        LinuxSchedulerFlag::SchedFlagKeepPolicy => 0x08,
        LinuxSchedulerFlag::SchedFlagKeepParams => 0x10,
        LinuxSchedulerFlag::SchedFlagUtilClampMin => 0x20,
        LinuxSchedulerFlag::SchedFlagUtilClampMax => 0x40,
    }
}

/// Class and data as ioprio_set(2) wants them.
pub(crate) fn io_priority(priority: &LinuxIOPriority) -> Result<i32> {
    let class = match priority.class() {
        IOPriorityClass::IoprioClassRt => 1,
        IOPriorityClass::IoprioClassBe => 2,
        IOPriorityClass::IoprioClassIdle => 3,
    };
    let data = priority.priority();
    match i32::try_from(data) {
        Ok(data) if (0..8).contains(&data) => Ok(class << 13 | data),
        _ => Err(Error::config(
            "process.ioPriority.priority",
            format_args!("{data} is not between 0 and 7"),
        )),
    }
}

/// A CPU list as the kernel's mask; an empty list is none.
pub(crate) fn cpu_mask(field: &str, list: Option<&str>) -> Result<Option<CpuMask>> {
    match list.map(str::trim).filter(|list| !list.is_empty()) {
        None => Ok(None),
        Some(list) => {
            let mut mask = lists::bits(field, list, CPUS)?;
            // The call takes whole words.
            mask.resize(mask.len().next_multiple_of(size_of::<u64>()), 0);
            Ok(Some(mask.into()))
        }
    }
}

/// The modes of set_mempolicy(2), with the spec's names, for `features` too.
pub(crate) const MODES: &[(&str, MemoryPolicyModeType, i32)] = &[
    ("MPOL_DEFAULT", MemoryPolicyModeType::MpolDefault, 0),
    ("MPOL_PREFERRED", MemoryPolicyModeType::MpolPreferred, 1),
    ("MPOL_BIND", MemoryPolicyModeType::MpolBind, 2),
    ("MPOL_INTERLEAVE", MemoryPolicyModeType::MpolInterleave, 3),
    ("MPOL_LOCAL", MemoryPolicyModeType::MpolLocal, 4),
    (
        "MPOL_PREFERRED_MANY",
        MemoryPolicyModeType::MpolPreferredMany,
        5,
    ),
    (
        "MPOL_WEIGHTED_INTERLEAVE",
        MemoryPolicyModeType::MpolWeightedInterleave,
        6,
    ),
];

/// The flags of set_mempolicy(2).
pub(crate) const MODE_FLAGS: &[(&str, MemoryPolicyFlagType, i32)] = &[
    (
        "MPOL_F_NUMA_BALANCING",
        MemoryPolicyFlagType::MpolFNumaBalancing,
        1 << 13,
    ),
    (
        "MPOL_F_RELATIVE_NODES",
        MemoryPolicyFlagType::MpolFRelativeNodes,
        1 << 14,
    ),
    (
        "MPOL_F_STATIC_NODES",
        MemoryPolicyFlagType::MpolFStaticNodes,
        1 << 15,
    ),
];

/// The memory policy as a step.
pub(crate) fn memory_policy(policy: &LinuxMemoryPolicy) -> Result<Step> {
    let mode = MODES
        .iter()
        .find(|(_, mode, _)| *mode == policy.mode())
        .map_or(0, |(.., number)| *number);
    let chosen = policy.flags().as_deref().unwrap_or_default();
    let flags = MODE_FLAGS
        .iter()
        .filter(|(_, flag, _)| chosen.contains(flag))
        .fold(0, |word, (.., bit)| word | bit);
    let list = policy.nodes().as_deref().map(str::trim).unwrap_or_default();
    let nodes = if list.is_empty() {
        Vec::new()
    } else {
        lists::words(&lists::bits("linux.memoryPolicy.nodes", list, NODES)?)
    };
    let max_node = match u64::try_from(nodes.len()) {
        Ok(words) if words > 0 => words * 64 + 1,
        _ => 0,
    };
    Ok(Step::MemoryPolicy {
        mode: mode | flags,
        nodes,
        max_node,
    })
}

/// The execution domain (personality(2)).
pub(crate) fn personality(b: &mut Builder, personality: &LinuxPersonality) -> Step {
    if personality.flags().as_ref().is_some_and(|f| !f.is_empty()) {
        b.warn("linux.personality.flags", "are not supported and left out");
    }
    let value = match personality.domain() {
        LinuxPersonalityDomain::PerLinux => 0,
        LinuxPersonalityDomain::PerLinux32 => 8,
    };
    Step::Personality { value }
}
