//! The third stage: lets a run wait until its tenant and the daemon have room for it. Makes [`SharedRun`]s.
//!
//! A run that waits is one task, which nobody wakes before its turn, and the task of its report. What it keeps in memory is the run as
//! it was read (values still sealed), an empty timeline and the client for its reports; the claimed document is gone by then.

use crate::admit::AdmittedRun;
use crate::capability::Progress;
use crate::excerpt::clip;
use crate::outcome::Outcome;
use crate::slots::{Need, Place, Slot, Slots, Why};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The most bytes of a tenant's name in a message.
const TENANT_SHOWN: usize = 100;

/// A run that may be executed now.
#[derive(Debug)]
pub struct SharedRun<'a> {
    /// What was admitted.
    pub admitted: AdmittedRun,
    /// Its slot, its memory and its place among its tenant's runs.
    pub place: Place<'a>,
}

/// Brings the run to a place. While it waits, its summary says why, and an abort ends it.
///
/// # Errors
/// The outcome of a run that is aborted while it waits: it was not executed and will not be.
pub async fn share<'a>(
    admitted: AdmittedRun,
    slot: &'a mut Slot,
    slots: &Slots,
    progress: &Progress,
) -> Result<SharedRun<'a>, Outcome> {
    let place = wait(need(&admitted), slot, slots, progress).await?;
    Ok(SharedRun { admitted, place })
}

async fn wait<'a>(
    need: Need,
    slot: &'a mut Slot,
    slots: &Slots,
    progress: &Progress,
) -> Result<Place<'a>, Outcome> {
    let mut notice = Notice { progress, since: None };
    let placed = slot.place(need.clone(), |why| {
        notice.say(&summary(why, &need));
        tracing::info!(?why, tenant = &*need.tenant, waiting = slots.waiting(), "the run waits");
    });
    let place = tokio::select! {
        // Most runs have their place at once, and need not ask about aborts.
        biased;
        place = placed => place,
        reason = progress.abort().aborted() => return Err(Outcome::Aborted(reason)),
    };
    // Both may have come at once, and a component that watches for aborts would be started, and given time.
    // SECURITY: share::a_run_that_is_aborted_when_its_turn_comes_does_not_start
    if let Some(reason) = progress.abort().reason() {
        return Err(Outcome::Aborted(reason));
    }
    if let Some(waited) = notice.end() {
        tracing::info!(?waited, waiting = slots.waiting(), "the run starts after waiting");
    }
    Ok(place)
}

fn need(admitted: &AdmittedRun) -> Need {
    let grants = &admitted.route.grants;
    let limits = grants.limits();
    // Native programs change infrastructure; what components do by requests is the remote side's to put in order.
    let block = grants.terraform().is_ok().then(|| Arc::from(admitted.run.block.uuid.as_str()));
    Need {
        block,
        tenant: Arc::from(admitted.run.block.tenant.as_str()),
        tenant_runs: limits.tenant_runs,
        memory: u64::try_from(limits.memory_bytes).unwrap_or(u64::MAX),
    }
}

/// What the run's user reads.
fn summary(why: Why, need: &Need) -> String {
    let tenant = clip(&need.tenant, TENANT_SHOWN);
    match why {
        Why::Block => "Waiting for an earlier run of this building block.".to_owned(),
        Why::Earlier => format!("Waiting for earlier runs of workspace `{tenant}`."),
        Why::Memory => {
            // A tenant need not know what others use.
            let mib = need.memory >> 20;
            format!("Waiting for memory: this run may use {mib} MiB, which other runs occupy.")
        }
        Why::Slot => "Waiting for other runs: this runner executes as many as it may.".to_owned(),
        Why::Tenant { allowed } => {
            format!("Waiting: {allowed} of {allowed} runs of workspace `{tenant}` are executing.")
        }
    }
}

/// The summary of a run that waits. However the waiting ends, it does not stay.
struct Notice<'a> {
    progress: &'a Progress,
    since: Option<Instant>,
}

impl Notice<'_> {
    fn say(&mut self, text: &str) {
        self.since.get_or_insert_with(Instant::now);
        self.progress.summarize(text);
    }

    /// The run starts. Tells how long it has waited, if it has.
    fn end(mut self) -> Option<Duration> {
        let waited = self.since.take()?.elapsed();
        // Taking a summary back would not reach meshStack, which keeps the last one that it was given.
        let shown = humantime::format_duration(Duration::from_secs(waited.as_secs()));
        self.progress.summarize(&format!("Started after {shown} of waiting."));
        Some(waited)
    }
}

impl Drop for Notice<'_> {
    fn drop(&mut self) {
        // SECURITY: share::a_run_that_is_aborted_while_it_waits_does_not_say_any_more_that_it_waits
        if self.since.is_some() {
            self.progress.change(crate::timeline::Timeline::forget_summary);
        }
    }
}

#[cfg(test)]
mod tests;
