//! What becomes of a workflow run. Main type: [`RunPlan`].

use crate::progress::Pace;

/// How a run or a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is GitHub's word")]
pub enum Conclusion {
    ActionRequired,
    Cancelled,
    Failure,
    Neutral,
    Skipped,
    Stale,
    StartupFailure,
    Success,
    TimedOut,
}

impl Conclusion {
    /// As it is on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ActionRequired => "action_required",
            Self::Cancelled => "cancelled",
            Self::Failure => "failure",
            Self::Neutral => "neutral",
            Self::Skipped => "skipped",
            Self::Stale => "stale",
            Self::StartupFailure => "startup_failure",
            Self::Success => "success",
            Self::TimedOut => "timed_out",
        }
    }
}

/// The jobs of a run, which run one after the other, how they end, and what moves them on.
///
/// By default there is one job, `deploy`, which succeeds, and each poll of the run moves it on: queued without jobs, in progress
/// with all jobs queued, then each job in progress and completed.
#[derive(Debug, Clone)]
pub struct RunPlan {
    pub(super) jobs: Vec<(String, Conclusion)>,
    pub(super) conclusion: Option<Conclusion>,
    pub(super) pace: Pace,
    pub(super) hidden: u32,
}

impl RunPlan {
    /// These jobs, and how each ends.
    #[must_use]
    pub fn of_jobs<'a>(jobs: impl IntoIterator<Item = (&'a str, Conclusion)>) -> Self {
        let jobs = jobs.into_iter().map(|(name, conclusion)| (name.to_owned(), conclusion));
        Self { jobs: jobs.collect(), conclusion: None, pace: Pace::Polls(1), hidden: 0 }
    }

    /// The run's own conclusion, where it does not follow from its jobs'.
    #[must_use]
    pub fn concluding(mut self, conclusion: Conclusion) -> Self {
        self.conclusion = Some(conclusion);
        self
    }

    /// What moves the run on.
    #[must_use]
    pub fn pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// The first so many listings don't show the run yet: GitHub takes its time, too.
    #[must_use]
    pub fn hidden_for(mut self, listings: u32) -> Self {
        self.hidden = listings;
        self
    }

    pub(super) fn outcome(&self) -> Conclusion {
        let is_bad = |conclusion: Conclusion| {
            !matches!(conclusion, Conclusion::Neutral | Conclusion::Skipped | Conclusion::Success)
        };
        let bad = self.jobs.iter().map(|(_, conclusion)| *conclusion).find(|c| is_bad(*c));
        self.conclusion.or(bad).unwrap_or(Conclusion::Success)
    }
}

impl Default for RunPlan {
    fn default() -> Self {
        Self::of_jobs([("deploy", Conclusion::Success)])
    }
}
