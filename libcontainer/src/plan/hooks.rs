//! Hooks (config.md, "POSIX-platform Hooks").

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::path::Path;

use oci_spec::runtime::{Hook as HookSpec, Spec};
use serde::Serialize;

use super::builder::{at_most, c_path, c_string};
use super::step::{CStringArray, HookStep};
use super::{CreateOptions, Hook};
use crate::error::{Error, Result};

/// Hooks of one kind.
const HOOKS: usize = 256;
/// Bytes of state that all hooks together are given.
const STATE_BYTES: usize = 64 << 20;
/// What stands in the state for the process number: blanks, which JSON permits before a number.
const PID_BLANKS: &str = "          ";

/// The kinds of hooks, in the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookKind {
    /// `prestart` (deprecated): in the runtime's namespaces, after the container's were made.
    Prestart,
    /// `createRuntime`: in the runtime's namespaces, right after the former.
    CreateRuntime,
    /// `createContainer`: in the container's namespaces, before its root is changed.
    CreateContainer,
    /// `startContainer`: in the container's namespaces, right before its program.
    StartContainer,
    /// `poststart`: in the runtime's namespaces, after the program was started.
    Poststart,
    /// `poststop`: in the runtime's namespaces, after the container was deleted.
    Poststop,
}

impl HookKind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Prestart,
        Self::CreateRuntime,
        Self::CreateContainer,
        Self::StartContainer,
        Self::Poststart,
        Self::Poststop,
    ];

    /// Its name in config.json.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prestart => "prestart",
            Self::CreateRuntime => "createRuntime",
            Self::CreateContainer => "createContainer",
            Self::StartContainer => "startContainer",
            Self::Poststart => "poststart",
            Self::Poststop => "poststop",
        }
    }

    fn of(self, spec: &Spec) -> &[HookSpec] {
        let Some(hooks) = spec.hooks() else {
            return &[];
        };
        #[allow(deprecated)] // prestart is, but must still run
        let list = match self {
            Self::Prestart => hooks.prestart(),
            Self::CreateRuntime => hooks.create_runtime(),
            Self::CreateContainer => hooks.create_container(),
            Self::StartContainer => hooks.start_container(),
            Self::Poststart => hooks.poststart(),
            Self::Poststop => hooks.poststop(),
        };
        list.as_deref().unwrap_or_default()
    }
}

/// The hooks of one kind that the parent runs.
///
/// # Errors
/// A path that is not absolute, a timeout that is not positive.
pub(crate) fn runtime_hooks(spec: &Spec, kind: HookKind) -> Result<Vec<Hook>> {
    let list = kind.of(spec);
    let field = format!("hooks.{}", kind.name());
    at_most(&field, list.len(), HOOKS)?;
    let hooks = Hook::from_spec(list, &field);
    for (hook, planned) in list.iter().zip(&hooks) {
        check(&planned.field, hook)?;
        timeout(&planned.field, hook)?;
    }
    Ok(hooks)
}

impl Hook {
    /// Hooks of a configuration that was checked when the container was made; `field` is the JSON
    /// path of their list.
    pub fn from_spec(hooks: &[HookSpec], field: &str) -> Vec<Self> {
        hooks
            .iter()
            .enumerate()
            .map(|(index, hook)| {
                let field = format!("{field}[{index}]");
                Self {
                    path: hook.path().clone(),
                    args: arguments(hook),
                    env: hook.env().clone().unwrap_or_default(),
                    timeout: timeout(&field, hook).ok().flatten(),
                    field,
                }
            })
            .collect()
    }
}

/// The hooks of one kind that the container's process runs.
pub(crate) fn container_hooks(
    spec: &Spec,
    kind: HookKind,
    options: &CreateOptions<'_>,
) -> Result<Vec<HookStep>> {
    let hooks = kind.of(spec);
    let field = format!("hooks.{}", kind.name());
    at_most(&field, hooks.len(), HOOKS)?;
    if hooks.is_empty() {
        return Ok(Vec::new());
    }
    let status = match kind {
        HookKind::StartContainer => "created",
        _ => "creating",
    };
    let (state, pid_offset) = state(spec, options, status)?;
    if state.len().saturating_mul(hooks.len()) > STATE_BYTES {
        return Err(Error::config(
            "annotations",
            format_args!(
                "{} hooks with a state of {} bytes each are more than {STATE_BYTES} bytes",
                hooks.len(),
                state.len()
            ),
        ));
    }
    hooks
        .iter()
        .enumerate()
        .map(|(index, hook)| {
            let field = format!("{field}[{index}]");
            check(&field, hook)?;
            Ok(HookStep {
                path: c_path(&format!("{field}.path"), hook.path())?,
                argv: array(&format!("{field}.args"), &arguments(hook))?,
                envp: array(
                    &format!("{field}.env"),
                    hook.env().as_deref().unwrap_or_default(),
                )?,
                inherits_env: kind == HookKind::StartContainer && hook.env().is_none(),
                timeout_ms: timeout(&field, hook)?.map(|seconds| seconds.saturating_mul(1000)),
                state: state.clone(),
                pid_offset,
            })
        })
        .collect()
}

fn check(field: &str, hook: &HookSpec) -> Result<()> {
    let path = format!("{field}.path");
    if !hook.path().is_absolute() {
        return Err(Error::config(
            &path,
            format_args!("{:?} is not an absolute path", hook.path()),
        ));
    }
    c_path(&path, hook.path())?;
    array(&format!("{field}.args"), &arguments(hook))?;
    array(
        &format!("{field}.env"),
        hook.env().as_deref().unwrap_or_default(),
    )?;
    Ok(())
}

/// `args` with the program first, as in execv(3); without them the path alone.
fn arguments(hook: &HookSpec) -> Vec<String> {
    match hook.args().as_deref() {
        Some(args) if !args.is_empty() => args.to_vec(),
        _ => vec![hook.path().to_string_lossy().into_owned()],
    }
}

fn array(field: &str, strings: &[String]) -> Result<CStringArray> {
    let strings = strings
        .iter()
        .enumerate()
        .map(|(index, string)| c_string(&format!("{field}[{index}]"), string))
        .collect::<Result<Vec<_>>>()?;
    Ok(CStringArray::new(strings))
}

fn timeout(field: &str, hook: &HookSpec) -> Result<Option<u64>> {
    let Some(seconds) = hook.timeout() else {
        return Ok(None);
    };
    match u64::try_from(seconds) {
        Ok(seconds) if seconds > 0 => Ok(Some(seconds)),
        _ => Err(Error::config(
            &format!("{field}.timeout"),
            format_args!("{seconds} is not greater than zero"),
        )),
    }
}

/// The state as runtime.md has it, with blanks where the process number goes.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct State<'a> {
    oci_version: &'a str,
    id: &'a str,
    status: &'a str,
    bundle: &'a Path,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<&'a str, &'a str>,
}

fn state(spec: &Spec, options: &CreateOptions<'_>, status: &str) -> Result<(Vec<u8>, usize)> {
    let annotations = spec.annotations().as_ref();
    let state = State {
        oci_version: spec.version(),
        id: &options.id,
        status,
        bundle: &options.bundle,
        annotations: annotations
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect(),
    };
    let rest = serde_json::to_string(&state)
        .map_err(|error| Error::config("hooks", format_args!("the state is no JSON: {error}")))?;
    let start = "{\"pid\":";
    let text = format!(
        "{start}{PID_BLANKS},{}",
        rest.strip_prefix('{').unwrap_or_default()
    );
    Ok((text.into_bytes(), start.len()))
}
