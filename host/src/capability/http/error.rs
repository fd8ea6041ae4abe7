//! Why a request brought no response: [`SendError`].

use crate::outcome::LimitHit;
use std::time::Duration;
use wasmtime_wasi_http::Error as WasiError;

/// Why a request brought no response, or one that ended early. Holds no secret: texts come from policy, from the request's
/// target and from closed lists.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// The name has no address that policy allows; the rule about the first of them.
    #[error("{0}")]
    AddressDenied(String),
    #[error("failed to connect to {target}: {reason}")]
    Connect { target: String, reason: String },
    /// Policy said no; its rule.
    #[error("{0}")]
    Denied(String),
    #[error("failed to look `{host}` up: {reason}")]
    Dns { host: String, reason: String },
    /// The request can't be sent as it is.
    #[error("{0}")]
    Invalid(String),
    /// The run is over.
    #[error("{0}")]
    Limit(LimitHit),
    #[error("the connection failed: {0}")]
    Protocol(String),
    #[error("the proxy did not connect to {target}: {reason}")]
    Proxy { target: String, reason: String },
    #[error("the response's head is larger than allowed")]
    ResponseHead,
    #[error("{phase} took longer than {}", humantime::format_duration(*after))]
    Timeout { phase: Phase, after: Duration },
    #[error("failed to establish TLS with {target}: {reason}")]
    Tls { target: String, reason: String },
}

/// What was under way when the time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Body,
    Connect,
    Lookup,
    Response,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Body => "the response's body",
            Self::Connect => "connecting",
            Self::Lookup => "looking the name up",
            Self::Response => "waiting for the response",
        })
    }
}

impl SendError {
    /// A stable word for the audit log.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::AddressDenied(_) => "address-denied",
            Self::Connect { .. } => "connect",
            Self::Denied(_) => "denied",
            Self::Dns { .. } => "dns",
            Self::Invalid(_) => "invalid",
            Self::Limit(_) => "limit",
            Self::Protocol(_) => "protocol",
            Self::Proxy { .. } => "proxy",
            Self::ResponseHead => "response-head",
            Self::Timeout { .. } => "timeout",
            Self::Tls { .. } => "tls",
        }
    }
}

/// The nearest of WASI's codes; most of them have no room for words.
impl From<SendError> for WasiError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::AddressDenied(_) => Self::DestinationIpProhibited,
            SendError::Connect { .. } => Self::ConnectionRefused,
            SendError::Denied(_) => Self::HttpRequestDenied,
            SendError::Dns { reason, .. } => {
                Self::DnsError { rcode: Some(reason), info_code: None }
            }
            SendError::Invalid(text) => Self::InternalError(Some(text)),
            SendError::Limit(_) => Self::HttpRequestDenied,
            SendError::Protocol(_) => Self::HttpProtocolError,
            SendError::Proxy { .. } => Self::DestinationUnavailable,
            SendError::ResponseHead => Self::HttpResponseHeaderSectionSize(None),
            SendError::Timeout { phase: Phase::Body, .. } => Self::ConnectionReadTimeout,
            SendError::Timeout { phase: Phase::Connect, .. } => Self::ConnectionTimeout,
            SendError::Timeout { phase: Phase::Lookup, .. } => Self::DnsTimeout,
            SendError::Timeout { phase: Phase::Response, .. } => Self::HttpResponseTimeout,
            SendError::Tls { .. } => Self::TlsCertificateError,
        }
    }
}
