//! The life of a container's scope.

use std::path::Path;

use oci_spec::runtime::LinuxResources;

use super::Error as SystemdError;
use super::bus::Bus;
use super::properties::{self, Property};
use super::unit::Unit;
use super::value::Value;
use crate::cgroup::Cgroup;
use crate::devices::rules::AccessList;
use crate::dir::Dir;
use crate::error::Error;
use crate::host::Layout;
use crate::limits::Write;
use crate::plan::Plan;

impl Cgroup {
    /// With the systemd manager: starts the scope with process `pid` in it, waits until
    /// systemd has moved the process, and writes what systemd has no property for.
    /// With another manager it does nothing.
    ///
    /// The limits are properties of the scope from its start, so they hold when the
    /// process gets in.
    ///
    /// # Errors
    /// [`Error::Systemd`]; the scope is stopped then, which kills the process.
    pub fn attach_unit(&mut self, pid: i32) -> Result<(), Error> {
        let Some(plan) = self.pending.take() else {
            return Ok(());
        };
        let Some(unit) = self.record.unit.clone() else {
            return Ok(());
        };
        let result = self.start(&plan, &unit, pid);
        if result.is_err() {
            // The error that led here is the one to report. Process 1 of a PID
            // namespace does not heed the SIGTERM that systemd would wait for.
            let _ = self.kill(nix::libc::SIGKILL);
            let _ = self.stop_unit();
        }
        result
    }

    fn start(&mut self, plan: &Plan, unit: &Unit, pid: i32) -> Result<(), Error> {
        let mut bus = Bus::connect(unit.is_user())?;
        let version = properties::version_number(&bus.string(None, "Version")?);
        let writes: Vec<Write> = plan.writes().cloned().collect();
        let mut list = start_properties(unit, pid, plan.layout);
        list.extend(limits(&writes, plan.devices.as_ref(), version)?);
        list.extend(plan.annotated.iter().cloned());
        if let Some(write) = writes.iter().find(|write| write.file == "memory.oom.group") {
            let policy = if write.value.trim() == "1" {
                "kill"
            } else {
                "continue"
            };
            list.push(("OOMPolicy".to_owned(), Value::string(policy)));
        }
        start_unit(&mut bus, unit, list)?;
        if unit.is_user() {
            self.found_at(&bus.string(Some(unit.name()), "ControlGroup")?)?;
        }
        for member in &self.record.members {
            if !(self.is_systemds(member) && member.unified && plan.layout == Layout::V2) {
                continue;
            }
            self.write_members(&writes)?;
            plan.finish_unified(&Dir::open(&member.path)?, false)?;
        }
        Ok(())
    }

    /// systemd's word on where the scope is.
    fn found_at(&mut self, control_group: &str) -> Result<(), Error> {
        let relative = crate::path::inside("ControlGroup", control_group)?;
        for member in self
            .record
            .members
            .iter_mut()
            .filter(|member| member.unified)
        {
            member.path = member.mount_point.join(&relative);
        }
        Ok(())
    }

    /// Tells systemd of new limits, so that it does not write the old ones again.
    pub(crate) fn update_unit(
        &self,
        resources: &LinuxResources,
        writes: &[Write],
    ) -> Result<(), Error> {
        let Some(unit) = &self.record.unit else {
            return Ok(());
        };
        let devices = match resources.devices() {
            Some(rules) => Some(AccessList::from_spec(rules)?),
            None => None,
        };
        let mut bus = Bus::connect(unit.is_user())?;
        let version = properties::version_number(&bus.string(None, "Version")?);
        let list = limits(writes, devices.as_ref(), version)?;
        if list.is_empty() {
            return Ok(());
        }
        let body = vec![
            Value::string(unit.name()),
            Value::Bool(true),
            property_array(list),
        ];
        bus.manager("SetUnitProperties", body)?;
        Ok(())
    }

    /// Moves a process to a cgroup of the scope.
    pub(crate) fn attach_to_unit(&self, pid: i32, below: &Path) -> Result<(), Error> {
        let Some(unit) = &self.record.unit else {
            return Ok(());
        };
        let below = Path::new("/").join(below);
        let body = vec![
            Value::string(unit.name()),
            Value::String(below.to_string_lossy().into_owned()),
            process_array(pid),
        ];
        let mut bus = Bus::connect(unit.is_user())?;
        bus.manager("AttachProcessesToUnit", body)?;
        Ok(())
    }

    /// Stops the scope and makes systemd forget it, if it failed.
    pub(crate) fn stop_unit(&self) -> Result<(), Error> {
        let Some(unit) = &self.record.unit else {
            return Ok(());
        };
        let mut bus = Bus::connect(unit.is_user())?;
        let body = vec![Value::string(unit.name()), Value::string("replace")];
        let stopped = bus.job("StopUnit", unit.name(), body);
        if stopped.as_ref().is_err_and(SystemdError::is_no_such_unit) {
            return Ok(());
        }
        // A unit that did not fail cannot be reset.
        let _ = bus.manager("ResetFailedUnit", vec![Value::string(unit.name())]);
        stopped.map_err(Error::from)
    }
}

fn limits(
    writes: &[Write],
    devices: Option<&AccessList>,
    version: u32,
) -> Result<Vec<Property>, Error> {
    let mut list = devices.map_or_else(Vec::new, |list| properties::devices(list, version));
    list.extend(properties::resources(writes, version)?);
    Ok(list)
}

fn start_properties(unit: &Unit, pid: i32, layout: Layout) -> Vec<Property> {
    let io = if layout == Layout::V2 {
        "IOAccounting"
    } else {
        "BlockIOAccounting"
    };
    let description = format!("oxrun container {}", unit.name());
    let property = |name: &str, value: Value| (name.to_owned(), value);
    vec![
        property("Description", Value::String(description)),
        property("Slice", Value::string(unit.slice())),
        property("Delegate", Value::Bool(true)),
        property("PIDs", process_array(pid)),
        property("MemoryAccounting", Value::Bool(true)),
        property("CPUAccounting", Value::Bool(true)),
        property(io, Value::Bool(true)),
        property("TasksAccounting", Value::Bool(true)),
        property("DefaultDependencies", Value::Bool(false)),
    ]
}

fn process_array(pid: i32) -> Value {
    let pids = u32::try_from(pid).map(Value::Uint32).into_iter().collect();
    Value::Array("u".to_owned(), pids)
}

fn property_array(list: Vec<Property>) -> Value {
    let pair = |(name, value): Property| {
        Value::Struct(vec![Value::String(name), Value::Variant(Box::new(value))])
    };
    Value::Array("(sv)".to_owned(), list.into_iter().map(pair).collect())
}

/// StartTransientUnit(s name, s mode, a(sv) properties, a(sa(sv)) aux)
fn start_unit(bus: &mut Bus, unit: &Unit, list: Vec<Property>) -> Result<(), SystemdError> {
    let body = vec![
        Value::string(unit.name()),
        Value::string("replace"),
        property_array(list),
        Value::Array("(sa(sv))".to_owned(), Vec::new()),
    ];
    match bus.job("StartTransientUnit", unit.name(), body.clone()) {
        // A unit of the name that failed once keeps the name until it is reset.
        Err(error) if error.is_unit_exists() => {
            let _ = bus.manager("ResetFailedUnit", vec![Value::string(unit.name())]);
            bus.job("StartTransientUnit", unit.name(), body)
        }
        result => result,
    }
}
