//! Changing the limits of a cgroup that is in use.

use oci_spec::runtime::{LinuxDeviceCgroup, LinuxMemory, LinuxResources};

use crate::cgroup::{Cgroup, Member};
use crate::create::{write_all, write_devices};
use crate::devices::bpf;
use crate::devices::rules::AccessList;
use crate::dir::Dir;
use crate::error::Error;
use crate::host::Layout;
use crate::limits::{self, Present, Write};
use crate::subtree;
use crate::systemd::properties;

/// The smallest page there is: the kernel counts memory in whole ones, and rounds a limit down.
const PAGE: u64 = 4096;

impl Cgroup {
    /// Writes the settings that are given; what is not given stays as it is.
    ///
    /// Device rules, when given, replace those that hold. A memory limit below the
    /// present use never makes the kernel kill by surprise: on version 2 what can be reclaimed
    /// is reclaimed, and the limit is refused if that is not enough; on version 1 the kernel
    /// does the same. With `checkBeforeUpdate` it is refused at once; where that is `false`, or
    /// the limit leaves no whole page to be used, the kernel has the last word, which on version 2
    /// is to kill (config-linux.md, "Memory").
    ///
    /// What cannot be applied beside another setting is in [`Cgroup::passed_over`].
    ///
    /// # Errors
    /// [`Error::Invalid`] for a bad value, before anything is written;
    /// [`Error::NoController`], [`Error::MemoryInUse`], or what the kernel refused.
    pub fn update(&self, resources: &LinuxResources) -> Result<(), Error> {
        let mut writes = match self.record.layout {
            Layout::V2 => limits::v2(resources, &self.present(resources)?)?,
            _ => limits::v1(
                resources,
                &Present::Used {
                    cpu_quota: None,
                    memory_max: None,
                },
            )?,
        };
        let devices = match resources.devices() {
            Some(rules) => Some((rules, AccessList::from_spec(rules)?)),
            None => None,
        };
        if let Some(memory) = resources.memory() {
            self.make_room(resources, memory)?;
        }
        if self.record.unit.is_some() {
            self.complete_quotas(&mut writes)?;
            properties::round_quotas(&mut writes);
        }
        self.update_unit(resources, &writes)?;
        self.write_members(&writes)?;
        match devices {
            Some((rules, list)) => self.update_devices(rules, &list),
            None => Ok(()),
        }
    }

    /// What [`Cgroup::update`] leaves out, as a sentence for people.
    pub fn passed_over(&self, resources: &LinuxResources) -> Option<&'static str> {
        (self.record.layout == Layout::V2)
            .then(|| limits::passed_over(resources))
            .flatten()
    }

    /// What a setting of version 2 depends on, read only if it is needed.
    fn present(&self, resources: &LinuxResources) -> Result<Present, Error> {
        let cpu = resources.cpu().as_ref();
        let memory = resources.memory().as_ref();
        let period = cpu.is_some_and(|cpu| cpu.period().is_some() && cpu.quota().is_none());
        let swap = memory.is_some_and(|memory| memory.swap().is_some() && memory.limit().is_none());
        let (mut cpu_quota, mut memory_max) = (None, None);
        if let (true, Some(member)) = (period || swap, self.member("")) {
            let dir = Dir::open(&member.path)?;
            let max = dir.read_if_present("cpu.max")?;
            cpu_quota = max.and_then(|max| max.split_whitespace().next().map(str::to_owned));
            let max = dir.read_if_present("memory.max")?;
            memory_max = max.map(|max| max.trim().parse().unwrap_or(-1));
        }
        Ok(Present::Used {
            cpu_quota,
            memory_max,
        })
    }

    /// A quota alone is one for the period that holds, which systemd has to know.
    fn complete_quotas(&self, writes: &mut [Write]) -> Result<(), Error> {
        let alone = |write: &&mut Write| {
            write.file == "cpu.max" && write.value.split_whitespace().nth(1).is_none()
        };
        for write in writes.iter_mut().filter(alone) {
            let Some(member) = self.member("") else {
                continue;
            };
            let present = Dir::open(&member.path)?.read_if_present("cpu.max")?;
            let period = present
                .as_deref()
                .and_then(|max| max.split_whitespace().nth(1));
            if let Some(period) = period {
                write.value = format!("{} {period}", write.value.trim());
            }
        }
        Ok(())
    }

    /// Refuses a memory limit that is below the use, or makes it not so.
    fn make_room(&self, resources: &LinuxResources, memory: &LinuxMemory) -> Result<(), Error> {
        let check = memory.check_before_update();
        let wanted = |member: &&Member| check == Some(true) || check.is_none() && member.unified;
        let Some(member) = self.member("memory").filter(wanted) else {
            return Ok(());
        };
        let dir = Dir::open(&member.path)?;
        let file = if member.unified {
            "memory.current"
        } else {
            "memory.usage_in_bytes"
        };
        let usage = || {
            let text = dir.read_if_present(file)?;
            Ok::<u64, Error>(text.and_then(|text| text.trim().parse().ok()).unwrap_or(0))
        };
        let now = usage()?;
        limits::check_memory(resources, now)?;
        let limit = memory.limit().and_then(|limit| u64::try_from(limit).ok());
        let is_below = |limit: &u64| (PAGE..now).contains(limit) && member.unified;
        let Some(limit) = limit.filter(is_below) else {
            return Ok(());
        };
        // The kernel tries as hard as it can; whether it was enough is seen after.
        let _ = dir.write("memory.reclaim", &(now - limit).to_string());
        match usage()? {
            usage if usage > limit => Err(Error::MemoryInUse {
                field: "linux.resources.memory.limit",
                what: "memory",
                limit,
                usage,
            }),
            _ => Ok(()),
        }
    }

    /// Writes each limit where its controller is.
    pub(crate) fn write_members(&self, writes: &[Write]) -> Result<(), Error> {
        let controller = |write: &Write| self.member(&write.controller);
        if let Some(write) = writes.iter().find(|write| controller(write).is_none()) {
            return Err(Error::NoController {
                field: write.field.to_string(),
                controller: write.controller.to_string(),
                reason: "the container has no cgroup with it",
            });
        }
        for member in &self.record.members {
            let its = |write: &&Write| controller(write).is_some_and(|found| found == member);
            let its: Vec<Write> = writes.iter().filter(its).cloned().collect();
            if its.is_empty() {
                continue;
            }
            let dir = Dir::open(&member.path)?;
            if member.unified {
                subtree::enable(&member.mount_point, &dir, &its, false)?;
            }
            write_all(&dir, &its)?;
        }
        Ok(())
    }

    fn update_devices(&self, rules: &[LinuxDeviceCgroup], list: &AccessList) -> Result<(), Error> {
        let Some(member) = self.member("devices") else {
            return if rules.is_empty() || self.record.rootless {
                Ok(())
            } else {
                Err(Error::NoCgroup {
                    verb: "change device rules",
                    controller: "devices",
                })
            };
        };
        let result = self.write_rules(member, list);
        match result {
            Err(error) if self.record.rootless && error.is_permission() => Ok(()),
            result => result,
        }
    }

    fn write_rules(&self, member: &Member, list: &AccessList) -> Result<(), Error> {
        let dir = Dir::open(&member.path)?;
        if member.unified {
            return bpf::replace(&dir, list);
        }
        let present = AccessList::parse_v1(&dir.read("devices.list")?);
        write_devices(&dir, &list.v1_writes(present.as_ref()))
    }
}
