//! From our picture of a run to meshStack's words.

use crate::meshstack::wire::{
    Artifact, Output, OutputKind, RunStatus, Step, StepDeclaration, StepStatus, Update,
};
use crate::outcome::Outcome;
use crate::run::Json;
use crate::timeline::{self, Changes, Plan, StepReport, Timeline};
use std::collections::BTreeMap;

/// The report of a run that goes on.
pub(super) fn progress_update(changes: Changes) -> Update {
    update(RunStatus::InProgress, changes)
}

/// The report of a run that has ended.
#[must_use]
pub fn final_update(outcome: &Outcome, changes: Changes) -> Update {
    update(run_status(outcome), changes)
}

/// Takes out the steps that an earlier daemon has reported as further on: a resumed run comes by them once more, and meshStack is not to
/// see it go back. They are told again when they are where they were.
pub(super) fn hold_back(update: &mut Update, known: &[Step]) {
    update.steps.retain(|step| reached(step, known).is_none());
}

/// Gives steps that were further on the status that they had, for the journal.
pub(super) fn keep_reached(steps: &mut [Step], known: &[Step]) {
    for step in steps {
        if let Some(status) = reached(step, known) {
            step.status = status;
        }
    }
}

/// The status that the step had, if it was further on.
fn reached(step: &Step, known: &[Step]) -> Option<StepStatus> {
    let known = known.iter().find(|known| known.id == step.id)?.status;
    kept_status(step.status).is_behind(kept_status(known)).then_some(known)
}

/// The steps that an earlier daemon has told, for [`Timeline::recall`].
pub(super) fn recalled(known: &[Step]) -> impl Iterator<Item = (&str, &str, timeline::StepStatus)> {
    known.iter().map(|step| (&*step.id, name(step), kept_status(step.status)))
}

/// Adds the plan of a dry run to its final report.
pub(super) fn attach(update: &mut Update, plan: Option<Plan>) {
    if let Some(Plan { bytes, changes }) = plan {
        update.artifact = Some(Artifact(bytes));
        update.changes_detected = Some(changes);
    }
}

/// The steps to be registered.
pub(super) fn declarations(timeline: &Timeline) -> Vec<StepDeclaration> {
    let steps = timeline.declarations();
    steps
        .map(|(id, name)| StepDeclaration { id: id.to_owned(), display_name: name.to_owned() })
        .collect()
}

/// The same for steps from the journal.
#[must_use]
pub fn declared(steps: &[Step]) -> Vec<StepDeclaration> {
    steps
        .iter()
        .map(|step| StepDeclaration { id: step.id.clone(), display_name: name(step).to_owned() })
        .collect()
}

fn name(step: &Step) -> &str {
    step.display_name.as_deref().unwrap_or(&step.id)
}

/// What the journal keeps of the steps: neither messages nor outputs.
pub(super) fn outline(timeline: &Timeline) -> Vec<Step> {
    let steps = timeline.outline();
    steps
        .map(|(id, name, status)| Step {
            id: id.to_owned(),
            display_name: Some(name.to_owned()),
            status: step_status(status),
            user_message: None,
            system_message: None,
            outputs: BTreeMap::new(),
        })
        .collect()
}

/// No wildcard: whoever adds an outcome decides what meshStack is told.
fn run_status(outcome: &Outcome) -> RunStatus {
    match outcome {
        Outcome::HandedOver => RunStatus::InProgress,
        Outcome::Succeeded => RunStatus::Succeeded,
        Outcome::Aborted(_) | Outcome::Failed(_) | Outcome::Faulted(_) | Outcome::Refused(_) => {
            RunStatus::Failed
        }
    }
}

fn update(status: RunStatus, changes: Changes) -> Update {
    let steps = changes.steps.into_iter().map(step).collect();
    Update { summary: changes.summary, steps, ..Update::bare(status) }
}

fn step(report: StepReport) -> Step {
    Step {
        id: report.id,
        display_name: Some(report.display_name),
        status: step_status(report.status),
        user_message: report.user_message,
        system_message: report.log,
        outputs: report.outputs.into_iter().map(|(key, value)| (key, output(&value))).collect(),
    }
}

fn step_status(status: timeline::StepStatus) -> StepStatus {
    match status {
        timeline::StepStatus::Failed => StepStatus::Failed,
        timeline::StepStatus::InProgress => StepStatus::InProgress,
        timeline::StepStatus::Pending => StepStatus::Pending,
        timeline::StepStatus::Succeeded => StepStatus::Succeeded,
    }
}

fn kept_status(status: StepStatus) -> timeline::StepStatus {
    match status {
        StepStatus::Failed => timeline::StepStatus::Failed,
        StepStatus::InProgress => timeline::StepStatus::InProgress,
        StepStatus::Pending => timeline::StepStatus::Pending,
        StepStatus::Succeeded => timeline::StepStatus::Succeeded,
    }
}

fn output(output: &timeline::Output) -> Output {
    Output {
        // An output is JSON by construction.
        value: Json::from_text(output.expose().to_owned()).unwrap_or_else(|_| Json::null()),
        kind: match output.kind() {
            timeline::OutputKind::Boolean => OutputKind::Boolean,
            timeline::OutputKind::Code => OutputKind::Code,
            timeline::OutputKind::Integer => OutputKind::Integer,
            timeline::OutputKind::String => OutputKind::String,
        },
        sensitive: output.is_sensitive(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(id: &str, status: StepStatus) -> Step {
        Step {
            id: id.to_owned(),
            display_name: Some(id.to_uppercase()),
            status,
            user_message: None,
            system_message: None,
            outputs: BTreeMap::new(),
        }
    }

    #[test]
    fn a_step_does_not_go_back_when_its_run_is_resumed() {
        use StepStatus::{Failed, InProgress, Pending, Succeeded};
        for (then, now, told) in [
            (Pending, InProgress, Some(InProgress)),
            (InProgress, Pending, None),
            (InProgress, InProgress, Some(InProgress)),
            (InProgress, Failed, Some(Failed)),
            (Succeeded, Pending, None),
            (Succeeded, InProgress, None),
            (Succeeded, Succeeded, Some(Succeeded)),
            (Succeeded, Failed, None),
            (Failed, InProgress, None),
        ] {
            let before = [known("a", then), known("b", Succeeded)];
            let steps = vec![known("a", now), known("new", now)];
            let update = Update { steps, ..Update::bare(RunStatus::InProgress) };
            let (mut going_on, mut ended) = (update.clone(), update);
            hold_back(&mut going_on, &before);
            let found = going_on.steps.iter().find(|step| step.id == "a");
            assert_eq!(found.map(|step| step.status), told, "{then:?} {now:?}");
            keep_reached(&mut ended.steps, &before);
            assert_eq!(ended.steps[0].status, told.unwrap_or(then), "{then:?} {now:?}");
            assert_eq!(ended.steps[1].status, now);
        }
    }
}
