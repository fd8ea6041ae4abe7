//! What GitLab has answered, in words for people: [`read`].

use blockhouse_sdk::{Failure, Response, detailed, failure, messages, redirected, web_link};
use serde::Deserialize;

/// A pipeline that was created.
#[derive(Deserialize)]
pub(crate) struct Pipeline {
    pub(crate) id: u64,
    #[serde(default)]
    web_url: Option<String>,
}

impl Pipeline {
    /// Where people can look at it.
    pub(crate) fn link(&self) -> Option<&str> {
        self.web_url.as_deref().and_then(web_link)
    }
}

/// The pipeline, or why there is none.
pub(crate) fn read<S>(answer: &Response<S>) -> Result<Pipeline, Failure> {
    if answer.is_success() {
        return answer.json().map_err(|error| {
            detailed(
                "The answer does not come from GitLab as it seems, so it is not known whether the pipeline was triggered. Please ask the platform team to check `gitlabBaseUrl` in the building block's definition.",
                error,
            )
        });
    }
    Err(refused(answer))
}

fn refused<S>(answer: &Response<S>) -> Failure {
    let said = messages(&answer.body);
    let detail = format!("status {}: {said}", answer.status);
    match answer.status {
        300..=399 => redirected("GitLab", "gitlabBaseUrl", answer),
        404 => detailed(
            "GitLab does not know this project, or the trigger token does not belong to it. Probably `projectId` in the building block's definition is wrong; please ask the platform team to check it.",
            detail,
        ),
        400..=499 if said.to_ascii_lowercase().contains("identity verification is required") => {
            detailed(
                "GitLab has not triggered the pipeline: it wants the owner of the trigger token to verify their identity first (in GitLab, under the user's profile). Please ask the platform team.",
                detail,
            )
        }
        429 => failure(
            "GitLab has not triggered the pipeline: there were too many requests. Please try again in some minutes.",
        ),
        400..=499 if said.is_empty() => failure(format!(
            "GitLab has not triggered the pipeline, and does not say why (status {}). Please ask the platform team.",
            answer.status
        )),
        400..=499 => detailed(
            format!(
                "GitLab has not triggered the pipeline: {said}. Please correct the inputs, or ask the platform team."
            ),
            detail,
        ),
        _ => detailed(
            "GitLab has trouble of its own, and it is not known whether the pipeline was triggered. Please look there before you start the run again.",
            detail,
        ),
    }
}
