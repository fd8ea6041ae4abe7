//! Runs that the last daemon left behind: each still gets its one final status.

use crate::backoff;
use crate::journal::LeftOver;
use crate::meshstack::{Claim, Client};
use crate::report::{self, Delivery, interrupted_update};
use crate::telemetry::chain;

/// Delivers the final status of a run that was left over: the one that was decided, or that it was interrupted.
///
/// A run that was executing is not started again: what it has done is not known, and doing it twice may be worse.
pub(super) async fn deliver(
    client: &Client,
    claim: &Claim,
    run: LeftOver,
    backoff: backoff::Config,
) -> Delivery {
    let LeftOver { journal, steps, end, .. } = run;
    let client = match client.run_client(claim) {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(error = %chain(&error), "the run can't be reported");
            return Delivery::Postponed(None);
        }
    };
    tracing::warn!(decided = end.is_some(), "reporting a run that an earlier daemon left behind");
    let update = end.unwrap_or_else(|| interrupted_update(&steps));
    let declared = report::declared(&steps);
    report::deliver(&client, Some(&declared), (update, Some(journal)).into(), backoff).await
}
