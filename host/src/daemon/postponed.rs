//! Final statuses that meshStack refuses for now: [`Postponed`] says how many are kept in memory to be sent again.

use crate::meshstack::wire::Update;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{Semaphore, SemaphorePermit};

/// How many are kept. One may have tens of MiB; a meshStack that refuses all of them must not take the host's memory.
const KEPT_MAX: usize = 100;

/// The postponed statuses of a daemon.
#[derive(Debug)]
pub(super) struct Postponed {
    room: Semaphore,
    /// Whether one was left to the next start.
    left: AtomicBool,
}

impl Default for Postponed {
    fn default() -> Self {
        Self { room: Semaphore::new(KEPT_MAX), left: AtomicBool::new(false) }
    }
}

impl Postponed {
    /// Room to keep one more, as long as the result lives.
    // SECURITY: daemon::postponed::only_so_many_are_kept
    pub(super) fn room(&self) -> Option<SemaphorePermit<'_>> {
        self.room.try_acquire().ok()
    }

    /// Leaves one to the next start, which delivers it from the journal.
    pub(super) fn leave(&self, update: Option<Box<Update>>) {
        drop(update);
        self.left.store(true, Ordering::Relaxed);
    }

    /// Whether one was left to the next start.
    pub(super) fn is_one_left(&self) -> bool {
        self.left.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_are_kept() {
        let postponed = Postponed::default();
        let mut kept: Vec<_> = (0..KEPT_MAX).map(|_| postponed.room().unwrap()).collect();
        assert!(postponed.room().is_none());
        assert!(!postponed.is_one_left());
        postponed.leave(None);
        assert!(postponed.is_one_left());
        kept.pop();
        assert!(postponed.room().is_some());
    }
}
