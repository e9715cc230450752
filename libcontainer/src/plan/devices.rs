//! Device nodes, and the links in `/dev` (config-linux.md, "Devices" and "Default Devices").

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxDevice, LinuxDeviceType};

use super::builder::{Builder, at_most, c_path, clean};
use super::kernel::{device_number, file_type};
use super::mounts::host_tree;
use super::root::Context;
use super::step::{DeviceStep, NamespaceKind, Source, Step};
use crate::error::{Error, Result};

const DEVICES: usize = 4096;
/// The kernel's device numbers have 12 bits for the major and 20 for the minor number.
const MAJORS: u32 = 0xfff;
const MINORS: u32 = 0xf_ffff;

/// The default devices: name, major and minor number.
const DEFAULT: &[(&str, u32, u32)] = &[
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];

/// Links that programs expect in `/dev`.
const LINKS: &[(&std::ffi::CStr, &std::ffi::CStr)] = &[
    (c"/dev/fd", c"/proc/self/fd"),
    (c"/dev/stdin", c"/proc/self/fd/0"),
    (c"/dev/stdout", c"/proc/self/fd/1"),
    (c"/dev/stderr", c"/proc/self/fd/2"),
    (c"/dev/core", c"/proc/kcore"),
];

/// One device as it is wanted.
struct Device {
    field: String,
    path: PathBuf,
    mode: u32,
    number: u64,
    uid: u32,
    gid: u32,
    listed: bool,
}

/// Plans devices, links and `/dev/ptmx`.
pub(crate) fn plan(b: &mut Builder, context: &Context<'_>) -> Result<()> {
    for device in wanted(context)? {
        one(b, context, device)?;
    }
    for (path, to) in LINKS {
        let step = Step::Symlink {
            path: (*path).into(),
            to: (*to).into(),
        };
        b.step("linux.devices", step);
    }
    b.step("linux.devices", Step::Ptmx);
    Ok(())
}

fn wanted(context: &Context<'_>) -> Result<Vec<Device>> {
    let linux = context.spec.linux().as_ref();
    let listed = linux
        .and_then(|l| l.devices().as_deref())
        .unwrap_or_default();
    at_most("linux.devices", listed.len(), DEVICES)?;
    let cleaned: Vec<String> = listed.iter().map(|device| clean(device.path())).collect();
    let mut wanted: Vec<Device> = DEFAULT
        .iter()
        .filter(|(path, ..)| !cleaned.iter().any(|other| other == path))
        .map(|(path, major, minor)| Device {
            field: "linux.devices".to_owned(),
            path: PathBuf::from(path),
            mode: file_type::CHARACTER | 0o666,
            number: device_number(*major, *minor),
            uid: 0,
            gid: 0,
            listed: false,
        })
        .collect();
    for (index, (device, cleaned)) in listed.iter().zip(&cleaned).enumerate() {
        // It becomes a link into the container's own devpts.
        if cleaned == "/dev/ptmx" {
            continue;
        }
        wanted.push(from_config(format!("linux.devices[{index}]"), device)?);
    }
    Ok(wanted)
}

fn from_config(field: String, device: &LinuxDevice) -> Result<Device> {
    if !device.path().is_absolute() {
        return Err(Error::config(
            &format!("{field}.path"),
            format_args!("{:?} is not an absolute path", device.path()),
        ));
    }
    let file_type = match device.typ() {
        LinuxDeviceType::C | LinuxDeviceType::U => file_type::CHARACTER,
        LinuxDeviceType::B => file_type::BLOCK,
        LinuxDeviceType::P => file_type::FIFO,
        LinuxDeviceType::A => {
            return Err(Error::config(
                &format!("{field}.type"),
                "\"a\" is no device node; allowed are c, b, u and p",
            ));
        }
    };
    let number = if file_type == file_type::FIFO {
        0
    } else {
        device_number(
            number(&format!("{field}.major"), device.major(), MAJORS)?,
            number(&format!("{field}.minor"), device.minor(), MINORS)?,
        )
    };
    Ok(Device {
        path: device.path().clone(),
        // The file type may be given in fileMode too; `type` decides.
        mode: file_type | (device.file_mode().unwrap_or(0o666) & 0o7777),
        number,
        uid: device.uid().unwrap_or(0),
        gid: device.gid().unwrap_or(0),
        listed: true,
        field,
    })
}

fn number(field: &str, value: i64, largest: u32) -> Result<u32> {
    u32::try_from(value)
        .ok()
        .filter(|number| *number <= largest)
        .ok_or_else(|| {
            Error::config(
                field,
                format_args!("{value} is no device number; allowed are 0 to {largest}"),
            )
        })
}

fn one(b: &mut Builder, context: &Context<'_>, device: Device) -> Result<()> {
    let step = Step::Device(DeviceStep {
        path: c_path(&format!("{}.path", device.field), &device.path)?,
        mode: device.mode,
        device: device.number,
        uid: device.uid,
        gid: device.gid,
        bind: bound(b, context, &device)?,
        listed: device.listed,
    });
    b.step(device.field, step);
    Ok(())
}

/// A user namespace may not make device nodes: the host's are bound there. A FIFO it may make.
fn bound(b: &mut Builder, context: &Context<'_>, device: &Device) -> Result<Option<Source>> {
    let user = context.namespaces.has(NamespaceKind::User) || context.facts.in_user_namespace;
    if !user || device.mode & file_type::MASK == file_type::FIFO {
        return Ok(None);
    }
    let path: &Path = &device.path;
    host_tree(b, context.facts, &device.field, path, false, None).map(Some)
}
