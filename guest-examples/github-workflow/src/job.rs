//! A job of the workflow as a step: [`part`].

use crate::api::Job;
use blockhouse_sdk::{Naming, PartState, RemotePart};

/// What the steps are called.
pub(crate) const NAMING: Naming =
    Naming { id: "gh-workflow-job-", label: "GitHub Job: ", others: "Other GitHub Jobs" };

pub(crate) fn part(job: Job) -> RemotePart {
    let (state, word) = progress(job.status.as_deref(), job.conclusion.as_deref());
    let (began, ended) = (job.started_at.as_deref(), job.completed_at.as_deref());
    RemotePart {
        message: RemotePart::message(word, began, ended, job.html_url.as_deref()),
        name: job.name.unwrap_or_default(),
        state,
        id: job.id.to_string(),
    }
}

/// How far it has got, and the word for it.
fn progress<'a>(status: Option<&'a str>, conclusion: Option<&'a str>) -> (PartState, &'a str) {
    match (status, conclusion) {
        (Some("completed"), Some(conclusion)) => match conclusion {
            "neutral" | "skipped" | "success" => (PartState::Succeeded, conclusion),
            _ => (PartState::Failed, conclusion),
        },
        // Its conclusion is about to come.
        (Some("completed"), None) => (PartState::Running, "completed"),
        (Some("in_progress"), _) => (PartState::Running, "in progress"),
        (Some(status), _) => (PartState::Waiting, status),
        (None, _) => (PartState::Waiting, "queued"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conclusions_are_what_they_are() {
        for (status, conclusion, expected) in [
            ("queued", None, PartState::Waiting),
            ("waiting", None, PartState::Waiting),
            ("pending", None, PartState::Waiting),
            ("in_progress", None, PartState::Running),
            ("completed", None, PartState::Running),
            ("completed", Some("success"), PartState::Succeeded),
            ("completed", Some("skipped"), PartState::Succeeded),
            ("completed", Some("neutral"), PartState::Succeeded),
            ("completed", Some("failure"), PartState::Failed),
            ("completed", Some("cancelled"), PartState::Failed),
            ("completed", Some("timed_out"), PartState::Failed),
            ("completed", Some("action_required"), PartState::Failed),
            ("completed", Some("new"), PartState::Failed),
        ] {
            assert_eq!(progress(Some(status), conclusion).0, expected, "{status} {conclusion:?}");
        }
    }
}
