//! Whether what is claimed now could be kept: [`Health`].

use super::JournalError;
use crate::frames::FramesError;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a write proves that the next one will work. A disk that has turned read-only, or a volume that is gone, is to be known
/// before a claim and not by one.
const PROOF: Duration = Duration::from_secs(10);

/// How long free space that was seen is relied on: a disk does not lose what is left free by default (64 MiB) in less. Asking for each claim
/// costs short runs more than the claim itself.
const ROOM: Duration = Duration::from_millis(100);

/// Whether the journal could take a run. Cheap to clone; the clones are one.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// When the last batch was written, and what came of it.
    written: Option<(Instant, Result<(), JournalError>)>,
    /// When free space was last looked at, and what was found.
    room: Option<(Instant, Option<JournalError>)>,
    /// Runs that meshStack does not want to hear of.
    rejected: usize,
}

impl Health {
    /// Why nothing can be kept, in words for whoever may ask: without paths.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        let state = self.state();
        let written = state.written.as_ref().and_then(|(_, result)| result.as_ref().err());
        let room = state.room.as_ref().and_then(|(_, error)| error.as_ref());
        written.or(room).map(|error| match error {
            JournalError::Frames(FramesError::Io { source, .. }) => {
                format!("the journal can't be written: {source}")
            }
            error @ JournalError::Room { .. } => error.to_string(),
            error => format!("the journal can't be written: {error}"),
        })
    }

    /// How many runs are kept whose final status meshStack has rejected for good.
    #[must_use]
    pub fn rejected(&self) -> usize {
        self.state().rejected
    }

    /// Whether the last write was so good and so recent that the next one need not be tried.
    pub(super) fn is_proven(&self) -> bool {
        let state = self.state();
        state
            .written
            .as_ref()
            .is_some_and(|(when, result)| result.is_ok() && when.elapsed() < PROOF)
    }

    pub(super) fn wrote(&self, result: Result<(), JournalError>) {
        self.state().written = Some((Instant::now(), result));
    }

    pub(super) fn found_room(&self, result: &Result<(), JournalError>) {
        self.state().room = Some((Instant::now(), result.as_ref().err().cloned()));
    }

    /// Whether there was enough free space so recently that it need not be looked at again.
    pub(super) fn has_seen_room(&self) -> bool {
        let state = self.state();
        state.room.as_ref().is_some_and(|(when, error)| error.is_none() && when.elapsed() < ROOM)
    }

    pub(super) fn keeps_rejected(&self, runs: usize) {
        self.state().rejected = runs;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn what_went_wrong_is_told_without_paths_until_it_goes_right() {
        let health = Health::default();
        assert_eq!((health.trouble(), health.is_proven()), (None, false));
        health.wrote(Ok(()));
        assert_eq!((health.trouble(), health.is_proven()), (None, true));
        let source = Arc::new(io::Error::from(io::ErrorKind::ReadOnlyFilesystem));
        let error = FramesError::Io { operation: "write", path: "/secret".into(), source };
        health.wrote(Err(error.into()));
        let trouble = health.trouble().unwrap();
        assert!(trouble.contains("read-only") && !trouble.contains("secret"), "{trouble}");
        assert!(!health.is_proven());
        health.wrote(Ok(()));
        health.found_room(&Err(JournalError::Room { free: 5 << 20, least: 64 << 20 }));
        assert!(
            health.trouble().unwrap().contains("are free for the state directory"),
            "{health:?}"
        );
        health.found_room(&Ok(()));
        assert_eq!(health.trouble(), None);
    }
}
