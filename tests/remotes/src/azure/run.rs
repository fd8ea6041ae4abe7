//! A pipeline run. Main type: [`Run`].

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::{Outcome, RunPlan};
use crate::progress::{Phase, Progress};

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// Somebody asked to cancel it.
    Canceling,
    /// It has ended.
    Completed,
    /// It waits or works; the API has one word for both.
    InProgress,
}

impl RunState {
    /// As it is on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Canceling => "canceling",
            Self::Completed => "completed",
            Self::InProgress => "inProgress",
        }
    }
}

/// A pipeline run, which is a build of the same number, too.
#[derive(Debug)]
pub struct Run {
    pub(super) id: u64,
    pub(super) project: String,
    pub(super) pipeline: (u64, String),
    pub(super) reference: String,
    pub(super) parameters: BTreeMap<String, String>,
    pub(super) plan: RunPlan,
    pub(super) progress: Progress,
    pub(super) created: OffsetDateTime,
}

impl Run {
    /// Its number.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The number of its pipeline.
    #[must_use]
    pub fn pipeline(&self) -> u64 {
        self.pipeline.0
    }

    /// The full name of the branch it runs on.
    #[must_use]
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// What it was launched with.
    #[must_use]
    pub fn parameters(&self) -> &BTreeMap<String, String> {
        &self.parameters
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> RunState {
        match self.progress.whole() {
            Phase::Done => RunState::Completed,
            _ if self.progress.is_cancelling() => RunState::Canceling,
            _ => RunState::InProgress,
        }
    }

    /// How it ended.
    #[must_use]
    pub fn result(&self) -> Option<Outcome> {
        match self.state() {
            RunState::Completed if self.progress.is_cancelled() => Some(Outcome::Canceled),
            RunState::Completed => Some(self.plan.result()),
            _ => None,
        }
    }

    pub(super) fn stage_result(&self, index: usize) -> Option<Outcome> {
        let (_, planned) = self.plan.stages.get(index)?;
        match self.progress.part(index) {
            // What had begun is canceled; what had not is never begun.
            Phase::Done if self.progress.is_part_cancelled(index) => {
                let had_begun = self.progress.started(index).is_some();
                Some(if had_begun { Outcome::Canceled } else { Outcome::Skipped })
            }
            Phase::Done => Some(*planned),
            _ => None,
        }
    }
}
