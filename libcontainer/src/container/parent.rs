//! What a new container's process asks of this one.

#![forbid(unsafe_code)]

use std::os::fd::{AsFd, OwnedFd};

use cgroups::Cgroup;

use super::Status;
use super::announce;
use super::hook_state::HookState;
use super::prepare::Prepared;
use crate::error::{Error, Result, cgroup_error};
use crate::launch::{
    Child, Descriptors, MovedDevices, Parent, hooks, id_maps, limits, net_devices, resctrl, trees,
};
use crate::plan::step::{IdMapping, Request, Slot};
use crate::store::{Directory, Record};
use crate::sys;

/// Answers for a container that is being made.
pub(super) struct ContainerParent<'a> {
    pub(super) prepared: &'a Prepared,
    pub(super) directory: &'a Directory,
    pub(super) cgroup: &'a mut Cgroup,
    pub(super) record: &'a mut Record,
    pub(super) descriptors: &'a Descriptors,
    pub(super) net_devices: &'a mut Option<MovedDevices>,
}

impl Parent for ContainerParent<'_> {
    fn answer(&mut self, request: Request, child: &Child) -> Result<()> {
        let plan = &self.prepared.plan;
        let proc = &self.prepared.proc;
        match request {
            Request::WriteIdMaps => match &plan.id_maps {
                Some(maps) => id_maps::write(proc.as_fd(), child.pid, maps),
                None => Ok(()),
            },
            Request::AttachUnit => self.attach_unit(child),
            Request::MoveNetDevices => self.move_net_devices(child),
            Request::RunHooks => {
                self.move_net_devices(child)?;
                self.run_hooks(child)
            }
            Request::ApplyLimits => match &plan.parent_limits {
                Some(limits) => limits::apply(proc, child.pid, limits),
                None => Ok(()),
            },
        }
    }

    fn send_trees(&mut self, slots: &[Slot], child: &Child) -> Result<()> {
        let plan = &self.prepared.plan;
        if !plan.birth.trees_in_namespace {
            return trees::send(plan, slots, child, self.descriptors);
        }
        let namespace = self.namespace(child, "mnt")?;
        trees::send_from(namespace.as_fd(), plan, slots, child, self.descriptors)
    }

    fn born(&mut self, child: &Child) -> Result<()> {
        let (start, stat) = self.prepared.proc.start_time_and_file(child.pid);
        self.record.init_process_pid = child.pid;
        self.record.init_process_start = start.unwrap_or_default();
        if let Some(group) = &self.record.intel_rdt {
            resctrl::add_process(group, child.pid)?;
        }
        let record = self
            .directory
            .write_record(self.record, self.prepared.config.bytes())?;
        sys::descriptor::close_all(stat.into_iter().chain([record]));
        Ok(())
    }

    fn listener(&mut self, listener: OwnedFd, child: &Child) -> Result<()> {
        let state = || self.hook_state(child.pid, Status::Creating);
        announce::listener(listener, child, &self.prepared.spec, state)
    }

    fn map_ids(&mut self, tree: OwnedFd, idmap: IdMapping) -> Result<()> {
        let field = "mounts: id maps of a tree inside the root";
        let namespace = self.descriptors.get(idmap.slot);
        let namespace = namespace.ok_or_else(|| Error::config(field, "no user namespace"))?;
        let attributes = sys::mount::MountAttr::id_mapped(namespace.as_fd());
        sys::mount::set_attributes(tree.as_fd(), &attributes, idmap.recursive)
            .map_err(|fault| Error::fault(field, fault))
    }

    fn hint_for_death(&self) -> Option<&'static str> {
        hint_for_death(self.cgroup)
    }
}

/// Why the process may have been killed.
pub(super) fn hint_for_death(cgroup: &Cgroup) -> Option<&'static str> {
    let killed = cgroup.oom_kills().is_ok_and(|kills| kills > 0);
    killed.then_some("out of memory: is the memory limit too low?")
}

impl ContainerParent<'_> {
    /// The state as hooks read it while the container is being made.
    pub(super) fn hook_state(&self, pid: i32, status: Status) -> Result<Vec<u8>> {
        HookState {
            oci_version: &self.record.oci_version,
            id: &self.record.id,
            status,
            pid: Some(pid),
            bundle: &self.record.bundle,
            annotations: &self.record.annotations,
        }
        .to_json()
    }

    fn run_hooks(&self, child: &Child) -> Result<()> {
        let hooks = &self.prepared.plan.runtime_hooks;
        let (prestart, create) =
            hooks.split_at(hooks.partition_point(|hook| hook.field.starts_with("hooks.prestart")));
        // The deprecated kind comes from a time in which it ran after `create`: programs that are
        // still configured so expect the status of that time.
        for (hooks, kind, status) in [
            (prestart, "prestart", Status::Created),
            (create, "createRuntime", Status::Creating),
        ] {
            if !hooks.is_empty() {
                let state = self.hook_state(child.pid, status)?;
                hooks::run(hooks, kind, &state, &self.record.bundle)?;
            }
        }
        Ok(())
    }

    /// systemd may have put the unit elsewhere than expected.
    fn attach_unit(&mut self, child: &Child) -> Result<()> {
        self.cgroup.attach_unit(child.pid).map_err(cgroup_error)?;
        self.record.cgroup = self.cgroup.record();
        self.directory
            .rewrite_record(self.record, self.prepared.config.bytes())
    }

    fn namespace(&self, child: &Child, name: &str) -> Result<OwnedFd> {
        self.prepared
            .proc
            .open_namespace(child.pid, name)
            .map_err(|errno| {
                Error::system(format!("the container's {name} namespace"), "open", errno)
            })
    }

    fn move_net_devices(&mut self, child: &Child) -> Result<()> {
        if self.prepared.plan.net_devices.is_empty() {
            return Ok(());
        }
        let namespace = self.namespace(child, "net")?;
        let wanted = &self.prepared.plan.net_devices;
        *self.net_devices = Some(net_devices::move_all(wanted, namespace.as_fd())?);
        Ok(())
    }
}
