//! The calls of GitHub, made with a token of the app's installation: [`Api`].

use crate::refusal::{accepted, garbled};
use crate::settings::Settings;
use crate::token::{Token, issue};
use blockhouse_sdk::{CallError, Client, Host, Request, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// As many jobs as GitHub gives at once, and how often it is asked for more: a matrix has 256 at most.
const PAGE: usize = 100;
const PAGES_MAX: usize = 4;

pub(crate) struct Api<'h, 'a, H: Host> {
    client: Client<'h, H>,
    host: &'h H,
    pub(crate) settings: &'a Settings<'a, H::Secret>,
    token: Option<Token<H::Secret>>,
}

/// A run of a workflow.
#[derive(Clone, Deserialize)]
pub(crate) struct WorkflowRun {
    #[serde(default)]
    pub(crate) conclusion: Option<String>,
    #[serde(default)]
    pub(crate) created_at: Option<String>,
    #[serde(default)]
    pub(crate) display_title: Option<String>,
    #[serde(default)]
    pub(crate) html_url: Option<String>,
    pub(crate) id: u64,
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) status: Option<String>,
}

#[derive(Deserialize)]
struct WorkflowRuns {
    workflow_runs: Vec<WorkflowRun>,
}

/// A job of a run.
#[derive(Deserialize)]
pub(crate) struct Job {
    #[serde(default)]
    pub(crate) completed_at: Option<String>,
    #[serde(default)]
    pub(crate) conclusion: Option<String>,
    #[serde(default)]
    pub(crate) html_url: Option<String>,
    pub(crate) id: u64,
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) started_at: Option<String>,
    #[serde(default)]
    pub(crate) status: Option<String>,
}

#[derive(Deserialize)]
struct Jobs {
    jobs: Vec<Job>,
    #[serde(default)]
    total_count: usize,
}

impl<'h, 'a, H: Host> Api<'h, 'a, H> {
    pub(crate) fn new(host: &'h H, settings: &'a Settings<'a, H::Secret>) -> Self {
        let client = Client::new(host, "blockhouse")
            .with_header("accept", "application/vnd.github+json")
            .with_header("x-github-api-version", "2022-11-28");
        Self { client, host, settings, token: None }
    }

    /// From now on for the seconds after an abort.
    pub(crate) fn stop(&mut self) {
        self.client = self.client.stopping();
    }

    /// Gets a token, unless there is one that lives long enough.
    pub(crate) fn authenticate(&mut self) -> Result<(), CallError> {
        let now = self.host.uptime();
        let is_old = |token: &Token<_>| now >= token.renew_at;
        if self.token.as_ref().is_none_or(is_old) {
            self.token = None;
            self.token = Some(issue(self.host, &self.client, self.settings)?);
        }
        Ok(())
    }

    /// Sends a request with the token, and once more with a new one if GitHub does not know it any more: then it has done nothing.
    pub(crate) fn call<'r>(
        &mut self,
        request: impl Fn() -> Request<'r, H::Secret>,
    ) -> Result<Response<H::Secret>, CallError> {
        let answer = self.call_once(&request)?;
        if answer.status != 401 {
            return Ok(answer);
        }
        self.token = None;
        self.call_once(&request)
    }

    fn call_once<'r>(
        &mut self,
        request: impl Fn() -> Request<'r, H::Secret>,
    ) -> Result<Response<H::Secret>, CallError> {
        // Trouble with the token is not trouble with the request: that was not sent.
        self.authenticate().map_err(|error| match error {
            error if error.is_aborted() => error,
            error if error.is_passing() => CallError::Troubled(error.into_failure("GitHub")),
            error => CallError::Refused(error.into_failure("GitHub")),
        })?;
        let Some(token) = &self.token else { return Err(garbled("no token").into()) };
        Ok(self.client.send(request().bearer(&token.secret))?)
    }

    /// The newest runs of the workflow that were dispatched on the branch.
    pub(crate) fn runs(&mut self) -> Result<Vec<WorkflowRun>, CallError> {
        let settings = self.settings;
        let query =
            [("event", "workflow_dispatch"), ("branch", settings.branch), ("per_page", "50")];
        let url = settings.asking(&["actions", "workflows", settings.workflow, "runs"], &query);
        let runs: WorkflowRuns = self.asked(&url)?;
        Ok(runs.workflow_runs)
    }

    pub(crate) fn run(&mut self, id: u64) -> Result<WorkflowRun, CallError> {
        let url = self.settings.url(&["actions", "runs", &id.to_string()]);
        self.asked(&url)
    }

    /// The jobs of a run's newest attempt, and how many there are beyond those.
    pub(crate) fn jobs(&mut self, run: u64) -> Result<(Vec<Job>, usize), CallError> {
        let mut jobs = Vec::new();
        let mut total = 0;
        for page in 1..=PAGES_MAX {
            let query = [("per_page", &*PAGE.to_string()), ("page", &*page.to_string())];
            let path = ["actions", "runs", &run.to_string(), "jobs"];
            let found: Jobs = self.asked(&self.settings.asking(&path, &query))?;
            total = found.total_count;
            let is_last = found.jobs.len() < PAGE;
            jobs.extend(found.jobs);
            if is_last || jobs.len() >= total {
                break;
            }
        }
        let unseen = total.saturating_sub(jobs.len());
        Ok((jobs, unseen))
    }

    /// Has a run cancelled. One that has ended already is fine.
    pub(crate) fn cancel(&mut self, run: u64) -> Result<(), CallError> {
        let url = self.settings.url(&["actions", "runs", &run.to_string(), "cancel"]);
        let answer = self.call(|| Request::act("POST", url.clone()))?;
        if answer.status == 409 {
            return Ok(());
        }
        accepted(answer, self.settings).map(|_| ())
    }

    fn asked<T: DeserializeOwned>(&mut self, url: &str) -> Result<T, CallError> {
        let answer = self.call(|| Request::ask(url.to_owned()))?;
        let answer = accepted(answer, self.settings)?;
        answer.json().map_err(|error| CallError::Troubled(garbled(&error)))
    }
}
