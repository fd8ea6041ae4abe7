//! When meshStack last did what it was asked: [`Contact`].

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

/// The time of the last successful call, shared by all clients of one connection pool. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Contact(Arc<Mutex<Option<Instant>>>);

impl Contact {
    /// When the last call succeeded; `None` before the first one.
    #[must_use]
    pub fn last(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call has just succeeded.
    pub(super) fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}
