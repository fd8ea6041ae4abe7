//! A stage of the pipeline as a step: [`part`].

use crate::api::Record;
use blockhouse_sdk::{Naming, PartState, RemotePart};

/// What the steps are called.
pub(crate) const NAMING: Naming =
    Naming { id: "ado-stage-", label: "Stage: ", others: "Other Stages" };

pub(crate) fn part(stage: Record, link: Option<&str>) -> RemotePart {
    let (state, word) = progress(stage.state.as_deref(), stage.result.as_deref());
    let (began, ended) = (stage.start_time.as_deref(), stage.finish_time.as_deref());
    RemotePart {
        message: RemotePart::message(word, began, ended, link),
        name: stage.name.unwrap_or_default(),
        state,
        id: stage.id,
    }
}

/// How far it has got, and the word for it.
fn progress<'a>(state: Option<&str>, result: Option<&'a str>) -> (PartState, &'a str) {
    match (state, result) {
        (Some("completed"), Some(result)) => match result {
            "skipped" | "succeeded" => (PartState::Succeeded, result),
            "succeededWithIssues" => (PartState::Succeeded, "succeeded with issues"),
            _ => (PartState::Failed, result),
        },
        // Its result is about to come.
        (Some("completed"), None) => (PartState::Running, "completed"),
        (Some("inProgress"), _) => (PartState::Running, "in progress"),
        _ => (PartState::Waiting, "pending"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_what_they_are() {
        for (state, result, expected) in [
            (Some("pending"), None, PartState::Waiting),
            (None, None, PartState::Waiting),
            (Some("inProgress"), None, PartState::Running),
            (Some("completed"), None, PartState::Running),
            (Some("completed"), Some("succeeded"), PartState::Succeeded),
            (Some("completed"), Some("succeededWithIssues"), PartState::Succeeded),
            (Some("completed"), Some("skipped"), PartState::Succeeded),
            (Some("completed"), Some("failed"), PartState::Failed),
            (Some("completed"), Some("canceled"), PartState::Failed),
            (Some("completed"), Some("abandoned"), PartState::Failed),
            (Some("completed"), Some("new"), PartState::Failed),
        ] {
            assert_eq!(progress(state, result).0, expected, "{state:?} {result:?}");
        }
    }
}
