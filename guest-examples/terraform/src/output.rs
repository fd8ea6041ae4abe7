//! The last stage: outputs, and the workspace of a block that is gone.

use crate::bindings::blockhouse::block::progress::OutputValue;
use crate::bindings::blockhouse::block::terraform::{self, OutputShape, ToolOutput, ToolValue};
use crate::bindings::blockhouse::block::types::OutputType;
use crate::bindings::{Behavior, Failure, Run};
use crate::failure::failed;
use crate::outputs::{self, Kind, Mapped, Shape};
use crate::source::Tool;
use crate::timeline::Timeline;

/// The workspace that every backend has, and that none can lose.
const DEFAULT: &str = "default";

pub(crate) fn collect(
    run: &Run,
    tool: &Tool,
    workspace: Option<&str>,
    timeline: &Timeline,
) -> Result<(), Failure> {
    if run.behavior != Behavior::Destroy {
        return pass_on(tool, timeline);
    }
    match workspace.filter(|name| *name != DEFAULT) {
        Some(name) => delete(name, tool, timeline),
        None => Ok(()),
    }
}

/// All that can be passed on is, before the run fails because of one that can't: others build upon them.
fn pass_on(tool: &Tool, timeline: &Timeline) -> Result<(), Failure> {
    let outputs = terraform::outputs().map_err(|error| failed(&tool.verb("output"), &error))?;
    let mut refused = Vec::new();
    for output in &outputs {
        let (kind, value, is_sensitive) = value(output);
        let Some(step) = timeline.current() else { continue };
        if let Err(error) = step.output(&output.name, kind, &value, is_sensitive) {
            refused.push(format!("`{}` ({error})", output.name));
        }
    }
    timeline.log(&format!("{} outputs", outputs.len() - refused.len()))?;
    if refused.is_empty() {
        return Ok(());
    }
    Err(Failure {
        message: format!(
            "The configuration was applied, but not all of its outputs can be passed on: {}. Please tell the platform team.",
            refused.join(", ")
        ),
        detail: None,
    })
}

fn value(output: &ToolOutput) -> (OutputType, OutputValue<'_>, bool) {
    let shape = match output.shape {
        OutputShape::Boolean => Shape::Boolean,
        OutputShape::Number => Shape::Number,
        OutputShape::Structure => Shape::Structure,
        OutputShape::Text => Shape::Text,
        OutputShape::WholeNumber => Shape::WholeNumber,
    };
    match &output.value {
        ToolValue::Json(json) => {
            let (kind, value) = outputs::map(shape, json);
            let value = match value {
                Mapped::Json(json) => OutputValue::Json(json),
                Mapped::Text(text) => OutputValue::Text(text),
            };
            (output_type(kind), value, false)
        }
        ToolValue::Secret(secret) => {
            (output_type(outputs::kind(shape)), OutputValue::Secret(secret), true)
        }
    }
}

fn output_type(kind: Kind) -> OutputType {
    match kind {
        Kind::Boolean => OutputType::Boolean,
        Kind::Code => OutputType::Code,
        Kind::Integer => OutputType::Integer,
        Kind::Text => OutputType::String,
    }
}

/// The block is gone whether this works or not.
fn delete(name: &str, tool: &Tool, timeline: &Timeline) -> Result<(), Failure> {
    let deleted =
        terraform::select_workspace(DEFAULT).and_then(|()| terraform::delete_workspace(name));
    match deleted {
        Ok(()) => timeline.log(&format!("deleted the workspace `{name}`")),
        Err(error) => {
            let failure = failed(&tool.verb("workspace delete"), &error);
            timeline.warn(&format!("the workspace `{name}` is left: {}", failure.message))
        }
    }
}
