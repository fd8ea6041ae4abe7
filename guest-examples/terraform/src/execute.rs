//! The fifth stage: what the run is for.

use crate::bindings::blockhouse::block::artifacts;
use crate::bindings::blockhouse::block::terraform::{self, OperationError, StateFate};
use crate::bindings::{Behavior, Failure, Run};
use crate::diagnostics::is_stale_plan;
use crate::failure::failed;
use crate::settings::Settings;
use crate::source::{Sources, Tool};
use crate::timeline::Timeline;

const AGAIN: &str = "Please run the dry run again, and apply its plan.";

/// What was done, in a sentence for the user.
pub(crate) fn execute(
    run: &Run,
    settings: &Settings<'_>,
    sources: &Sources,
    timeline: &Timeline,
) -> Result<&'static str, Failure> {
    let tool = &sources.tool;
    let told = match run.behavior {
        Behavior::Apply if sources.has_plan => {
            apply_plan(tool)?;
            "The plan of the dry run was applied."
        }
        Behavior::Apply => {
            terraform::apply().map_err(|error| failed(&tool.verb("apply"), &error))?;
            "The configuration was applied."
        }
        Behavior::Destroy => {
            if settings.is_async {
                timeline.log("applying first, so that what works on outside learns of this run")?;
                terraform::apply().map_err(|error| failed(&tool.verb("apply"), &error))?;
            }
            terraform::destroy().map_err(|error| failed(&tool.verb("destroy"), &error))?;
            "Everything that the configuration had made was destroyed."
        }
        Behavior::Detect => {
            let changes = terraform::plan().map_err(|error| failed(&tool.verb("plan"), &error))?;
            artifacts::publish_plan(changes)
                .map_err(|error| failed("Handing the plan to meshStack", &error))?;
            if changes {
                "The dry run has found changes."
            } else {
                "The dry run has found no changes."
            }
        }
    };
    // In an asynchronous run a script may have left its message on the only step.
    if !settings.is_async {
        timeline.tell(told)?;
    }
    Ok(told)
}

/// Exactly that plan or nothing: planning again would apply what nobody has looked at.
fn apply_plan(tool: &Tool) -> Result<(), Failure> {
    artifacts::fetch_plan().map_err(|error| match &error {
        OperationError::Failed(failure) => Failure {
            message: format!("meshStack does not have the plan of the dry run any more. {AGAIN}"),
            detail: Some(failure.diagnostics.clone()),
        },
        _ => failed("Fetching the plan of the dry run", &error),
    })?;
    terraform::apply_plan().map_err(|error| match &error {
        OperationError::Failed(failure) if is_stale(&failure.diagnostics, &failure.state) => Failure {
            message: format!("Something has changed since the dry run, so that its plan can't be applied. {AGAIN}"),
            detail: None,
        },
        _ => failed(&tool.verb("apply of the plan"), &error),
    })
}

/// A state that is lost matters more than a plan that is old.
fn is_stale(diagnostics: &str, state: &StateFate) -> bool {
    matches!(state, StateFate::Saved | StateFate::Untouched) && is_stale_plan(diagnostics)
}
