//! Threads for exchanges: [`Threads`].

use std::io;
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};
use tokio_util::task::AbortOnDropHandle;

/// Threads on which all exchanges are carried out, and nothing else.
///
/// What components compute keeps no answer waiting. And the buffers of an exchange, which are gone after a moment, are allocated by threads
/// that allocate nothing for the life of a run: among what a run has for hours, each would leave a hole.
#[derive(Debug)]
pub(super) struct Threads(Option<Runtime>);

impl Threads {
    pub(super) fn start() -> io::Result<Arc<Self>> {
        let runtime = Builder::new_multi_thread().enable_all().thread_name("net").build()?;
        Ok(Arc::new(Self(Some(runtime))))
    }

    /// Carries an exchange out, which ends with this; none if it has panicked or the threads end.
    pub(super) async fn carry_out<T: Send + 'static>(
        &self,
        exchange: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let runtime = self.0.as_ref()?;
        AbortOnDropHandle::new(runtime.spawn(exchange)).await.ok()
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
