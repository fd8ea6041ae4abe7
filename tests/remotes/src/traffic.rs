//! Requests kept for assertions. Main type: [`RecordedRequest`].

use std::fmt;

use blockhouse_emulator::FaultKind;
use bytes::Bytes;
use serde_json::Value;
use time::OffsetDateTime;

/// A request as it arrived.
#[derive(Clone)]
#[non_exhaustive]
pub struct RecordedRequest<R> {
    /// Its endpoint.
    pub route: R,
    /// The HTTP method.
    pub method: String,
    /// Path and query, as they were sent.
    pub path: String,
    /// In order of arrival, names in lower case; values that are no text are decoded lossily.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Bytes,
    /// When it arrived, in server time: whether a client kept to `Retry-After`.
    pub at: OffsetDateTime,
    /// The fault injected, if any.
    pub fault: Option<FaultKind>,
    /// The status of the answer; none when nothing was answered (yet).
    pub status: Option<u16>,
}

impl<R> RecordedRequest<R> {
    /// The first header of this name (in lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

// All of it may hold credentials but the path's beginning; a failed assertion must not print them.
impl<R: fmt::Debug> fmt::Debug for RecordedRequest<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.split('?').next().unwrap_or_default();
        write!(f, "{} {path} ({} bytes)", self.method, self.body.len())?;
        if let Some(fault) = self.fault {
            write!(f, " {fault:?}")?;
        }
        match self.status {
            Some(status) => write!(f, " -> {status}"),
            None => write!(f, " -> nothing yet"),
        }
    }
}
