//! What a [`Fault`] makes of a request and its answer. Other fake servers use it, too: a fault is the same everywhere.

use bytes::Bytes;
use hyper::Response;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};

use crate::answer::JSON;
use crate::body::AnswerBody;
use crate::fault::Fault;

/// Closes the connection without an answer: the only error of a fake server.
#[derive(Debug, thiserror::Error)]
#[error("close the connection without an answer")]
pub struct Dropped;

impl Fault {
    /// What comes in place of the work: an answer, or the end of the connection. None if the request is to be processed.
    #[must_use]
    pub fn instead(&self) -> Option<Result<Response<AnswerBody>, Dropped>> {
        match self {
            Self::DropBefore => Some(Err(Dropped)),
            Self::Answer { status, headers, body } => Some(scripted(*status, headers, body)),
            _ => None,
        }
    }

    /// What comes before the work: a delay, or a closed gate.
    pub async fn before(&self) {
        match self {
            Self::Delay(delay) => tokio::time::sleep(*delay).await,
            Self::Hold(gate) => gate.pass().await,
            _ => {}
        }
    }

    /// What becomes of the answer of a processed request.
    ///
    /// # Errors
    /// [`Dropped`] when nothing of it may be sent.
    pub fn damage(self, answer: Response<Bytes>) -> Result<Response<AnswerBody>, Dropped> {
        let (mut head, body) = answer.into_parts();
        let body = match self {
            Self::DropAfter => return Err(Dropped),
            Self::ContentType(other) => {
                let other = HeaderValue::try_from(other).map_err(|_| Dropped)?;
                head.headers.insert(CONTENT_TYPE, other);
                AnswerBody::whole(body)
            }
            Self::MalformedBody => AnswerBody::whole(Bytes::from_static(b"{\"broken\": \"")),
            Self::OversizedBody(bytes) => AnswerBody::oversized(bytes),
            Self::SlowBody { piece, pause } => AnswerBody::slow(body, piece, pause),
            Self::TruncatedBody => {
                // An empty body can't be cut short, so at least one byte is promised.
                head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len().max(1)));
                AnswerBody::truncated(body.slice(..body.len() / 2))
            }
            _ => AnswerBody::whole(body),
        };
        Ok(Response::from_parts(head, body))
    }
}

fn scripted(
    status: u16,
    headers: &[(String, String)],
    body: &[u8],
) -> Result<Response<AnswerBody>, Dropped> {
    let mut response = Response::builder().status(status);
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(CONTENT_TYPE.as_str())) {
        response = response.header(CONTENT_TYPE, JSON);
    }
    for (name, value) in headers {
        response = response.header(name, value);
    }
    // A status or header that HTTP can't carry: nothing fits better than a closed connection.
    response.body(AnswerBody::whole(Bytes::copy_from_slice(body))).map_err(|_| Dropped)
}
