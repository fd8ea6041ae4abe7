//! Everything the server knows, behind one lock. Main type: [`World`].
//!
//! Every lookup on the way of a request is by key; only [`World::advance`] visits all runs.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use serde_json::Value;
use uuid::Uuid;

use crate::answer::{Answer, Refused};
use crate::config::Config;
use crate::event::{Event, Observer};
use crate::fault_plan::FaultPlan;
use crate::request::{RecordedRequest, Recording};
use crate::route::{Route, StateAddress};
use crate::run::Run;
use crate::tfstate::TerraformState;
use crate::view::RunState;
use crate::violation::{Violation, Violations};

/// How many unfinished runs and latest requests a dump names.
const DUMPED_MAX: usize = 20;

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) config: Arc<Config>,
    pub(crate) observer: Observer,
    /// Server time: no wall clock, so that tests decide what expires when.
    pub(crate) now: Duration,
    /// Expiry of every API token handed out; expired ones stay known so that they are told from invented ones.
    pub(crate) api_tokens: HashMap<String, Duration>,
    pub(crate) run_tokens: HashMap<String, Uuid>,
    pub(crate) states: HashMap<StateAddress, TerraformState>,
    pub(crate) registration: Option<Value>,
    pub(crate) faults: FaultPlan,
    pub(crate) violations: Violations,
    pub(crate) requests: Vec<RecordedRequest>,
    pub(crate) enqueued: u64,
    pub(crate) connections: u64,
    /// Connections closed or left unanswered because the server was unreachable.
    pub(crate) turned_away: u64,
    runs: HashMap<Uuid, Run>,
    queue: VecDeque<Uuid>,
    counts: HashMap<Route, u64>,
    states_of_runs: [usize; RunState::COUNT],
}

impl World {
    pub(crate) fn new(config: Arc<Config>, observer: Observer) -> Self {
        Self {
            config,
            observer,
            now: Duration::ZERO,
            api_tokens: HashMap::new(),
            run_tokens: HashMap::new(),
            states: HashMap::new(),
            registration: None,
            faults: FaultPlan::default(),
            violations: Violations::default(),
            requests: Vec::new(),
            enqueued: 0,
            connections: 0,
            turned_away: 0,
            runs: HashMap::new(),
            queue: VecDeque::new(),
            counts: HashMap::new(),
            states_of_runs: [0; RunState::COUNT],
        }
    }

    pub(crate) fn keeps_everything(&self) -> bool {
        self.config.recording == Recording::Full
    }

    pub(crate) fn enqueue(&mut self, run: Run) {
        let id = run.id;
        if let Some(token) = &run.token {
            self.run_tokens.insert(token.clone(), id);
        }
        if let Some(replaced) = self.runs.insert(id, run) {
            self.recount(Some(replaced.state), None);
        }
        self.queue.push_back(id);
        self.recount(None, Some(RunState::Pending));
        self.observer.see(|| Event::Run { id, state: RunState::Pending });
    }

    pub(crate) fn run(&self, id: &Uuid) -> Option<&Run> {
        self.runs.get(id)
    }

    pub(crate) fn runs_in(&self, state: RunState) -> usize {
        self.states_of_runs.get(state as usize).copied().unwrap_or_default()
    }

    /// Changes a run and keeps counts, memory and onlooker in step. None for an unknown run.
    pub(crate) fn change<T>(&mut self, id: &Uuid, change: impl FnOnce(&mut Run) -> T) -> Option<T> {
        let run = self.runs.get_mut(id)?;
        let before = run.state;
        let steps: Vec<_> = match self.observer.0 {
            Some(_) => run.steps.iter().map(|step| step.status).collect(),
            None => Vec::new(),
        };
        let result = change(run);
        let after = run.state;
        for (index, step) in run.steps.iter().enumerate() {
            if steps.get(index) != Some(&step.status) {
                self.observer.see(|| Event::Step {
                    run: *id,
                    step: step.id.clone(),
                    status: step.status,
                    user_message: step.user_message.clone(),
                });
            }
        }
        if before != after {
            if after.is_terminal() && self.config.recording == Recording::Counts {
                run.forget_details();
            }
            self.recount(Some(before), Some(after));
            self.observer.see(|| Event::Run { id: *id, state: after });
        }
        Some(result)
    }

    fn recount(&mut self, before: Option<RunState>, after: Option<RunState>) {
        let counts = &mut self.states_of_runs;
        if let Some(count) = before.and_then(|before| counts.get_mut(before as usize)) {
            *count -= 1;
        }
        if let Some(count) = after.and_then(|after| counts.get_mut(after as usize)) {
            *count += 1;
        }
    }

    /// The oldest pending run, claimed; runs that were aborted while they waited are passed over.
    pub(crate) fn claim(&mut self) -> Option<Uuid> {
        let now = self.now;
        while let Some(id) = self.queue.pop_front() {
            if self.runs.get(&id).is_some_and(|run| run.state == RunState::Pending) {
                self.change(&id, |run| run.claim(now));
                return Some(id);
            }
        }
        None
    }

    /// The user aborts: a pending run ends at once, a claimed one learns it from its next update's answer.
    pub(crate) fn abort(&mut self, id: &Uuid) {
        let now = self.now;
        self.change(id, |run| {
            if !run.state.is_terminal() {
                run.aborted = true;
            }
            if run.state == RunState::Pending {
                run.end_by_server(RunState::Aborted, now);
            }
        });
    }

    pub(crate) fn advance(&mut self, by: Duration) {
        self.now += by;
        let (now, patience) = (self.now, self.config.run_timeout);
        let silent = |run: &&Run| {
            run.state == RunState::InProgress && now.saturating_sub(run.last_heard) >= patience
        };
        let silent: Vec<Uuid> = self.runs.values().filter(silent).map(|run| run.id).collect();
        for id in silent {
            self.change(&id, |run| run.end_by_server(RunState::TimedOut, now));
        }
    }

    pub(crate) fn arrived(&mut self, route: Route) {
        *self.counts.entry(route).or_default() += 1;
    }

    pub(crate) fn count(&self, route: Route) -> u64 {
        self.counts.get(&route).copied().unwrap_or_default()
    }

    pub(crate) fn violated(&mut self, route: Route, run: Option<Uuid>, message: String) {
        let violation = Violation { route, run, message };
        self.observer.see(|| Event::Violated(violation.clone()));
        self.violations.push(violation);
    }

    pub(crate) fn refuse(&mut self, route: Route, run: Option<Uuid>, refused: Refused) -> Answer {
        let answer = Answer::problem(refused.status, &refused.message);
        if refused.is_violation {
            self.violated(route, run, refused.message);
        }
        answer
    }

    pub(crate) fn change_state<T>(
        &mut self,
        address: &StateAddress,
        change: impl FnOnce(&mut TerraformState) -> T,
    ) -> T {
        change(self.states.entry(address.clone()).or_default())
    }

    /// For people who wonder why a condition was not met.
    pub(crate) fn dump(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(text, "requests:");
        for route in Route::ALL.into_iter().filter(|route| self.count(*route) > 0) {
            let _ = writeln!(text, "  {route}: {}", self.count(route));
        }
        let _ = writeln!(text, "runs:");
        for state in [
            RunState::Pending,
            RunState::InProgress,
            RunState::Succeeded,
            RunState::Failed,
            RunState::Aborted,
            RunState::TimedOut,
        ] {
            let _ = writeln!(text, "  {state}: {}", self.runs_in(state));
        }
        let unfinished = self.runs.values().filter(|run| !run.state.is_terminal());
        for run in unfinished.take(DUMPED_MAX) {
            let steps: Vec<String> =
                run.steps.iter().map(|step| format!("{} {}", step.id, step.status)).collect();
            let abort = if run.aborted { ", abort asked" } else { "" };
            let (id, state) = (run.id, run.state);
            let _ = writeln!(text, "  {id} {state}{abort}: [{}]", steps.join(", "));
        }
        let _ = writeln!(text, "latest requests:");
        for request in self.requests.iter().skip(self.requests.len().saturating_sub(DUMPED_MAX)) {
            let _ = writeln!(text, "  {request:?}");
        }
        if self.violations.len() > 0 {
            let _ = write!(text, "violations:\n{}", self.violations);
        }
        text
    }

    pub(crate) fn unknown_run(id: Uuid) -> Refused {
        Refused::violation(StatusCode::NOT_FOUND, format!("there is no run {id}"))
    }
}
