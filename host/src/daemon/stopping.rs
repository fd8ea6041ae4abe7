//! The end of the daemon: it drains, aborts, or hands over.

use super::{Core, Stopped};
use crate::crash::{self, CrashPoint};
use std::time::Duration;

/// How long the final statuses of aborted runs may take to be delivered before the daemon ends; the journal keeps the rest.
pub(super) const LAST_REPORTS: Duration = Duration::from_secs(30);

impl Core {
    /// Lets the runs finish; after a while, or when told so, aborts them.
    pub(super) async fn drain(&self) {
        self.tasks.close();
        let (runs, waiting) = (self.active.count(), self.slots.waiting());
        tracing::info!(runs, waiting, "draining: no more runs are claimed");
        crash::point(CrashPoint::ShutdownDraining);
        tokio::select! {
            biased;
            () = self.shutdown.handing_over() => return self.leave().await,
            () = self.tasks.wait() => return,
            () = self.shutdown.aborting() => {}
            () = tokio::time::sleep(self.drain_timeout) => {}
        }
        tracing::warn!(runs = self.active.count(), "aborting the runs that are left");
        crash::point(CrashPoint::ShutdownAborting);
        self.shutdown.abort();
        // Programs that still run then go on in their shims, and the next start goes on with their runs.
        let patience = self.interrupt_patience + self.pipeline.abort_grace + LAST_REPORTS;
        if tokio::time::timeout(patience, self.tasks.wait()).await.is_err() {
            tracing::error!(
                runs = self.active.count(),
                "not every final status was delivered; the next start delivers them"
            );
        }
    }

    /// Leaves everything to the next process: all that it has to know is written down, or will be by the programs that go on.
    async fn leave(&self) {
        // Claims were ordered when they were answered, so that they are written before this is.
        if let Some(journal) = &self.journal
            && journal.probe().await.is_err()
        {
            tracing::error!(
                "the journal can't be written; what it lacks is lost to the next start"
            );
        }
        tracing::info!(runs = self.active.count(), "handing over: the next start goes on");
    }

    /// How it has ended.
    pub(super) fn stopped(&self) -> Stopped {
        if self.shutdown.is_handing_over() && !self.tasks.is_empty() {
            return Stopped::HandedOver;
        }
        let is_settled = self.tasks.is_empty() && !self.postponed.is_one_left();
        if is_settled { Stopped::Drained } else { Stopped::Unreported }
    }
}
