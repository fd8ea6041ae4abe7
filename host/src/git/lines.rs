//! Those who want to change one mirror, one after the other: [`Lines`].

use super::GitError;
use super::command::Call;
use super::mirror::{FetchLock, Mirrors};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;

/// How often a lock that another process holds is tried.
const POLL: Duration = Duration::from_millis(50);

/// A line for each mirror: in this process in order, among processes by a lock of the system.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines(Arc<Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>>);

/// The head of a line.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) lock: FetchLock,
    /// Given up last.
    _line: OwnedMutexGuard<()>,
}

impl Lines {
    /// Waits for one's turn, while there is time and it is not cancelled.
    pub(super) async fn turn(
        &self,
        mirrors: &Mirrors,
        name: &str,
        call: &Call,
        cancel: &CancellationToken,
    ) -> Result<Turn, GitError> {
        let turn = async {
            let line = self.line(name).lock_owned().await;
            loop {
                let lock = mirrors.try_fetch_lock(name);
                match lock
                    .map_err(|error| GitError::Fault(format!("failed to lock a mirror: {error}")))?
                {
                    Some(lock) => return Ok(Turn { lock, _line: line }),
                    None => tokio::time::sleep(POLL).await,
                }
            }
        };
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(GitError::Aborted),
            turn = tokio::time::timeout(call.left(), turn) => {
                turn.unwrap_or_else(|_| Err(call.too_late()))
            }
        }
    }

    fn line(&self, name: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.retain(|_, line| line.strong_count() > 0);
        if let Some(line) = lines.get(name).and_then(Weak::upgrade) {
            return line;
        }
        let line = Arc::default();
        lines.insert(name.to_owned(), Arc::downgrade(&line));
        line
    }
}
