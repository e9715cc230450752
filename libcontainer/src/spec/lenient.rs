//! What the specification lets a runtime pass over and the typed configuration does not take.

#![forbid(unsafe_code)]

use serde_json::Value;

use oci_spec::runtime::Capability;

use crate::plan::quoted;

/// Takes out of a configuration what can be passed over; tells what matters.
pub(super) fn spec(value: &mut Value) -> Vec<String> {
    let mut warnings = Vec::new();
    drop_null(value);
    if let Some(process) = value.get_mut("process") {
        warnings = tolerate_process(process);
    }
    let devices = value.pointer_mut("/linux/resources/devices");
    for device in devices.and_then(Value::as_array_mut).into_iter().flatten() {
        drop_empty(device, "type");
    }
    warnings
}

/// The same for a process.
pub(super) fn process(value: &mut Value) -> Vec<String> {
    drop_null(value);
    tolerate_process(value)
}

/// `null` is a way to say nothing.
fn drop_null(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_null);
        }
        Value::Array(elements) => elements.iter_mut().for_each(drop_null),
        _ => {}
    }
}

/// An empty string is a way to say nothing where a name is wanted.
fn drop_empty(value: &mut Value, name: &str) {
    if let Some(members) = value.as_object_mut()
        && members.get(name).and_then(Value::as_str) == Some("")
    {
        members.remove(name);
    }
}

fn tolerate_process(process: &mut Value) -> Vec<String> {
    if let Some(process) = process.as_object_mut() {
        process
            .entry("user")
            .or_insert_with(|| Value::Object(serde_json::Map::new()));
    }
    if let Some(scheduler) = process.get_mut("scheduler") {
        rename_flags(scheduler);
    }
    let mut warnings = Vec::new();
    let sets = process
        .get_mut("capabilities")
        .and_then(Value::as_object_mut);
    for (name, set) in sets.into_iter().flatten() {
        if let Some(set) = set.as_array_mut() {
            let field = format!("process.capabilities.{name}");
            drop_unknown_capabilities(&field, set, &mut warnings);
        }
    }
    warnings
}

/// The types derive other names of these flags than the specification's and the kernel's.
fn rename_flags(scheduler: &mut Value) {
    let flags = scheduler.get_mut("flags").and_then(Value::as_array_mut);
    for flag in flags.into_iter().flatten() {
        match flag.as_str() {
            Some("SCHED_FLAG_DL_OVERRUN") => *flag = Value::from("SCHED_FLAG_D_L_OVERRUN"),
            Some("SCHED_FLAG_RESET_ON_FORK") => *flag = Value::from("SCHED_RESET_ON_FORK"),
            _ => {}
        }
    }
}

/// A runtime should warn of these and not fail (config.md, "Linux Process").
fn drop_unknown_capabilities(field: &str, set: &mut Vec<Value>, warnings: &mut Vec<String>) {
    set.retain(|capability| {
        let Some(name) = capability.as_str() else {
            return true;
        };
        let known = serde_json::from_value::<Capability>(capability.clone()).is_ok();
        if !known {
            warnings.push(format!(
                "{field}: ignoring unknown or unavailable capability {}",
                quoted(name)
            ));
        }
        known
    });
}
