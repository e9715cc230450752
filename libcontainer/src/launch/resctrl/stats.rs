//! What a container uses, in the form of runc's `events` (`intel_rdt`). As there, a number or text
//! that is zero or empty is left out.

#![forbid(unsafe_code)]

use std::path::Path;

use cgroups::stats::{BandwidthCounters, IntelRdtStats, L3CacheInfo, MemBwInfo, OccupancyCounters};

use super::{Record, read};
use crate::error::{Error, ErrorKind, Result};

/// Reads limits and counters. Counters are those of the container's monitoring group where it has
/// one, else of its class.
pub(crate) fn stats(record: &Record) -> Result<IntelRdtStats> {
    let mut stats = IntelRdtStats::default();
    let info = record.root.join("info");
    let root = read(&record.root.join("schemata"))?;
    let own = read(&record.clos.join("schemata"))?;
    let l3 = info.join("L3");
    if l3.is_dir() {
        stats.l3_cache_info = Some(L3CacheInfo {
            cbm_mask: read(&l3.join("cbm_mask"))?.trim().to_owned(),
            min_cbm_bits: number(&l3.join("min_cbm_bits"))?,
            num_closids: number(&l3.join("num_closids"))?,
        });
        stats.l3_cache_schema_root = line(&root, "L3");
        stats.l3_cache_schema = line(&own, "L3");
    }
    let bandwidth = info.join("MB");
    if bandwidth.is_dir() {
        stats.mem_bw_info = Some(MemBwInfo {
            bandwidth_gran: number(&bandwidth.join("bandwidth_gran"))?,
            delay_linear: number(&bandwidth.join("delay_linear"))?,
            min_bandwidth: number(&bandwidth.join("min_bandwidth"))?,
            num_closids: number(&bandwidth.join("num_closids"))?,
        });
        stats.mem_bw_schema_root = line(&root, "MB");
        stats.mem_bw_schema = line(&own, "MB");
    }
    let features = info.join("L3_MON/mon_features");
    if features.exists() {
        let group = record.monitoring.as_deref().unwrap_or(&record.clos);
        count(&mut stats, &read(&features)?, &group.join("mon_data"))?;
    }
    Ok(stats)
}

/// Reads the counters that the machine has, cache by cache.
fn count(stats: &mut IntelRdtStats, features: &str, data: &Path) -> Result<()> {
    let has = |name: &str| features.lines().any(|line| line.trim() == name);
    let counter = |cache: &Path, name: &str| match has(name) {
        true => number(&cache.join(name)),
        false => Ok(0),
    };
    let (mut bandwidth, mut occupancy) = (Vec::new(), Vec::new());
    for cache in caches(data)? {
        bandwidth.push(BandwidthCounters {
            mbm_total_bytes: counter(&cache, "mbm_total_bytes")?,
            mbm_local_bytes: counter(&cache, "mbm_local_bytes")?,
        });
        occupancy.push(OccupancyCounters {
            llc_occupancy: counter(&cache, "llc_occupancy")?,
        });
    }
    let has_bandwidth = has("mbm_total_bytes") || has("mbm_local_bytes");
    stats.mbm_stats = has_bandwidth.then_some(bandwidth);
    stats.cmt_stats = has("llc_occupancy").then_some(occupancy);
    Ok(())
}

/// The directories in `mon_data`, in the order of their names.
fn caches(data: &Path) -> Result<Vec<std::path::PathBuf>> {
    let failed = |error| Error::system(data.display(), "readdir", error);
    let mut caches = Vec::new();
    for entry in std::fs::read_dir(data).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            caches.push(path);
        }
    }
    caches.sort();
    Ok(caches)
}

fn line(schemata: &str, resource: &str) -> String {
    let mut lines = schemata.lines().map(str::trim).rev();
    lines
        .find(|line| line.starts_with(resource))
        .unwrap_or_default()
        .to_owned()
}

fn number(path: &Path) -> Result<u64> {
    let text = read(path)?;
    text.trim().parse().map_err(|_| {
        let message = format!("{}: {:?} is no number", path.display(), text.trim());
        Error::new(ErrorKind::System, message)
    })
}
