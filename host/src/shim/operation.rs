//! A running operation, as the daemon has it: [`Operation`].

use super::aftermath::{aftermath, is_alive};
use super::records::{Records, Request};
use super::{End, ShimError, StopReason};
use crate::telemetry::chain;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::watch;

/// How often an operation is looked at whose shim is not our child.
const POLL: Duration = Duration::from_millis(100);

/// How often records that can't be read are tried again, and the pause between.
const TRIES: u32 = 60;
const PAUSE: Duration = Duration::from_secs(1);

/// A running operation, started by this daemon or an earlier one. Nothing happens to it when this is dropped.
#[derive(Clone, Debug)]
pub struct Operation {
    records: Records,
    /// Whether the shim has ended; none if it is not our child.
    shim: Option<watch::Receiver<bool>>,
}

/// Reads again for a while what can't be read: a machine that is short of descriptors for a moment must not lose a program that has
/// been running for hours.
async fn patiently<T>(read: impl Fn() -> Result<T, ShimError>) -> Result<T, ShimError> {
    for _ in 0..TRIES {
        match read() {
            Err(error @ ShimError::Io { .. }) => {
                tracing::warn!(error = %chain(&error), "an operation can't be looked at; trying again");
                tokio::time::sleep(PAUSE).await;
            }
            result => return result,
        }
    }
    read()
}

impl Operation {
    pub(super) fn owned(records: Records, shim: watch::Receiver<bool>) -> Self {
        Self { records, shim: Some(shim) }
    }

    pub(super) fn adopted(records: Records) -> Self {
        Self { records, shim: None }
    }

    /// Waits until the program and all that it has started are gone. May be dropped and called again.
    ///
    /// If the shim was killed, the program has been interrupted by the system: it is left its ladder from now on, then what is left is
    /// swept, and the end is [`Exit::Unseen`](super::Exit::Unseen).
    ///
    /// # Errors
    /// [`ShimError`] if the records can't be read or written.
    pub async fn ended(&mut self) -> Result<End, ShimError> {
        loop {
            let is_gone = match &mut self.shim {
                // The thread that waits for it tells, or is gone as well.
                Some(shim) => {
                    let _ = shim.wait_for(|ended| *ended).await;
                    true
                }
                None => {
                    let status = patiently(|| self.records.status()).await?;
                    !status.is_some_and(|status| is_alive(&status))
                }
            };
            // Second: what was written before its end is there now.
            if let Some(end) = patiently(|| self.records.end()).await? {
                return Ok(end);
            }
            if is_gone {
                return aftermath(&self.records).await;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Has the program interrupted, unless it was already: written down before it is done. The first reason counts.
    ///
    /// # Errors
    /// [`ShimError`] if the request can't be written.
    pub fn interrupt(&self, reason: StopReason) -> Result<(), ShimError> {
        self.records.request(Request { reason })
    }

    /// The file that its standard output goes to; grows while it runs.
    #[must_use]
    pub fn stdout(&self) -> PathBuf {
        super::stdout(self.records.directory())
    }

    /// Likewise its error stream.
    #[must_use]
    pub fn stderr(&self) -> PathBuf {
        super::stderr(self.records.directory())
    }
}
