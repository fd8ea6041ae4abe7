//! Requests kept for assertions. Main type: [`RecordedRequest`].

use std::fmt;

use bytes::Bytes;
use uuid::Uuid;

use crate::{FaultKind, Route};

/// How much the emulator remembers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Recording {
    /// Every request with headers and body, every run with its steps, every version of a state.
    #[default]
    Full,
    /// Counts, and of ended runs their state only: memory stays bounded in load tests and benches.
    Counts,
}

/// A request as it arrived.
#[derive(Clone)]
#[non_exhaustive]
pub struct RecordedRequest {
    /// Its endpoint.
    pub route: Route,
    /// The run in its path; of a call to a state, the one whose token it came with.
    pub run: Option<Uuid>,
    /// The HTTP method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// In order of arrival; values that are no text are decoded lossily.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Bytes,
    /// The fault injected, if any.
    pub fault: Option<FaultKind>,
    /// The status of the processed or injected answer; none when nothing was answered (yet).
    pub status: Option<u16>,
}

impl RecordedRequest {
    /// The first header of this name (in lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null when it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

// Headers and bodies hold credentials; a failed assertion must not print them.
impl fmt::Debug for RecordedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({} bytes)", self.method, self.path, self.body.len())?;
        match (self.fault, self.status) {
            (Some(fault), _) => write!(f, " -> {fault:?}"),
            (None, Some(status)) => write!(f, " -> {status}"),
            (None, None) => write!(f, " -> nothing yet"),
        }
    }
}
