//! GitHub: an App's installation, workflow dispatches and workflow runs. Main type: [`GitHub`].

mod access;
mod app_key;
mod dispatch;
mod document;
mod hand;
mod jwt;
mod listing;
mod plan;
mod rate;
mod repository;
mod run;
mod watch;

use std::collections::HashMap;

use hyper::Method;
use serde_json::json;
use time::{Duration, OffsetDateTime};

use crate::call::{Answer, Call, segments};
use crate::fake::Fake;

pub use app_key::{AppKey, KeyError};
pub use hand::RunView;
pub use plan::{Conclusion, RunPlan};
pub use repository::{Repository, Workflow};
pub use run::{Run, RunStatus};

/// A running fake GitHub.
pub type GitHub = Fake<Remote>;

/// The endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Route {
    /// `POST /app/installations/{id}/access_tokens`
    AccessToken,
    /// `POST …/actions/runs/{id}/cancel`
    Cancel,
    /// `POST …/actions/workflows/{workflow}/dispatches`
    Dispatch,
    /// `GET /repos/{owner}/{repo}/installation`
    Installation,
    /// `GET …/actions/runs/{id}/jobs`
    Jobs,
    /// `GET …/actions/runs/{id}`
    Run,
    /// `GET …/actions/workflows/{workflow}/runs`
    Runs,
    /// None that is known.
    Unknown,
}

/// What an installation may do with Actions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Permission {
    /// Nothing: the permission is not even named.
    Absent,
    /// Look at runs.
    Read,
    /// Dispatch and cancel, too.
    #[default]
    Write,
}

/// The service behind it.
#[derive(Debug)]
pub struct Remote {
    /// `/api/v3` on an Enterprise Server.
    prefix: &'static str,
    knows_run_details: bool,
    inputs_max: usize,
    app: String,
    key: Vec<u8>,
    installation: u64,
    permission: Permission,
    token_lifetime: Duration,
    /// Tokens that were handed out, when they expire, and what they may do.
    tokens: HashMap<String, (OffsetDateTime, Permission)>,
    repositories: Vec<Repository>,
    runs: Vec<Run>,
    /// Plans for the next dispatches.
    next_plans: Vec<RunPlan>,
    /// How many dispatches to come get numbers against their order, and when all of them seem to have happened.
    reversed: Option<(u64, OffsetDateTime)>,
    limited: Option<rate::Limit>,
}

impl Default for Remote {
    fn default() -> Self {
        Self {
            prefix: "",
            knows_run_details: true,
            inputs_max: dispatch::INPUTS_MAX,
            app: String::new(),
            key: Vec::new(),
            installation: 4_711,
            permission: Permission::Write,
            token_lifetime: Duration::HOUR,
            tokens: HashMap::new(),
            repositories: Vec::new(),
            runs: Vec::new(),
            next_plans: Vec::new(),
            reversed: None,
            limited: None,
        }
    }
}

impl Remote {
    /// Every workflow run, in the order of their dispatches.
    #[must_use]
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }
}

/// An error as GitHub writes them.
fn failed(status: u16, message: &str) -> Answer {
    let url = "https://docs.github.com/rest";
    let status_text = status.to_string();
    let body = json!({"message": message, "documentation_url": url, "status": status_text});
    Answer::json(status, &body)
}

fn not_found() -> Answer {
    failed(404, "Not Found")
}

impl crate::remote::Remote for Remote {
    type Route = Route;

    const NAME: &'static str = "fake-github";

    fn route(&self, method: &Method, path: &str) -> Route {
        let Some(path) = path.strip_prefix(self.prefix) else { return Route::Unknown };
        let segments = segments(path);
        let parts: Vec<_> = segments.iter().map(String::as_str).collect();
        let (is_get, is_post) = (method == Method::GET, method == Method::POST);
        match parts.as_slice() {
            ["repos", _, _, "installation"] if is_get => Route::Installation,
            ["app", "installations", _, "access_tokens"] if is_post => Route::AccessToken,
            ["repos", _, _, "actions", "workflows", _, "dispatches"] if is_post => Route::Dispatch,
            ["repos", _, _, "actions", "workflows", _, "runs"] if is_get => Route::Runs,
            ["repos", _, _, "actions", "runs", _] if is_get => Route::Run,
            ["repos", _, _, "actions", "runs", _, "jobs"] if is_get => Route::Jobs,
            ["repos", _, _, "actions", "runs", _, "cancel"] if is_post => Route::Cancel,
            _ => Route::Unknown,
        }
    }

    fn answer(&mut self, call: &mut Call<'_, Route>) -> Result<Answer, Answer> {
        access::check_headers(call)?;
        if call.route == Route::Unknown {
            call.breach("no such endpoint");
            return Err(not_found());
        }
        let segments = call.segments(self.prefix);
        let parts: Vec<_> = segments.iter().map(String::as_str).collect();
        match parts.as_slice() {
            ["repos", owner, name, "installation"] => self.find_installation(call, owner, name),
            ["app", "installations", id, "access_tokens"] => self.make_token(call, id),
            ["repos", owner, name, "actions", rest @ ..] => {
                let needed = match call.route {
                    Route::Cancel | Route::Dispatch => Permission::Write,
                    _ => Permission::Read,
                };
                self.check_token(call, needed)?;
                self.check_rate(call.now)?;
                let repository = self.repository(owner, name).ok_or_else(not_found)?;
                match rest {
                    ["workflows", workflow, "dispatches"] => {
                        self.dispatch(call, &repository, workflow)
                    }
                    ["workflows", workflow, "runs"] => self.list(call, &repository, workflow),
                    ["runs", id] => self.watch_run(call, &repository, id),
                    ["runs", id, "jobs"] => self.watch_jobs(call, &repository, id),
                    ["runs", id, "cancel"] => self.cancel(call, &repository, id),
                    _ => Err(not_found()),
                }
            }
            _ => Err(not_found()),
        }
    }
}
