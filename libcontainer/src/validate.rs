//! What must hold between the fields of a configuration. What one field must hold by itself is
//! checked where it is planned.

#![forbid(unsafe_code)]

use oci_spec::runtime::{Linux, Spec};

use crate::error::{Error, Result};
use crate::facts::Facts;
use crate::plan::namespaces::Namespaces;
use crate::plan::step::NamespaceKind;
use crate::plan::{at_most, id_maps, quoted, sysctl};

const ID_LENGTH: usize = 1024;
/// The kernel's limit for both names (`__NEW_UTS_LEN`).
const NAME_LENGTH: usize = 64;
/// The longest name of a network device, without its zero byte (`IFNAMSIZ`).
const DEVICE_NAME_LENGTH: usize = 15;
const NET_DEVICES: usize = 1024;

/// Checks a container's id, which becomes the name of a directory and of cgroups.
///
/// # Errors
/// An id that is empty, too long, `.` or `..`, or has other characters than letters, digits and
/// `_+-.`.
pub(crate) fn id(id: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte);
    if id.is_empty() {
        return Err(Error::config("id", "container id cannot be empty"));
    }
    if id.len() > ID_LENGTH {
        let length = id.len();
        return Err(Error::config(
            "id",
            format_args!("invalid id format: {length} characters are more than {ID_LENGTH}"),
        ));
    }
    if matches!(id, "." | "..") || !id.bytes().all(allowed) {
        return Err(Error::config(
            "id",
            format_args!(
                "invalid id format: {}; allowed are letters, digits and \"_+-.\", but not \".\" or \"..\"",
                quoted(id)
            ),
        ));
    }
    Ok(())
}

/// Checks a configuration as a whole.
///
/// # Errors
/// The first contradiction, with the field to change.
pub(crate) fn spec(spec: &Spec, namespaces: &Namespaces<'_>, facts: &Facts) -> Result<()> {
    version(spec.version())?;
    name("hostname", spec.hostname().as_deref(), namespaces)?;
    name("domainname", spec.domainname().as_deref(), namespaces)?;
    user_namespace(spec, namespaces, facts)?;
    let Some(linux) = spec.linux() else {
        return Ok(());
    };
    time_offsets(linux, namespaces)?;
    net_devices(linux, namespaces, facts)?;
    intel_rdt(linux)?;
    sysctl::check(spec, namespaces, facts)
}

/// Every version with the major number 1 is compatible (config.md, "Specification version").
fn version(version: &str) -> Result<()> {
    let field = "ociVersion";
    if version.is_empty() {
        return Err(Error::config(field, "is required"));
    }
    let (core, _) = version.split_once(['-', '+']).unwrap_or((version, ""));
    let mut numbers = core.split('.').map(|part| {
        let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        digits.then_some(part)
    });
    let is_semantic = numbers.clone().count() == 3 && numbers.clone().all(|part| part.is_some());
    if !is_semantic || numbers.next().flatten() != Some("1") {
        return Err(Error::config(
            field,
            format_args!(
                "{} is not supported; allowed are 1.0.0 and later versions 1.x",
                quoted(version)
            ),
        ));
    }
    Ok(())
}

fn name(field: &str, name: Option<&str>, namespaces: &Namespaces<'_>) -> Result<()> {
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return Ok(());
    };
    if !namespaces.has(NamespaceKind::Uts) {
        return Err(Error::config(
            field,
            format_args!("unable to set {field} without a private UTS namespace"),
        ));
    }
    if name.len() > NAME_LENGTH {
        return Err(Error::config(
            field,
            format_args!("{} is longer than {NAME_LENGTH} bytes", quoted(name)),
        ));
    }
    Ok(())
}

fn user_namespace(spec: &Spec, namespaces: &Namespaces<'_>, facts: &Facts) -> Result<()> {
    let maps = id_maps(spec, facts)?;
    let user = namespaces.get(NamespaceKind::User);
    let field = if maps.uids.is_empty() {
        "linux.gidMappings"
    } else {
        "linux.uidMappings"
    };
    if user.is_none() && !(maps.uids.is_empty() && maps.gids.is_empty()) {
        return Err(Error::config(
            field,
            "User namespace mappings specified, but USER namespace isn't enabled in the config",
        ));
    }
    if namespaces.is_new(NamespaceKind::User) {
        for (field, map) in [
            ("linux.uidMappings", &maps.uids),
            ("linux.gidMappings", &maps.gids),
        ] {
            if map.is_empty() {
                return Err(Error::config(field, "is required for a new user namespace"));
            }
        }
    }
    if user.is_none() && facts.euid != 0 && !facts.may_mount {
        return Err(Error::config(
            "linux.namespaces",
            "rootless container requires user namespaces",
        ));
    }
    Ok(())
}

fn time_offsets(linux: &Linux, namespaces: &Namespaces<'_>) -> Result<()> {
    let Some(offsets) = linux
        .time_offsets()
        .as_ref()
        .filter(|offsets| !offsets.is_empty())
    else {
        return Ok(());
    };
    if !namespaces.is_new(NamespaceKind::Time) {
        return Err(Error::config(
            "linux.timeOffsets",
            "time namespace offsets specified, but time namespace isn't enabled in the config",
        ));
    }
    for (clock, offset) in offsets {
        let field = format!("linux.timeOffsets[{}]", quoted(clock));
        if !matches!(clock.as_str(), "monotonic" | "boottime") {
            return Err(Error::config(
                &field,
                "is no clock; allowed are monotonic and boottime",
            ));
        }
        if let Some(nanoseconds) = offset.nanosecs()
            && nanoseconds > 999_999_999
        {
            return Err(Error::config(
                &format!("{field}.nanosecs"),
                format_args!("{nanoseconds} is more than 999999999"),
            ));
        }
    }
    Ok(())
}

fn net_devices(linux: &Linux, namespaces: &Namespaces<'_>, facts: &Facts) -> Result<()> {
    let field = "linux.netDevices";
    let Some(devices) = linux
        .net_devices()
        .as_ref()
        .filter(|devices| !devices.is_empty())
    else {
        return Ok(());
    };
    at_most(field, devices.len(), NET_DEVICES)?;
    let kind = NamespaceKind::Network;
    if !namespaces.has(kind) || facts.own_namespaces.contains(&kind) {
        return Err(Error::config(
            field,
            "unable to move network devices without a private NET namespace",
        ));
    }
    if facts.euid != 0 {
        return Err(Error::config(
            field,
            "network devices are not supported for rootless containers",
        ));
    }
    for (name, device) in devices {
        let field = format!("{field}[{}]", quoted(name));
        device_name(&field, name)?;
        if let Some(rename) = device.name().as_deref().filter(|rename| !rename.is_empty()) {
            device_name(&format!("{field}.name"), rename)?;
        }
    }
    Ok(())
}

/// What the kernel takes as the name of a network device (its `dev_valid_name`).
fn device_name(field: &str, name: &str) -> Result<()> {
    let forbidden =
        |character: char| matches!(character, '/' | ':' | '\0') || character.is_whitespace();
    if name.is_empty()
        || name.len() > DEVICE_NAME_LENGTH
        || matches!(name, "." | "..")
        || name.contains(forbidden)
    {
        return Err(Error::config(
            field,
            format_args!(
                "{} is no name of a network device; allowed are 1 to {DEVICE_NAME_LENGTH} bytes without slash, colon and blanks",
                quoted(name)
            ),
        ));
    }
    Ok(())
}

/// The class of service becomes the name of a directory; `/` is the root class.
fn intel_rdt(linux: &Linux) -> Result<()> {
    let Some(class) = linux
        .intel_rdt()
        .as_ref()
        .and_then(|rdt| rdt.clos_id().as_deref())
    else {
        return Ok(());
    };
    let is_name = !matches!(class, "." | "..") && !class.contains(['/', '\0', '\n']);
    if class != "/" && !is_name {
        return Err(Error::config(
            "linux.intelRdt.closID",
            format_args!("invalid intelRdt.ClosID {}", quoted(class)),
        ));
    }
    Ok(())
}
