//! A request on its way through its endpoint, and what comes back. Main types: [`Call`], [`Answer`].

use std::borrow::Cow;

use bytes::Bytes;
use hyper::header::CONTENT_TYPE;
use hyper::{HeaderMap, Method, Response};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use time::OffsetDateTime;
use url::form_urlencoded;

/// A request on its way through its endpoint.
#[derive(Debug)]
pub struct Call<'a, R> {
    pub(crate) route: R,
    pub(crate) method: &'a Method,
    /// As it was sent, without the query.
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a Bytes,
    /// The server's time.
    pub(crate) now: OffsetDateTime,
    /// The server's own address, without a trailing slash.
    pub(crate) url: &'a str,
    /// What the client did wrong.
    pub(crate) breaches: Vec<String>,
}

impl<R> Call<'_, R> {
    /// Notes a breach of protocol. Never contains a secret.
    pub(crate) fn breach(&mut self, message: impl Into<String>) {
        self.breaches.push(message.into());
    }

    /// The decoded segments of the path below this prefix.
    pub(crate) fn segments(&self, prefix: &str) -> Vec<String> {
        segments(self.path.strip_prefix(prefix).unwrap_or(self.path))
    }

    /// The header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The header's media type, without parameters.
    pub(crate) fn media(&self, name: &str) -> Option<&str> {
        self.header(name).and_then(|text| text.split(';').next()).map(str::trim)
    }

    /// A parameter of the query, decoded.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let mut pairs = form_urlencoded::parse(self.query.unwrap_or_default().as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Option<Value> {
        serde_json::from_slice(self.body).ok()
    }
}

/// Decoded segments of a path.
pub(crate) fn segments(path: &str) -> Vec<String> {
    let parts = path.trim_start_matches('/').split('/');
    parts.map(|part| percent_decode_str(part).decode_utf8_lossy()).map(Cow::into_owned).collect()
}

/// What a fake answers.
#[derive(Debug)]
pub struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new() }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::text(status, "application/json; charset=utf-8", body.to_string())
    }

    pub(crate) fn text(status: u16, media: &str, body: impl Into<Bytes>) -> Self {
        Self { status, headers: vec![("content-type", media.to_owned())], body: body.into() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// None if HTTP can't carry it.
    pub(crate) fn into_response(self) -> Option<Response<Bytes>> {
        debug_assert!(self.body.is_empty() || self.headers.iter().any(|h| h.0 == CONTENT_TYPE));
        let mut response = Response::builder().status(self.status);
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        response.body(self.body).ok()
    }
}
