//! A run on the server: its state machine. Main type: [`Run`].

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::StatusCode;
use uuid::Uuid;

use crate::answer::Refused;
use crate::route::StateAddress;
use crate::view::{RunState, StepView};
use crate::wire::{Register, Status, Update};

/// How long a run token stays valid after its run ended: for a final status that is sent again.
pub(crate) const RUN_TOKEN_GRACE: Duration = Duration::from_secs(300);

/// The largest plan that the server takes and hands out.
const PLAN_MAX: usize = 128 << 20;

/// Where the plan that an `APPLY` must download comes from.
#[derive(Debug, Clone)]
pub(crate) enum Plan {
    Bytes(Bytes),
    OfRun(Uuid),
}

/// What ended a run decides how a late update is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EndedBy {
    /// Its runner's report.
    Report,
    /// The server: timeout, the user's abort of a pending run, or an outside pipeline.
    Server,
}

#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) id: Uuid,
    pub(crate) token: Option<String>,
    pub(crate) is_detect: bool,
    /// Freed once delivered when the emulator keeps counts only.
    pub(crate) document: Bytes,
    pub(crate) address: Option<StateAddress>,
    pub(crate) plan: Option<Plan>,
    pub(crate) state: RunState,
    pub(crate) aborted: bool,
    pub(crate) abort_at_step: Option<String>,
    pub(crate) reported_status: Option<Status>,
    pub(crate) registered: bool,
    pub(crate) external_id: Option<String>,
    pub(crate) external_url: Option<String>,
    pub(crate) steps: Vec<StepView>,
    pub(crate) summary: Option<String>,
    pub(crate) artifact: Option<Bytes>,
    pub(crate) changes_detected: Option<bool>,
    pub(crate) updates: u64,
    pub(crate) terminal_updates: u64,
    pub(crate) claimed_at: Option<Duration>,
    pub(crate) last_heard: Duration,
    pub(crate) ended_at: Option<Duration>,
    ended_by: Option<EndedBy>,
}

impl Run {
    pub(crate) fn pending(id: Uuid, document: Bytes) -> Self {
        Self {
            id,
            token: None,
            is_detect: false,
            document,
            address: None,
            plan: None,
            state: RunState::Pending,
            aborted: false,
            abort_at_step: None,
            reported_status: None,
            registered: false,
            external_id: None,
            external_url: None,
            steps: Vec::new(),
            summary: None,
            artifact: None,
            changes_detected: None,
            updates: 0,
            terminal_updates: 0,
            claimed_at: None,
            last_heard: Duration::ZERO,
            ended_at: None,
            ended_by: None,
        }
    }

    pub(crate) fn claim(&mut self, now: Duration) {
        self.state = RunState::InProgress;
        self.claimed_at = Some(now);
        self.last_heard = now;
    }

    /// Ends the run from the server's side; a run that has ended stays as it is.
    pub(crate) fn end_by_server(&mut self, state: RunState, now: Duration) {
        if !self.state.is_terminal() {
            self.state = state;
            self.ended_at = Some(now);
            self.ended_by = Some(EndedBy::Server);
        }
    }

    pub(crate) fn token_is_valid(&self, now: Duration) -> bool {
        self.ended_at.is_none_or(|ended| now < ended + RUN_TOKEN_GRACE)
    }

    pub(crate) fn register(&mut self, request: Register, now: Duration) -> Result<(), Refused> {
        if self.state == RunState::Pending {
            return Err(Refused::violation(StatusCode::CONFLICT, "the run was never claimed"));
        }
        if self.registered || self.state.is_terminal() {
            return Err(Refused::quietly(StatusCode::CONFLICT, "already registered or ended"));
        }
        for (index, step) in request.steps.iter().enumerate() {
            if step.id.is_empty() || step.display_name.is_empty() {
                let text = "a step has an empty id or displayName";
                return Err(Refused::violation(StatusCode::BAD_REQUEST, text));
            }
            if request.steps.iter().take(index).any(|other| other.id == step.id) {
                let text = format!("step `{}` is declared twice", step.id);
                return Err(Refused::violation(StatusCode::BAD_REQUEST, text));
            }
        }
        self.registered = true;
        self.last_heard = now;
        self.external_id = request.source.external_id;
        self.external_url = request.source.external_url;
        for step in request.steps {
            let status = step.status.unwrap_or(Status::Pending);
            self.steps.push(StepView::declared(step.id, step.display_name, status));
        }
        self.abort_if_step_begun();
        Ok(())
    }

    /// Checks the whole update before it changes anything.
    pub(crate) fn update(&mut self, update: Update, now: Duration) -> Result<(), Refused> {
        if update.status == Some(Status::Pending) {
            let text = "the run's status is PENDING";
            return Err(Refused::violation(StatusCode::INTERNAL_SERVER_ERROR, text));
        }
        if !self.registered && !self.state.is_terminal() {
            let text = "update of a run without registering as its source";
            return Err(Refused::violation(StatusCode::NOT_FOUND, text));
        }
        match self.ended_by {
            Some(EndedBy::Server) => {
                let text = format!("the run has ended: {}", self.state);
                return Err(Refused::quietly(StatusCode::CONFLICT, text));
            }
            Some(EndedBy::Report) if update.status == self.reported_status => {
                // Sent again after a lost answer: nothing changes.
                self.updates += 1;
                return Ok(());
            }
            Some(EndedBy::Report) => {
                let text = format!(
                    "run status {} after {}",
                    update.status.map_or_else(|| "absent".to_owned(), |status| status.to_string()),
                    self.reported_status.map_or_else(String::new, |status| status.to_string()),
                );
                return Err(Refused::violation(StatusCode::CONFLICT, text));
            }
            None => {}
        }
        let artifact = self.check(&update)?;
        self.apply(update, artifact, now);
        Ok(())
    }

    fn check(&self, update: &Update) -> Result<Option<Bytes>, Refused> {
        let bad = |text: String| Err(Refused::violation(StatusCode::BAD_REQUEST, text));
        for (index, step) in update.steps.iter().flatten().enumerate() {
            let id = &step.id;
            if update.steps.iter().flatten().take(index).any(|other| other.id == *id) {
                return bad(format!("step `{id}` is in the update twice"));
            }
            let known = self.steps.iter().find(|known| known.id == *id);
            if known.is_none() && step.display_name.as_deref().is_none_or(str::is_empty) {
                return bad(format!(
                    "undeclared step `{id}`: neither registered nor with a displayName"
                ));
            }
            if let (Some(known), Some(status)) = (known, step.status)
                && !known.status.may_become(status)
            {
                let text = format!("step `{id}` from {} to {status}", known.status);
                return Err(Refused::violation(StatusCode::CONFLICT, text));
            }
            for (name, output) in step.outputs.iter().flatten() {
                if !output.value_fits() {
                    let kind = output.kind;
                    return bad(format!("output `{name}` of step `{id}` is no {kind:?}"));
                }
            }
        }
        if update.artifact.is_some() && !self.is_detect {
            return bad("an artifact from a run that is no DETECT".to_owned());
        }
        match update.artifact.as_deref().map(|text| STANDARD.decode(text)) {
            None => Ok(None),
            Some(Ok(bytes)) if bytes.len() > PLAN_MAX => {
                let text = format!("an artifact of {} bytes", bytes.len());
                Err(Refused::violation(StatusCode::PAYLOAD_TOO_LARGE, text))
            }
            Some(Ok(bytes)) => Ok(Some(bytes.into())),
            Some(Err(_)) => bad("the artifact is not base64".to_owned()),
        }
    }

    fn apply(&mut self, update: Update, artifact: Option<Bytes>, now: Duration) {
        self.updates += 1;
        self.last_heard = now;
        for reported in update.steps.into_iter().flatten() {
            let index = match self.steps.iter().position(|step| step.id == reported.id) {
                Some(index) => index,
                None => {
                    let name = reported.display_name.clone().unwrap_or_default();
                    self.steps.push(StepView::declared(reported.id.clone(), name, Status::Pending));
                    self.steps.len() - 1
                }
            };
            if let Some(step) = self.steps.get_mut(index) {
                step.apply(reported);
            }
        }
        self.summary = update.summary.or_else(|| self.summary.take());
        self.artifact = artifact.or_else(|| self.artifact.take());
        self.changes_detected = update.changes_detected.or(self.changes_detected);
        self.abort_if_step_begun();
        let Some(status) = update.status else { return };
        self.reported_status = Some(status);
        if status.is_terminal() {
            self.terminal_updates += 1;
            self.ended_at = Some(now);
            self.ended_by = Some(EndedBy::Report);
            self.state = match status {
                _ if self.aborted => RunState::Aborted,
                Status::Succeeded => RunState::Succeeded,
                _ => RunState::Failed,
            };
        }
    }

    /// Progress is coalesced, so the step may have passed `IN_PROGRESS` unseen: any status but `PENDING` counts.
    fn abort_if_step_begun(&mut self) {
        let begun = |id: &String| {
            self.steps.iter().any(|step| step.id == *id && step.status != Status::Pending)
        };
        if self.abort_at_step.as_ref().is_some_and(begun) {
            self.abort_at_step = None;
            self.aborted = true;
        }
    }

    /// Asks for an abort as soon as that step has begun, which may be now.
    pub(crate) fn abort_at(&mut self, step: &str) {
        self.abort_at_step = Some(step.to_owned());
        self.abort_if_step_begun();
    }

    /// Frees what only assertions on single runs look at.
    pub(crate) fn forget_details(&mut self) {
        self.document = Bytes::new();
        self.steps = Vec::new();
        self.summary = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn registered() -> Run {
        let mut run = Run::pending(Uuid::from_u128(1), Bytes::new());
        run.claim(Duration::ZERO);
        let body = json!({"source": {"id": "x"}, "steps": [{"id": "a", "displayName": "A"}]});
        run.register(serde_json::from_value(body).unwrap(), Duration::ZERO).unwrap();
        run
    }

    fn update(run: &mut Run, body: serde_json::Value) -> Result<(), (u16, bool)> {
        run.update(serde_json::from_value(body).unwrap(), Duration::ZERO)
            .map_err(|refused| (refused.status.as_u16(), refused.is_violation))
    }

    #[test]
    fn a_run_ends_once_and_the_same_status_again_changes_nothing() {
        let mut run = registered();
        update(&mut run, json!({"status": "IN_PROGRESS"})).unwrap();
        update(&mut run, json!({"status": "SUCCEEDED"})).unwrap();
        update(&mut run, json!({"status": "SUCCEEDED"})).unwrap();
        assert_eq!((run.state, run.terminal_updates, run.updates), (RunState::Succeeded, 1, 3));
    }

    #[test]
    fn nothing_follows_a_terminal_status() {
        let mut run = registered();
        update(&mut run, json!({"status": "FAILED"})).unwrap();
        assert_eq!(update(&mut run, json!({"status": "SUCCEEDED"})), Err((409, true)));
        assert_eq!(update(&mut run, json!({"status": "IN_PROGRESS"})), Err((409, true)));
        assert_eq!(update(&mut run, json!({})), Err((409, true)));
        assert_eq!(run.state, RunState::Failed);
    }

    #[test]
    fn an_aborted_run_stays_in_progress_until_its_final_status() {
        let mut run = registered();
        run.aborted = true;
        update(&mut run, json!({"status": "IN_PROGRESS"})).unwrap();
        assert_eq!(run.state, RunState::InProgress);
        update(&mut run, json!({"status": "FAILED"})).unwrap();
        assert_eq!((run.state, run.reported_status), (RunState::Aborted, Some(Status::Failed)));
        update(&mut run, json!({"status": "FAILED"})).unwrap();
        assert_eq!(run.terminal_updates, 1);
    }

    #[test]
    fn a_refused_update_changes_nothing() {
        let mut run = registered();
        let steps =
            json!([{"id": "a", "status": "SUCCEEDED", "userMessage": "x"}, {"id": "undeclared"}]);
        assert_eq!(
            update(&mut run, json!({"status": "SUCCEEDED", "steps": steps})),
            Err((400, true))
        );
        assert_eq!((run.state, run.steps[0].status), (RunState::InProgress, Status::Pending));
        assert_eq!(run.steps[0].user_message, None);
    }

    #[test]
    fn a_step_may_be_introduced_by_its_display_name_and_then_goes_by_its_id() {
        let mut run = registered();
        update(&mut run, json!({"steps": [{"id": "b", "displayName": "B"}]})).unwrap();
        update(&mut run, json!({"steps": [{"id": "b", "status": "IN_PROGRESS"}]})).unwrap();
        assert_eq!(run.steps[1].display_name, "B");
    }

    #[test]
    fn a_late_update_after_a_timeout_is_refused_without_blame() {
        let mut run = registered();
        run.end_by_server(RunState::TimedOut, Duration::ZERO);
        assert_eq!(update(&mut run, json!({"status": "SUCCEEDED"})), Err((409, false)));
        assert_eq!(run.terminal_updates, 0);
    }

    #[test]
    fn abort_at_a_step_fires_when_it_begins() {
        let mut run = registered();
        run.abort_at("a");
        update(&mut run, json!({"status": "IN_PROGRESS"})).unwrap();
        assert!(!run.aborted);
        update(&mut run, json!({"steps": [{"id": "a", "status": "IN_PROGRESS"}]})).unwrap();
        assert!(run.aborted);
    }

    #[test]
    fn only_a_detect_run_has_an_artifact() {
        let mut run = registered();
        assert_eq!(update(&mut run, json!({"artifact": "cGxhbg=="})), Err((400, true)));
        run.is_detect = true;
        assert_eq!(update(&mut run, json!({"artifact": "!"})), Err((400, true)));
        update(&mut run, json!({"artifact": "cGxhbg==", "changesDetected": true})).unwrap();
        assert_eq!(run.artifact.as_deref(), Some(b"plan".as_slice()));
    }

    #[test]
    fn an_artifact_above_128_mib_is_refused() {
        let mut run = registered();
        run.is_detect = true;
        let mut sized =
            |bytes| update(&mut run, json!({"artifact": STANDARD.encode(vec![0; bytes])}));
        assert_eq!(sized(PLAN_MAX + 1), Err((413, true)));
        sized(PLAN_MAX).unwrap();
        assert_eq!(run.artifact.map(|artifact| artifact.len()), Some(PLAN_MAX));
    }
}
