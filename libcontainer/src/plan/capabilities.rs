//! Capability sets as masks (capabilities(7)).

#![forbid(unsafe_code)]

use std::str::FromStr;

use oci_spec::runtime::{Capabilities, LinuxCapabilities};

use super::builder::Builder;
use crate::facts::Facts;

/// The five sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sets {
    pub(crate) bounding: u64,
    pub(crate) effective: u64,
    pub(crate) permitted: u64,
    pub(crate) inheritable: u64,
    pub(crate) ambient: u64,
}

/// The names that are known, in the kernel's order.
pub(crate) fn known() -> Vec<String> {
    let mut all: Vec<caps::Capability> = caps::all().into_iter().collect();
    all.sort_by_key(caps::Capability::index);
    all.iter().map(ToString::to_string).collect()
}

/// The sets of the configuration; without them there are none. What the kernel does not know or
/// would refuse is left out with a warning.
pub(crate) fn sets(
    b: &mut Builder,
    facts: &Facts,
    capabilities: Option<&LinuxCapabilities>,
) -> Sets {
    let Some(capabilities) = capabilities else {
        return Sets::default();
    };
    let mut mask = |name: &str, set: &Option<Capabilities>| {
        mask(
            b,
            facts,
            &format!("process.capabilities.{name}"),
            set.as_ref(),
        )
    };
    let mut sets = Sets {
        bounding: mask("bounding", capabilities.bounding()),
        effective: mask("effective", capabilities.effective()),
        permitted: mask("permitted", capabilities.permitted()),
        inheritable: mask("inheritable", capabilities.inheritable()),
        ambient: mask("ambient", capabilities.ambient()),
    };
    let raisable = sets.permitted & sets.inheritable;
    // The words are runc's.
    for name in names(sets.ambient & !raisable) {
        b.warn(
            "process.capabilities.ambient",
            format_args!(
                "can't raise ambient capability {name}: it is not both permitted and inheritable"
            ),
        );
    }
    sets.ambient &= raisable;
    sets
}

fn mask(b: &mut Builder, facts: &Facts, field: &str, set: Option<&Capabilities>) -> u64 {
    let mut mask = 0;
    let mut unknown = Vec::new();
    for capability in set.into_iter().flatten() {
        let name = format!("CAP_{capability}");
        match caps::Capability::from_str(&name) {
            Ok(known) if known.index() <= facts.last_capability => mask |= known.bitmask(),
            _ => unknown.push(name),
        }
    }
    unknown.sort();
    for name in unknown {
        b.warn(
            field,
            format_args!("{name} is not known to this kernel and is left out"),
        );
    }
    mask
}

/// The names of the capabilities in a mask.
pub(crate) fn names(mask: u64) -> Vec<String> {
    let mut all: Vec<caps::Capability> = caps::all()
        .into_iter()
        .filter(|capability| capability.bitmask() & mask != 0)
        .collect();
    all.sort_by_key(caps::Capability::index);
    all.iter().map(ToString::to_string).collect()
}
