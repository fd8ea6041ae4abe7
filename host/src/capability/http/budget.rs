//! How much a run may request, send and receive: [`Budget`].

use crate::outcome::{LimitHit, LimitName};
use crate::tape::Answer;
use blockhouse_policy::Limits;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// Fuel per request beside its bytes: a handshake costs about as much as a guest computes with it.
const PER_REQUEST: u64 = 100_000;

/// Lookups of a run at a time. A lookup can't be cancelled and keeps a thread: a run that gives up on slow ones must not
/// get new ones for that.
const LOOKUPS: usize = 4;

/// What one run has used of its network limits; shared between its store and the tasks of its connections.
#[derive(Debug)]
pub(crate) struct Budget {
    requests: Counter,
    sent: Counter,
    received: Counter,
    connections: Arc<Semaphore>,
    lookups: Arc<Semaphore>,
    /// Fuel that the next host call is charged.
    work: AtomicU64,
    hit: OnceLock<LimitHit>,
    exhausted: CancellationToken,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    Received,
    Sent,
}

#[derive(Debug)]
struct Counter {
    used: AtomicU64,
    allowed: u64,
}

impl Counter {
    fn new(allowed: u64) -> Self {
        Self { used: AtomicU64::new(0), allowed }
    }

    /// Takes up to `wanted`, as much as is left.
    fn take(&self, wanted: u64) -> u64 {
        let mut taken = 0;
        let _ = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            taken = wanted.min(self.allowed.saturating_sub(used));
            used.checked_add(taken)
        });
        taken
    }

    fn give_back(&self, unused: u64) {
        self.used.fetch_sub(unused, Ordering::Relaxed);
    }
}

impl Budget {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            requests: Counter::new(limits.http_requests),
            sent: Counter::new(limits.http_sent_bytes),
            received: Counter::new(limits.http_received_bytes),
            connections: Arc::new(Semaphore::new(
                limits.http_connections.clamp(1, Semaphore::MAX_PERMITS),
            )),
            lookups: Arc::new(Semaphore::new(LOOKUPS)),
            work: AtomicU64::new(0),
            hit: OnceLock::new(),
            exhausted: CancellationToken::new(),
        }
    }

    /// Counts a request, or the attempt at one: asking costs as well.
    pub(super) fn charge_request(&self) {
        self.work.fetch_add(PER_REQUEST, Ordering::Relaxed);
    }

    /// Takes one of the run's requests.
    ///
    /// # Errors
    /// If there are none left; the run is over.
    // SECURITY: walls::requests_are_limited_in_number
    pub(super) fn request(&self) -> Result<(), LimitHit> {
        match self.requests.take(1) {
            0 => Err(self.exhaust(LimitName::Requests, &self.requests)),
            _ => Ok(()),
        }
    }

    /// Waits for one of the run's connections.
    // SECURITY: walls::connections_beyond_the_limit_wait
    pub(super) async fn connection(&self) -> OwnedSemaphorePermit {
        acquire(&self.connections).await
    }

    /// Waits for one of the run's lookups.
    pub(super) async fn lookup(&self) -> OwnedSemaphorePermit {
        acquire(&self.lookups).await
    }

    /// How many of `wanted` bytes may go this way now; what is not used must be given back.
    pub(super) fn take(&self, way: Way, wanted: usize) -> usize {
        let taken = self.counter(way).take(u64::try_from(wanted).unwrap_or(u64::MAX));
        usize::try_from(taken).unwrap_or(wanted)
    }

    /// Of `taken` bytes only so many went; those are charged.
    pub(super) fn settle(&self, way: Way, taken: usize, went: usize) {
        let counts = [taken.saturating_sub(went), went];
        let [unused, went] = counts.map(|count| u64::try_from(count).unwrap_or(u64::MAX));
        self.counter(way).give_back(unused);
        self.work.fetch_add(went, Ordering::Relaxed);
    }

    /// Counts an exchange of an earlier process, whose answer is given again.
    pub(super) fn repeat(&self, sent: usize, answer: &Answer) {
        let received = if let Answer::Response { body, .. } = answer { body.len() } else { 0 };
        for (way, bytes) in [(Way::Sent, sent), (Way::Received, received)] {
            let taken = self.take(way, bytes);
            self.settle(way, taken, taken);
        }
    }

    /// There would be more to go this way than is allowed: the run is over.
    pub(super) fn exceeded(&self, way: Way) -> LimitHit {
        match way {
            Way::Received => self.exhaust(LimitName::Received, &self.received),
            Way::Sent => self.exhaust(LimitName::Sent, &self.sent),
        }
    }

    /// The fuel to be charged now.
    pub(crate) fn take_work(&self) -> u64 {
        self.work.swap(0, Ordering::Relaxed)
    }

    /// The limit that was hit, if one was.
    pub(crate) fn hit(&self) -> Option<LimitHit> {
        self.hit.get().copied()
    }

    /// Waits until a limit is hit.
    pub(crate) async fn exhausted(&self) -> LimitHit {
        loop {
            self.exhausted.cancelled().await;
            // It was set before.
            if let Some(hit) = self.hit() {
                return hit;
            }
        }
    }

    fn counter(&self, way: Way) -> &Counter {
        match way {
            Way::Received => &self.received,
            Way::Sent => &self.sent,
        }
    }

    fn exhaust(&self, limit: LimitName, counter: &Counter) -> LimitHit {
        let allowed = counter.allowed;
        let hit = LimitHit { limit, used: allowed.saturating_add(1), allowed };
        let hit = *self.hit.get_or_init(|| hit);
        self.exhausted.cancel();
        hit
    }
}

async fn acquire(semaphore: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    match Arc::clone(semaphore).acquire_owned().await {
        Ok(permit) => permit,
        // Nobody closes it.
        Err(_) => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget() -> Budget {
        let limits = Limits {
            http_requests: 2,
            http_sent_bytes: 10,
            http_received_bytes: 20,
            ..Limits::default()
        };
        Budget::new(&limits)
    }

    #[test]
    fn bytes_are_counted_both_ways_and_unused_ones_given_back() {
        let budget = budget();
        assert_eq!(budget.take(Way::Sent, 8), 8);
        budget.settle(Way::Sent, 8, 3);
        assert_eq!(budget.take(Way::Sent, 100), 7);
        assert_eq!(budget.take(Way::Sent, 1), 0);
        assert_eq!(budget.take(Way::Received, 100), 20);
        assert_eq!(budget.take_work(), 3);
        assert_eq!(budget.take_work(), 0);
    }

    #[tokio::test]
    async fn the_first_limit_that_is_hit_is_the_one_that_is_told() {
        let budget = budget();
        assert!(budget.request().is_ok() && budget.request().is_ok());
        assert_eq!(budget.hit(), None);
        let hit = budget.request().unwrap_err();
        assert_eq!((hit.limit, hit.used, hit.allowed), (LimitName::Requests, 3, 2));
        assert_eq!(budget.exceeded(Way::Sent), hit);
        assert_eq!(budget.exhausted().await, hit);
        assert_eq!(budget.hit(), Some(hit));
    }
}
