//! The first stage: asks meshStack for runs. Makes [`ClaimedRun`]s.

use crate::backoff::{self, Backoff};
use crate::crash::{self, CrashPoint};
use crate::meshstack::{Claim, Client};
use crate::shutdown::Shutdown;
use crate::slots::{Slot, Slots};
use std::time::Duration;

/// The longest wait after faults; what meshStack's own runners wait.
const FAULT_WAIT_MAX: Duration = Duration::from_secs(60);

/// The share of the interval by which idle polls are spread, so that many runners don't ask in step.
const JITTER: f64 = 0.2;

/// How to poll.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// The mean wait when there is nothing to do.
    pub interval: Duration,
}

/// A run that is ours, with the slot that it occupies.
#[derive(Debug)]
pub struct ClaimedRun {
    /// The run's document.
    pub claim: Claim,
    /// What it may be executed with; free again when it is dropped.
    pub slot: Slot,
}

/// Claims runs until the daemon drains, and hands each to `start`.
///
/// Nothing is claimed while `can_start` says no. A slot is taken before the claim: nobody else gets a run that we have claimed, so it must
/// be able to start at once, unless its tenant has its share already.
/// A claim that is under way is never given up, since its answer may hold a run.
pub async fn poll(
    config: Config,
    client: &Client,
    slots: &Slots,
    shutdown: &Shutdown,
    can_start: impl AsyncFn() -> bool,
    mut start: impl FnMut(ClaimedRun),
) {
    let first = config.interval.min(FAULT_WAIT_MAX);
    let mut backoff = Backoff::new(backoff::Config { first, cap: FAULT_WAIT_MAX });
    while !shutdown.is_draining() {
        let slot = tokio::select! {
            biased;
            () = shutdown.draining() => return,
            slot = slots.slot() => slot,
        };
        // With the slot in hand: it may have been waited for.
        if !can_start().await {
            drop(slot);
            tokio::select! {
                biased;
                () = shutdown.draining() => return,
                () = tokio::time::sleep(backoff.delay()) => {}
            }
            continue;
        }
        let wait = match client.claim().await {
            Ok(Some(claim)) => {
                crash::point(CrashPoint::ClaimAnswered);
                backoff.reset();
                start(ClaimedRun { claim, slot });
                continue;
            }
            Ok(None) => {
                backoff.reset();
                drop(slot);
                spread(config.interval)
            }
            Err(error) => {
                drop(slot);
                let wait = match error.retry_after() {
                    Some(floor) => backoff.delay_after(floor).min(FAULT_WAIT_MAX),
                    None => backoff.delay(),
                };
                tracing::warn!(error = %crate::telemetry::chain(&error), wait = ?wait, "claiming failed");
                wait
            }
        };
        tokio::select! {
            biased;
            () = shutdown.draining() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

fn spread(interval: Duration) -> Duration {
    interval.mul_f64(1.0 - JITTER / 2.0 + JITTER * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_polls_are_spread_around_the_interval() {
        fastrand::seed(1);
        let waits: Vec<_> = (0..1_000).map(|_| spread(Duration::from_secs(10))).collect();
        let within = |wait: &Duration| (9_000..=11_000).contains(&wait.as_millis());
        assert!(waits.iter().all(within));
        assert!(waits.iter().any(|wait| wait.as_millis() < 9_200));
        assert!(waits.iter().any(|wait| wait.as_millis() > 10_800));
    }
}
