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
mod tls;
pub(crate) mod wasi;

pub use outbound::{Config, Outbound, StartError};
pub use proxy::InvalidProxy;
pub use resolve::{Addresses, Held, Resolve, System};
pub(crate) use secrets::HeaderSecrets;
pub(crate) use send::Egress;
pub use tls::{BuildError, BuildErrorKind};

use super::types::{Origin, SecretHandle};
use crate::sandbox::RunState;
use crate::sandbox::bindings::blockhouse::block::http::{
    Host, Request, Response, SendError as Answer,
};
use blockhouse_policy::Target;
use body::ResponseBody;
use error::{Phase, SendError};
use http_body_util::{BodyExt as _, Full};
use send::Patience;
use std::time::Duration;
use taken::{Pointer, Taken};
use zeroize::Zeroize as _;

impl Host for RunState {
    async fn send(&mut self, request: Request) -> wasmtime::Result<Result<Response, Answer>> {
        let abort = request.interruptible.then(|| self.progress.watch_abort().clone());
        if abort.as_ref().is_some_and(|abort| abort.reason().is_some()) {
            return Ok(Err(Answer::Aborted));
        }
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
        let exchange = async {
            let response = ready.send(Full::new(body)).await?;
            whole(response, max).await
        };
        let aborted = async {
            match abort {
                Some(abort) => abort.aborted().await,
                None => std::future::pending().await,
            }
        };
        let received = tokio::select! {
            // SECURITY: walls::an_interruptible_request_ends_with_the_abort
            biased;
            _ = aborted => return Ok(Err(Answer::Aborted)),
            received = exchange => received,
        };
        match (received, pointer) {
            (Ok(response), Some(pointer)) => {
                self.without_secret(response, &pointer, target).map(Ok)
            }
            (received, _) => Ok(received.map_err(Answer::from)),
        }
    }
}

impl RunState {
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
            let handle = SecretHandle { origin: Origin::Received(from), text };
            response.secret = Some(self.table.push(handle)?);
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
async fn whole(response: hyper::Response<ResponseBody>, max: usize) -> Result<Response, CallError> {
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
    Ok(Response { status, headers, body: bytes, secret: None })
}

impl From<CallError> for Answer {
    fn from(error: CallError) -> Self {
        let error = match error {
            CallError::Send(error) => error,
            CallError::TooLarge(max) => {
                return Self::TooLarge(format!("the response's body has more than {max} bytes"));
            }
        };
        let text = error.to_string();
        match error {
            SendError::AddressDenied(_) | SendError::Denied(_) | SendError::Limit(_) => {
                Self::Denied(text)
            }
            SendError::Connect { .. }
            | SendError::Dns { .. }
            | SendError::Proxy { .. }
            | SendError::Timeout { phase: Phase::Connect | Phase::Lookup, .. }
            | SendError::Tls { .. } => Self::Unreachable(text),
            SendError::Invalid(_) => Self::InvalidRequest(text),
            SendError::Protocol(_) => Self::Network(text),
            SendError::ResponseHead => Self::TooLarge(text),
            SendError::Timeout { phase: Phase::Body | Phase::Response, .. } => Self::Timeout(text),
        }
    }
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
