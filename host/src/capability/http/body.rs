//! Bodies on their way: [`RequestBody`] and [`ResponseBody`].

use super::error::{Phase, SendError};
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};
use tokio_util::task::AbortOnDropHandle;

/// What is sent: the component's bytes, exactly as many as it declared, and nothing behind them.
#[derive(Debug)]
pub(super) struct RequestBody<B> {
    inner: B,
    /// How many bytes the head promises, if it does.
    declared: Option<u64>,
    sent: u64,
}

/// Why a component's body was not sent to its end.
#[derive(Debug, thiserror::Error)]
#[error("the request's body was not sent to its end")]
pub(super) struct Unfinished;

impl<B> RequestBody<B> {
    pub(super) fn new(inner: B, declared: Option<u64>) -> Self {
        Self { inner, declared, sent: 0 }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for RequestBody<B> {
    type Data = Bytes;
    type Error = Unfinished;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Unfinished>>> {
        let Self { inner, declared, sent } = self.get_mut();
        loop {
            let frame = match Pin::new(&mut *inner).poll_frame(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => {
                    let is_whole = declared.is_none_or(|declared| declared == *sent);
                    return Poll::Ready((!is_whole).then_some(Err(Unfinished)));
                }
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Some(Err(Unfinished))),
                Poll::Ready(Some(Ok(frame))) => frame,
            };
            // Trailers are headers that nobody has checked; empty pieces are only work (GHSA-f8mm-ggr3-89wh).
            let Ok(data) = frame.into_data() else { continue };
            if data.is_empty() {
                continue;
            }
            *sent = sent.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
            // SECURITY: capability::http::body::tests::a_body_is_as_long_as_declared
            if declared.is_some_and(|declared| *sent > declared) {
                return Poll::Ready(Some(Err(Unfinished)));
            }
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// What comes back. Holds the task of its connection: dropping it ends both.
#[derive(Debug)]
pub(crate) struct ResponseBody {
    inner: Incoming,
    between: Duration,
    total: Duration,
    /// When the next piece must have come.
    timer: Pin<Box<Sleep>>,
    deadline: Instant,
    _connection: AbortOnDropHandle<()>,
}

impl ResponseBody {
    pub(super) fn new(
        inner: Incoming,
        between: Duration,
        (deadline, total): (Instant, Duration),
        connection: AbortOnDropHandle<()>,
    ) -> Self {
        let timer = Box::pin(tokio::time::sleep_until(next(between, deadline)));
        Self { inner, between, total, timer, deadline, _connection: connection }
    }
}

fn next(between: Duration, deadline: Instant) -> Instant {
    Instant::now().checked_add(between).map_or(deadline, |next| next.min(deadline))
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = SendError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, SendError>>> {
        let this = self.get_mut();
        let is_over = Instant::now() >= this.deadline;
        match Pin::new(&mut this.inner).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                this.timer.as_mut().reset(next(this.between, this.deadline));
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                // The connection's task has the same deadline, and it's chance which of the two is noticed first.
                let timeout = SendError::Timeout { phase: Phase::Body, after: this.total };
                let broken = || SendError::Protocol(error.to_string());
                Poll::Ready(Some(Err(if is_over { timeout } else { broken() })))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                std::task::ready!(this.timer.as_mut().poll(context));
                let is_over = Instant::now() >= this.deadline;
                let after = if is_over { this.total } else { this.between };
                Poll::Ready(Some(Err(SendError::Timeout { phase: Phase::Body, after })))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;
    use hyper::header::HeaderMap;

    type Item = Result<Frame<Bytes>, std::convert::Infallible>;

    struct Frames(Vec<Item>);

    impl Body for Frames {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Item>> {
            let frames = &mut self.get_mut().0;
            Poll::Ready((!frames.is_empty()).then(|| frames.remove(0)))
        }
    }

    async fn sent(parts: &[&'static str], declared: Option<u64>) -> Result<String, Unfinished> {
        let mut frames: Vec<Item> =
            parts.iter().map(|part| Ok(Frame::data(Bytes::from_static(part.as_bytes())))).collect();
        frames.push(Ok(Frame::trailers(HeaderMap::new())));
        let collected = RequestBody::new(Frames(frames), declared).collect().await?;
        assert!(collected.trailers().is_none(), "nobody has checked them");
        Ok(String::from_utf8(collected.to_bytes().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_body_is_as_long_as_declared() {
        assert_eq!(sent(&["ab", "", "cd"], Some(4)).await.unwrap(), "abcd");
        assert_eq!(sent(&["ab", "cd"], None).await.unwrap(), "abcd");
        for declared in [0, 3, 5] {
            assert!(sent(&["ab", "cd"], Some(declared)).await.is_err(), "{declared}");
        }
    }

    #[tokio::test]
    async fn empty_pieces_are_not_sent() {
        let frames = ["", "a", ""].map(|part| Ok(Frame::data(Bytes::from_static(part.as_bytes()))));
        let mut body = RequestBody::new(Frames(frames.into()), None);
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first, "a");
        assert!(body.frame().await.is_none());
    }
}
