//! `plan`: what `create` would do, without doing any of it.

#![forbid(unsafe_code)]

use libcontainer::plan::render;
use serde::Serialize;

use super::{Context, create};
use crate::args::flags;
use crate::failure::Failure;
use crate::output::{self, Status};

/// A plan as JSON.
#[derive(Serialize)]
struct Document {
    /// What is done, in order.
    steps: Vec<render::Line>,
    /// What the container does not get although the configuration asks for it.
    warnings: Vec<String>,
}

pub(super) fn plan(context: &Context<'_>) -> Result<Status, Failure> {
    let plan = create::planned(context)?.plan()?;
    if context.matches.text(&flags::PLAN_FORMAT).as_deref() == Some("json") {
        return output::json_pretty(&Document {
            steps: render::lines(&plan),
            warnings: plan.warnings,
        });
    }
    let warnings = plan
        .warnings
        .iter()
        .map(|warning| format!("warning: {warning}\n"));
    let text: String = [render::text(&plan)].into_iter().chain(warnings).collect();
    output::text(&text)
}
