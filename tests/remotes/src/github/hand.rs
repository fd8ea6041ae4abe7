//! The test's hand on GitHub: describing it, and driving it.

use std::time::Duration;

use serde_json::Map;

use super::dispatch::{INPUTS_MAX_OLD, Start};
use super::rate::Limit;
use super::run::{Run, RunStatus};
use super::{AppKey, Conclusion, Permission, Remote, Repository, RunPlan};
use crate::builder::Builder;
use crate::fake::Fake;

impl Builder<Remote> {
    /// The App that is installed, by its id or client id, and its key.
    #[must_use]
    pub fn app(mut self, id: impl Into<String>, key: &AppKey) -> Self {
        self.remote.app = id.into();
        self.remote.key = key.public();
        self
    }

    /// Has this repository, in which the App is installed.
    #[must_use]
    pub fn repository(mut self, repository: Repository) -> Self {
        self.remote.repositories.push(repository);
        self
    }

    /// What the installation may do with Actions; everything by default.
    #[must_use]
    pub fn permission(mut self, permission: Permission) -> Self {
        self.remote.permission = permission;
        self
    }

    /// How long an installation's token lives; an hour by default.
    #[must_use]
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.remote.token_lifetime = lifetime.try_into().unwrap_or(time::Duration::MAX);
        self
    }

    /// Serves below `/api/v3`, as an Enterprise Server does.
    #[must_use]
    pub fn enterprise_server(mut self) -> Self {
        self.remote.prefix = "/api/v3";
        self
    }

    /// Does not know `return_run_details` yet, and takes ten inputs at most.
    #[must_use]
    pub fn without_run_details(mut self) -> Self {
        self.remote.knows_run_details = false;
        self.remote.inputs_max = INPUTS_MAX_OLD;
        self
    }
}

/// A workflow run as a test sees it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RunView {
    /// Its number in the address.
    pub id: u64,
    /// The file of its workflow.
    pub workflow: String,
    /// The branch on which it was dispatched.
    pub branch: String,
    /// What it is called in lists.
    pub title: String,
    /// What it was dispatched with.
    pub inputs: Map<String, serde_json::Value>,
    /// Where it stands.
    pub status: RunStatus,
    /// How it ended.
    pub conclusion: Option<Conclusion>,
    /// Whether somebody asked to cancel it, and it has not ended yet.
    pub is_cancelling: bool,
}

impl RunView {
    fn of(run: &Run) -> Self {
        Self {
            id: run.id(),
            workflow: run.workflow().to_owned(),
            branch: run.branch().to_owned(),
            title: run.title().to_owned(),
            inputs: run.inputs().clone(),
            status: run.status(),
            conclusion: run.conclusion(),
            is_cancelling: run.is_cancelling(),
        }
    }
}

impl Fake<Remote> {
    /// Starts describing a GitHub.
    #[must_use]
    pub fn builder() -> Builder<Remote> {
        Builder::of(Remote::default())
    }

    /// The base of the API: what definitions name as `githubBaseUrl`.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("{}{}", self.url(), self.world().prefix)
    }

    /// Every workflow run, in the order of their dispatches.
    #[must_use]
    pub fn runs(&self) -> Vec<RunView> {
        self.world().runs.iter().map(RunView::of).collect()
    }

    /// What becomes of the run of the next dispatch, in place of its workflow's own plan. Several wait in line.
    pub fn plan_next(&self, plan: RunPlan) {
        self.change(|world| world.next_plans.push(plan));
    }

    /// The next so many dispatches seem to happen at the same time and get numbers against their order: the first looks like
    /// the newest.
    pub fn reverse_next(&self, dispatches: u64) {
        self.change(|world| world.reversed = Some((dispatches, world.clock.now())));
    }

    /// Moves a run one step on.
    pub fn advance_run(&self, id: u64) {
        self.on_run(id, |run, now| run.progress.step(now));
    }

    /// Moves a run to its end.
    pub fn finish_run(&self, id: u64) {
        self.on_run(id, |run, now| run.progress.finish(now));
    }

    fn on_run(&self, id: u64, change: impl FnOnce(&mut Run, time::OffsetDateTime)) {
        self.change(|world| {
            let now = world.clock.now();
            if let Some(run) = world.runs.iter_mut().find(|run| run.id == id) {
                change(run, now);
            }
        });
    }

    /// Somebody else starts a run of this workflow, which looks as if a client had dispatched it, and gets its number. None if
    /// there is no such workflow.
    pub fn start_foreign_run(&self, workflow: &str, title: &str) -> Option<u64> {
        self.change(|world| {
            let now = world.clock.now();
            let mut repositories = world.repositories.clone().into_iter();
            let repository = repositories.find(|r| r.find_workflow(workflow).is_some())?;
            let (id, workflow) = repository.find_workflow(workflow)?;
            let start = Start {
                workflow: (id, workflow),
                reference: repository.branches.first()?,
                event: "workflow_dispatch",
                inputs: Map::new(),
                title: title.to_owned(),
                plan: workflow.plan.clone(),
            };
            Some(world.remote.begin(&repository, now, start))
        })
    }

    /// All tokens handed out so far are refused from now on, as if they had expired. The clock stays.
    pub fn expire_tokens(&self) {
        self.change(|world| {
            let now = world.clock.now();
            for (expires, _) in world.remote.tokens.values_mut() {
                *expires = now;
            }
        });
    }

    /// Every token handed out so far: secrets that are looked for.
    #[must_use]
    pub fn tokens(&self) -> Vec<String> {
        self.world().tokens.keys().cloned().collect()
    }

    /// What installation tokens may do that are made from now on.
    pub fn set_permission(&self, permission: Permission) {
        self.change(|world| world.permission = permission);
    }

    /// The hourly limit is used up for so long: 403 with `x-ratelimit-reset`.
    pub fn limit_rate(&self, lasting: Duration) {
        self.limit(lasting, false);
    }

    /// A secondary limit holds for so long: 403 with `retry-after`.
    pub fn limit_rate_secondary(&self, lasting: Duration) {
        self.limit(lasting, true);
    }

    fn limit(&self, lasting: Duration, is_secondary: bool) {
        self.change(|world| {
            let until = world.clock.now() + lasting;
            world.limited = Some(Limit { until, is_secondary });
        });
    }
}
