//! The test's hand on Azure DevOps: describing it, and driving it.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::run::{Run, RunState};
use super::{BadToken, Outcome, Pipeline, Remote, RunPlan};
use crate::builder::Builder;
use crate::fake::Fake;

impl Builder<Remote> {
    /// Its one organization.
    #[must_use]
    pub fn organization(mut self, name: impl Into<String>) -> Self {
        self.remote.organization = name.into();
        self
    }

    /// Accepts this personal access token; may be called for several.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.remote.tokens.push(token.into());
        self
    }

    /// How it answers other tokens; by a redirect by default.
    #[must_use]
    pub fn bad_token(mut self, bad_token: BadToken) -> Self {
        self.remote.bad_token = bad_token;
        self
    }

    /// Has this pipeline, and its project.
    #[must_use]
    pub fn pipeline(mut self, pipeline: Pipeline) -> Self {
        self.remote.pipelines.push(pipeline);
        self
    }
}

/// A pipeline run as a test sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunView {
    /// Its number, and that of its build.
    pub id: u64,
    /// The number of its pipeline.
    pub pipeline: u64,
    /// The full name of the branch it runs on.
    pub reference: String,
    /// What it was launched with.
    pub parameters: BTreeMap<String, String>,
    /// Where it stands.
    pub state: RunState,
    /// How it ended.
    pub result: Option<Outcome>,
}

impl RunView {
    fn of(run: &Run) -> Self {
        Self {
            id: run.id(),
            pipeline: run.pipeline(),
            reference: run.reference().to_owned(),
            parameters: run.parameters().clone(),
            state: run.state(),
            result: run.result(),
        }
    }
}

impl Fake<Remote> {
    /// Starts describing an Azure DevOps.
    #[must_use]
    pub fn builder() -> Builder<Remote> {
        Builder::of(Remote::default())
    }

    /// Every pipeline run, in the order of their launches.
    #[must_use]
    pub fn runs(&self) -> Vec<RunView> {
        self.world().runs.iter().map(RunView::of).collect()
    }

    /// What becomes of the next run, in place of its pipeline's own plan. Several wait in line.
    pub fn plan_next(&self, plan: RunPlan) {
        self.change(|world| world.next_plans.push(plan));
    }

    /// Moves a run one step on.
    pub fn advance_run(&self, id: u64) {
        self.on_run(id, |run, now| run.progress.step(now));
    }

    /// Moves a run to its end.
    pub fn finish_run(&self, id: u64) {
        self.on_run(id, |run, now| run.progress.finish(now));
    }

    fn on_run(&self, id: u64, change: impl FnOnce(&mut Run, OffsetDateTime)) {
        self.change(|world| {
            let now = world.clock.now();
            if let Some(run) = world.runs.iter_mut().find(|run| run.id == id) {
                change(run, now);
            }
        });
    }

    /// All tokens are refused from now on, as if they had expired.
    pub fn revoke_tokens(&self) {
        self.change(|world| world.tokens.clear());
    }

    /// From now on, whether every answer says that its client is about to be slowed down (`X-RateLimit-*`, `Retry-After`).
    pub fn slow_down(&self, is_delayed: bool) {
        self.change(|world| world.is_delayed = is_delayed);
    }
}
