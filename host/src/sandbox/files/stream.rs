//! Streams on files: those of wasmtime, with quota and fuel.

use super::OPERATION;
use super::ledger::{End, Held, Ledger};
use crate::sandbox::HostError;
use bytes::Bytes;
use std::sync::Arc;
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, InputStream, OutputStream, Pollable, StreamError, StreamResult,
};

/// Bytes that a component may write at once. They are in the host's memory until they are on the disk.
const WRITE_MAX: usize = 64 << 10;

/// Reads a file.
pub(super) struct Reader {
    pub(super) inner: DynInputStream,
    pub(super) ledger: Arc<Ledger>,
    pub(super) _held: Held,
}

impl Reader {
    fn charged(&self, bytes: Bytes) -> Bytes {
        // SECURITY: walls::reading_and_writing_files_uses_up_the_fuel
        self.ledger.charge(OPERATION.saturating_add(bytes.len() as u64));
        bytes
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Reader {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}

#[wasmtime_wasi::async_trait]
impl InputStream for Reader {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        let bytes = self.inner.read(size)?;
        Ok(self.charged(bytes))
    }

    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        let bytes = self.inner.blocking_read(size).await?;
        Ok(self.charged(bytes))
    }

    async fn cancel(&mut self) {
        self.inner.cancel().await;
    }
}

/// Where a stream writes.
pub(super) enum Place {
    /// At the end of the file, wherever that is.
    Append,
    /// From this offset on.
    At(u64),
}

/// Writes a file. All ways to write to a stream come by `write`: splicing, zeroes and those that block are made of it.
pub(super) struct Writer {
    pub(super) inner: DynOutputStream,
    pub(super) ledger: Arc<Ledger>,
    pub(super) end: End,
    pub(super) place: Place,
    pub(super) is_closed: bool,
    pub(super) _held: Held,
}

#[wasmtime_wasi::async_trait]
impl Pollable for Writer {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Writer {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if self.is_closed {
            return Err(StreamError::Closed);
        }
        // SECURITY: walls::more_than_a_stream_permits_is_not_taken
        if bytes.len() > WRITE_MAX {
            let detail = format!("wrote {} bytes where {WRITE_MAX} were permitted", bytes.len());
            return Err(StreamError::Trap(HostError::Misuse(detail).into()));
        }
        let length = bytes.len() as u64;
        self.ledger.charge(OPERATION.saturating_add(length));
        let booked = match &mut self.place {
            Place::Append => self.ledger.append(&self.end, length),
            Place::At(offset) => {
                *offset = offset.saturating_add(length);
                self.ledger.grow_to(&self.end, *offset)
            }
        };
        if let Err(hit) = booked {
            self.is_closed = true;
            return Err(StreamError::LastOperationFailed(hit.into()));
        }
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.inner.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        if self.is_closed {
            return Err(StreamError::Closed);
        }
        Ok(self.inner.check_write()?.min(WRITE_MAX))
    }

    async fn cancel(&mut self) {
        self.inner.cancel().await;
    }
}
