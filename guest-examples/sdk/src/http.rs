//! Requests to remote services: [`Client`] sends a [`Request`] and returns a [`Response`], whatever its status is.

mod call_error;
mod repeat;

pub use call_error::{CallError, redirected, unclear};

use crate::SendError;
use crate::host::Host;
use crate::text::one_line;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Against services that accept a request and then say nothing.
const TIMEOUT: Duration = Duration::from_secs(30);

/// After an abort there are some seconds left for everything.
const TIMEOUT_STOPPING: Duration = Duration::from_secs(4);

/// Against responses that fill the memory.
const RESPONSE_MAX: u64 = 4 << 20;

/// A piece of a header's value or of a body; pieces are joined without anything between them.
#[derive(Debug, PartialEq, Eq)]
pub enum Part<'a, S> {
    /// The document of the run.
    RunDocument(Document),
    /// The secret as it is, put in by the host.
    Secret(&'a S),
    /// The secret within a form or a query, percent-encoded.
    SecretInForm(&'a S),
    /// The secret within a JSON string, escaped, without the quotes around it.
    SecretInJson(&'a S),
    /// Text as it is.
    Text(String),
}

/// How the run's document is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// In base64.
    pub base64: bool,
    /// Of the implementation only its type is left.
    pub without_implementation: bool,
}

/// The value of a header.
#[derive(Debug, PartialEq, Eq)]
pub enum HeaderValue<'a, S> {
    /// Basic authentication.
    Basic {
        /// May be empty.
        user: Vec<Part<'a, S>>,
        /// Mostly a secret.
        password: Vec<Part<'a, S>>,
    },
    /// For example `Bearer ` and a secret.
    Parts(Vec<Part<'a, S>>),
}

/// What is sent.
#[derive(Debug)]
pub struct Request<'a, S> {
    /// Pieces of the body.
    pub body: Vec<Part<'a, S>>,
    /// Names and values.
    pub headers: Vec<(String, HeaderValue<'a, S>)>,
    /// Whether it is given up when the run is being stopped.
    pub is_interruptible: bool,
    /// Whether it does no harm if the service gets it more than once. One that can't have arrived is repeated in any case.
    pub is_repeatable: bool,
    /// How large the response may be.
    pub max_response_bytes: u64,
    /// `GET`, `POST` and so on.
    pub method: &'static str,
    /// Where the response has a secret, as a JSON pointer.
    pub take_secret: Option<&'static str>,
    /// For the whole exchange.
    pub timeout: Duration,
    /// Absolute.
    pub url: String,
}

/// What came back.
#[derive(Debug)]
pub struct Response<S> {
    /// What was sent, at most as much as the request allows.
    pub body: Vec<u8>,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// What was asked for by `take_secret`.
    pub secret: Option<S>,
    /// Whatever it is: redirects are not followed.
    pub status: u16,
}

/// Sends requests in the same way: with the same headers, a timeout, and repeats for those that may be repeated.
#[derive(Debug)]
pub struct Client<'h, H> {
    headers: Vec<(&'static str, String)>,
    host: &'h H,
    is_stopping: bool,
}

impl<'a, S> Request<'a, S> {
    /// A request that only asks: it may be repeated, and is given up when the run is being stopped.
    pub fn ask(url: String) -> Self {
        Self { is_interruptible: true, is_repeatable: true, ..Self::act("GET", url) }
    }

    /// A request that changes something: it arrives once at the most and is waited for, so that it is known what has become of it.
    pub fn act(method: &'static str, url: String) -> Self {
        Self {
            body: Vec::new(),
            headers: Vec::new(),
            is_interruptible: false,
            is_repeatable: false,
            max_response_bytes: RESPONSE_MAX,
            method,
            take_secret: None,
            timeout: TIMEOUT,
            url,
        }
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: HeaderValue<'a, S>) -> Self {
        self.headers.push((name.to_owned(), value));
        self
    }

    /// With `Authorization: Bearer …`.
    #[must_use]
    pub fn bearer(self, token: &'a S) -> Self {
        let parts = vec![Part::Text("Bearer ".to_owned()), Part::Secret(token)];
        self.header("authorization", HeaderValue::Parts(parts))
    }

    /// With a body of this type.
    #[must_use]
    pub fn body(mut self, content_type: String, body: Vec<Part<'a, S>>) -> Self {
        self.body = body;
        self.header("content-type", HeaderValue::Parts(vec![Part::Text(content_type)]))
    }

    /// With a body in JSON, such as [`JsonObject`](crate::JsonObject) makes it.
    #[must_use]
    pub fn json(self, body: Vec<Part<'a, S>>) -> Self {
        self.body("application/json".to_owned(), body)
    }
}

impl<S> Response<S> {
    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first header of this name, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(found, _)| found == name);
        header.map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// What is wrong with it, for the operator.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, String> {
        serde_json::from_slice(&self.body)
            .map_err(|error| one_line(&format!("unexpected answer: {error}"), 300))
    }
}

impl<'h, H: Host> Client<'h, H> {
    /// A client that says who it is.
    pub fn new(host: &'h H, user_agent: &str) -> Self {
        Self { headers: vec![("user-agent", user_agent.to_owned())], host, is_stopping: false }
    }

    /// Sends this header with every request that does not have one of that name.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// A client for the seconds after an abort: every request is sent, once, and not waited for long.
    #[must_use]
    pub fn stopping(&self) -> Self {
        Self { headers: self.headers.clone(), host: self.host, is_stopping: true }
    }

    /// Sends a request, again if it may be repeated and there is hope.
    ///
    /// # Errors
    /// Why there is no response; `aborted` also if the run was stopped between two tries.
    pub fn send(
        &self,
        mut request: Request<'_, H::Secret>,
    ) -> Result<Response<H::Secret>, SendError> {
        for (name, value) in &self.headers {
            if !request.headers.iter().any(|(found, _)| found == name) {
                let value = HeaderValue::Parts(vec![Part::Text(value.clone())]);
                request.headers.push(((*name).to_owned(), value));
            }
        }
        if self.is_stopping {
            request.is_interruptible = false;
            request.timeout = request.timeout.min(TIMEOUT_STOPPING);
        }
        let mut tries = 1;
        loop {
            let answer = self.host.send(&request);
            let was_unsent = answer.as_ref().is_err_and(repeat::was_unsent);
            let wait = match &answer {
                _ if self.is_stopping || !(request.is_repeatable || was_unsent) => None,
                Ok(response) => {
                    let asked = repeat::asked(|name| response.header(name), self.host.now());
                    repeat::after_answer(response.status, asked, tries, self.host.random())
                }
                Err(error) => repeat::after_error(error, tries, self.host.random()),
            };
            let Some(wait) = wait else { return answer };
            if self.host.pause(wait) {
                return if request.is_interruptible { Err(SendError::Aborted) } else { answer };
            }
            tries += 1;
        }
    }
}

#[cfg(test)]
mod tests;
