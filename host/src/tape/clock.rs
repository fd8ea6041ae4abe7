//! The clock of a run: [`Clock`].

use std::time::{Duration, Instant};

/// A clock that goes on where that of the last process stopped.
pub(super) struct Clock {
    started: Instant,
    /// What it showed then.
    from: Duration,
}

impl Default for Clock {
    fn default() -> Self {
        Self { started: Instant::now(), from: Duration::ZERO }
    }
}

impl Clock {
    /// What it shows.
    pub(super) fn now(&self) -> Duration {
        self.from.saturating_add(self.started.elapsed())
    }

    /// It shows this now.
    pub(super) fn set(&mut self, shown: Duration) {
        *self = Self { started: Instant::now(), from: shown };
    }

    /// The time that no process was there counts as well: what the component waits for goes on without us.
    pub(super) fn go_on(&mut self, gone: Duration) {
        let shown = self.from.saturating_add(gone);
        self.set(shown);
    }
}
