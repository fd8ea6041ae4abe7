//! The ways to stop: *drain* (take no more, finish what runs), *abort* (stop this run) and *hand over* (leave what runs to the next
//! process).

use crate::outcome::AbortReason;
use std::sync::{Arc, OnceLock};
use tokio_util::sync::CancellationToken;

/// Stops one run. Cheap to clone; all clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Abort {
    token: CancellationToken,
    reason: Arc<OnceLock<AbortReason>>,
}

impl Abort {
    /// Stops the run; the first reason counts.
    pub fn abort(&self, reason: AbortReason) {
        let _ = self.reason.set(reason);
        self.token.cancel();
    }

    /// Why the run is being stopped, if it is.
    #[must_use]
    pub fn reason(&self) -> Option<AbortReason> {
        self.reason.get().copied()
    }

    /// Waits until the run is to be stopped.
    pub async fn aborted(&self) -> AbortReason {
        self.token.cancelled().await;
        // The reason is set before the token is cancelled.
        self.reason().unwrap_or(AbortReason::ByUser)
    }
}

/// How the daemon as a whole is told to stop. Cheap to clone; all clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    drain: CancellationToken,
    abort: CancellationToken,
    hand_over: CancellationToken,
}

impl Shutdown {
    /// Claim no more runs and finish those that are executing.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Stop the runs that are executing, too.
    pub fn abort(&self) {
        self.drain.cancel();
        self.abort.cancel();
    }

    /// Claim no more runs and end at once. What is executing is not stopped: the next process goes on with it.
    pub fn hand_over(&self) {
        self.hand_over.cancel();
        self.drain.cancel();
    }

    /// Whether the next process is to go on with the runs.
    #[must_use]
    pub fn is_handing_over(&self) -> bool {
        self.hand_over.is_cancelled()
    }

    /// Waits until the next process is to go on with the runs.
    pub async fn handing_over(&self) {
        self.hand_over.cancelled().await;
    }

    /// Whether no more runs are to be claimed.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Waits until no more runs are to be claimed.
    pub async fn draining(&self) {
        self.drain.cancelled().await;
    }

    /// Waits until the runs are to be stopped.
    pub async fn aborting(&self) {
        self.abort.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_reason_counts() {
        let abort = Abort::default();
        abort.abort(AbortReason::ByUser);
        abort.abort(AbortReason::Shutdown);
        assert_eq!(abort.clone().aborted().await, AbortReason::ByUser);
    }

    #[tokio::test]
    async fn aborting_implies_draining() {
        let shutdown = Shutdown::default();
        shutdown.clone().abort();
        shutdown.draining().await;
        shutdown.aborting().await;
        assert!(shutdown.is_draining());
    }

    #[tokio::test]
    async fn handing_over_stops_claims_and_no_run() {
        let shutdown = Shutdown::default();
        shutdown.hand_over();
        shutdown.draining().await;
        shutdown.handing_over().await;
        assert!(shutdown.is_handing_over() && !shutdown.abort.is_cancelled());
    }
}
