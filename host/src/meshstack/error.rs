//! What can go wrong between us and meshStack: [`CallError`], [`BuildError`], [`LinkError`].
//!
//! None of them ever holds a credential: URLs are taken out of transport errors, and what a server says back is
//! searched for the credential it was sent.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;

use super::document::DocumentError;

/// A call to meshStack failed: a fault, ours or theirs.
#[derive(Clone, Debug, thiserror::Error)]
#[error("failed to {operation}")]
pub struct CallError {
    /// What was tried.
    pub operation: Operation,
    /// Why it failed.
    #[source]
    pub kind: CallErrorKind,
}

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Take the next run.
    Claim,
    /// Fetch the plan that a run must apply.
    DownloadPlan,
    /// Exchange the API key for a token.
    Login,
    /// Register as a source of a run's statuses.
    Register,
    /// Tell meshStack about this runner.
    RegisterRunner,
    /// Report a run's status.
    Update,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Claim => "claim a run",
            Self::DownloadPlan => "download the run's plan",
            Self::Login => "log in with the API key",
            Self::Register => "register as a source of the run's status",
            Self::RegisterRunner => "register the runner",
            Self::Update => "update the run's status",
        })
    }
}

/// Why a call failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallErrorKind {
    /// The answer came but can't be used.
    #[error("the answer can't be used")]
    Body(#[source] BodyError),
    /// No connection (name, TCP, TLS or proxy): meshStack has not seen the call.
    #[error("could not connect")]
    Connect(#[source] Arc<reqwest::Error>),
    /// Our own body could not be written as JSON.
    #[error("could not write the request's body")]
    Encode(#[source] Arc<serde_json::Error>),
    /// The connection broke; meshStack may or may not have acted on the call.
    #[error("the connection broke before the answer was complete")]
    Interrupted(#[source] Arc<reqwest::Error>),
    /// The run's link can't be followed.
    #[error("the run's link can't be followed")]
    Link(#[source] LinkError),
    /// There is no token to call with, since logging in failed.
    #[error("no valid token")]
    Login(#[source] Arc<CallError>),
    /// A redirect, which is never followed: a credential belongs to one origin.
    #[error("meshStack answered {status} and redirects to {}, which is not followed; hint: \
             use the final address as the API's URL", target.as_deref().unwrap_or("nowhere"))]
    Redirect {
        /// The status: 3xx.
        status: StatusCode,
        /// The origin (scheme, host, port) that the answer points to.
        target: Option<String>,
    },
    /// An answer with a status that means failure.
    #[error("meshStack answered {status}{}{excerpt}", if excerpt.is_empty() { "" } else { ": " })]
    Status {
        /// The status.
        status: StatusCode,
        /// The beginning of the body: at most 1 KiB, without control characters and credentials. It may still
        /// repeat what we reported, so it goes where reports may go.
        excerpt: String,
        /// The wait that meshStack asked for, already bounded.
        retry_after: Option<Duration>,
    },
    /// Nothing came for too long; meshStack may or may not have acted on the call.
    #[error("no complete answer within {}", humantime::format_duration(*after))]
    Timeout {
        /// The limit that was hit.
        after: Duration,
    },
    /// 401, also on the second try with (where that's possible) a fresh token.
    #[error("meshStack doesn't accept the credentials (401)")]
    Unauthorized,
    /// There is no runner with our id in meshStack.
    #[error("meshStack doesn't know this runner; hint: it must first be created in meshStack")]
    UnknownRunner,
}

/// What is wrong with an answer's body.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BodyError {
    /// It is not the document that a claim must bring.
    #[error("the claimed run is unreadable")]
    Document(#[source] DocumentError),
    /// It is not the JSON that was expected. The parser's own words are left out: they quote the body.
    #[error("not the expected JSON, at line {line}, column {column}")]
    Json {
        /// From 1.
        line: usize,
        /// From 1; 0 before the first character.
        column: usize,
    },
    /// A token that can't be sent in a header.
    #[error("the token has characters that no token has")]
    Token,
    /// It is longer than anything that makes sense.
    #[error("longer than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
}

impl BodyError {
    pub(super) fn json(error: &serde_json::Error) -> Self {
        Self::Json { line: error.line(), column: error.column() }
    }
}

impl CallError {
    /// Whether the same call may succeed later with nothing changed on our side.
    ///
    /// `false` doesn't mean that it can't: somebody may repair a configuration or a permission. What that means for a final status
    /// is decided where it is delivered.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match &self.kind {
            CallErrorKind::Body(BodyError::Json { .. })
            | CallErrorKind::Connect(_)
            | CallErrorKind::Interrupted(_)
            | CallErrorKind::Timeout { .. } => true,
            CallErrorKind::Login(login) => login.is_retryable(),
            CallErrorKind::Status { status, .. } => {
                status.is_server_error()
                    || *status == StatusCode::TOO_MANY_REQUESTS
                    || *status == StatusCode::REQUEST_TIMEOUT
            }
            CallErrorKind::Body(
                BodyError::Document(_) | BodyError::Token | BodyError::TooLarge { .. },
            )
            | CallErrorKind::Encode(_)
            | CallErrorKind::Link(_)
            | CallErrorKind::Redirect { .. }
            | CallErrorKind::Unauthorized
            | CallErrorKind::UnknownRunner => false,
        }
    }

    /// The HTTP status of meshStack's answer, if the failure is one; that of the login if that failed.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match &self.kind {
            CallErrorKind::Login(login) => login.status(),
            CallErrorKind::Redirect { status, .. } | CallErrorKind::Status { status, .. } => {
                Some(*status)
            }
            CallErrorKind::Unauthorized => Some(StatusCode::UNAUTHORIZED),
            CallErrorKind::UnknownRunner => Some(StatusCode::NOT_FOUND),
            CallErrorKind::Body(_)
            | CallErrorKind::Connect(_)
            | CallErrorKind::Encode(_)
            | CallErrorKind::Interrupted(_)
            | CallErrorKind::Link(_)
            | CallErrorKind::Timeout { .. } => None,
        }
    }

    /// How long meshStack asked to be left alone, bounded by [`super::Retry::retry_after_cap`].
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match &self.kind {
            CallErrorKind::Login(login) => login.retry_after(),
            CallErrorKind::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// A client can't be made of its configuration.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The API's URL can't be one.
    #[error(
        "the API's URL must be http or https, with a host and without user, password, query and fragment"
    )]
    BaseUrl,
    /// A PEM bundle holds no certificate or something broken.
    #[error("extra CA bundle {number} holds no readable certificate")]
    CaCertificates {
        /// Which one in the configured list, from 1.
        number: usize,
    },
    /// User, password or client id can't be sent.
    #[error(
        "the user must not contain a colon or control characters, nor the password control characters"
    )]
    Credentials,
    /// The HTTP client can't be set up.
    #[error("failed to set up the HTTP client (are the system's CA certificates installed?)")]
    Http(#[source] reqwest::Error),
    /// A run that is to be reported with its own token only doesn't say where.
    #[error("the run can't be reported with its own token only")]
    Link(#[from] LinkError),
    /// The node's name can't be sent.
    #[error("the node's name must be visible ASCII")]
    Node,
    /// The proxy's URL can't be one.
    #[error("the proxy's URL must be http or https")]
    Proxy,
}

/// What a run says about where and how to report can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// It points to another server than the one that the token belongs to.
    #[error("link `{link}` points to {origin}, and tokens are sent to their own origin only")]
    ForeignOrigin {
        /// The link's name in the document.
        link: &'static str,
        /// Scheme, host and port.
        origin: String,
    },
    /// The run has no such link.
    #[error("there is no link `{link}`")]
    Missing {
        /// The link's name in the document.
        link: &'static str,
    },
    /// The run has no token.
    #[error("the run has no `spec.runToken`")]
    NoRunToken,
    /// The run's token can't be sent in a header.
    #[error("`spec.runToken` has characters that no token has")]
    RunToken,
    /// It is not a URL that we can call.
    #[error("link `{link}` is not an http or https URL without user and password")]
    Unreadable {
        /// The link's name in the document.
        link: &'static str,
    },
}
