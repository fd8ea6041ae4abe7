//! What the server answers. Main types: [`Answer`], [`Refused`].

use bytes::Bytes;
use hyper::header::CONTENT_TYPE;
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use crate::damage::Dropped;

/// The media type of run documents, in requests and answers.
pub(crate) const RUN_MEDIA: &str = "application/vnd.meshcloud.api.meshbuildingblockrun.v1.hal+json";
/// The media type of runner documents.
pub(crate) const RUNNER_MEDIA: &str =
    "application/vnd.meshcloud.api.meshbuildingblockrunner.v1-preview.hal+json";
pub(crate) const JSON: &str = "application/json";
pub(crate) const OCTETS: &str = "application/octet-stream";

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn new(status: StatusCode, content_type: &'static str, body: Bytes) -> Self {
        Self { status, content_type, headers: Vec::new(), body }
    }

    pub(crate) fn json(status: StatusCode, content_type: &'static str, body: &Value) -> Self {
        Self::new(status, content_type, body.to_string().into())
    }

    pub(crate) fn into_response(self) -> Result<Response<Bytes>, Dropped> {
        let mut response =
            Response::builder().status(self.status).header(CONTENT_TYPE, self.content_type);
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        response.body(self.body).map_err(|_| Dropped)
    }

    pub(crate) fn problem(status: StatusCode, message: &str) -> Self {
        Self::json(status, JSON, &json!({"message": message, "requestId": "emulator"}))
    }
}

/// A request that is turned down, and whether its sender broke the protocol.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
    pub(crate) is_violation: bool,
}

impl Refused {
    /// The sender broke the protocol.
    pub(crate) fn violation(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), is_violation: true }
    }

    /// A correct client can meet this: a race, an expired token, nothing there.
    pub(crate) fn quietly(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), is_violation: false }
    }
}
