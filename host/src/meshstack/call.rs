//! One call as its callers see it: credential, 401, repetition, and what a status means: [`Caller`].

use std::sync::Arc;

use reqwest::StatusCode;
use reqwest::header::HeaderValue;
use tokio::time::sleep;
use tracing::debug;

use super::auth::{Authority, Authorization};
use super::config::Retry;
use super::error::{CallError, CallErrorKind, Operation};
use super::transport::{Answer, Request, Transport};
use crate::backoff::Backoff;

/// The media type of runs, for `Accept` and `Content-Type`.
pub(super) const RUN_MEDIA_TYPE: &str =
    "application/vnd.meshcloud.api.meshbuildingblockrun.v1.hal+json";

/// How many bytes an ordinary answer may have.
pub(super) const ANSWER_MAX: usize = 1024 * 1024;

/// How many bytes of a failure's body are repeated in its error.
const EXCERPT_MAX: usize = 1024;

/// Makes calls with one credential.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) transport: Arc<Transport>,
    pub(super) authority: Arc<Authority>,
    pub(super) retry: Retry,
}

impl Caller {
    /// Calls once; only a 401, which means that nothing was done, is answered by a second try. 2xx and `fine` statuses
    /// are answers, everything else is an error.
    pub(super) async fn call(
        &self,
        operation: Operation,
        request: &Request,
        fine: &[StatusCode],
    ) -> Result<Answer, CallError> {
        self.attempt(request, fine).await.map_err(|kind| CallError { operation, kind })
    }

    /// Calls until there is an answer, an error that repeating doesn't help against, or no try left.
    /// Only for calls that meshStack may safely see twice.
    pub(super) async fn call_repeatedly(
        &self,
        operation: Operation,
        request: &Request,
        fine: &[StatusCode],
    ) -> Result<Answer, CallError> {
        let mut backoff = Backoff::new(self.retry.backoff);
        let mut tries = 1;
        loop {
            let error = match self.call(operation, request, fine).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if tries >= self.retry.tries || !error.is_retryable() {
                return Err(error);
            }
            tries += 1;
            let delay = match error.retry_after() {
                Some(asked) => backoff.delay_after(asked),
                None => backoff.delay(),
            };
            debug!(%operation, error = %error.kind, ?delay, "the call is repeated");
            sleep(delay).await;
        }
    }

    async fn attempt(
        &self,
        request: &Request,
        fine: &[StatusCode],
    ) -> Result<Answer, CallErrorKind> {
        let mut authorization = self.authorization(None).await?;
        let mut answer = self.exchange(request, &authorization.header).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            authorization = self.authorization(Some(&authorization)).await?;
            answer = self.exchange(request, &authorization.header).await?;
        }
        if answer.status.is_success() || fine.contains(&answer.status) {
            self.transport.contact.note();
            return Ok(answer);
        }
        // SECURITY: meshstack::tests::runs::a_rejected_sensitive_output_is_not_repeated
        Err(answer.into_failure(|answer| match request.confidential {
            true => String::new(),
            false => self.excerpt(answer, &authorization),
        }))
    }

    async fn authorization(
        &self,
        rejected: Option<&Authorization>,
    ) -> Result<Authorization, CallErrorKind> {
        self.authority.authorization(&self.transport, rejected).await.map_err(CallErrorKind::Login)
    }

    async fn exchange(
        &self,
        request: &Request,
        header: &HeaderValue,
    ) -> Result<Answer, CallErrorKind> {
        self.transport.exchange(request, Some(header)).await
    }

    /// The beginning of a failure's body, fit for a message.
    // SECURITY: meshstack::tests::claims::errors_hold_no_secret
    fn excerpt(&self, answer: &Answer, authorization: &Authorization) -> String {
        let text = String::from_utf8_lossy(&answer.body);
        // Before scrubbing, so that removing characters can't put a split credential together again.
        let clean: String = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
        let clean: String = clean.chars().filter(|c| !c.is_control()).collect();
        let mut end = clean.len();
        if answer.truncated {
            // A credential that was cut off at the end would not be recognised.
            end = end.saturating_sub(self.authority.longest(authorization));
        }
        let mut excerpt = self.authority.scrub(clip(&clean, end).trim(), authorization);
        excerpt.truncate(clip(&excerpt, EXCERPT_MAX).len());
        excerpt
    }
}

impl Answer {
    /// Makes an error of an answer that is none; `excerpt` tells what to repeat of the body.
    pub(super) fn into_failure(self, excerpt: impl FnOnce(&Self) -> String) -> CallErrorKind {
        let status = self.status;
        if status.is_redirection() {
            return CallErrorKind::Redirect { status, target: self.target };
        }
        if status == StatusCode::UNAUTHORIZED {
            return CallErrorKind::Unauthorized;
        }
        let excerpt = excerpt(&self);
        CallErrorKind::Status { status, excerpt, retry_after: self.retry_after }
    }
}

/// The beginning of `text`, at most `max` bytes, at a character's boundary.
fn clip(text: &str, max: usize) -> &str {
    let mut end = max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
