//! An API key's short-lived token: [`Session`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::warn;
use url::Url;

use super::config::Retry;
use super::error::{BodyError, CallError, CallErrorKind, Operation};
use super::transport::{Request, Transport};
use super::wire::{Login, LoginAnswer};
use crate::backoff::Backoff;

const JSON: &str = "application/json";
const ANSWER_MAX: usize = 64 * 1024;

/// What meshStack says when it says nothing.
const LIFETIME_DEFAULT: Duration = Duration::from_secs(300);
/// Bounds for what it says: zero would mean a login per call, and a huge number would overflow a point in time.
const LIFETIME_MIN: Duration = Duration::from_secs(2);
const LIFETIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// How long before its end a token is replaced; half of the lifetime if that's shorter.
const MARGIN: Duration = Duration::from_secs(30);

/// Logs in, keeps the token, replaces it in time.
///
/// The lock is held while logging in, so there is never more than one login under way, and it needs no task: if the
/// caller who logs in is cancelled, the next in the queue takes over. Those who waited for a login that failed are told
/// its error instead of trying one by one, and so is everybody until a back-off is over.
pub(super) struct Session {
    client_id: String,
    client_secret: SecretString,
    url: Url,
    state: Mutex<State>,
    /// Counts finished logins, to tell those who waited for one from those who came after it.
    finished: AtomicU64,
}

struct State {
    token: Option<Token>,
    failure: Option<Failure>,
    backoff: Backoff,
    issued: u64,
}

/// One issued token.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) text: SecretString,
    /// Tells this token from the ones before and after it.
    pub(super) number: u64,
    times: Times,
}

#[derive(Clone, Copy)]
struct Times {
    renew_at: Instant,
    expires_at: Instant,
}

struct Failure {
    error: Arc<CallError>,
    /// Until when nobody tries again.
    until: Instant,
}

impl Session {
    pub(super) fn new(
        client_id: String,
        client_secret: SecretString,
        url: Url,
        retry: &Retry,
    ) -> Self {
        let state =
            State { token: None, failure: None, backoff: Backoff::new(retry.backoff), issued: 0 };
        let finished = AtomicU64::new(0);
        Self { client_id, client_secret, url, state: Mutex::new(state), finished }
    }

    /// A token that is fresh, but not the one with the number `rejected`. If refreshing fails while the old token
    /// still has some time to live, the old one.
    pub(super) async fn token(
        &self,
        transport: &Transport,
        rejected: Option<u64>,
    ) -> Result<Token, Arc<CallError>> {
        // Must be read before queueing for the lock.
        let seen = self.finished.load(Ordering::SeqCst);
        let mut state = self.state.lock().await;
        // Only if it is still the one that was refused: somebody may have replaced it meanwhile.
        state.token.take_if(|token| rejected == Some(token.number));
        let now = Instant::now();
        if let Some(token) = state.token.as_ref().filter(|token| now < token.times.renew_at) {
            return Ok(token.clone());
        }
        let waited = self.finished.load(Ordering::SeqCst) != seen;
        if let Some(failure) = &state.failure
            && (waited || now < failure.until)
        {
            return state.still_valid(now).ok_or_else(|| Arc::clone(&failure.error));
        }
        let outcome = self.login(transport).await;
        self.finished.fetch_add(1, Ordering::SeqCst);
        match outcome {
            Ok((text, times)) => {
                state.issued += 1;
                let token = Token { text, number: state.issued, times };
                state.token = Some(token.clone());
                state.failure = None;
                state.backoff.reset();
                Ok(token)
            }
            Err(kind) => {
                let error = Arc::new(CallError { operation: Operation::Login, kind });
                let mut wait = state.backoff.delay();
                if let Some(asked) = error.retry_after() {
                    wait = wait.saturating_add(asked);
                }
                let now = Instant::now();
                let until = now.checked_add(wait).unwrap_or(now);
                state.failure = Some(Failure { error: Arc::clone(&error), until });
                let old = state.still_valid(now).ok_or(error)?;
                warn!("could not refresh the token for meshStack's API; using the old one on");
                Ok(old)
            }
        }
    }

    async fn login(&self, transport: &Transport) -> Result<(SecretString, Times), CallErrorKind> {
        let body = serde_json::to_vec(&Login {
            client_id: &self.client_id,
            client_secret: self.client_secret.expose_secret(),
        })
        .map_err(|error| CallErrorKind::Encode(Arc::new(error)))?;
        let request = Request {
            method: Method::POST,
            url: self.url.clone(),
            accept: JSON,
            content_type: Some(JSON),
            body: Bytes::from(body),
            limit: ANSWER_MAX,
            transfer: false,
            confidential: false,
        };
        // Counted from before the token was made: never longer than it lives.
        let asked_at = Instant::now();
        let answer = transport.exchange(&request, None).await?;
        if !answer.status.is_success() {
            // Without the body: it's the one answer that may quote the secret in some form.
            return Err(answer.into_failure(|_| String::new()));
        }
        let LoginAnswer { access_token, expires_in } = serde_json::from_slice(&answer.body)
            .map_err(|error| CallErrorKind::Body(BodyError::json(&error)))?;
        let text = access_token.expose_secret();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(CallErrorKind::Body(BodyError::Token));
        }
        Ok((access_token, Times::new(asked_at, expires_in.map(Duration::from_secs))))
    }
}

impl State {
    fn still_valid(&self, now: Instant) -> Option<Token> {
        self.token.clone().filter(|token| now < token.times.expires_at)
    }
}

impl Times {
    fn new(asked_at: Instant, lifetime: Option<Duration>) -> Self {
        let lifetime = lifetime.unwrap_or(LIFETIME_DEFAULT).clamp(LIFETIME_MIN, LIFETIME_MAX);
        let margin = MARGIN.min(lifetime / 2);
        Self { renew_at: asked_at + (lifetime - margin), expires_at: asked_at + lifetime }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renewed_and_expired_after(lifetime: Option<u64>) -> (u64, u64) {
        let now = Instant::now();
        let times = Times::new(now, lifetime.map(Duration::from_secs));
        ((times.renew_at - now).as_secs(), (times.expires_at - now).as_secs())
    }

    #[test]
    fn tokens_are_replaced_thirty_seconds_before_their_end() {
        assert_eq!(renewed_and_expired_after(Some(300)), (270, 300));
        assert_eq!(renewed_and_expired_after(Some(61)), (31, 61));
        assert_eq!(renewed_and_expired_after(None), (270, 300));
    }

    #[test]
    fn odd_lifetimes_are_survived() {
        assert_eq!(renewed_and_expired_after(Some(40)), (20, 40));
        assert_eq!(renewed_and_expired_after(Some(0)), (1, 2));
        assert_eq!(renewed_and_expired_after(Some(u64::MAX)), (86_370, 86_400));
    }
}
