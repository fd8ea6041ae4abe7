//! `blockhouse:block/http`: requests as plain data. Below it the one way out, which it shares with `wasi:http`.
//!
//! A request passes, in this order: policy's answer about scheme, host and port; the number of requests; what its head may hold;
//! a connection of the run's; one lookup; policy's answer about each address; the connection, its TLS and the bytes both
//! ways. The main type is `Egress`; a task per connection, which the response's body holds, is all that it owns.
//! It never follows a redirect, connects to a name, or keeps a connection for the next request: a handshake per request is what
//! it costs that no connection can be used for what policy was not asked about.

mod body;
mod budget;
mod compose;
mod connect;
mod error;
mod head;
mod metered;
mod outbound;
mod proxy;
mod resolve;
mod secrets;
mod send;
mod taken;
mod threads;
mod tls;
pub(crate) mod wasi;

pub use outbound::{Config, Outbound, StartError};
pub use proxy::InvalidProxy;
pub use resolve::{Addresses, Held, Resolve, System};
pub(crate) use secrets::HeaderSecrets;
pub(crate) use send::Egress;
pub use tls::{BuildError, BuildErrorKind};

use super::types::Origin;
use crate::sandbox::bindings::blockhouse::block::http::{
    Host, Request, Response, SendError as Answer,
};
use crate::sandbox::{HostError, RunState};
use crate::tape::{self, Failed};
use blockhouse_policy::Target;
use body::ResponseBody;
use error::{Phase, SendError};
use http_body_util::{BodyExt as _, Full};
use send::Patience;
use std::sync::Arc;
use std::time::Duration;
use taken::{Pointer, Taken};
use zeroize::Zeroize as _;

impl Host for RunState {
    async fn send(&mut self, request: Request) -> wasmtime::Result<Result<Response, Answer>> {
        self.carry_out(request, false).await
    }

    async fn send_repeatable(
        &mut self,
        request: Request,
    ) -> wasmtime::Result<Result<Response, Answer>> {
        self.carry_out(request, true).await
    }
}

impl RunState {
    async fn carry_out(
        &mut self,
        request: Request,
        is_repeatable: bool,
    ) -> wasmtime::Result<Result<Response, Answer>> {
        let abort = request.interruptible.then(|| self.progress.watch_abort().clone());
        let pointer = match request.take_secret.as_deref().map(Pointer::parse).transpose() {
            Ok(pointer) => pointer,
            Err(error) => return Ok(Err(CallError::from(error).into())),
        };
        let allowed = self.grants.limits().host_call_bytes;
        let asked = request.max_response_bytes.and_then(|max| usize::try_from(max).ok());
        let mut max = asked.unwrap_or(allowed).min(allowed);
        if pointer.is_some() {
            max = max.min(taken::BODY_MAX);
        }
        let patience = patience(request.timeout_milliseconds);
        let (ready, body) = match self.compose(request, patience)? {
            Ok(composed) => composed,
            Err(error) => return Ok(Err(error.into())),
        };
        let target = ready.target().clone();
        let (digest, sent) = (ready.digest(&body), body.len());
        let outbound = Arc::clone(&self.egress.outbound);
        let is_repeatable = is_repeatable || ready.is_idempotent();
        let live = async {
            let aborted = async {
                match abort {
                    Some(abort) => abort.aborted().await,
                    None => std::future::pending().await,
                }
            };
            let exchange = async move {
                let response = ready.send(Full::new(body)).await?;
                whole(response, max).await
            };
            tokio::select! {
                // First: once the run is being stopped, nothing is sent.
                // SECURITY: walls::an_interruptible_request_ends_with_the_abort
                biased;
                _ = aborted => tape::Answer::Failed(Failed::Aborted, String::new()),
                // Apart: what is deep in it, TLS above all, would stay in the memory of the run's own stack as long as it waits.
                received = outbound.threads.carry_out(exchange) => {
                    received.unwrap_or_else(tape::Answer::from)
                }
            }
        };
        let answer = match self.tape.answered(digest).map_err(HostError::from)? {
            Some(answer) => {
                self.egress.budget.repeat(sent, &answer);
                answer
            }
            None => {
                let exchanged = self.tape.exchange(digest, is_repeatable, live).await;
                exchanged.map_err(HostError::from)?
            }
        };
        match (told(answer), pointer) {
            (Ok(response), Some(pointer)) => {
                self.without_secret(response, &pointer, target).map(Ok)
            }
            (told, _) => Ok(told),
        }
    }

    /// Takes the secret out of a successful response.
    fn without_secret(
        &mut self,
        mut response: Response,
        pointer: &Pointer,
        from: Target,
    ) -> wasmtime::Result<Response> {
        if !(200..300).contains(&response.status) {
            return Ok(response);
        }
        self.charge(pointer.work(response.body.len()));
        if let Some(Taken { body, secret: text }) = pointer.take(&response.body) {
            response.body.zeroize();
            response.body = body;
            // SECURITY: walls::a_received_secret_that_a_server_repeats_is_in_no_text_that_is_shown
            response.secret = Some(self.hidden(Origin::Received(from), text)?);
        }
        Ok(response)
    }
}

fn patience(milliseconds: Option<u64>) -> Patience {
    let mut patience = Patience::default();
    if let Some(milliseconds) = milliseconds {
        patience.total = Duration::from_millis(milliseconds);
    }
    patience
}

/// Why a call brought nothing; too large a body is nobody else's error.
enum CallError {
    Send(SendError),
    TooLarge(usize),
}

impl From<SendError> for CallError {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}

/// Scheme, authority and the rest of a URL as it was written. What they mean, `Target` decides; nothing else reads them.
fn split(url: &str) -> Result<(&str, &str, &str), SendError> {
    let no_url =
        || SendError::Invalid("the URL is none: `https://host/path` is expected".to_owned());
    let (scheme, rest) = url.split_once("://").ok_or_else(no_url)?;
    let (rest, _fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).ok_or_else(no_url)?;
    Ok((scheme, authority, path))
}

/// Reads a response whole, up to `max` bytes.
async fn whole(
    response: hyper::Response<ResponseBody>,
    max: usize,
) -> Result<tape::Answer, CallError> {
    let (parts, mut body) = response.into_parts();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if data.len() > max.saturating_sub(bytes.len()) {
            return Err(CallError::TooLarge(max));
        }
        bytes.extend_from_slice(&data);
    }
    let headers = parts.headers.iter().map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    let (status, headers) = (parts.status.as_u16(), headers.collect());
    Ok(tape::Answer::Response { status, headers, body: bytes })
}

impl CallError {
    fn explain(self) -> (Failed, String) {
        let error = match self {
            Self::Send(error) => error,
            Self::TooLarge(max) => {
                let text = format!("the response's body has more than {max} bytes");
                return (Failed::TooLarge, text);
            }
        };
        let why = match error {
            SendError::AddressDenied(_) | SendError::Denied(_) | SendError::Limit(_) => {
                Failed::Denied
            }
            SendError::Connect { .. }
            | SendError::Dns { .. }
            | SendError::Proxy { .. }
            | SendError::Timeout { phase: Phase::Connect | Phase::Lookup, .. }
            | SendError::Tls { .. } => Failed::Unreachable,
            SendError::Invalid(_) => Failed::InvalidRequest,
            SendError::Protocol(_) => Failed::Network,
            SendError::ResponseHead => Failed::TooLarge,
            SendError::Timeout { phase: Phase::Body | Phase::Response, .. } => Failed::Timeout,
        };
        (why, error.to_string())
    }
}

impl From<CallError> for tape::Answer {
    fn from(error: CallError) -> Self {
        let (why, text) = error.explain();
        Self::Failed(why, text)
    }
}

impl From<CallError> for Answer {
    fn from(error: CallError) -> Self {
        let (why, text) = error.explain();
        failed(why, text)
    }
}

/// What the component is told.
fn told(answer: tape::Answer) -> Result<Response, Answer> {
    match answer {
        tape::Answer::Failed(why, text) => Err(failed(why, text)),
        tape::Answer::Lost => Err(lost()),
        tape::Answer::Response { status, headers, body } => {
            Ok(Response { status, headers, body, secret: None })
        }
    }
}

fn failed(why: Failed, text: String) -> Answer {
    match why {
        Failed::Aborted => Answer::Aborted,
        Failed::Denied => Answer::Denied(text),
        Failed::InvalidRequest => Answer::InvalidRequest(text),
        Failed::Network => Answer::Network(text),
        Failed::Timeout => Answer::Timeout(text),
        Failed::TooLarge => Answer::TooLarge(text),
        Failed::Unreachable => Answer::Unreachable(text),
    }
}

fn lost() -> Answer {
    let text =
        "the runner was restarted while the request was under way: it may have been carried out";
    Answer::Network(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_split_where_its_authority_ends() {
        for (url, parts) in [
            ("https://host/a?b#c", ("https", "host", "/a?b")),
            ("http://host:80", ("http", "host:80", "")),
            ("https://host?q=/x", ("https", "host", "?q=/x")),
            ("https://host#@evil.example/", ("https", "host", "")),
            ("https://host\\@evil.example/", ("https", "host\\@evil.example", "/")),
            ("https:///host", ("https", "", "/host")),
        ] {
            assert_eq!(split(url).unwrap(), parts, "{url}");
        }
        assert!(split("host/path").is_err());
        assert!(split("https:/host").is_err());
    }
}
