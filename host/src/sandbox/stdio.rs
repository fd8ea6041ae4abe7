//! Where a component's stdout and stderr go: into the log of the step that is running.
//!
//! wasmtime's own pipes don't fit: its adapter for tokio writers can be made to use unbounded memory
//! (GHSA-5m8g-xhq4-4h93), its memory pipe traps the guest when it is full, and inherited streams let the guest write into
//! our own log.

use super::HostError;
use crate::capability::Progress;
use bytes::Bytes;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

/// Bytes that a guest may write at once; what WASI hosts commonly allow.
const WRITE_MAX: usize = 64 << 10;

/// An output stream that never waits and never fails until the log limit is hit.
#[derive(Clone, Debug)]
pub(super) struct Output {
    progress: Arc<Progress>,
}

impl Output {
    pub(super) fn new(progress: &Arc<Progress>) -> Self {
        Self { progress: Arc::clone(progress) }
    }

    fn append(&self, bytes: &[u8]) -> Result<(), HostError> {
        // SECURITY: walls::text_costs_more_fuel_where_there_are_secrets
        self.progress.charge_text(bytes.len());
        // SECURITY: walls::a_flood_on_stdout_hits_the_log_limit
        self.progress.write(bytes).map_err(HostError::Limit)
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > WRITE_MAX {
            let detail = format!("wrote {} bytes where {WRITE_MAX} were permitted", bytes.len());
            return Err(StreamError::Trap(HostError::Misuse(detail).into()));
        }
        self.append(&bytes).map_err(|error| StreamError::Trap(error.into()))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_MAX)
    }
}

/// Required by the trait; WASI 0.2 uses the stream above.
impl tokio::io::AsyncWrite for Output {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Poll::Ready(self.append(bytes).map(|()| bytes.len()).map_err(std::io::Error::other))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
