//! Starting the workflow: [`dispatch`].

use crate::api::Api;
use crate::refusal::refused;
use crate::settings::Settings;
use blockhouse_sdk::{
    CallError, Document, Failure, Host, JsonObject, Request, Response, Run, detailed, failure,
    messages, unclear, web_link,
};
use serde::Deserialize;
use std::time::SystemTime;

const ADDRESS: &str = "buildingBlockRunUrl";
const API_TOKEN: &str = "MESHSTACK_API_TOKEN";
const DOCUMENT: &str = "buildingBlockRun";
const ENDPOINT: &str = "MESHSTACK_ENDPOINT";
const RUN_TOKEN: &str = "MESHSTACK_RUN_TOKEN";

/// Asks GitHub to tell which run it has created. Known there since February 2026.
const RUN_DETAILS: &str = "return_run_details";

/// A workflow that was dispatched.
pub(crate) struct Dispatched {
    pub(crate) at: SystemTime,
    /// Which run it became, if GitHub has said so.
    pub(crate) details: Option<Details>,
}

/// The run that GitHub has created.
#[derive(Deserialize)]
pub(crate) struct Details {
    #[serde(default)]
    pub(crate) html_url: Option<String>,
    pub(crate) workflow_run_id: u64,
}

impl Dispatched {
    /// Where people can look at it, as the end of a sentence.
    pub(crate) fn place(&self) -> String {
        let link = self.details.as_ref().and_then(|details| details.html_url.as_deref());
        link.and_then(web_link).map_or_else(|| ".".to_owned(), |link| format!(": {link}"))
    }
}

/// Dispatches the workflow, once.
pub(crate) fn dispatch<H: Host>(
    host: &H,
    api: &mut Api<'_, '_, H>,
    run: &Run<'_, H::Secret>,
) -> Result<Dispatched, Failure> {
    let settings = api.settings;
    // Before anything is sent: what is missing in the run shall not be found out half-way.
    inputs(run, settings)?;
    let at = host.now();
    let mut answer = send(api, run, true)?;
    // An older GitHub Enterprise Server does not know the question. Nothing was dispatched then.
    if matches!(answer.status, 400 | 422) && messages(&answer.body).contains(RUN_DETAILS) {
        answer = send(api, run, false)?;
    }
    if answer.is_success() {
        return Ok(Dispatched { at, details: answer.json().ok() });
    }
    Err(not_dispatched(&answer, settings))
}

fn send<H: Host>(
    api: &mut Api<'_, '_, H>,
    run: &Run<'_, H::Secret>,
    with_details: bool,
) -> Result<Response<H::Secret>, Failure> {
    let settings = api.settings;
    let url = settings.url(&["actions", "workflows", settings.workflow, "dispatches"]);
    let inputs = || inputs(run, settings).unwrap_or_default();
    let body = || {
        let body = JsonObject::default().text("ref", settings.branch).object("inputs", inputs());
        if with_details { body.json(RUN_DETAILS, "true") } else { body }.finish()
    };
    api.call(|| Request::act("POST", url.clone()).json(body())).map_err(|error| match error {
        CallError::Unanswered(error) => unclear("GitHub", "the workflow was dispatched", error),
        error => error.into_failure("GitHub"),
    })
}

/// What the workflow is told about the run: its document, or where it is and how to get in there.
fn inputs<'a, S>(
    run: &Run<'a, S>,
    settings: &Settings<'_, S>,
) -> Result<JsonObject<'a, S>, Failure> {
    if !settings.omits_document {
        let document = Document { base64: true, without_implementation: true };
        return Ok(JsonObject::default().document(DOCUMENT, document));
    }
    let mut inputs = JsonObject::default().text(ADDRESS, run.required_link("self")?);
    if let Some(token) = run.input(API_TOKEN) {
        inputs =
            inputs.entered(API_TOKEN, token).text(ENDPOINT, run.required_link("meshstackBaseUrl")?);
    }
    if let Some(token) = run.input(RUN_TOKEN) {
        inputs = inputs.entered(RUN_TOKEN, token);
    }
    Ok(inputs)
}

fn not_dispatched<S, T>(answer: &Response<S>, settings: &Settings<'_, T>) -> Failure {
    let said = messages(&answer.body);
    let detail = format!("status {}: {said}", answer.status);
    let (workflow, repository) = (settings.workflow, settings.full_name());
    match answer.status {
        404 => detailed(
            format!(
                "There is no workflow `{workflow}` in the repository `{repository}`. Please ask the platform team to check the building block's definition."
            ),
            detail,
        ),
        422 if said.contains("Unexpected inputs") => {
            let missing = undeclared(&said);
            let advice = if missing.is_empty() { said } else { missing.join("`, `") };
            detailed(
                format!(
                    "The workflow `{workflow}` does not declare an input that it gets: `{advice}`. Please ask the platform team to declare it under `on: workflow_dispatch: inputs:`, on the branch `{}` of `{repository}`.",
                    settings.branch
                ),
                detail,
            )
        }
        400..=499 if !said.is_empty() => failure(format!(
            "GitHub has not dispatched the workflow `{workflow}`: {said}. Please ask the platform team to check the workflow and the building block's definition."
        )),
        500..=599 => detailed(
            "GitHub has trouble of its own, and it is not known whether the workflow was dispatched. Please look there before you start the run again.",
            detail,
        ),
        _ => refused(answer, settings).into_failure("GitHub"),
    }
}

/// Which of our inputs GitHub complains about.
fn undeclared(said: &str) -> Vec<&'static str> {
    let words: Vec<_> = said.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let ours = [ADDRESS, API_TOKEN, DOCUMENT, ENDPOINT, RUN_TOKEN];
    ours.into_iter().filter(|name| words.contains(name)).collect()
}
