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
pub(crate) struct BrokenOff;

/// A body of an answer.
pub(crate) enum AnswerBody {
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
        Self::Whole(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }

    pub(crate) fn slow(bytes: Bytes, piece: usize, pause: Duration) -> Self {
        Self::Slow { left: bytes, piece: piece.max(1), pause, sleep: Box::pin(sleep(pause)) }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Truncated { piece, flushed } => match piece.take() {
                Some(piece) => Poll::Ready(Some(Ok(Frame::data(piece)))),
                None if *flushed => Poll::Ready(Some(Err(BrokenOff))),
                None => {
                    // While the body is pending, the connection flushes what it has.
                    *flushed = true;
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
            },
            Self::Oversized { left: 0 } => Poll::Ready(None),
            Self::Oversized { left } => {
                let length = FILLER.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= length as u64;
                let piece = FILLER.get(..length).unwrap_or_default();
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(piece)))))
            }
            Self::Slow { left, .. } if left.is_empty() => Poll::Ready(None),
            Self::Slow { left, piece, pause, sleep: asleep } => {
                ready!(asleep.as_mut().poll(cx));
                *asleep = Box::pin(sleep(*pause));
                let next = left.split_to(left.len().min(*piece));
                Poll::Ready(Some(Ok(Frame::data(next))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Slow { left, .. } => SizeHint::with_exact(left.len() as u64),
            Self::Oversized { .. } | Self::Truncated { .. } => SizeHint::default(),
        }
    }
}

impl fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Oversized { .. } => "Oversized",
            Self::Slow { .. } => "Slow",
            Self::Truncated { .. } => "Truncated",
            Self::Whole(_) => "Whole",
        })
    }
}
