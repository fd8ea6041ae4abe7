//! A connection whose bytes are counted: [`Metered`].

use super::budget::{Budget, Way};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Everything that passes counts, TLS and framing included: what a response hides between its parts (interim answers,
/// padding, empty records) can't be endless either.
#[derive(Debug)]
pub(super) struct Metered {
    stream: TcpStream,
    budget: Arc<Budget>,
}

impl Metered {
    pub(super) fn new(stream: TcpStream, budget: Arc<Budget>) -> Self {
        Self { stream, budget }
    }
}

impl AsyncRead for Metered {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, budget } = self.get_mut();
        let taken = budget.take(Way::Received, buffer.remaining());
        // With nothing left one byte is read all the same, to tell an end from too much.
        let room = taken.max(1).min(buffer.remaining());
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(room));
        let read = Pin::new(stream).poll_read(context, &mut part);
        let count = part.filled().len();
        budget.settle(Way::Received, taken, count.min(taken));
        ready!(read)?;
        // SECURITY: walls::an_endless_response_hits_the_limit
        if count > taken {
            return Poll::Ready(Err(exceeded(budget, Way::Received)));
        }
        buffer.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { stream, budget } = self.get_mut();
        let taken = budget.take(Way::Sent, bytes.len());
        // SECURITY: walls::an_endless_request_hits_the_limit
        if taken == 0 && !bytes.is_empty() {
            return Poll::Ready(Err(exceeded(budget, Way::Sent)));
        }
        let written = Pin::new(stream).poll_write(context, bytes.get(..taken).unwrap_or(bytes));
        let count = match &written {
            Poll::Ready(Ok(count)) => *count,
            Poll::Ready(Err(_)) | Poll::Pending => 0,
        };
        budget.settle(Way::Sent, taken, count);
        written
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

fn exceeded(budget: &Budget, way: Way) -> io::Error {
    io::Error::other(budget.exceeded(way).to_string())
}
