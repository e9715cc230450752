//! Whatever the kernel's files, annotations and options say: reading them does not panic.

#![no_main]

use cgroups::devices::rules::AccessList;
use cgroups::systemd::{expand_slice, gvariant};
use cgroups::{Host, SubCgroups, limits, mounts, own_cgroups, stats};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = Host::assemble(&mounts(text), &own_cgroups(text), false, 0);
    let _ = limits::cpulist::bits("f", text);
    let _ = AccessList::parse_v1(text);
    let _ = SubCgroups::parse(&[text]);
    let _ = expand_slice(text);
    if let Ok(value) = gvariant::parse(text) {
        let _ = value.signature();
    }
    let _ = stats::psi(text);
    let _ = stats::blkio(text);
    let _ = stats::io_stat(text);
    let _ = stats::key_values(text).count();
});
