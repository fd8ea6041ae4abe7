//! A workflow run. Main type: [`Run`].

use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::{Conclusion, RunPlan};
use crate::progress::{Phase, Progress};

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunStatus {
    /// It has ended.
    Completed,
    /// Some of its jobs may have ended.
    InProgress,
    /// It waits for a runner.
    Queued,
}

impl RunStatus {
    pub(super) fn of(phase: Phase) -> Self {
        match phase {
            Phase::Done => Self::Completed,
            Phase::Running => Self::InProgress,
            Phase::Waiting => Self::Queued,
        }
    }

    /// As it is on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::InProgress => "in_progress",
            Self::Queued => "queued",
        }
    }
}

/// A workflow run.
#[derive(Debug)]
pub struct Run {
    pub(super) id: u64,
    pub(super) number: u64,
    pub(super) repository: String,
    pub(super) workflow: (u64, String),
    pub(super) branch: String,
    pub(super) event: &'static str,
    pub(super) title: String,
    pub(super) inputs: Map<String, Value>,
    pub(super) plan: RunPlan,
    pub(super) progress: Progress,
    /// Listings that don't show it yet.
    pub(super) hidden: u32,
    pub(super) created: OffsetDateTime,
}

impl Run {
    /// Its number in the address.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The file of its workflow.
    #[must_use]
    pub fn workflow(&self) -> &str {
        &self.workflow.1
    }

    /// The branch on which it was dispatched.
    #[must_use]
    pub fn branch(&self) -> &str {
        &self.branch
    }

    /// What it is called in lists.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What it was dispatched with. GitHub shows them to nobody.
    #[must_use]
    pub fn inputs(&self) -> &Map<String, Value> {
        &self.inputs
    }

    /// Where it stands.
    #[must_use]
    pub fn status(&self) -> RunStatus {
        RunStatus::of(self.progress.whole())
    }

    /// How it ended.
    #[must_use]
    pub fn conclusion(&self) -> Option<Conclusion> {
        match self.status() {
            RunStatus::Completed if self.progress.is_cancelled() => Some(Conclusion::Cancelled),
            RunStatus::Completed => Some(self.plan.outcome()),
            _ => None,
        }
    }

    /// Whether somebody asked to cancel it, and it has not ended yet.
    #[must_use]
    pub fn is_cancelling(&self) -> bool {
        self.progress.is_cancelling()
    }

    pub(super) fn job_conclusion(&self, index: usize) -> Option<Conclusion> {
        let (_, planned) = self.plan.jobs.get(index)?;
        match self.progress.part(index) {
            Phase::Done if self.progress.is_part_cancelled(index) => Some(Conclusion::Cancelled),
            Phase::Done => Some(*planned),
            _ => None,
        }
    }
}
