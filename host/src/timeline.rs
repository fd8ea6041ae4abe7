//! The picture of a run that its user sees: steps, messages, logs and outputs.
//!
//! Plain state, changed by the component and read by the reporter. Every change raises [`Timeline::revision`], so that the
//! reporter can ask for what is new.
//!
//! Nothing that the component says gets in past the run's redactor: what is short goes through a [`Door`] before, logs in pieces
//! through their own streams. Limits count what the component wrote, not what became of it.

mod door;
mod ending;
mod log;
mod output;
mod writing;

pub use door::{Door, NewOutput, NewStep, Shown, byte_pieces, pieces};
pub use output::{InvalidOutput, Output, OutputContent, OutputKind};

use crate::outcome::{LimitHit, LimitName};
use crate::redact::Redactor;
use blockhouse_policy::Limits;
use bytes::Bytes;
use log::{Decoder, Log};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The longest step id. meshStack's own have up to 24 characters (`gh-workflow-job-<id>`).
const STEP_ID_MAX: usize = 64;

/// The longest display name of a step or key of an output. Against filling the panel and the database.
const NAME_MAX: usize = 256;

/// The steps of a run and what is known of each.
#[derive(Debug)]
pub struct Timeline {
    steps: Vec<Step>,
    summary: Option<String>,
    remark: Option<String>,
    plan: Option<Plan>,
    revision: u64,
    limits: Limits,
    door: Door,
    streams: Decoder,
    log_written: u64,
    outputs_bytes: usize,
}

/// What a dry run hands on: bytes that may hold secrets, so that `Debug` shows only how many.
#[derive(Clone)]
pub struct Plan {
    /// The plan as Terraform wrote it.
    pub bytes: Bytes,
    /// Whether applying it would change anything.
    pub changes: bool,
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes, changes } = self;
        write!(f, "Plan({} bytes, changes: {changes})", bytes.len())
    }
}

/// One step of the timeline.
#[derive(Debug)]
pub struct Step {
    id: String,
    display_name: String,
    status: StepStatus,
    user_message: Option<String>,
    log: Log,
    outputs: BTreeMap<String, Output>,
    revision: u64,
}

/// How far a step has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepStatus {
    /// It ended badly.
    Failed,
    /// It is being worked on.
    InProgress,
    /// It has not begun.
    Pending,
    /// It ended well.
    Succeeded,
}

impl StepStatus {
    fn is_open(self) -> bool {
        matches!(self, Self::InProgress | Self::Pending)
    }

    /// Whether a step that has got this far had been further on, when it was there.
    #[must_use]
    pub fn is_behind(self, there: Self) -> bool {
        let was_begun = there == Self::InProgress && self == Self::Pending;
        was_begun || (!there.is_open() && self != there)
    }
}

/// Why a step did not take a change.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// It has succeeded or failed already.
    #[error("the step has ended")]
    Ended,
    /// A limit was hit; the run must end.
    #[error("{0}")]
    Limit(LimitHit),
    /// It was not started yet.
    #[error("the step was not started")]
    NotStarted,
}

/// Why a step can't be declared.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeclareError {
    /// Its id has the wrong form.
    #[error("a step's id must have 1 to {STEP_ID_MAX} letters, digits, `-`, `_` or `.`")]
    InvalidId,
    /// A limit was hit; the run must end.
    #[error("{0}")]
    Limit(LimitHit),
}

/// A step's place in the timeline; steps are never removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepIndex(usize);

/// What has changed since a revision.
#[derive(Clone, Debug)]
pub struct Changes {
    /// The revision that these changes lead to.
    pub revision: u64,
    /// The run's summary, if there is one (also when it did not change).
    pub summary: Option<String>,
    /// The changed steps, in the order of the timeline, each whole.
    pub steps: Vec<StepReport>,
}

/// All that is known of a step.
#[derive(Clone, Debug)]
pub struct StepReport {
    /// Identifies the step within its run.
    pub id: String,
    /// What the user reads.
    pub display_name: String,
    /// How far it has got.
    pub status: StepStatus,
    /// For the application team.
    pub user_message: Option<String>,
    /// The step's whole log so far.
    pub log: Option<String>,
    /// The outputs by key.
    pub outputs: BTreeMap<String, Output>,
}

impl Timeline {
    /// An empty timeline that keeps to `limits`.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            steps: Vec::new(),
            summary: None,
            remark: None,
            plan: None,
            revision: 0,
            limits: limits.clone(),
            door: Door { message_bytes: limits.message_bytes, ..Door::default() },
            streams: Decoder::default(),
            log_written: 0,
            outputs_bytes: 0,
        }
    }

    /// Keeps to other limits from now on; steps that exist keep the length of their logs.
    pub fn limit(&mut self, limits: &Limits) {
        self.limits = limits.clone();
        self.door.message_bytes = limits.message_bytes;
    }

    /// Keeps these secrets out of everything that is said from now on.
    ///
    /// Set before the component starts, and again when a token comes up: what was said before was said without knowing them. Whoever
    /// redacts must know what is known now.
    pub fn redact_with(&mut self, redactor: &Arc<Redactor>) {
        self.door.redactor = Arc::clone(redactor);
        for step in &mut self.steps {
            step.log.redact_with(redactor);
        }
    }

    /// What is said goes through this before it is told to the timeline; not while others wait for it.
    #[must_use]
    pub fn door(&self) -> Door {
        self.door.clone()
    }

    /// What finds the secrets.
    #[must_use]
    pub fn redactor(&self) -> &Arc<Redactor> {
        &self.door.redactor
    }

    /// Counts the changes.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Adds a step, or finds the one that has this id.
    ///
    /// # Errors
    /// [`DeclareError::Limit`] if there are too many steps.
    pub fn declare(&mut self, step: NewStep) -> Result<StepIndex, DeclareError> {
        if let Some(index) = self.steps.iter().position(|known| known.id == step.id) {
            return Ok(StepIndex(index));
        }
        if self.steps.len() >= self.limits.steps {
            let allowed = self.limits.steps;
            let hit = LimitHit::of_size(LimitName::Steps, allowed.saturating_add(1), allowed);
            return Err(DeclareError::Limit(hit));
        }
        Ok(self.push(step))
    }

    /// One line for the whole run.
    pub fn summarize(&mut self, text: Shown) {
        self.summary = Some(text.0);
        self.revision += 1;
    }

    /// What the host has to add to the last message of a run that ends badly: what has become of what the run was doing.
    pub fn remark(&mut self, text: Shown) {
        self.remark = Some(text.0);
        self.revision += 1;
    }

    /// Hands a plan to meshStack with the final status.
    pub fn publish(&mut self, plan: Plan) {
        self.plan = Some(plan);
        self.revision += 1;
    }

    /// The plan that goes with the final status.
    #[must_use]
    pub fn take_plan(&mut self) -> Option<Plan> {
        self.plan.take()
    }

    /// There is no summary any more; whoever was told the last one keeps it until there is another.
    pub fn forget_summary(&mut self) {
        self.summary = None;
        self.revision += 1;
    }

    /// The step is being worked on.
    ///
    /// # Errors
    /// [`StepError::Ended`] if it has ended.
    pub fn start(&mut self, index: StepIndex) -> Result<(), StepError> {
        self.change(index, |step| match step.status {
            StepStatus::Pending => {
                step.status = StepStatus::InProgress;
                Ok(())
            }
            StepStatus::InProgress => Ok(()),
            StepStatus::Failed | StepStatus::Succeeded => Err(StepError::Ended),
        })
    }

    /// Replaces the step's user message.
    ///
    /// # Errors
    /// [`StepError`] if it is not running.
    pub fn tell(&mut self, index: StepIndex, text: Shown) -> Result<(), StepError> {
        self.change(index, |step| {
            step.must_run()?;
            step.user_message = Some(text.0);
            Ok(())
        })
    }

    /// Sets an output.
    ///
    /// # Errors
    /// [`StepError`] if the step is not running, or the outputs are too large.
    pub fn output(&mut self, index: StepIndex, new: NewOutput) -> Result<(), StepError> {
        let NewOutput { key: Shown(key), output, size } = new;
        let replaced = self.steps.get(index.0).and_then(|step| step.outputs.get(&key));
        let replaced = replaced.map_or(0, |old| key.len() + old.size());
        let total = self.outputs_bytes.saturating_sub(replaced).saturating_add(size);
        if total > self.limits.outputs_bytes {
            let allowed = self.limits.outputs_bytes;
            let hit = LimitHit::of_size(LimitName::Outputs, total, allowed);
            return Err(StepError::Limit(hit));
        }
        self.change(index, |step| {
            step.must_run()?;
            step.outputs.insert(key, output);
            Ok(())
        })?;
        self.outputs_bytes = total;
        Ok(())
    }

    /// The step has ended well.
    ///
    /// # Errors
    /// [`StepError`] if it is not running.
    pub fn succeed(&mut self, index: StepIndex) -> Result<(), StepError> {
        self.change(index, |step| {
            step.must_run()?;
            step.status = StepStatus::Succeeded;
            Ok(())
        })
    }

    /// The step has ended badly.
    ///
    /// # Errors
    /// [`StepError`] if it is not running.
    pub fn fail(&mut self, index: StepIndex, message: Shown) -> Result<(), StepError> {
        self.change(index, |step| {
            step.must_run()?;
            step.user_message = Some(message.0);
            step.status = StepStatus::Failed;
            Ok(())
        })
    }

    /// What has changed since `revision` (0: everything).
    #[must_use]
    pub fn changes_since(&self, revision: u64) -> Changes {
        let steps = self.steps.iter().filter(|step| step.revision > revision);
        Changes {
            revision: self.revision,
            summary: self.summary.clone(),
            steps: steps.map(Step::report).collect(),
        }
    }

    /// The id and name of each step, in order.
    pub fn declarations(&self) -> impl Iterator<Item = (&str, &str)> {
        self.steps.iter().map(|step| (step.id.as_str(), step.display_name.as_str()))
    }

    /// The id, name and status of each step, in order.
    pub fn outline(&self) -> impl Iterator<Item = (&str, &str, StepStatus)> {
        self.steps.iter().map(|step| (step.id.as_str(), step.display_name.as_str(), step.status))
    }

    fn push(&mut self, NewStep { id, display_name }: NewStep) -> StepIndex {
        self.revision += 1;
        self.steps.push(Step {
            id,
            display_name: display_name.0,
            status: StepStatus::Pending,
            user_message: None,
            log: Log::new(self.limits.log_kept_bytes, &self.door.redactor),
            outputs: BTreeMap::new(),
            revision: self.revision,
        });
        StepIndex(self.steps.len() - 1)
    }

    fn change(
        &mut self,
        index: StepIndex,
        change: impl FnOnce(&mut Step) -> Result<(), StepError>,
    ) -> Result<(), StepError> {
        // An index comes from `declare` of the same timeline, and steps are never removed.
        let Some(step) = self.steps.get_mut(index.0) else { return Err(StepError::NotStarted) };
        change(step)?;
        self.revision += 1;
        step.revision = self.revision;
        Ok(())
    }
}

impl From<LimitHit> for StepError {
    fn from(hit: LimitHit) -> Self {
        Self::Limit(hit)
    }
}

impl Step {
    fn must_run(&self) -> Result<(), StepError> {
        match self.status {
            StepStatus::InProgress => Ok(()),
            StepStatus::Pending => Err(StepError::NotStarted),
            StepStatus::Failed | StepStatus::Succeeded => Err(StepError::Ended),
        }
    }

    fn report(&self) -> StepReport {
        StepReport {
            id: self.id.clone(),
            display_name: self.display_name.clone(),
            status: self.status,
            user_message: self.user_message.clone(),
            log: self.log.render(),
            outputs: self.outputs.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
