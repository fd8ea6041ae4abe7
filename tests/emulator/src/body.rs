//! Bodies of answers, whole or damaged. Main type: [`AnswerBody`].

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// Whitespace, which is the beginning of many a JSON document.
static FILLER: [u8; 64 * 1024] = [b' '; 64 * 1024];

/// Ends a connection in the middle of a body.
#[derive(Debug, thiserror::Error)]
#[error("break off the answer, as the fault demands")]
pub struct BrokenOff;

/// A body of an answer, as a [fault](crate::Fault::damage) left it.
pub struct AnswerBody(Kind);

enum Kind {
    Whole(Option<Bytes>),
    /// The piece, then a chance to flush it, then the end of the connection.
    Truncated {
        piece: Option<Bytes>,
        flushed: bool,
    },
    Oversized {
        left: u64,
    },
    Slow {
        left: Bytes,
        piece: usize,
        pause: Duration,
        sleep: Pin<Box<Sleep>>,
    },
}

impl AnswerBody {
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self(Kind::Whole(Some(bytes).filter(|bytes| !bytes.is_empty())))
    }

    pub(crate) fn slow(bytes: Bytes, piece: usize, pause: Duration) -> Self {
        let sleep = Box::pin(sleep(pause));
        Self(Kind::Slow { left: bytes, piece: piece.max(1), pause, sleep })
    }

    pub(crate) fn oversized(left: u64) -> Self {
        Self(Kind::Oversized { left })
    }

    pub(crate) fn truncated(piece: Bytes) -> Self {
        let piece = Some(piece).filter(|piece| !piece.is_empty());
        Self(Kind::Truncated { piece, flushed: false })
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match &mut self.get_mut().0 {
            Kind::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Kind::Truncated { piece, flushed } => match piece.take() {
                Some(piece) => Poll::Ready(Some(Ok(Frame::data(piece)))),
                None if *flushed => Poll::Ready(Some(Err(BrokenOff))),
                None => {
                    // While the body is pending, the connection flushes what it has.
                    *flushed = true;
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
            },
            Kind::Oversized { left: 0 } => Poll::Ready(None),
            Kind::Oversized { left } => {
                let length = FILLER.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= length as u64;
                let piece = FILLER.get(..length).unwrap_or_default();
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(piece)))))
            }
            Kind::Slow { left, .. } if left.is_empty() => Poll::Ready(None),
            Kind::Slow { left, piece, pause, sleep: asleep } => {
                ready!(asleep.as_mut().poll(cx));
                *asleep = Box::pin(sleep(*pause));
                let next = left.split_to(left.len().min(*piece));
                Poll::Ready(Some(Ok(Frame::data(next))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Kind::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Kind::Slow { left, .. } => SizeHint::with_exact(left.len() as u64),
            Kind::Oversized { .. } | Kind::Truncated { .. } => SizeHint::default(),
        }
    }
}

impl fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Kind::Oversized { .. } => "Oversized",
            Kind::Slow { .. } => "Slow",
            Kind::Truncated { .. } => "Truncated",
            Kind::Whole(_) => "Whole",
        })
    }
}
