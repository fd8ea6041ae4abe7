//! The calls of Azure DevOps: [`Api`], and what its refusals mean.

use crate::settings::Settings;
use blockhouse_sdk::{
    CallError, Client, HeaderValue, Host, JsonObject, Part, Request, Response, detailed, failure,
    messages,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

const VERSION: (&str, &str) = ("api-version", "7.1");

/// The timeline of a large pipeline has every task of every job.
const TIMELINE_MAX: u64 = 7 << 20;

/// The calls, made with the definition's token.
pub(crate) struct Api<'h, 'a, H: Host> {
    client: Client<'h, H>,
    pub(crate) settings: &'a Settings<'a, H::Secret>,
}

/// A run of a pipeline.
#[derive(Deserialize)]
pub(crate) struct PipelineRun {
    pub(crate) id: u64,
    #[serde(default)]
    pub(crate) result: Option<String>,
    #[serde(default)]
    pub(crate) state: Option<String>,
    #[serde(default, rename = "_links")]
    links: Option<Links>,
}

#[derive(Deserialize)]
struct Links {
    web: Option<Web>,
}

#[derive(Deserialize)]
struct Web {
    href: Option<String>,
}

/// What is going on in a build; only the stages are looked at.
#[derive(Deserialize)]
struct Timeline {
    #[serde(default)]
    records: Vec<Record>,
}

/// A part of a build: a stage, a job, a task.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    #[serde(default)]
    pub(crate) finish_time: Option<String>,
    pub(crate) id: String,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    order: Option<i64>,
    #[serde(default)]
    pub(crate) result: Option<String>,
    #[serde(default)]
    pub(crate) start_time: Option<String>,
    #[serde(default)]
    pub(crate) state: Option<String>,
}

impl PipelineRun {
    /// Where people can look at it.
    pub(crate) fn link(&self) -> Option<&str> {
        self.links.as_ref()?.web.as_ref()?.href.as_deref()
    }
}

impl<'h, 'a, H: Host> Api<'h, 'a, H> {
    pub(crate) fn new(host: &'h H, settings: &'a Settings<'a, H::Secret>) -> Self {
        let client = Client::new(host, "blockhouse").with_header("accept", "application/json");
        Self { client, settings }
    }

    /// The calls for the seconds after an abort.
    pub(crate) fn stopping(&self) -> Self {
        Self { client: self.client.stopping(), settings: self.settings }
    }

    /// Starts a run.
    pub(crate) fn start(&self, body: Vec<Part<'_, H::Secret>>) -> Result<PipelineRun, CallError> {
        let url = self.url(&["pipelines", self.settings.pipeline, "runs"]);
        let answer = self.answer(Request::act("POST", url).json(body))?;
        // Of all trouble this is the one that leaves no doubt.
        if answer.status == 429 {
            return Err(failure(
                "Azure DevOps has not started the pipeline: there were too many requests. Please try again in some minutes.",
            )
            .into());
        }
        parsed(&accepted(answer)?)
    }

    /// How far a run has got.
    pub(crate) fn run(&self, id: u64) -> Result<PipelineRun, CallError> {
        let url = self.url(&["pipelines", self.settings.pipeline, "runs", &id.to_string()]);
        parsed(&self.send(Request::ask(url))?)
    }

    /// The stages of a run in their order; none before it has begun.
    pub(crate) fn stages(&self, id: u64) -> Result<Vec<Record>, CallError> {
        let url = self.url(&["build", "builds", &id.to_string(), "timeline"]);
        let request = Request { max_response_bytes: TIMELINE_MAX, ..Request::ask(url) };
        let answer = self.send(request)?;
        if answer.body.is_empty() {
            return Ok(Vec::new());
        }
        let timeline: Option<Timeline> = parsed(&answer)?;
        let records = timeline.map(|timeline| timeline.records).unwrap_or_default();
        let is_stage = |record: &Record| record.kind.as_deref() == Some("Stage");
        let mut stages: Vec<_> = records.into_iter().filter(is_stage).collect();
        stages.sort_by_key(|stage| stage.order);
        Ok(stages)
    }

    /// Has a run cancelled.
    pub(crate) fn cancel(&self, id: u64) -> Result<(), CallError> {
        let url = self.url(&["build", "builds", &id.to_string()]);
        let body = JsonObject::default().text("status", "cancelling").finish();
        self.send(Request::act("PATCH", url).json(body)).map(|_| ())
    }

    fn url(&self, segments: &[&str]) -> String {
        let Settings { base, organization, project, .. } = self.settings;
        base.asking(&[&[*organization, *project, "_apis"], segments].concat(), &[VERSION])
    }

    /// The answer, if it is what was asked for.
    fn send<'r>(&self, request: Request<'r, H::Secret>) -> Result<Response<H::Secret>, CallError>
    where
        'a: 'r,
    {
        accepted(self.answer(request)?)
    }

    /// Any answer.
    fn answer<'r>(&self, request: Request<'r, H::Secret>) -> Result<Response<H::Secret>, CallError>
    where
        'a: 'r,
    {
        let password = vec![Part::Secret(self.settings.token)];
        let basic = HeaderValue::Basic { user: Vec::new(), password };
        Ok(self.client.send(request.header("authorization", basic))?)
    }
}

fn parsed<T: DeserializeOwned, S>(answer: &Response<S>) -> Result<T, CallError> {
    answer.json().map_err(|error| {
        CallError::Troubled(detailed(
            "Azure DevOps has given an answer that can't be understood. Please ask the platform team.",
            error,
        ))
    })
}

/// The answer, unless it is a refusal.
fn accepted<S>(answer: Response<S>) -> Result<Response<S>, CallError> {
    // Who is not let in is sent to a page to sign in, or gets it at once.
    let is_page = answer
        .header("content-type")
        .is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"));
    let is_sign_in =
        matches!(answer.status, 203 | 300..=399 | 401) || answer.is_success() && is_page;
    if answer.is_success() && !is_sign_in {
        return Ok(answer);
    }
    let said = messages(&answer.body);
    let detail = format!("status {}: {said}", answer.status);
    Err(match answer.status {
        _ if is_sign_in => detailed(
            "Azure DevOps does not accept the personal access token: it is wrong, has expired, or belongs to another organization. Please ask the platform team to enter a new one in the building block's definition.",
            detail,
        ),
        403 => detailed(
            "The personal access token may not do this in Azure DevOps: it needs `Build (Read & execute)`, and its owner the permission to queue this pipeline. Please ask the platform team.",
            detail,
        ),
        404 => detailed(
            "Azure DevOps does not know this organization, project or pipeline. Please ask the platform team to check `organization`, `project` and `pipelineId` in the building block's definition.",
            detail,
        ),
        429 | 500..=599 => {
            return Err(CallError::Troubled(detailed(
                format!(
                    "Azure DevOps has trouble of its own (status {}). Please try again later.",
                    answer.status
                ),
                detail,
            )));
        }
        _ if said.is_empty() => failure(format!(
            "Azure DevOps refuses this, and does not say why (status {}). Please ask the platform team.",
            answer.status
        )),
        _ => failure(format!(
            "Azure DevOps refuses this: {said}. Please correct the inputs, or ask the platform team."
        )),
    }
    .into())
}
