//! How many calls are under way at a time: [`Pressure`] lets fewer through when meshStack is away or overloaded, and more again with each
//! answer, so that it is not hammered by all runs at once when it comes back.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// The most calls at a time: as many as connections are kept.
const MOST: usize = 256;

/// A limit that is halved by a failure and grows by one with each answer, so that it doubles with each round of answers. Who waits is
/// served in order.
#[derive(Debug)]
pub(super) struct Pressure {
    places: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limit: usize,
    /// Places that are taken away when their calls end.
    owed: usize,
    lowered: Option<Instant>,
}

/// A call that is under way. Dropping it says nothing about meshStack.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pressure: &'a Pressure,
    permit: Option<SemaphorePermit<'a>>,
    entered: Instant,
}

impl Default for Pressure {
    fn default() -> Self {
        let state = State { limit: MOST, owed: 0, lowered: None };
        Self { places: Semaphore::new(MOST), state: Mutex::new(state) }
    }
}

impl Pressure {
    /// Waits for a place.
    pub(super) async fn enter(&self) -> Place<'_> {
        // Nobody closes it; a call without a place is better than none.
        let permit = self.places.acquire().await.ok();
        Place { pressure: self, permit, entered: Instant::now() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn raise(&self) {
        let mut state = self.state();
        if state.limit >= MOST {
            return;
        }
        state.limit += 1;
        match state.owed.checked_sub(1) {
            Some(owed) => state.owed = owed,
            None => self.places.add_permits(1),
        }
    }

    /// Once for all calls that were under way together: they have failed for the same reason.
    fn lower(&self, entered: Instant) {
        let mut state = self.state();
        if state.lowered.is_some_and(|lowered| entered <= lowered) {
            return;
        }
        state.lowered = Some(Instant::now());
        let lower = (state.limit / 2).max(1);
        let less = state.limit - lower;
        state.limit = lower;
        state.owed += less - self.places.forget_permits(less);
    }
}

impl Place<'_> {
    /// The call has ended; whether meshStack was away or overloaded.
    pub(super) fn leave(self, has_failed: bool) {
        if has_failed {
            self.pressure.lower(self.entered);
        } else {
            self.pressure.raise();
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Some(permit) = self.permit.take() else { return };
        let mut state = self.pressure.state();
        if let Some(owed) = state.owed.checked_sub(1) {
            state.owed = owed;
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// How many places can be taken at once.
    async fn places(pressure: &Pressure) -> usize {
        let mut taken = Vec::new();
        while let Ok(place) = tokio::time::timeout(Duration::ZERO, pressure.enter()).await {
            taken.push(place);
        }
        taken.len()
    }

    async fn fail(pressure: &Pressure) {
        tokio::time::advance(Duration::from_millis(1)).await;
        pressure.enter().await.leave(true);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_leave_one_call_at_a_time_and_answers_bring_all_back() {
        let pressure = Pressure::default();
        assert_eq!(places(&pressure).await, MOST);
        fail(&pressure).await;
        assert_eq!(places(&pressure).await, MOST / 2);
        for _ in 0..20 {
            fail(&pressure).await;
        }
        assert_eq!(places(&pressure).await, 1);
        // Each round of answers lets twice as many through.
        for expected in [2, 4, 8] {
            let mut round = Vec::new();
            for _ in 0..expected / 2 {
                round.push(pressure.enter().await);
            }
            round.into_iter().for_each(|place| place.leave(false));
            assert_eq!(places(&pressure).await, expected);
        }
        for _ in 0..2 * MOST {
            pressure.enter().await.leave(false);
        }
        assert_eq!(places(&pressure).await, MOST);
    }

    #[tokio::test(start_paused = true)]
    async fn calls_that_fail_together_count_once() {
        let pressure = Pressure::default();
        let mut together = Vec::new();
        for _ in 0..MOST {
            together.push(pressure.enter().await);
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        together.into_iter().for_each(|place| place.leave(true));
        assert_eq!(places(&pressure).await, MOST / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_given_up_gives_its_place_back() {
        let pressure = Pressure::default();
        for _ in 0..3 * MOST {
            drop(pressure.enter().await);
        }
        assert_eq!(places(&pressure).await, MOST);
    }
}
