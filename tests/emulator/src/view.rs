//! What tests look at. Main types: [`RunView`], [`EmulatorView`].

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use crate::run::Run;
use crate::tfstate::TerraformState;
use crate::wire::{Output, ReportedStep, Status};
use crate::world::World;
use crate::{Route, StateAddress};

/// Where a run is in its life, as the server sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RunState {
    /// Waiting for a claim.
    Pending,
    /// Claimed.
    InProgress,
    /// Its runner reported `SUCCEEDED`.
    Succeeded,
    /// Its runner reported `FAILED`.
    Failed,
    /// The user aborted it and it has ended; [`RunView::reported_status`] says how its runner ended it.
    Aborted,
    /// Its runner was silent for the server's own timeout.
    TimedOut,
}

impl RunState {
    pub(crate) const COUNT: usize = 6;

    /// Whether the run has ended.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        !matches!(self, Self::InProgress | Self::Pending)
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aborted => "aborted",
            Self::Failed => "failed",
            Self::InProgress => "in progress",
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::TimedOut => "timed out",
        })
    }
}

/// A step as last reported.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct StepView {
    /// Stable identifier.
    pub id: String,
    /// What the timeline shows.
    pub display_name: String,
    /// Last reported status.
    pub status: Status,
    /// For the application team.
    pub user_message: Option<String>,
    /// For the platform operator: the step's log.
    pub system_message: Option<String>,
    /// By name.
    pub outputs: BTreeMap<String, Output>,
}

impl StepView {
    pub(crate) fn declared(id: String, display_name: String, status: Status) -> Self {
        Self {
            id,
            display_name,
            status,
            user_message: None,
            system_message: None,
            outputs: BTreeMap::new(),
        }
    }

    pub(crate) fn apply(&mut self, reported: ReportedStep) {
        if let Some(name) = reported.display_name {
            self.display_name = name;
        }
        self.status = reported.status.unwrap_or(self.status);
        self.user_message = reported.user_message.or_else(|| self.user_message.take());
        self.system_message = reported.system_message.or_else(|| self.system_message.take());
        self.outputs.extend(reported.outputs.into_iter().flatten());
    }
}

// Sensitive outputs arrive in plain text; a dump of a failed test must not print them.
impl fmt::Debug for StepView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepView")
            .field("id", &self.id)
            .field("display_name", &self.display_name)
            .field("status", &self.status)
            .field("user_message", &self.user_message)
            .field("system_message", &self.system_message)
            .field("outputs", &self.outputs.keys())
            .finish()
    }
}

/// A snapshot of a run. Times are server time: what [`crate::Emulator::advance`] added up to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RunView {
    /// The run's uuid.
    pub id: Uuid,
    /// Where its Terraform state is kept.
    pub state_address: Option<StateAddress>,
    /// Where it is in its life.
    pub state: RunState,
    /// The status its runner reported last.
    pub reported_status: Option<Status>,
    /// Whether the user aborted it, ended or not.
    pub aborted: bool,
    /// Whether a source was registered.
    pub registered: bool,
    /// `externalId` and `externalUrl` of the registered source.
    pub external: (Option<String>, Option<String>),
    /// In the order of their declaration.
    pub steps: Vec<StepView>,
    /// The run's summary.
    pub summary: Option<String>,
    /// The plan of a `DETECT` run.
    pub artifact: Option<Bytes>,
    /// Reported together with the plan.
    pub changes_detected: Option<bool>,
    /// Accepted PATCH requests, repeated ones included.
    pub updates: u64,
    /// Accepted transitions to a terminal status: one for each run that its runner ended.
    pub terminal_updates: u64,
    /// When it was claimed.
    pub claimed_at: Option<Duration>,
    /// When it ended.
    pub ended_at: Option<Duration>,
}

impl RunView {
    pub(crate) fn of(run: &Run) -> Self {
        Self {
            id: run.id,
            state_address: run.address.clone(),
            state: run.state,
            reported_status: run.reported_status,
            aborted: run.aborted,
            registered: run.registered,
            external: (run.external_id.clone(), run.external_url.clone()),
            steps: run.steps.clone(),
            summary: run.summary.clone(),
            artifact: run.artifact.clone(),
            changes_detected: run.changes_detected,
            updates: run.updates,
            terminal_updates: run.terminal_updates,
            claimed_at: run.claimed_at,
            ended_at: run.ended_at,
        }
    }

    /// The step with this id.
    #[must_use]
    pub fn step(&self, id: &str) -> Option<&StepView> {
        self.steps.iter().find(|step| step.id == id)
    }

    /// The ids of the steps and their statuses, in the order of their declaration.
    #[must_use]
    pub fn timeline(&self) -> Vec<(&str, Status)> {
        self.steps.iter().map(|step| (step.id.as_str(), step.status)).collect()
    }

    /// The system message of this step: its log. Empty if there is no such step or nothing in it.
    #[must_use]
    pub fn log(&self, step: &str) -> &str {
        let step = self.step(step).and_then(|step| step.system_message.as_deref());
        step.unwrap_or_default()
    }

    /// The user message of this step. Empty if there is no such step or nothing was told.
    #[must_use]
    pub fn told(&self, step: &str) -> &str {
        let step = self.step(step).and_then(|step| step.user_message.as_deref());
        step.unwrap_or_default()
    }

    /// The outputs of all steps.
    #[must_use]
    pub fn outputs(&self) -> BTreeMap<&str, &Output> {
        let outputs = self.steps.iter().flat_map(|step| &step.outputs);
        outputs.map(|(name, output)| (name.as_str(), output)).collect()
    }

    /// The output of this name, in whichever step it was reported.
    #[must_use]
    pub fn output(&self, name: &str) -> Option<&Output> {
        self.steps.iter().find_map(|step| step.outputs.get(name))
    }
}

/// The whole server at one moment, for the condition of [`crate::Emulator::wait_until`]. All methods but
/// [`Self::run`] of a long log are cheap.
#[derive(Debug)]
pub struct EmulatorView<'a> {
    pub(crate) world: &'a World,
}

impl EmulatorView<'_> {
    /// The run's snapshot; none for an id that was never enqueued.
    #[must_use]
    pub fn run(&self, id: &Uuid) -> Option<RunView> {
        self.world.run(id).map(RunView::of)
    }

    /// The run's state, without copying its steps.
    #[must_use]
    pub fn state(&self, id: &Uuid) -> Option<RunState> {
        self.world.run(id).map(|run| run.state)
    }

    /// How many runs are in this state.
    #[must_use]
    pub fn runs(&self, state: RunState) -> usize {
        self.world.runs_in(state)
    }

    /// How many runs have not ended.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.runs(RunState::Pending) + self.runs(RunState::InProgress)
    }

    /// How many requests of this route arrived, those with faults included.
    #[must_use]
    pub fn requests(&self, route: Route) -> u64 {
        self.world.count(route)
    }

    /// How many requests of this route got a fault ([`crate::Fault::Pass`] included).
    #[must_use]
    pub fn faults(&self, route: Route) -> u64 {
        self.world.faults.injected_into(route)
    }

    /// How many connections met an unreachable server; see [`crate::Emulator::set_reach`].
    #[must_use]
    pub fn turned_away(&self) -> u64 {
        self.world.turned_away
    }

    /// A block's Terraform state; none before its first request.
    #[must_use]
    pub fn terraform_state(&self, address: &StateAddress) -> Option<&TerraformState> {
        self.world.states.get(address)
    }

    /// How many violations were recorded.
    #[must_use]
    pub fn violations(&self) -> usize {
        self.world.violations.len()
    }
}
