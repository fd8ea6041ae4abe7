//! Runs that the last daemon has left behind.

use super::pipeline::Resumed;
use super::{Core, Origin};
use crate::backoff;
use crate::journal::{LeftOver, RunJournal};
use crate::meshstack::wire::{Step, Update};
use crate::meshstack::{Claim, Client};
use crate::poll::ClaimedRun;
use crate::report::{self, Delivery};
use crate::telemetry::chain;
use secrecy::ExposeSecret as _;
use std::sync::Arc;
use tokio::runtime::Handle;
use tracing::Instrument as _;

/// Delivers a final status that was decided before.
pub(super) async fn deliver(
    client: &Client,
    claim: &Claim,
    steps: &[Step],
    last: (Update, RunJournal),
    backoff: backoff::Config,
) -> Delivery {
    let (update, journal) = last;
    let client = match client.run_client(claim) {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(error = %chain(&error), "the run can't be reported");
            return Delivery::Postponed(None);
        }
    };
    tracing::warn!("reporting a run that an earlier daemon left behind");
    let declared = report::declared(steps);
    report::deliver(&client, Some(&declared), (update, Some(journal)).into(), backoff).await
}

impl Core {
    /// Brings a run to its end that the last daemon left behind: goes on with it where that can be done, else reports it.
    pub(super) fn recover(self: &Arc<Self>, run: LeftOver, work: &Handle) {
        let claim = match Claim::parse(run.claim.expose_secret().as_bytes()) {
            Ok(claim) => claim,
            Err(error) => {
                tracing::error!(error = %chain(&error), "a journal holds no run that could be reported");
                return;
            }
        };
        let id = claim.id().clone();
        let entry = self.active.enter(id.clone());
        let span = tracing::info_span!("run", run = %id);
        let core = Arc::clone(self);
        let LeftOver { journal, steps, end, .. } = run;
        let Some(update) = end else {
            // Before anything is claimed: no other run of the block may come first.
            let block = claim.run().ok().zip(self.pipeline.terraform.as_ref());
            let block =
                block.and_then(|(run, terraform)| terraform.blocks().try_take(&run.block.uuid));
            let resumed = Resumed { block: block.map(Arc::new), steps };
            let go_on = async move {
                let _entry = entry;
                let slot = core.slots.slot().await;
                tracing::warn!("going on with a run that an earlier daemon left behind");
                core.carry_out(ClaimedRun { claim, slot }, Origin::Earlier(journal, resumed)).await;
            };
            self.tasks.spawn_on(go_on.instrument(span), work);
            return;
        };
        let delivery = async move {
            let _entry = entry;
            let backoff = core.report.backoff;
            let last = (update, journal.clone());
            let delivery = deliver(&core.client, &claim, &steps, last, backoff).await;
            if let Ok(client) = core.client.run_client(&claim) {
                core.settle(client, Some(journal), delivery).await;
            }
        };
        self.tasks.spawn(delivery.instrument(span));
    }
}
