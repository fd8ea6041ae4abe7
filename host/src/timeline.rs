//! The picture of a run that its user sees: steps, messages, logs and outputs.
//!
//! Plain state, changed by the component and read by the reporter. Every change raises [`Timeline::revision`], so that the
//! reporter can ask for what is new.
//!
//! Nothing that the component says gets in past the run's redactor. Limits count what the component wrote, not what became of it.

mod ending;
mod log;
mod output;

pub use output::{InvalidOutput, Output, OutputContent, OutputKind};

use crate::excerpt::{clip, plain};
use crate::outcome::{LimitHit, LimitName};
use crate::redact::Redactor;
use blockhouse_policy::Limits;
use log::{Decoder, Log};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The longest step id. meshStack's own have up to 24 characters (`gh-workflow-job-<id>`).
const STEP_ID_MAX: usize = 64;

/// The longest display name of a step or key of an output. Against filling the panel and the database.
const NAME_MAX: usize = 256;

/// Bytes of a text that are looked at at a time: of one that is far too long, the rest is none of our work.
const PIECE: usize = 16 << 10;

/// The steps of a run and what is known of each.
#[derive(Debug)]
pub struct Timeline {
    steps: Vec<Step>,
    summary: Option<String>,
    revision: u64,
    limits: Limits,
    redactor: Arc<Redactor>,
    streams: Decoder,
    log_written: u64,
    outputs_bytes: usize,
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
}

/// Why a step did not take a change.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// It has succeeded or failed already.
    #[error("the step has ended")]
    Ended,
    /// The output does not have its type's form.
    #[error(transparent)]
    InvalidOutput(#[from] InvalidOutput),
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
            revision: 0,
            limits: limits.clone(),
            redactor: Arc::default(),
            streams: Decoder::default(),
            log_written: 0,
            outputs_bytes: 0,
        }
    }

    /// Keeps to other limits from now on; steps that exist keep the length of their logs.
    pub fn limit(&mut self, limits: &Limits) {
        self.limits = limits.clone();
    }

    /// Keeps these secrets out of everything that is said from now on.
    ///
    /// Set before the component starts: what was said before was said without knowing them.
    pub fn redact_with(&mut self, redactor: &Arc<Redactor>) {
        self.redactor = Arc::clone(redactor);
        for step in &mut self.steps {
            step.log.redact_with(redactor);
        }
    }

    /// A text as people may see it: plain, without secrets, and cut to `limit` bytes, in this order.
    #[must_use]
    pub fn shown(&self, text: &str, limit: usize) -> String {
        // SECURITY: walls::a_secret_is_in_no_text_that_is_shown
        let mut stream = self.redactor.stream();
        let mut shown = String::new();
        let mut rest = text;
        while shown.len() <= limit
            && let Some((piece, after)) = split_piece(rest)
        {
            stream.push(&plain(piece), &mut shown);
            rest = after;
        }
        if rest.is_empty() {
            stream.finish(&mut shown);
        }
        clip(&shown, limit)
    }

    /// Counts the changes.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Adds a step, or finds the one that has this id.
    ///
    /// # Errors
    /// [`DeclareError`] if the id has the wrong form or there are too many steps.
    pub fn declare(&mut self, id: &str, display_name: &str) -> Result<StepIndex, DeclareError> {
        // SECURITY: walls::a_secret_is_in_no_text_that_is_shown
        let id = &*self.redactor.redact_identifier(id);
        if let Some(index) = self.steps.iter().position(|step| step.id == id) {
            return Ok(StepIndex(index));
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if id.is_empty() || id.len() > STEP_ID_MAX || !id.bytes().all(plain) {
            return Err(DeclareError::InvalidId);
        }
        if self.steps.len() >= self.limits.steps {
            let allowed = self.limits.steps;
            let hit = LimitHit::of_size(LimitName::Steps, allowed.saturating_add(1), allowed);
            return Err(DeclareError::Limit(hit));
        }
        Ok(self.push(id, display_name))
    }

    /// One line for the whole run.
    pub fn summarize(&mut self, text: &str) {
        self.summary = Some(self.shown(text, self.limits.message_bytes));
        self.revision += 1;
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

    /// Appends lines to the step's log.
    ///
    /// # Errors
    /// [`StepError`] if it is not running or the run has written too much.
    pub fn log(&mut self, index: StepIndex, text: &str) -> Result<(), StepError> {
        self.charge_log(text.len())?;
        self.change(index, |step| {
            step.must_run()?;
            step.log.push_line(text);
            Ok(())
        })
    }

    /// Appends what the component wrote to its standard streams to the step that is running; without one, to the last.
    ///
    /// # Errors
    /// The limit on log output, if it is exceeded.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), LimitHit> {
        self.charge_log(bytes.len())?;
        let text = self.streams.decode(bytes);
        self.write_text(&text);
        Ok(())
    }

    fn write_text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        let running = self.steps.iter().position(|step| step.status == StepStatus::InProgress);
        if let Some(step) = match running {
            Some(index) => self.steps.get_mut(index),
            None => self.steps.last_mut(),
        } {
            step.log.push(text);
            self.revision += 1;
            step.revision = self.revision;
        }
    }

    /// Replaces the step's user message.
    ///
    /// # Errors
    /// [`StepError`] if it is not running.
    pub fn tell(&mut self, index: StepIndex, text: &str) -> Result<(), StepError> {
        let text = self.shown(text, self.limits.message_bytes);
        self.change(index, |step| {
            step.must_run()?;
            step.user_message = Some(text);
            Ok(())
        })
    }

    /// Sets an output.
    ///
    /// # Errors
    /// [`StepError`] if the step is not running, or the outputs are too large.
    pub fn output(&mut self, index: StepIndex, key: &str, output: Output) -> Result<(), StepError> {
        if key.is_empty() || key.len() > NAME_MAX || key.chars().any(char::is_control) {
            return Err(InvalidOutput::Key.into());
        }
        // SECURITY: walls::a_secret_is_in_no_text_that_is_shown
        let key = &*self.shown(key, NAME_MAX);
        let size = key.len() + output.size();
        let replaced = self.steps.get(index.0).and_then(|step| step.outputs.get(key));
        let replaced = replaced.map_or(0, |old| key.len() + old.size());
        let total = self.outputs_bytes.saturating_sub(replaced).saturating_add(size);
        if total > self.limits.outputs_bytes {
            let allowed = self.limits.outputs_bytes;
            let hit = LimitHit::of_size(LimitName::Outputs, total, allowed);
            return Err(StepError::Limit(hit));
        }
        let output = output.redacted(&self.redactor);
        self.change(index, |step| {
            step.must_run()?;
            step.outputs.insert(key.to_owned(), output);
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
    pub fn fail(&mut self, index: StepIndex, message: &str) -> Result<(), StepError> {
        let message = self.shown(message, self.limits.message_bytes);
        self.change(index, |step| {
            step.must_run()?;
            step.user_message = Some(message);
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

    fn push(&mut self, id: &str, display_name: &str) -> StepIndex {
        self.revision += 1;
        self.steps.push(Step {
            id: id.to_owned(),
            display_name: self.shown(display_name, NAME_MAX),
            status: StepStatus::Pending,
            user_message: None,
            log: Log::new(self.limits.log_kept_bytes, &self.redactor),
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

    fn charge_log(&mut self, bytes: usize) -> Result<(), LimitHit> {
        let allowed = self.limits.log_total_bytes;
        self.log_written =
            self.log_written.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        if self.log_written > allowed {
            return Err(LimitHit { limit: LimitName::Log, used: self.log_written, allowed });
        }
        Ok(())
    }
}

/// The next piece of a text that is looked at, and the rest.
fn split_piece(text: &str) -> Option<(&str, &str)> {
    if text.is_empty() { None } else { text.split_at_checked(text.ceil_char_boundary(PIECE)) }
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
