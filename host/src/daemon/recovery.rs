//! Runs whose final status the last daemon could not deliver.

use crate::backoff;
use crate::journal::RunJournal;
use crate::meshstack::wire::{Step, Update};
use crate::meshstack::{Claim, Client};
use crate::report::{self, Delivery};
use crate::telemetry::chain;

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
