//! How much a container uses, in the form of runc's `events --stats`, which
//! containerd, Docker and cAdvisor read.

mod model;
mod parse;
mod v1;
mod v2;

pub use model::{
    BandwidthCounters, BlkioEntry, BlkioStats, CpuStats, CpuUsage, CpusetStats, HugetlbStats,
    IntelRdtStats, L3CacheInfo, MemBwInfo, MemoryEntry, MemoryStats, NetworkInterface,
    OccupancyCounters, PidsStats, Psi, PsiLine, Stats, Throttling,
};
pub use parse::{blkio, cpu_list, io_stat, key_values, psi, psi_line};

use crate::cgroup::Cgroup;
use crate::dir::Dir;
use crate::error::Error;
use crate::host::Layout;

/// Where the kernel lists the sizes of huge pages that it has.
const HUGEPAGES: &str = "/sys/kernel/mm/hugepages";

impl Cgroup {
    /// Reads what the container uses. What the kernel does not count, or has no
    /// file for, is left at zero or out.
    ///
    /// # Errors
    /// [`Error::NoCgroup`] without a cgroup; when the cgroup is gone or its files
    /// cannot be understood.
    pub fn stats(&self) -> Result<Stats, Error> {
        if self.record.members.is_empty() {
            return Err(Error::NoCgroup {
                verb: "read statistics",
                controller: "",
            });
        }
        let mut stats = Stats::default();
        for member in &self.record.members {
            let main = match self.record.layout {
                Layout::V2 => member.unified,
                _ => !member.unified,
            };
            if !main {
                continue;
            }
            let dir = Dir::open(&member.path)?;
            match member.unified {
                true => v2::read(&dir, &mut stats)?,
                false => v1::read(&dir, &member.controllers, &mut stats)?,
            }
        }
        Ok(stats)
    }
}

/// The page sizes of the kernel, as cgroup file names have them (`2MB`, `1GB`).
fn page_sizes() -> Vec<String> {
    let entries = std::fs::read_dir(HUGEPAGES).into_iter().flatten().flatten();
    let mut sizes: Vec<u64> = entries
        .filter_map(|entry| {
            let name = entry.file_name();
            name.to_str()?
                .strip_prefix("hugepages-")?
                .strip_suffix("kB")?
                .parse()
                .ok()
        })
        .collect();
    sizes.sort_unstable();
    sizes.into_iter().map(page_size_name).collect()
}

fn page_size_name(kib: u64) -> String {
    match kib {
        _ if kib >= 1 << 20 && kib.is_multiple_of(1 << 20) => format!("{}GB", kib >> 20),
        _ if kib >= 1 << 10 && kib.is_multiple_of(1 << 10) => format!("{}MB", kib >> 10),
        _ => format!("{kib}KB"),
    }
}

/// A file with one number; `max` is the largest. None without the file.
fn number(dir: &Dir, file: &str) -> Result<Option<u64>, Error> {
    let Some(text) = dir.read_if_present(file)? else {
        return Ok(None);
    };
    match parse::number(&text) {
        Some(number) => Ok(Some(number)),
        None => Err(bad(dir, file, &text)),
    }
}

fn bad(dir: &Dir, file: &str, text: &str) -> Error {
    Error::Parse {
        path: dir.path().join(file),
        text: text.chars().take(80).collect(),
    }
}
