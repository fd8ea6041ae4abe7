//! How the end of a run shows in its timeline.

use super::{NewStep, Shown, StepIndex, StepStatus, Timeline};
use crate::outcome::{Outcome, Usage};

/// The step that carries the message of a run that failed outside of all its steps.
const RUN_STEP: (&str, &str) = ("run", "Run");

const NOT_EXECUTED: &str = "not executed: an earlier step failed";

impl Timeline {
    /// Brings every step to an end that fits the outcome, and says what was used.
    ///
    /// When the run failed, the step that was running fails with the outcome's message, and all that are still open fail too.
    pub fn finish(&mut self, outcome: &Outcome, usage: Option<&Usage>) {
        self.finish_streams();
        self.revision += 1;
        let told = match outcome {
            Outcome::HandedOver | Outcome::Succeeded => {
                self.close_open(StepStatus::Succeeded);
                self.steps.len().checked_sub(1).map(StepIndex)
            }
            Outcome::Aborted(_)
            | Outcome::Failed(_)
            | Outcome::Faulted(_)
            | Outcome::Refused(_) => Some(self.blame(outcome)),
        };
        if let (Some(index), Some(usage)) = (told, usage) {
            self.note(index, &usage.to_string());
        }
        for step in &mut self.steps {
            if step.log.finish() {
                step.revision = self.revision;
            }
        }
    }

    /// Takes over the steps as an earlier process has told them, each with its id, name and status: those that this one did not come to, or not
    /// that far, end from where they were. Before [`finish`](Self::finish).
    pub fn recall<'a>(&mut self, told: impl IntoIterator<Item = (&'a str, &'a str, StepStatus)>) {
        for (id, name, status) in told {
            let found = self.steps.iter().position(|step| step.id == id).map(StepIndex);
            let index = found.unwrap_or_else(|| {
                self.push(NewStep { id: id.to_owned(), display_name: Shown(name.to_owned()) })
            });
            if let Some(step) = self.steps.get_mut(index.0)
                && step.status.is_behind(status)
            {
                self.revision += 1;
                step.status = status;
                step.revision = self.revision;
            }
        }
    }

    /// Fails the step that explains the outcome, and all that are still open.
    fn blame(&mut self, outcome: &Outcome) -> StepIndex {
        let message = outcome.user_message().unwrap_or_default();
        let message = match self.remark.take() {
            Some(remark) => format!("{message} {remark}"),
            None => message,
        };
        let message = self.door.message(&message).into_string();
        if self.summary.is_none() {
            self.summary = Some(message.clone());
        }
        let index = self.blamed();
        if let Some(step) = self.steps.get_mut(index.0) {
            // A step that the component itself has failed keeps the component's words.
            if step.status != StepStatus::Failed || step.user_message.is_none() {
                step.user_message = Some(message.clone());
            }
            step.status = StepStatus::Failed;
        }
        self.note(index, &format!("{}: {message}", outcome.code()));
        if let Some(detail) = outcome.detail() {
            self.note(index, &detail);
        }
        for step in self.steps.iter_mut().filter(|step| step.status.is_open()) {
            step.log.push_line(NOT_EXECUTED);
        }
        self.close_open(StepStatus::Failed);
        index
    }

    /// The step that was running, or has failed, or would have been next; or a new one.
    fn blamed(&mut self) -> StepIndex {
        let order = [StepStatus::InProgress, StepStatus::Failed, StepStatus::Pending];
        let found = order
            .iter()
            .find_map(|status| self.steps.iter().position(|step| step.status == *status));
        match found {
            Some(index) => StepIndex(index),
            None => {
                let display_name = Shown(RUN_STEP.1.to_owned());
                self.push(NewStep { id: RUN_STEP.0.to_owned(), display_name })
            }
        }
    }

    fn close_open(&mut self, status: StepStatus) {
        for step in self.steps.iter_mut().filter(|step| step.status.is_open()) {
            step.status = status;
            step.revision = self.revision;
        }
    }

    /// Appends a line of ours to a step's log, whatever its status; not charged to the run.
    fn note(&mut self, index: StepIndex, line: &str) {
        if let Some(step) = self.steps.get_mut(index.0) {
            step.log.push_line(line);
            step.revision = self.revision;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{AbortReason, Failure};
    use blockhouse_policy::Limits;

    fn declare(timeline: &mut Timeline, id: &str) -> StepIndex {
        let step = timeline.door().step(id, id).unwrap();
        timeline.declare(step).unwrap()
    }

    fn three_steps() -> (Timeline, [StepIndex; 3]) {
        let mut timeline = Timeline::new(&Limits::default());
        let steps = ["a", "b", "c"].map(|id| declare(&mut timeline, id));
        timeline.start(steps[0]).unwrap();
        timeline.succeed(steps[0]).unwrap();
        (timeline, steps)
    }

    fn statuses(timeline: &Timeline) -> Vec<StepStatus> {
        timeline.steps.iter().map(|step| step.status).collect()
    }

    fn failure() -> Outcome {
        Outcome::Failed(Failure::Component { message: "boom".to_owned(), detail: None })
    }

    #[test]
    fn a_failure_fails_the_running_step_and_all_later_ones() {
        use StepStatus::{Failed, Succeeded};
        let (mut timeline, steps) = three_steps();
        timeline.start(steps[1]).unwrap();
        timeline.finish(&failure(), Some(&Usage::default()));
        assert_eq!(statuses(&timeline), [Succeeded, Failed, Failed]);
        let reports = timeline.changes_since(0).steps;
        assert_eq!(reports[1].user_message.as_deref(), Some("boom"));
        assert!(reports[1].log.as_deref().unwrap().contains("million instructions"));
        assert!(reports[2].log.as_deref().unwrap().contains("earlier step failed"));
    }

    #[test]
    fn a_step_that_the_component_failed_keeps_its_message() {
        let (mut timeline, steps) = three_steps();
        timeline.start(steps[1]).unwrap();
        let message = timeline.door().message("the quota is used up");
        timeline.fail(steps[1], message).unwrap();
        timeline.finish(&failure(), None);
        let report = &timeline.changes_since(0).steps[1];
        assert_eq!(report.user_message.as_deref(), Some("the quota is used up"));
    }

    #[test]
    fn a_run_without_any_open_step_gets_one_that_says_why() {
        let mut timeline = Timeline::new(&Limits::default());
        timeline.finish(&Outcome::Aborted(AbortReason::ByUser), None);
        let report = &timeline.changes_since(0).steps[0];
        assert_eq!((report.id.as_str(), report.status), ("run", StepStatus::Failed));
        assert!(report.user_message.as_deref().unwrap().contains("aborted"));
    }

    #[test]
    fn a_run_that_succeeds_leaves_no_step_open() {
        let (mut timeline, _) = three_steps();
        timeline.finish(&Outcome::Succeeded, Some(&Usage::default()));
        assert!(statuses(&timeline).iter().all(|status| *status == StepStatus::Succeeded));
    }

    #[test]
    fn steps_that_were_told_before_end_from_where_they_were() {
        use StepStatus::{Failed, InProgress, Pending, Succeeded};
        let (mut timeline, _) = three_steps();
        let seen = timeline.changes_since(0).revision;
        let told = [("a", Succeeded), ("b", Succeeded), ("gone", InProgress), ("later", Pending)];
        timeline.recall(told.map(|(id, status)| (id, id, status)));
        assert_eq!(statuses(&timeline), [Succeeded, Succeeded, Pending, InProgress, Pending]);
        timeline.finish(&failure(), None);
        assert_eq!(statuses(&timeline), [Succeeded, Succeeded, Failed, Failed, Failed]);
        let reports = timeline.changes_since(seen).steps;
        let blamed = reports.iter().find(|step| step.id == "gone").unwrap();
        assert_eq!(blamed.user_message.as_deref(), Some("boom"));
        assert!(reports.iter().any(|step| step.id == "b"), "it is told how far it was");
    }

    #[test]
    fn the_end_is_told_even_when_the_log_limit_is_used_up() {
        let mut timeline = Timeline::new(&Limits { log_total_bytes: 1, ..Limits::default() });
        let step = declare(&mut timeline, "a");
        timeline.start(step).unwrap();
        timeline.finish(&failure(), Some(&Usage::default()));
        assert!(timeline.changes_since(0).steps[0].log.as_deref().unwrap().contains("boom"));
    }
}
