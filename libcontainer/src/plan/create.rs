//! The plan for a container's first process.

#![forbid(unsafe_code)]

use oci_spec::runtime::Spec;

use super::builder::{Builder, c_string};
use super::hooks::{HookKind, container_hooks, runtime_hooks};
use super::namespaces::{self, Namespaces};
use super::step::{Entry, NamespaceKind, Request, Step};
use super::{
    CreateOptions, Hook, NetDevice, Plan, exec, hosts_mounts, image, process, root, sysctl, trees,
};
use crate::error::{Error, Result};
use crate::facts::Facts;
use crate::validate;

/// Plans the creation of a container.
///
/// # Errors
/// A field of the configuration that is wrong or contradicts another, named by its JSON path.
pub fn create(spec: &Spec, facts: &Facts, options: &CreateOptions<'_>) -> Result<Plan> {
    validate::id(&options.id)?;
    let Some(process) = spec.process() else {
        return Err(Error::config("process", "is required to start a container"));
    };
    let namespaces = Namespaces::of(spec)?;
    validate::spec(spec, &namespaces, facts)?;
    exec::check_affinity(process)?;
    let id_maps = if namespaces.is_new(NamespaceKind::User) {
        Some(namespaces::id_maps(spec, facts)?)
    } else {
        None
    };
    let mut b = Builder::new();
    let filter = process::filter(&mut b, spec)?;
    let image = image::plan(process, facts)?;
    let context = process::Context {
        spec,
        process,
        facts,
        user_namespace: namespaces.has(NamespaceKind::User),
        id_maps: id_maps.as_ref(),
        filter: filter.as_ref(),
        image: &image,
        terminal_socket: options.terminal_socket,
        preserve_fds: options.preserve_fds,
        first: true,
        affinity: (!facts.online_cpus.is_empty()).then(|| ("process", facts.online_cpus.clone())),
    };
    // What is made gets the mode that is asked for.
    b.step("process.user.umask", Step::Umask { mask: 0 });
    let runtime_hooks = before_root_changes(spec)?;
    let net_devices = net_devices(spec);
    let mut birth = namespaces::enter(&mut b, &namespaces, spec, facts, options)?;
    session(&mut b, &context, &namespaces, options)?;
    let receive_at = b.steps.len();
    let root = root::Context {
        spec,
        namespaces: &namespaces,
        facts,
        options,
    };
    let read_only = root::build(&mut b, &root)?;
    ask_for_hooks(&mut b, &runtime_hooks, &net_devices);
    into_root(&mut b, &context, &root, read_only)?;
    let start_hooks = container_hooks(spec, HookKind::StartContainer, options)?;
    let parent_limits = process::tail(&mut b, &context, start_hooks)?;
    trees::request(&mut b, &mut birth, options, receive_at);
    birth.may_begin_empty = hosts_mounts::are_dispensable(&b, &birth, facts);
    Ok(Plan {
        opens: b.opens,
        birth,
        steps: b.steps,
        id_maps,
        image,
        runtime_hooks,
        seccomp: filter,
        net_devices,
        parent_limits,
        warnings: b.warnings,
        rootfs: Some(root::path(spec, options)?),
    })
}

/// From the root that is built to the one that the program sees.
fn into_root(
    b: &mut Builder,
    context: &process::Context<'_>,
    root: &root::Context<'_>,
    read_only: Vec<Entry>,
) -> Result<()> {
    let hooks = container_hooks(root.spec, HookKind::CreateContainer, root.options)?;
    if !hooks.is_empty() {
        b.step("hooks.createContainer", Step::Hooks(hooks));
    }
    root::change(b, root)?;
    process::terminal(b, context)?;
    b.steps.extend(read_only);
    root::finish(b, root);
    names(b, root.spec)?;
    process::labels(b, context)?;
    sysctl::plan(b, root.spec)?;
    root::restrict(b, root)?;
    root::propagate(b, root)
}

/// What belongs to the process alone and needs nothing but its namespaces.
fn session(
    b: &mut Builder,
    context: &process::Context<'_>,
    namespaces: &Namespaces<'_>,
    options: &CreateOptions<'_>,
) -> Result<()> {
    b.step("process", Step::NewSession);
    if options.new_keyring {
        process::keyring(b, context, &options.id)?;
    }
    if namespaces.is_new(NamespaceKind::Network) {
        b.step(namespaces.field(NamespaceKind::Network), Step::LoopbackUp);
    }
    Ok(())
}

fn before_root_changes(spec: &Spec) -> Result<Vec<Hook>> {
    let mut hooks = runtime_hooks(spec, HookKind::Prestart)?;
    hooks.extend(runtime_hooks(spec, HookKind::CreateRuntime)?);
    // Run much later, but a wrong one is better told now.
    runtime_hooks(spec, HookKind::Poststart)?;
    runtime_hooks(spec, HookKind::Poststop)?;
    Ok(hooks)
}

fn ask_for_hooks(b: &mut Builder, hooks: &[Hook], devices: &[NetDevice]) {
    if !hooks.is_empty() {
        b.step("hooks", Step::Ask(Request::RunHooks));
    } else if !devices.is_empty() {
        b.step("linux.netDevices", Step::Ask(Request::MoveNetDevices));
    }
}

fn net_devices(spec: &Spec) -> Vec<NetDevice> {
    let linux = spec.linux().as_ref();
    let mut devices: Vec<NetDevice> = linux
        .and_then(|l| l.net_devices().as_ref())
        .into_iter()
        .flatten()
        .map(|(name, device)| NetDevice {
            name: name.clone(),
            rename: device.name().clone().filter(|name| !name.is_empty()),
        })
        .collect();
    devices.sort_by(|one, other| one.name.cmp(&other.name));
    devices
}

fn names(b: &mut Builder, spec: &Spec) -> Result<()> {
    for (field, name) in [
        ("hostname", spec.hostname()),
        ("domainname", spec.domainname()),
    ] {
        let Some(name) = name.as_deref().filter(|name| !name.is_empty()) else {
            continue;
        };
        let name = c_string(field, name)?.into_c_string().into_bytes();
        let step = if field == "hostname" {
            Step::Hostname(name)
        } else {
            Step::Domainname(name)
        };
        b.step(field, step);
    }
    Ok(())
}
