//! What GitHub's refusals mean: [`accepted`].

use crate::settings::Settings;
use blockhouse_sdk::{CallError, Failure, Response, detailed, failure, messages, redirected};

/// The answer, unless it is a refusal.
pub(crate) fn accepted<S, T>(
    answer: Response<S>,
    settings: &Settings<'_, T>,
) -> Result<Response<S>, CallError> {
    if answer.is_success() { Ok(answer) } else { Err(refused(&answer, settings)) }
}

/// What an answer that is no success means.
pub(crate) fn refused<S, T>(answer: &Response<S>, settings: &Settings<'_, T>) -> CallError {
    let said = messages(&answer.body);
    let detail = format!("status {}: {said}", answer.status);
    let repository = settings.full_name();
    let is_limited = answer.status == 429
        || answer.status == 403
            && (answer.header("retry-after").is_some()
                || answer.header("x-ratelimit-remaining") == Some("0"));
    let failure = match answer.status {
        _ if is_limited => {
            return CallError::Troubled(detailed(
                "GitHub has had too many requests of this app. Please try again later.",
                detail,
            ));
        }
        500..=599 => {
            return CallError::Troubled(detailed(
                format!(
                    "GitHub has trouble of its own (status {}). Please try again later.",
                    answer.status
                ),
                detail,
            ));
        }
        300..=399 => redirected("GitHub", "githubBaseUrl", answer),
        401 => detailed(
            "GitHub does not accept the token that it has given to the app. Please tell the platform team.",
            detail,
        ),
        403 => detailed(
            format!(
                "The GitHub app may not do this in the repository `{repository}`. Please ask the platform team to check its permissions."
            ),
            detail,
        ),
        404 => detailed(
            format!(
                "GitHub does not find this in the repository `{repository}`. Please ask the platform team to check the building block's definition."
            ),
            detail,
        ),
        _ if said.is_empty() => failure(format!(
            "GitHub refuses this, and does not say why (status {}). Please ask the platform team.",
            answer.status
        )),
        _ => failure(format!("GitHub refuses this: {said}. Please ask the platform team.")),
    };
    failure.into()
}

/// An answer that is not what GitHub answers.
pub(crate) fn garbled(why: &str) -> Failure {
    detailed(
        "GitHub has given an answer that can't be understood. Please ask the platform team to check `githubBaseUrl` in the building block's definition.",
        why,
    )
}
