//! Faults: what goes wrong on purpose. Main types: [`Fault`], [`RandomFaults`], [`Gate`].
//!
//! A fault either replaces the work (the request is neither checked nor processed) or damages the answer of a
//! request that was processed as usual.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::Route;

/// One thing that goes wrong with one request.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing goes wrong, random faults included: for scripts such as "the third request fails".
    Pass,
    /// Not processed: this answer is sent instead.
    Answer {
        /// The HTTP status.
        status: u16,
        /// Headers besides `content-length`; `content-type` is `application/json` unless named here.
        headers: Vec<(String, String)>,
        /// The body as it is.
        body: Vec<u8>,
    },
    /// Processed as usual, but only after this much real time.
    Delay(Duration),
    /// Processed as usual, but only once the test opens the gate.
    Hold(Gate),
    /// Not processed: the connection is closed without an answer.
    DropBefore,
    /// Processed, then the connection is closed without an answer.
    DropAfter,
    /// Processed; half of the answer's body is sent, then the connection is closed.
    TruncatedBody,
    /// Processed; the answer's body is no JSON.
    MalformedBody,
    /// Processed; the answer's body is this many bytes of whitespace, of undeclared length.
    OversizedBody(u64),
    /// Processed; the answer has this content type.
    ContentType(String),
    /// Processed; the answer's body comes in pieces of this many bytes, with this pause before each.
    SlowBody {
        /// Bytes per piece (at least one).
        piece: usize,
        /// Real time before each piece.
        pause: Duration,
    },
}

impl Fault {
    /// An answer with this status and an error body, without processing. `Fault::status(401)` is a token refused
    /// in mid-run.
    #[must_use]
    pub fn status(status: u16) -> Self {
        let body = format!(r#"{{"message":"injected fault {status}"}}"#).into_bytes();
        Self::Answer { status, headers: Vec::new(), body }
    }

    /// Like [`Self::status`] with a `Retry-After` header: seconds, a date, or nonsense.
    #[must_use]
    pub fn retry_after(status: u16, retry_after: impl Into<String>) -> Self {
        let mut fault = Self::status(status);
        if let Self::Answer { headers, .. } = &mut fault {
            headers.push(("retry-after".to_owned(), retry_after.into()));
        }
        fault
    }

    /// A redirect to this address, without processing.
    #[must_use]
    pub fn redirect(status: u16, to: impl Into<String>) -> Self {
        let headers = vec![("location".to_owned(), to.into())];
        Self::Answer { status, headers, body: Vec::new() }
    }

    /// What this counts as in [`crate::Emulator::faults_injected`].
    #[must_use]
    pub fn kind(&self) -> FaultKind {
        match self {
            Self::Answer { .. } => FaultKind::Answer,
            Self::ContentType(_) => FaultKind::ContentType,
            Self::Delay(_) => FaultKind::Delay,
            Self::DropAfter => FaultKind::DropAfter,
            Self::DropBefore => FaultKind::DropBefore,
            Self::Hold(_) => FaultKind::Hold,
            Self::MalformedBody => FaultKind::MalformedBody,
            Self::OversizedBody(_) => FaultKind::OversizedBody,
            Self::Pass => FaultKind::Pass,
            Self::SlowBody { .. } => FaultKind::SlowBody,
            Self::TruncatedBody => FaultKind::TruncatedBody,
        }
    }
}

/// The kinds of [`Fault`], for counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is the variant of `Fault` of the same name")]
pub enum FaultKind {
    Answer,
    ContentType,
    Delay,
    DropAfter,
    DropBefore,
    Hold,
    MalformedBody,
    OversizedBody,
    Pass,
    SlowBody,
    TruncatedBody,
}

/// Faults by chance, from a seed. Every share is a probability from 0 to 1; together they stay at or below 1.
///
/// A claim dropped *after* processing loses its run until the server's own timeout, as with the real server: leave
/// [`Route::Claim`] out of `routes`, or use [`crate::Emulator::advance`], when each run is to end.
#[derive(Debug, Clone, Default)]
pub struct RandomFaults {
    /// The same seed gives the same decisions for the same order of requests.
    pub seed: u64,
    /// The routes concerned; empty means all.
    pub routes: Vec<Route>,
    /// Share answered 503 without processing.
    pub unavailable: f64,
    /// `Retry-After` of those 503, if any.
    pub retry_after: Option<String>,
    /// Share of connections closed without processing.
    pub dropped_before: f64,
    /// Share of connections closed after processing.
    pub dropped_after: f64,
    /// Share whose processed answer breaks off in the middle.
    pub truncated: f64,
    /// Share that is answered only after `delay`: longer than a client waits, it is a timeout to it.
    pub delayed: f64,
    /// See `delayed`.
    pub delay: Duration,
}

impl RandomFaults {
    /// The fault for a number drawn from 0 to 1.
    pub(crate) fn pick(&self, route: Route, mut drawn: f64) -> Option<Fault> {
        if !self.routes.is_empty() && !self.routes.contains(&route) {
            return None;
        }
        let unavailable = || match &self.retry_after {
            Some(after) => Fault::retry_after(503, after),
            None => Fault::status(503),
        };
        let choices: [(f64, &dyn Fn() -> Fault); 5] = [
            (self.unavailable, &unavailable),
            (self.dropped_before, &|| Fault::DropBefore),
            (self.dropped_after, &|| Fault::DropAfter),
            (self.truncated, &|| Fault::TruncatedBody),
            (self.delayed, &|| Fault::Delay(self.delay)),
        ];
        for (share, fault) in choices {
            if drawn < share {
                return Some(fault());
            }
            drawn -= share;
        }
        None
    }
}

/// Holds requests back until the test opens it; a clone is the same gate.
#[derive(Clone)]
pub struct Gate {
    state: Arc<watch::Sender<GateState>>,
}

#[derive(Debug, Clone, Copy)]
struct GateState {
    open: bool,
    arrived: usize,
}

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self { state: Arc::new(watch::Sender::new(GateState { open: false, arrived: 0 })) }
    }

    /// Lets everything through, now and later.
    pub fn open(&self) {
        self.state.send_modify(|state| state.open = true);
    }

    /// Waits until that many requests have arrived at the gate since it was made.
    pub async fn reached(&self, requests: usize) {
        // The sender lives as long as `self`, so waiting can't fail.
        let _ = self.state.subscribe().wait_for(|state| state.arrived >= requests).await;
    }

    /// Arrives, and waits until it is open.
    pub async fn pass(&self) {
        self.state.send_modify(|state| state.arrived += 1);
        let _ = self.state.subscribe().wait_for(|state| state.open).await;
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gate").field(&*self.state.borrow()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_taken_one_after_the_other() {
        let faults = RandomFaults { unavailable: 0.5, dropped_after: 0.25, ..Default::default() };
        let kind = |drawn| faults.pick(Route::Update, drawn).map(|fault| fault.kind());
        assert_eq!(kind(0.4), Some(FaultKind::Answer));
        assert_eq!(kind(0.6), Some(FaultKind::DropAfter));
        assert_eq!(kind(0.8), None);
    }

    #[test]
    fn other_routes_are_left_alone() {
        let faults =
            RandomFaults { unavailable: 1.0, routes: vec![Route::Login], ..Default::default() };
        assert!(faults.pick(Route::Claim, 0.0).is_none());
        assert!(faults.pick(Route::Login, 0.0).is_some());
    }
}
