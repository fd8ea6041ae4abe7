//! Pipelines, and what becomes of their runs. Main types: [`Pipeline`], [`RunPlan`].

use std::collections::BTreeMap;

use crate::progress::Pace;

/// How a run or a stage ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is Azure DevOps' word")]
pub enum Outcome {
    Abandoned,
    Canceled,
    Failed,
    Skipped,
    Succeeded,
    SucceededWithIssues,
}

impl Outcome {
    /// As it is on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Abandoned => "abandoned",
            Self::Canceled => "canceled",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Succeeded => "succeeded",
            Self::SucceededWithIssues => "succeededWithIssues",
        }
    }
}

/// The stages of a run, which run one after the other, how they end, and what moves them on.
///
/// By default there is one stage, `Deploy`, which succeeds, and each poll of the run moves it on: without a timeline, with all
/// stages pending, then each stage in progress and completed.
#[derive(Debug, Clone)]
pub struct RunPlan {
    pub(super) stages: Vec<(String, Outcome)>,
    pub(super) outcome: Option<Outcome>,
    pub(super) pace: Pace,
}

impl RunPlan {
    /// These stages, and how each ends.
    #[must_use]
    pub fn of_stages<'a>(stages: impl IntoIterator<Item = (&'a str, Outcome)>) -> Self {
        let stages = stages.into_iter().map(|(name, outcome)| (name.to_owned(), outcome));
        Self { stages: stages.collect(), outcome: None, pace: Pace::Polls(1) }
    }

    /// The run's own result, where it does not follow from its stages'.
    #[must_use]
    pub fn resulting(mut self, outcome: Outcome) -> Self {
        self.outcome = Some(outcome);
        self
    }

    /// What moves the run on.
    #[must_use]
    pub fn pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// A run has fewer words than a stage: `canceled`, `failed` or `succeeded`.
    pub(super) fn result(&self) -> Outcome {
        let has = |outcomes: &[Outcome]| self.stages.iter().any(|(_, o)| outcomes.contains(o));
        let from_stages = if has(&[Outcome::Failed]) {
            Outcome::Failed
        } else if has(&[Outcome::Abandoned, Outcome::Canceled]) {
            Outcome::Canceled
        } else {
            Outcome::Succeeded
        };
        self.outcome.unwrap_or(from_stages)
    }
}

impl Default for RunPlan {
    fn default() -> Self {
        Self::of_stages([("Deploy", Outcome::Succeeded)])
    }
}

/// A pipeline and what its file declares.
#[derive(Debug, Clone)]
pub struct Pipeline {
    pub(super) project: String,
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) branches: Vec<String>,
    /// Each parameter, and whether it is required.
    pub(super) parameters: BTreeMap<String, bool>,
    pub(super) plan: RunPlan,
}

impl Pipeline {
    /// The pipeline of this number in a project, with a branch `main`.
    #[must_use]
    pub fn new(project: impl Into<String>, id: u64, name: impl Into<String>) -> Self {
        Self {
            project: project.into(),
            id,
            name: name.into(),
            branches: vec!["main".to_owned()],
            parameters: BTreeMap::new(),
            plan: RunPlan::default(),
        }
    }

    /// Its repository has this branch, too.
    #[must_use]
    pub fn branch(mut self, name: impl Into<String>) -> Self {
        self.branches.push(name.into());
        self
    }

    /// Declares this template parameter, with a default.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>) -> Self {
        self.parameters.insert(name.into(), false);
        self
    }

    /// Declares this template parameter, without a default.
    #[must_use]
    pub fn required_parameter(mut self, name: impl Into<String>) -> Self {
        self.parameters.insert(name.into(), true);
        self
    }

    /// What becomes of its runs.
    #[must_use]
    pub fn plan(mut self, plan: RunPlan) -> Self {
        self.plan = plan;
        self
    }

    /// Names are not sensitive to case.
    pub(super) fn is_in(&self, project: &str) -> bool {
        self.project.eq_ignore_ascii_case(project)
    }
}
