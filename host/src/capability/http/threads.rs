//! Threads for exchanges: [`Threads`].

use super::error::SendError;
use std::io;
use tokio::runtime::{Builder, Runtime};
use tokio_util::task::AbortOnDropHandle;

/// Threads on which all exchanges are carried out, and nothing else.
///
/// What components compute keeps no answer waiting. And the buffers of an exchange, which are gone after a moment, are allocated by threads
/// that allocate nothing for the life of a run: among what a run has for hours, each would leave a hole.
#[derive(Debug)]
pub(super) struct Threads(Option<Runtime>);

impl Threads {
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread().enable_all().thread_name("net").build()?;
        Ok(Self(Some(runtime)))
    }

    /// Carries an exchange out, which ends with this.
    pub(super) async fn carry_out<T, E>(
        &self,
        exchange: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<SendError> + Send + 'static,
    {
        // It has panicked, or the daemon ends.
        let given_up = || E::from(SendError::Protocol("the request was given up".to_owned()));
        let runtime = self.0.as_ref().ok_or_else(given_up)?;
        let exchange = AbortOnDropHandle::new(runtime.spawn(exchange));
        exchange.await.unwrap_or_else(|_| Err(given_up()))
    }
}

impl Drop for Threads {
    /// Waits for nobody: the last run may let go of this on one of the threads.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
