//! `create`: makes a container, whose program waits for `start`.

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

use libcontainer::{Create, spec};
use nix::errno::Errno;
use oci_spec::runtime::{LinuxNamespaceType, Spec};

use super::{Context, check_terminal, notify_socket};
use crate::args::flags;
use crate::failure::Failure;
use crate::log::Log;
use crate::output::Status;

pub(super) fn create(context: &Context<'_>) -> Result<Status, Failure> {
    let make = || -> Result<Status, Failure> {
        let options = context.process_options()?;
        let wanted = request(context, true)?;
        wanted.request.process(options).create()?;
        Ok(Status::Success)
    };
    make().map_err(|source| Failure::Make {
        command: "create",
        source: Box::new(source),
    })
}

/// What `create` and `run` are asked for.
pub(super) struct Wanted {
    /// The container. How its process is connected is for the caller to add.
    pub(super) request: Create,
    /// Whether it wants a terminal.
    pub(super) terminal: bool,
    /// Whether it gets a PID namespace of its own, whose first process takes all that lose their parent.
    pub(super) own_pids: bool,
}

/// What the options of `create` and `run` describe. A terminal must have somewhere to go.
pub(super) fn request(context: &Context<'_>, detach: bool) -> Result<Wanted, Failure> {
    let configuration = configuration(context)?;
    let (terminal, own_pids) = (configuration.wants_terminal(), configuration.own_pids());
    let socket = context.matches.path(&flags::CONSOLE_SOCKET);
    check_terminal(terminal, detach, socket.is_some())?;
    context.settings.make_private_root()?;
    let mut request = described(context, context.id(), configuration);
    if let Some(host) = notify_socket() {
        request = request.notify_socket(host);
    }
    if let Some(root) = context.matches.path(&flags::RESCTRL) {
        request = request.resctrl(root);
    }
    Ok(Wanted {
        request,
        terminal,
        own_pids,
    })
}

/// The same for `plan`, which makes nothing and so needs no name for it.
pub(super) fn planned(context: &Context<'_>) -> Result<Create, Failure> {
    let configuration = configuration(context)?;
    let id = context.matches.operand(0);
    let id = id.as_deref().unwrap_or("container").to_owned();
    let options = context.process_options()?;
    Ok(described(context, id, configuration).process(options))
}

/// The configuration, the bytes that it was read from, and the bundle.
struct Configuration {
    spec: Spec,
    bytes: Vec<u8>,
    bundle: PathBuf,
}

impl Configuration {
    fn wants_terminal(&self) -> bool {
        let process = self.spec.process().as_ref();
        process.is_some_and(|process| process.terminal().unwrap_or(false))
    }

    fn own_pids(&self) -> bool {
        let linux = self.spec.linux().as_ref();
        let mut namespaces = linux
            .and_then(|linux| linux.namespaces().as_ref())
            .into_iter()
            .flatten();
        namespaces.any(|namespace| {
            namespace.typ() == LinuxNamespaceType::Pid && namespace.path().is_none()
        })
    }
}

fn configuration(context: &Context<'_>) -> Result<Configuration, Failure> {
    let bundle = context.matches.path(&flags::BUNDLE);
    let bundle = bundle.unwrap_or_else(|| PathBuf::from("."));
    let file = context.matches.path(&flags::CONFIG);
    let file = file.unwrap_or_else(|| bundle.join("config.json"));
    let (spec, bytes) = load(&file, context.log)?;
    Ok(Configuration {
        spec,
        bytes,
        bundle,
    })
}

fn described(context: &Context<'_>, id: String, configuration: Configuration) -> Create {
    let Configuration {
        spec,
        bytes,
        bundle,
    } = configuration;
    let Context {
        matches, settings, ..
    } = context;
    let mut request = Create::new(&settings.root, id, bundle)
        .loaded_spec(spec, bytes)
        .cgroup_manager(settings.manager)
        .no_pivot(matches.is_set(&flags::NO_PIVOT))
        .no_new_keyring(matches.is_set(&flags::NO_NEW_KEYRING));
    if let Some(rootless) = settings.rootless {
        request = request.rootless(rootless);
    }
    request
}

/// The configuration in a file; what it asks for and does not get goes to the log.
fn load(path: &Path, log: &Log) -> Result<(Spec, Vec<u8>), Failure> {
    let bytes = spec::read(path).map_err(|error| match error.errno() {
        Some(errno) if errno == Errno::ENOENT as i32 => Failure::NoConfig(path.to_owned()),
        _ => error.into(),
    })?;
    let (spec, warnings) = spec::load(&bytes)?;
    for warning in warnings {
        log.warning(&warning);
    }
    Ok((spec, bytes))
}
