//! What is on a tape: [`Entry`].

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// One thing that came to a component from outside, or what matters to whoever reads the tape. Persisted: variants are appended to
/// at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// A process has begun to execute the run.
    Began {
        /// What all random numbers of the run come from.
        seed: [u8; 32],
        /// The digest of the component.
        component: [u8; 32],
    },
    /// The time since some moment.
    Monotonic(Duration),
    /// The time of day, since 1970.
    Wall(Duration),
    /// The answer to a question with two answers.
    Flag(Question, bool),
    /// Which of several things were ready.
    Polled(Vec<u32>),
    /// A request that must not be sent twice is about to be sent.
    Sending(RequestDigest),
    /// What a request was answered.
    Answered(RequestDigest, Answer),
    /// Something begins whose answers are not on the tape: what comes after it can't be repeated.
    Untaped(String),
    /// The component waits for something.
    Waiting,
    /// It does no longer.
    Woken,
}

/// A question with two answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Question {
    /// Whether the run is being stopped.
    Aborted,
    /// Whether a pause was cut short by that.
    Paused,
    /// Whether something was ready.
    Ready,
}

/// What a request consists of. By it a request is known again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestDigest(pub [u8; 32]);

/// What a request was answered.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// A response, whatever its status is.
    Response {
        /// The status.
        status: u16,
        /// In the order of arrival.
        headers: Vec<(String, String)>,
        /// All of it.
        body: Vec<u8>,
    },
    /// No response.
    Failed(Failed, String),
    /// Nobody knows: the process ended meanwhile.
    Lost,
}

/// Why there was no response. As the component is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the component's interface explains them")]
pub enum Failed {
    Aborted,
    Denied,
    InvalidRequest,
    Network,
    Timeout,
    TooLarge,
    Unreachable,
}

impl fmt::Debug for Answer {
    /// Responses hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Response { status, body, .. } => {
                write!(f, "Response({status}, {} bytes)", body.len())
            }
            Self::Failed(why, _) => write!(f, "Failed({why:?})"),
            Self::Lost => f.write_str("Lost"),
        }
    }
}

impl Entry {
    /// About how many bytes it takes.
    pub(super) fn size(&self) -> usize {
        let inside = match self {
            Self::Answered(_, Answer::Response { headers, body, .. }) => {
                headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
                    + body.len()
            }
            Self::Answered(_, Answer::Failed(_, text)) | Self::Untaped(text) => text.len(),
            Self::Polled(ready) => ready.len().saturating_mul(4),
            _ => 0,
        };
        inside.saturating_add(64)
    }

    /// What messages call it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Began { .. } => "the beginning",
            Self::Monotonic(_) => "reading the clock",
            Self::Wall(_) => "reading the time of day",
            Self::Flag(Question::Aborted, _) => "asking whether the run is being stopped",
            Self::Flag(Question::Paused, _) => "a pause",
            Self::Flag(Question::Ready, _) | Self::Polled(_) => "waiting for something",
            Self::Sending(_) | Self::Answered(..) => "a request",
            Self::Untaped(_) => "what is not written down",
            Self::Waiting | Self::Woken => "a mark",
        }
    }
}
