//! Starting the pipeline: [`start`].

use crate::api::Api;
use blockhouse_sdk::{
    CallError, Failure, Host, JsonObject, Part, Run, Step, failure, unclear, web_link,
};

const BEHAVIOR: &str = "MESHSTACK_BEHAVIOR";

/// A run of the pipeline.
pub(crate) struct Started {
    pub(crate) id: u64,
    pub(crate) link: Option<String>,
}

impl Started {
    /// Where people can look at it, as the end of a sentence.
    pub(crate) fn place(&self) -> String {
        self.link.as_ref().map_or_else(|| ".".to_owned(), |link| format!(": {link}"))
    }
}

/// Starts the pipeline, once.
pub(crate) fn start<H: Host>(
    api: &Api<'_, '_, H>,
    run: &Run<'_, H::Secret>,
    step: &Step<'_, H>,
) -> Result<Started, Failure> {
    let started =
        api.start(body(run, api.settings.revision, step)?).map_err(|error| match error {
            CallError::Unanswered(error) => {
                unclear("Azure DevOps", "the pipeline was started", error)
            }
            CallError::Troubled(trouble) => Failure {
                message: format!(
                    "{} It is not known whether the pipeline was started: look there first.",
                    trouble.message
                ),
                ..trouble
            },
            CallError::Refused(refusal) => refusal,
        })?;
    step.log(&format!("run {} of the pipeline was created", started.id))?;
    Ok(Started { id: started.id, link: started.link().and_then(web_link).map(str::to_owned) })
}

/// Every input that is not for the environment, as a string: pipelines turn it into what they declare.
fn body<'a, H: Host>(
    run: &Run<'a, H::Secret>,
    revision: Option<&str>,
    step: &Step<'_, H>,
) -> Result<Vec<Part<'a, H::Secret>>, Failure> {
    let mut parameters = JsonObject::default();
    for input in run.inputs.iter().filter(|input| !input.is_environment) {
        if input.key == BEHAVIOR {
            step.log(&format!(
                "warning: the input `{BEHAVIOR}` is not passed on: the runner sets the parameter of this name"
            ))?;
        } else if !input.value.is_null() {
            parameters = parameters.entered(input.key, input.value);
        }
    }
    let parameters = parameters.text(BEHAVIOR, run.behavior_name());
    let mut body = JsonObject::default().object("templateParameters", parameters);
    if let Some(revision) = revision {
        let own = JsonObject::default().text("refName", revision);
        let repositories = JsonObject::default().object("self", own);
        let resources = JsonObject::default().object("repositories", repositories);
        body = body.object("resources", resources);
    }
    Ok(body.finish())
}

/// The run was stopped, and so was the pipeline if Azure DevOps has taken the request.
pub(crate) fn cancelled<H: Host>(api: &Api<'_, '_, H>, started: &Started) -> Failure {
    match api.stopping().cancel(started.id) {
        Ok(()) => failure(format!(
            "The run was stopped, and Azure DevOps was told to cancel the pipeline{}",
            started.place()
        )),
        Err(error) => {
            let Failure { message, detail } = error.into_failure("Azure DevOps");
            let message = format!(
                "The run was stopped, but the pipeline could not be cancelled and goes on. Please cancel it yourself{} ({message})",
                started.place()
            );
            Failure { message, detail }
        }
    }
}
