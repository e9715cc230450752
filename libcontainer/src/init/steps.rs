//! Which code does which step.

use std::os::fd::{AsFd, AsRawFd, IntoRawFd};

use super::state::Child;
use super::user;
use crate::plan::step::Step;
use crate::sync::Message;
use crate::sys::{Call, Fault, Result, identity, process, schedule};

/// A step that [`Child::perform`] sent to the wrong function.
const NOT_HERE: Result<()> = Err(Fault::new(Call::UnknownStep, 0));

impl Child<'_> {
    /// Does one step.
    pub(super) fn perform(&mut self, step: &mut Step) -> Result<()> {
        if !matches!(step, Step::Mount(_)) {
            self.entered = None;
        }
        match step {
            Step::EnterCgroup => self.enter_cgroups(),
            Step::Ask(request) => self.ask(*request),
            Step::Receive(slots) => self.receive(slots),
            Step::SetNs { slot, kind } => self.join(*slot, *kind),
            Step::SetNsOfProcess { slot, flags } => self.join_process(*slot, *flags),
            Step::Unshare { flags } => self.unshare(*flags),
            Step::BecomeRoot => self.become_root(),
            Step::ForkAgain => self.fork_again(),
            Step::TimeOffsets { lines } => self.enter_time_namespace(lines),
            Step::NewSession => process::new_session(),
            Step::SessionKeyring { name, label } => self.join_keyring(name, label.as_deref()),
            Step::LoopbackUp => self.loopback_up(),
            Step::Hooks(hooks) => self.run_hooks(hooks),
            Step::Seccomp => self.install_filter(),
            Step::FindProgram => self.find_program(),
            Step::Home { uid } => self.set_home(*uid),
            Step::ListenPid => self.set_listen_pid(),
            Step::Ready => self.ready(),
            Step::Gate => self.wait_at_gate(),
            Step::CloseFrom { first } => self.close_from(*first),
            Step::Exec => self.execute(),
            Step::Propagation { .. }
            | Step::Root { .. }
            | Step::OpenRoot { .. }
            | Step::Mount(_)
            | Step::SetAttributes { .. }
            | Step::Device(_)
            | Step::Symlink { .. }
            | Step::Ptmx
            | Step::PivotRoot
            | Step::MoveRoot { .. }
            | Step::Chroot
            | Step::RootPropagation { .. }
            | Step::ReadonlyRoot
            | Step::MaskPath { .. }
            | Step::MaskSource { .. }
            | Step::ReadonlyPath { .. } => self.perform_on_root(step),
            Step::Terminal { .. }
            | Step::ReopenNull
            | Step::OwnStdio { .. }
            | Step::WorkingDirectory { .. }
            | Step::WriteProc { .. } => self.perform_on_files(step),
            Step::Hostname(_)
            | Step::Domainname(_)
            | Step::Rlimit { .. }
            | Step::Scheduler(_)
            | Step::IoPriority { .. }
            | Step::CpuAffinity { .. }
            | Step::Personality { .. }
            | Step::MemoryPolicy { .. }
            | Step::Umask { .. } => self.perform_on_limits(step),
            Step::NoNewPrivileges
            | Step::Bounding { .. }
            | Step::KeepCapabilities(_)
            | Step::Groups { .. }
            | Step::User { .. }
            | Step::Capabilities { .. }
            | Step::Ambient { .. }
            | Step::ResetSignals => self.perform_on_privileges(step),
        }
    }

    /// Steps that make the container's file system.
    fn perform_on_root(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Propagation { flags } => self.propagate(*flags),
            Step::Root {
                source,
                path,
                attributes,
            } => self.attach_root(source, path, attributes),
            Step::OpenRoot { path } => self.open_root(path),
            Step::Mount(mount) => self.mount(mount),
            Step::SetAttributes { target, attributes } => self.set_attributes(target, attributes),
            Step::Device(device) => self.make_device(device),
            Step::Symlink { path, to } => self.make_link(path, to),
            Step::Ptmx => self.link_ptmx(),
            Step::PivotRoot => self.pivot(),
            Step::MoveRoot { detach } => self.move_root(detach),
            Step::Chroot => self.change_root(),
            Step::RootPropagation { flags } => self.propagate_root(*flags),
            Step::ReadonlyRoot => self.make_root_read_only(),
            Step::MaskPath { path } => self.mask(path),
            Step::MaskSource { source } => self.take_null(source),
            Step::ReadonlyPath { path } => self.make_read_only(path),
            _ => NOT_HERE,
        }
    }

    /// Steps that work on files of a container that is there.
    fn perform_on_files(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Terminal {
                socket,
                size,
                console,
                uid,
            } => self.open_terminal(*socket, *size, *console, *uid),
            Step::ReopenNull => self.reopen_null(),
            Step::OwnStdio { uid } => self.own_stdio(*uid),
            Step::WorkingDirectory { path, create, last } => {
                self.enter_directory(path, *create, *last)
            }
            Step::WriteProc {
                alternatives,
                value,
            } => self.write_proc(alternatives, value),
            _ => NOT_HERE,
        }
    }

    /// Steps that give the process and its namespaces names and limits.
    fn perform_on_limits(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Hostname(name) => identity::set_host_name(name),
            Step::Domainname(name) => identity::set_domain_name(name),
            Step::Rlimit {
                resource,
                soft,
                hard,
            } => schedule::set_limit(*resource, *soft, *hard),
            Step::Scheduler(attributes) => schedule::set_scheduler(attributes),
            Step::IoPriority { value } => schedule::set_io_priority(*value),
            Step::CpuAffinity { mask } => schedule::set_affinity(mask),
            Step::Personality { value } => schedule::set_personality(*value),
            Step::MemoryPolicy {
                mode,
                nodes,
                max_node,
            } => schedule::set_memory_policy(*mode, nodes, *max_node),
            Step::Umask { mask } => {
                let inherited = schedule::set_umask(*mask);
                self.umask.get_or_insert(inherited);
                Ok(())
            }
            _ => NOT_HERE,
        }
    }

    /// Steps that take privileges away.
    fn perform_on_privileges(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::NoNewPrivileges => process::set_no_new_privileges(),
            Step::Bounding { keep } => self.limit_bounding_set(*keep),
            Step::KeepCapabilities(keep) => process::set_keep_capabilities(*keep),
            Step::Groups { gids } => self.set_groups(gids),
            Step::User {
                uid,
                gid,
                are_mapped,
            } => self.become_user(*uid, *gid, *are_mapped),
            Step::Capabilities {
                effective,
                permitted,
                inheritable,
            } => identity::set_capabilities(*effective, *permitted, *inheritable),
            Step::Ambient { raise } => user::set_ambient(*raise),
            Step::ResetSignals => self.reset_signals(),
            _ => NOT_HERE,
        }
    }

    /// Installs the filter, and hands its listener to the parent: what the filter forbids this
    /// process may no longer do.
    fn install_filter(&mut self) -> Result<()> {
        let Some(filter) = self.seccomp else {
            return Err(Fault::new(Call::MissingDescriptor, 0));
        };
        let listener = seccomp::install(filter)
            .map_err(|error| Fault::new(Call::Seccomp, error.raw_os_error().unwrap_or(0)))?;
        let Some(listener) = listener else {
            return Ok(());
        };
        let message = Message::Listener(listener.as_raw_fd());
        let args = [self.sync.as_raw_fd(), 0, libc::MSG_NOSIGNAL, 0, 0, 0];
        let args = args.map(|arg| u64::from(arg.unsigned_abs()));
        let sendmsg = u32::try_from(libc::SYS_sendmsg).unwrap_or(u32::MAX);
        if filter.lets_through(sendmsg, args) {
            return self.send(message, Some(listener.as_fd()));
        }
        // The parent takes a copy; this one, which is closed on exec, must not go before that.
        let _ = listener.into_raw_fd();
        self.send(message, None)
    }
}
