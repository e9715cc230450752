//! Moves network devices into a container (config-linux.md, "Network Devices").
//!
//! A device is set down, moved and renamed in one step, given back its permanent global addresses,
//! which the kernel drops on the way, and set up. How it fares in the container, and where it goes
//! when the namespace ends, is not the runtime's affair; only where the container does not come to
//! be, the devices are taken back ([`Moved::return_all`]).

#![forbid(unsafe_code)]

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::libc::{AF_UNSPEC, IFF_UP};

use super::netlink::{
    Message, NLM_F_CREATE_EXCL, Netlink, RTM_GETADDR, RTM_GETLINK, RTM_NEWADDR, RTM_NEWLINK,
    RTM_SETLINK,
};
use crate::error::{Error, Result};
use crate::plan::NetDevice;

/// The network namespace of the calling thread.
const OWN_NAMESPACE: &str = "/proc/thread-self/ns/net";

/// Length of `struct ifinfomsg`.
const LINK_FIXED: usize = 16;
/// `IFLA_*` (linux/if_link.h).
const IFLA_IFNAME: u16 = 3;
const IFLA_NET_NS_FD: u16 = 28;

/// Length of `struct ifaddrmsg`.
const ADDRESS_FIXED: usize = 8;
/// `IFA_*` (linux/if_addr.h).
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_LABEL: u16 = 3;
const IFA_BROADCAST: u16 = 4;
const IFA_CACHEINFO: u16 = 6;
const IFA_FLAGS: u16 = 8;
const IFA_RT_PRIORITY: u16 = 9;
const IFA_PROTO: u16 = 11;
/// `IFA_F_PERMANENT`: neither a lease nor made by the kernel.
const PERMANENT: u32 = 0x80;
/// Flags that somebody chose: `NODAD`, `HOMEADDRESS`, `PERMANENT`, `MANAGETEMPADDR`,
/// `NOPREFIXROUTE`, `MCAUTOJOIN`. The others tell what the kernel found out.
const CHOSEN_FLAGS: u32 = 0x02 | 0x10 | PERMANENT | 0x100 | 0x200 | 0x400;
/// `RT_SCOPE_UNIVERSE`.
const GLOBAL: u8 = 0;
/// `IFNAMSIZ`, which counts the zero byte.
const NAME_ROOM: usize = 16;

/// Moves the devices into the namespace, in order. When one fails those before it are taken back.
pub(crate) fn move_all(devices: &[NetDevice], container_netns: BorrowedFd<'_>) -> Result<Moved> {
    let mut moved = Moved::open(container_netns)?;
    for device in devices {
        if let Err(error) = moved.move_one(device, container_netns) {
            // The first error is the one to tell.
            let _ = moved.return_all();
            return Err(error);
        }
    }
    Ok(moved)
}

/// The devices that were moved, for taking them back.
#[derive(Debug)]
pub(crate) struct Moved {
    own: File,
    host: Netlink,
    container: Netlink,
    devices: Vec<MovedDevice>,
}

#[derive(Debug)]
struct MovedDevice {
    /// On the host.
    name: String,
    /// In the container.
    inside: Link,
    was_up: bool,
    addresses: Vec<Message>,
}

#[derive(Clone, Debug)]
struct Link {
    index: u32,
    name: String,
    flags: u32,
}

impl Moved {
    fn open(container_netns: BorrowedFd<'_>) -> Result<Self> {
        let failed = |errno| Error::system("linux.netDevices", "rtnetlink socket", errno);
        let own = File::open(OWN_NAMESPACE)
            .map_err(|error| Error::system(OWN_NAMESPACE, "open", error))?;
        Ok(Self {
            host: Netlink::here().map_err(failed)?,
            container: Netlink::inside(container_netns, &own)
                .map_err(|errno| failed(errno).within("the container's network namespace"))?,
            own,
            devices: Vec::new(),
        })
    }

    /// Takes the devices back to where they were, with names, addresses and state. What fails is
    /// told; the others are taken back all the same.
    pub(crate) fn return_all(self) -> Vec<Error> {
        let take_back = |device: &MovedDevice| {
            self.return_one(device)
                .map_err(|error| error.within(format_args!("taking back {}", device.name)))
                .err()
        };
        self.devices.iter().rev().filter_map(take_back).collect()
    }

    fn move_one(&mut self, device: &NetDevice, container_netns: BorrowedFd<'_>) -> Result<()> {
        let field = format!("linux.netDevices.{}", device.name);
        let failed = |call: &'static str| {
            let field = &field;
            move |errno: Errno| Error::system(field, call, errno)
        };
        let wanted = device.rename.as_deref().filter(|name| !name.is_empty());
        let wanted = wanted.unwrap_or(&device.name);
        let Some(link) = find(&self.host, &device.name).map_err(failed("RTM_GETLINK"))? else {
            return Err(Error::config(
                &field,
                "no such device in the runtime's network namespace",
            ));
        };
        let is_template = wanted.contains('%');
        if !is_template
            && find(&self.container, wanted)
                .map_err(failed("RTM_GETLINK"))?
                .is_some()
        {
            let problem = format!("the container's network namespace has a device {wanted:?}");
            return Err(Error::config(&field, problem));
        }
        let before = links(&self.container).map_err(failed("RTM_GETLINK"))?;
        let addresses = addresses(&self.host, link.index).map_err(failed("RTM_GETADDR"))?;
        set_up(&self.host, link.index, false).map_err(failed("setting it down"))?;
        let relocated = relocate(&self.host, link.index, wanted, container_netns);
        // A failure may also come after the move, when the name is set.
        let prefix = match (&relocated, is_template) {
            (Ok(()), true) => wanted.split('%').next().unwrap_or_default(),
            (Ok(()), false) => wanted,
            (Err(_), _) => "",
        };
        let arrived = self.arrived(&before, prefix);
        if let Ok(inside) = &arrived {
            self.devices.push(MovedDevice {
                name: device.name.clone(),
                inside: inside.clone(),
                was_up: is_up(&link),
                addresses: addresses.clone(),
            });
        } else {
            self.restore(&link, &addresses);
        }
        relocated.map_err(failed("moving it to the container's network namespace"))?;
        let inside = arrived.map_err(failed("RTM_GETLINK in the container"))?;
        for address in &addresses {
            add(
                &self.container,
                address,
                inside.index,
                &device.name,
                &inside.name,
            )
            .map_err(failed("RTM_NEWADDR in the container"))?;
        }
        set_up(&self.container, inside.index, true)
            .map_err(failed("setting it up in the container"))
    }

    /// The device that is in the container now and was not before: only the kernel knows what a
    /// template becomes.
    fn arrived(&self, before: &[Link], prefix: &str) -> nix::Result<Link> {
        let mut new = links(&self.container)?;
        new.retain(|link| {
            link.name.starts_with(prefix) && !before.iter().any(|other| other.index == link.index)
        });
        match (new.pop(), new.is_empty()) {
            (Some(link), true) => Ok(link),
            _ => Err(Errno::ENODEV),
        }
    }

    /// Makes a device of the host as it was before it was set down, as far as that works.
    fn restore(&self, link: &Link, addresses: &[Message]) {
        for address in addresses {
            let _ = add(&self.host, address, link.index, &link.name, &link.name);
        }
        if is_up(link) {
            let _ = set_up(&self.host, link.index, true);
        }
    }

    fn return_one(&self, device: &MovedDevice) -> Result<()> {
        let failed = |call| move |errno| Error::system(&device.inside.name, call, errno);
        let index = device.inside.index;
        set_up(&self.container, index, false).map_err(failed("setting it down"))?;
        relocate(&self.container, index, &device.name, self.own.as_fd())
            .map_err(failed("moving it out of the container"))?;
        let found = find(&self.host, &device.name).map_err(failed("RTM_GETLINK"))?;
        let index = found
            .ok_or(Errno::ENODEV)
            .map_err(failed("RTM_GETLINK"))?
            .index;
        for address in &device.addresses {
            add(&self.host, address, index, &device.name, &device.name)
                .map_err(failed("RTM_NEWADDR"))?;
        }
        match device.was_up {
            true => set_up(&self.host, index, true).map_err(failed("setting it up")),
            false => Ok(()),
        }
    }
}

fn is_up(link: &Link) -> bool {
    link.flags & IFF_UP.cast_unsigned() != 0
}

/// `struct ifinfomsg`: family and padding, type, index, flags and which of them count.
fn link_request(kind: u16, index: u32, flags: u32, mask: u32) -> Message {
    let words = [0, index, flags, mask];
    Message::new(kind, words.map(u32::to_ne_bytes).concat())
}

fn name_bytes(name: &str) -> Vec<u8> {
    [name.as_bytes(), &[0]].concat()
}

fn link(message: &Message) -> Option<Link> {
    let name = message
        .attributes(LINK_FIXED)
        .find(|(kind, _)| *kind == IFLA_IFNAME)?
        .1;
    Some(Link {
        index: message.u32_at(4)?,
        name: String::from_utf8_lossy(name.strip_suffix(&[0]).unwrap_or(name)).into_owned(),
        flags: message.u32_at(8)?,
    })
}

fn links(netlink: &Netlink) -> nix::Result<Vec<Link>> {
    let answers = netlink.list(&link_request(RTM_GETLINK, 0, 0, 0))?;
    Ok(answers.iter().filter_map(link).collect())
}

/// The device of this name. The kernel compares alternative names too.
fn find(netlink: &Netlink, name: &str) -> nix::Result<Option<Link>> {
    if name.len() >= NAME_ROOM {
        return Err(Errno::ENAMETOOLONG);
    }
    let request = link_request(RTM_GETLINK, 0, 0, 0).attribute(IFLA_IFNAME, &name_bytes(name));
    match netlink.call(&request, 0) {
        Ok(answers) => Ok(answers
            .iter()
            .filter(|answer| answer.kind == RTM_NEWLINK)
            .find_map(link)),
        Err(Errno::ENODEV) => Ok(None),
        Err(errno) => Err(errno),
    }
}

fn set_up(netlink: &Netlink, index: u32, up: bool) -> nix::Result<()> {
    let bit = IFF_UP.cast_unsigned();
    let flags = if up { bit } else { 0 };
    netlink
        .call(&link_request(RTM_SETLINK, index, flags, bit), 0)
        .map(drop)
}

/// Moves a device and gives it its name in one step, so that its old name cannot be in the way.
fn relocate(
    netlink: &Netlink,
    index: u32,
    name: &str,
    namespace: BorrowedFd<'_>,
) -> nix::Result<()> {
    let request = link_request(RTM_SETLINK, index, 0, 0)
        .attribute(IFLA_IFNAME, &name_bytes(name))
        .attribute(IFLA_NET_NS_FD, &namespace.as_raw_fd().to_ne_bytes());
    netlink.call(&request, 0).map(drop)
}

/// The permanent global addresses of a device, as the kernel lists them: those that others depend
/// on come first.
fn addresses(netlink: &Netlink, index: u32) -> nix::Result<Vec<Message>> {
    let family = u32::try_from(AF_UNSPEC).unwrap_or_default();
    let request = Message::new(RTM_GETADDR, [family, 0].map(u32::to_ne_bytes).concat());
    let mut answers = netlink.list(&request)?;
    answers.retain(|answer| {
        answer.u32_at(4) == Some(index)
            && answer.body.get(3) == Some(&GLOBAL)
            && flags(answer) & PERMANENT != 0
    });
    Ok(answers)
}

/// The attribute has them all, the fixed part only eight.
fn flags(address: &Message) -> u32 {
    let attribute = address
        .attributes(ADDRESS_FIXED)
        .find(|(kind, _)| *kind == IFA_FLAGS);
    let all = attribute
        .and_then(|(_, value)| value.try_into().ok())
        .map(u32::from_ne_bytes);
    all.unwrap_or_else(|| address.body.get(2).copied().unwrap_or_default().into())
}

/// Gives a device an address that the device called `old` had. One that it has is no error.
fn add(netlink: &Netlink, address: &Message, index: u32, old: &str, new: &str) -> nix::Result<()> {
    match netlink.call(
        &address_request(address, index, old, new),
        NLM_F_CREATE_EXCL,
    ) {
        Ok(_) | Err(Errno::EEXIST) => Ok(()),
        Err(errno) => Err(errno),
    }
}

fn address_request(address: &Message, index: u32, old: &str, new: &str) -> Message {
    let mut fixed = address.body.get(..4).unwrap_or_default().to_vec();
    if let Some(flags) = fixed.get_mut(2) {
        *flags = 0; // the attribute below counts
    }
    fixed.extend_from_slice(&index.to_ne_bytes());
    let mut request = Message::new(RTM_NEWADDR, fixed);
    for (kind, value) in address.attributes(ADDRESS_FIXED) {
        request = match kind {
            IFA_ADDRESS | IFA_LOCAL | IFA_BROADCAST | IFA_CACHEINFO | IFA_RT_PRIORITY
            | IFA_PROTO => request.attribute(kind, value),
            IFA_LABEL => match label(value, old, new) {
                Some(label) => request.attribute(kind, &label),
                None => request,
            },
            _ => request,
        };
    }
    request.attribute(IFA_FLAGS, &(flags(address) & CHOSEN_FLAGS).to_ne_bytes())
}

/// An address's label under the device's new name: `eth0:1` becomes `net0:1`. Without a part of its
/// own, or where it grows too long, the kernel takes the name.
fn label(value: &[u8], old: &str, new: &str) -> Option<Vec<u8>> {
    let text = value.strip_suffix(&[0]).unwrap_or(value);
    let own = text.strip_prefix(old.as_bytes())?;
    let label = [new.as_bytes(), own, &[0]].concat();
    (!own.is_empty() && label.len() <= NAME_ROOM).then_some(label)
}

#[cfg(test)]
mod tests;
