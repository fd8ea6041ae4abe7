//! `blockhouse:block/http`: requests as plain data. Below it the one way out, which it shares with `wasi:http`.
//!
//! A request passes, in this order: policy's answer about scheme, host and port; the number of requests; what its head may hold;
//! a connection of the run's; one lookup; policy's answer about each address; the connection, its TLS and the bytes both
//! ways. The main type is `Egress`; a task per connection, which the response's body holds, is all that it owns.
//! It never follows a redirect, connects to a name, or keeps a connection for the next request: a handshake per request is what
//! it costs that no connection can be used for what policy was not asked about.

mod body;
mod budget;
mod connect;
mod error;
mod head;
mod metered;
mod outbound;
mod proxy;
mod resolve;
mod secrets;
mod send;
mod tls;
pub(crate) mod wasi;

pub use outbound::{Config, Outbound, StartError};
pub use proxy::InvalidProxy;
pub use resolve::{Addresses, Held, Resolve, System};
pub(crate) use secrets::HeaderSecrets;
pub(crate) use send::Egress;
pub use tls::{BuildError, BuildErrorKind};

use super::types::SecretHandle;
use crate::sandbox::RunState;
use crate::sandbox::bindings::blockhouse::block::http::{
    Credentials, Header, HeaderValue, Host, Part, Request, Response, SendError as Answer,
};
use blockhouse_policy::{HttpPermit, Target};
use body::ResponseBody;
use bytes::Bytes;
use error::SendError;
use http_body_util::{BodyExt as _, Full};
use hyper::Method;
use hyper::header::{CONTENT_LENGTH, HeaderMap, HeaderName};
use secrets::Form;
use send::{Head, Patience, Ready};
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::Resource;

impl Host for RunState {
    async fn send(&mut self, request: Request) -> wasmtime::Result<Result<Response, Answer>> {
        let allowed = self.grants.limits().host_call_bytes;
        let asked = request.max_response_bytes.and_then(|max| usize::try_from(max).ok());
        let max = asked.unwrap_or(allowed).min(allowed);
        let patience = patience(request.timeout_milliseconds);
        let sent = match self.compose(request, patience)? {
            Ok((ready, body)) => {
                let exchange = async {
                    let response = ready.send(Full::new(body)).await?;
                    whole(response, max).await
                };
                exchange.await
            }
            Err(error) => Err(error),
        };
        Ok(sent.map_err(Answer::from))
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

impl RunState {
    /// Everything up to the first byte on the wire. The outer error ends the run: the component's handle is none.
    fn compose(
        &mut self,
        request: Request,
        patience: Patience,
    ) -> wasmtime::Result<Result<(Ready, Bytes), CallError>> {
        let (scheme, authority, path) = match split(&request.url) {
            Ok(parts) => parts,
            Err(error) => return Ok(Err(error.into())),
        };
        let permit = match self.egress.permit(scheme, authority) {
            Ok(permit) => permit,
            Err(error) => return Ok(Err(error.into())),
        };
        let target = permit.target().clone();
        let mut headers = HeaderMap::new();
        for header in request.headers {
            match self.header(header, &target)? {
                Ok((name, value)) => {
                    headers.append(name, value);
                }
                Err(error) => return Ok(Err(error.into())),
            }
        }
        let body = match self.join(request.body, &target)? {
            Ok(joined) => Bytes::from(joined.bytes),
            Err(error) => return Ok(Err(error.into())),
        };
        let request = Framed { method: &request.method, path, headers, body };
        Ok(request.prepare(&self.egress, permit, patience))
    }

    fn header(
        &mut self,
        header: Header,
        target: &Target,
    ) -> wasmtime::Result<Result<(HeaderName, hyper::header::HeaderValue), SendError>> {
        let invalid = |what: &str| {
            let name = crate::excerpt::clip(&header.name, 100);
            SendError::Invalid(format!("the header `{name}` has {what}"))
        };
        let Ok(name) = HeaderName::from_bytes(header.name.as_bytes()) else {
            return Ok(Err(invalid("a name that is none")));
        };
        let joined = match header.value {
            HeaderValue::Basic(Credentials { user, password }) => {
                let user = self.join(user, target)?;
                let password = self.join(password, target)?;
                user.and_then(|user| {
                    let password = password?;
                    let bytes = secrets::basic(&user.bytes, &password.bytes);
                    Ok(Joined { bytes, secret: user.secret.or(password.secret) })
                })
            }
            HeaderValue::Parts(parts) => self.join(parts, target)?,
        };
        Ok(joined.and_then(|Joined { bytes, secret }| {
            let value = match secret {
                Some(key) => secrets::sensitive(bytes, &key)?,
                // SECURITY: walls::a_line_break_in_a_header_is_refused
                None => hyper::header::HeaderValue::try_from(bytes)
                    .map_err(|_| invalid("a control character in its value"))?,
            };
            Ok((name, value))
        }))
    }

    /// Joins parts; each secret is asked about for this target.
    fn join(
        &mut self,
        parts: Vec<Part>,
        target: &Target,
    ) -> wasmtime::Result<Result<Joined, SendError>> {
        let max = self.grants.limits().host_call_bytes;
        let mut joined = Joined::default();
        for part in parts {
            let appended = match part {
                Part::Bytes(bytes) => joined.plain(&bytes),
                Part::Text(text) => joined.plain(text.as_bytes()),
                Part::Secret(secret) => self.secret(&mut joined, &secret, Form::Plain, target)?,
                Part::SecretInForm(secret) => {
                    self.secret(&mut joined, &secret, Form::Percent, target)?
                }
                Part::SecretInJson(secret) => {
                    self.secret(&mut joined, &secret, Form::Json, target)?
                }
            };
            if let Err(error) = appended {
                return Ok(Err(error));
            }
            // A handle is a few bytes, and what it stands for may be many.
            // SECURITY: walls::a_secret_named_very_often_does_not_grow_without_end
            if joined.bytes.len() > max {
                let text = format!("a header or the body is larger than {} KiB", max >> 10);
                return Ok(Err(SendError::Invalid(text)));
            }
        }
        self.charge(joined.bytes.len());
        Ok(Ok(joined))
    }

    /// Appends a secret, if it may go to this target.
    fn secret(
        &mut self,
        joined: &mut Joined,
        secret: &Resource<SecretHandle>,
        form: Form,
        target: &Target,
    ) -> wasmtime::Result<Result<(), SendError>> {
        let handle = self.table.get(secret)?;
        // SECURITY: walls::a_secret_is_not_sent_to_a_host_that_policy_does_not_name
        let _permit = match self.grants.secret_in_http(&handle.key, target) {
            Ok(permit) => permit,
            Err(denied) => {
                let subject = format!("{} to {target}", handle.key);
                let Self { auditor, .. } = self;
                auditor.denied("secret", &subject, &denied);
                return Ok(Err(SendError::Denied(denied.rule)));
            }
        };
        secrets::append(&mut joined.bytes, &handle.text, form);
        joined.secret.get_or_insert_with(|| handle.key.clone());
        Ok(Ok(()))
    }
}

/// A request whose parts are joined.
struct Framed<'a> {
    method: &'a str,
    path: &'a str,
    headers: HeaderMap,
    body: Bytes,
}

impl Framed<'_> {
    fn prepare(
        self,
        egress: &Arc<Egress>,
        permit: HttpPermit,
        patience: Patience,
    ) -> Result<(Ready, Bytes), CallError> {
        let Self { method, path, mut headers, body } = self;
        let (method, path) = (head::method(method)?, head::path(path)?);
        let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
        // RFC 9110, 8.6: where a body is usual, its absence is said.
        let has_body = [Method::POST, Method::PUT, Method::PATCH].contains(&method);
        if length > 0 || has_body {
            headers.entry(CONTENT_LENGTH).or_insert_with(|| length.into());
        }
        let head = Head { method, path, headers, length: Some(length) };
        Ok((egress.prepare(permit, head, patience)?, body))
    }
}

/// Joined parts, and the key of the first secret among them.
#[derive(Default)]
struct Joined {
    bytes: Vec<u8>,
    secret: Option<String>,
}

impl Joined {
    fn plain(&mut self, bytes: &[u8]) -> Result<(), SendError> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
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
    Ok(Response { status: parts.status.as_u16(), headers: headers.collect(), body: bytes })
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
            | SendError::Protocol(_)
            | SendError::Proxy { .. }
            | SendError::Tls { .. } => Self::Network(text),
            SendError::Invalid(_) => Self::InvalidRequest(text),
            SendError::ResponseHead => Self::TooLarge(text),
            SendError::Timeout { .. } => Self::Timeout(text),
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
