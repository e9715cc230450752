//! Deciding where a container's cgroup goes and what is written there. Pure:
//! everything that is not in the arguments is left to [`Plan::create`].

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use oci_spec::runtime::LinuxResources;
use serde::{Deserialize, Serialize};

use crate::devices::rules::AccessList;
use crate::error::Error;
use crate::host::{Hierarchy, Host, Layout};
use crate::limits::{self, Present, Write};
use crate::path;
use crate::systemd::Unit;
use crate::systemd::properties::{self, Property};

/// Who makes and keeps the cgroup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ManagerKind {
    /// This crate, by making directories.
    #[default]
    Cgroupfs,
    /// systemd, as a transient scope or slice.
    Systemd,
    /// Nobody: the container stays in the caller's cgroup, without limits.
    Disabled,
}

/// What a container wants.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// Who makes the cgroup.
    pub manager: ManagerKind,
    /// The container's id. It names the cgroup where no path is given.
    pub id: &'a str,
    /// `linux.cgroupsPath`: a path, or `slice:prefix:name` for systemd.
    pub cgroups_path: Option<&'a Path>,
    /// Whether the caller is an ordinary user, or root of a user namespace.
    pub rootless: bool,
    /// The annotations; `org.systemd.property.*` are for systemd.
    pub annotations: Option<&'a HashMap<String, String>>,
    /// `linux.resources`.
    pub resources: Option<&'a LinuxResources>,
    /// The user that is to own a version 2 cgroup (root of the container's user
    /// namespace, as the host numbers it), when it is delegated to the container.
    pub owner_uid: Option<u32>,
}

/// One directory of a cgroup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Where the hierarchy is mounted.
    pub mount_point: PathBuf,
    /// The cgroup, relative to the mount point.
    pub relative: String,
    /// The hierarchy's controllers; empty on version 2.
    pub controllers: Vec<String>,
    /// Whether the hierarchy is of version 2.
    pub unified: bool,
    /// What is written there, in order.
    pub writes: Vec<Write>,
    /// Whether systemd makes the directory.
    pub by_systemd: bool,
}

impl Group {
    /// The absolute path of the directory.
    pub fn path(&self) -> PathBuf {
        self.mount_point.join(&self.relative)
    }

    /// Whether a version 1 hierarchy has the controller.
    pub(crate) fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|name| name == controller)
    }
}

/// Where a cgroup will be, and what will be written, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub(crate) manager: ManagerKind,
    pub(crate) layout: Layout,
    pub(crate) groups: Vec<Group>,
    pub(crate) devices: Option<AccessList>,
    pub(crate) unit: Option<Unit>,
    pub(crate) owner_uid: Option<u32>,
    pub(crate) rootless: bool,
    /// Without a path of the configuration's own, a rootless container may do
    /// without a cgroup.
    pub(crate) optional: bool,
    /// The properties that annotations ask systemd for.
    pub(crate) annotated: Vec<Property>,
    pub(crate) passed_over: Option<&'static str>,
}

/// Decides.
///
/// # Errors
/// [`Error::Invalid`] for a value that is not allowed, [`Error::NoController`] when
/// the host has no controller for a limit.
pub fn plan(host: &Host, request: &Request<'_>) -> Result<Plan, Error> {
    path::component("container id", request.id)?;
    let resources = request.resources;
    let devices = resources.and_then(|resources| resources.devices().as_deref());
    let mut plan = Plan {
        manager: request.manager,
        layout: host.layout,
        groups: Vec::new(),
        devices: Some(AccessList::from_spec(devices.unwrap_or_default())?),
        unit: None,
        owner_uid: request.owner_uid,
        rootless: request.rootless,
        optional: request.rootless && request.cgroups_path.is_none(),
        annotated: Vec::new(),
        passed_over: resources
            .filter(|_| host.layout == Layout::V2)
            .and_then(limits::passed_over),
    };
    let mut writes = match (resources, host.layout) {
        (None, _) => Vec::new(),
        (Some(resources), Layout::V2) => limits::v2(resources, &Present::Fresh)?,
        (Some(resources), _) => limits::v1(resources, &Present::Fresh)?,
    };
    match request.manager {
        ManagerKind::Disabled => {
            plan.devices = None;
            if let Some(write) = writes.first() {
                return Err(no_controller(write, "the cgroup manager is \"disabled\""));
            }
            return Ok(plan);
        }
        ManagerKind::Cgroupfs => plan.groups = cgroupfs(host, request)?,
        ManagerKind::Systemd => {
            let unit = Unit::plan(host, request)?;
            plan.groups = systemd(host, &unit)?;
            plan.unit = Some(unit);
            properties::round_quotas(&mut writes);
            if let Some(annotations) = request.annotations {
                plan.annotated = properties::annotations(annotations)?;
            }
        }
    }
    distribute(&mut plan, writes)?;
    Ok(plan)
}

fn no_controller(write: &Write, reason: &'static str) -> Error {
    Error::NoController {
        field: write.field.to_string(),
        controller: write.controller.to_string(),
        reason,
    }
}

/// Gives every write to the hierarchy with its controller.
fn distribute(plan: &mut Plan, writes: Vec<Write>) -> Result<(), Error> {
    for write in writes {
        let group = plan.groups.iter_mut().find(|group| match plan.layout {
            Layout::V2 => group.unified,
            _ => group.has(&write.controller),
        });
        match group {
            Some(group) => group.writes.push(write),
            None => return Err(no_controller(&write, "no hierarchy with it is mounted")),
        }
    }
    Ok(())
}

/// The directories of the cgroupfs manager.
///
/// A path that begins with a slash starts at the mount point. Any other, and the
/// id where there is no path, starts at the caller's own cgroup on version 1, and
/// beside it on version 2: there, processes and controllers exclude each other in
/// one cgroup, and the caller is in its own.
fn cgroupfs(host: &Host, request: &Request<'_>) -> Result<Vec<Group>, Error> {
    const FIELD: &str = "linux.cgroupsPath";
    let given = request
        .cgroups_path
        .filter(|path| !path.as_os_str().is_empty());
    let inner = path::clean(FIELD, given.unwrap_or(Path::new(request.id)))?;
    let absolute = given.is_some_and(Path::is_absolute);
    if inner.is_empty() {
        let value = given.unwrap_or(Path::new("")).to_string_lossy();
        return Err(Error::invalid(
            FIELD,
            value,
            "must not be the root of the hierarchy",
        ));
    }
    let place = |hierarchy: &Hierarchy| {
        let own = hierarchy.own_relative();
        let relative = match (absolute, host.layout) {
            (true, _) => inner.clone(),
            (false, Layout::V2) => path::join(
                own.rsplit_once('/').map_or("", |(parent, _)| parent),
                &inner,
            ),
            (false, _) => path::join(&own, &inner),
        };
        group(hierarchy, relative, false)
    };
    Ok(host.v1.iter().chain(&host.v2).map(place).collect())
}

/// The directories of the systemd manager: systemd makes them on version 2, and
/// on version 1 those of its own hierarchy; the rest is ours.
fn systemd(host: &Host, unit: &Unit) -> Result<Vec<Group>, Error> {
    let place = |hierarchy: &Hierarchy| {
        let unified = hierarchy.controllers.is_empty();
        let own = hierarchy
            .controllers
            .iter()
            .any(|name| name == "name=systemd");
        group(hierarchy, unit.relative().to_owned(), unified || own)
    };
    Ok(host.v1.iter().chain(&host.v2).map(place).collect())
}

fn group(hierarchy: &Hierarchy, relative: String, by_systemd: bool) -> Group {
    Group {
        mount_point: hierarchy.mount_point.clone(),
        relative,
        controllers: hierarchy.controllers.clone(),
        unified: hierarchy.controllers.is_empty(),
        writes: Vec::new(),
        by_systemd,
    }
}

impl Plan {
    /// The directories that will make up the cgroup.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The absolute paths of the directories, one for each hierarchy.
    pub fn paths(&self) -> impl Iterator<Item = PathBuf> {
        self.groups.iter().map(Group::path)
    }

    /// Every limit that will be written, in order.
    pub fn writes(&self) -> impl Iterator<Item = &Write> {
        self.groups.iter().flat_map(|group| &group.writes)
    }

    /// The device rules that will hold; none without a cgroup.
    pub fn devices(&self) -> Option<&AccessList> {
        self.devices.as_ref()
    }

    /// What cannot be applied beside another setting, as a sentence for people.
    pub fn passed_over(&self) -> Option<&'static str> {
        self.passed_over
    }

    /// The systemd unit, with the systemd manager.
    pub fn unit(&self) -> Option<&Unit> {
        self.unit.as_ref()
    }

    /// The steps as text, one each, for people to read.
    pub fn steps(&self) -> Vec<String> {
        let mut steps = Vec::new();
        if let Some(unit) = &self.unit {
            steps.push(format!(
                "start systemd unit {} in {}",
                unit.name(),
                unit.slice()
            ));
        }
        for group in &self.groups {
            let path = group.path();
            let maker = if group.by_systemd { "expect" } else { "mkdir" };
            steps.push(format!("{maker} {}", path.display()));
            for write in &group.writes {
                steps.push(format!(
                    "write {:?} to {}/{}",
                    write.value,
                    path.display(),
                    write.file
                ));
            }
            if let Some(list) = self.devices.as_ref().filter(|_| group.has("devices")) {
                for (file, value) in list.v1_writes(None) {
                    steps.push(format!("write {value:?} to {}/{file}", path.display()));
                }
            }
        }
        if let (Layout::V2, Some(list)) = (self.layout, &self.devices) {
            let default = if list.allow_by_default {
                "allow"
            } else {
                "deny"
            };
            let count = list.exceptions.len();
            steps.push(format!(
                "attach a device program: {default} but for {count} exceptions"
            ));
        }
        steps
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps()
            .iter()
            .try_for_each(|step| writeln!(f, "{step}"))
    }
}
