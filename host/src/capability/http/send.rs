//! The one way out: [`Egress`], through which both HTTP interfaces send.

use super::body::{RequestBody, ResponseBody, Unfinished};
use super::budget::Budget;
use super::connect::{Connected, Connector};
use super::error::{Phase, SendError};
use super::head::{self, HEAD_MAX, HEADERS_MAX};
use super::outbound::Outbound;
use super::secrets::HeaderSecrets;
use crate::audit::Auditor;
use crate::capability::Progress;
use crate::crash::{self, CrashPoint};
use crate::digest::Running;
use crate::tape::{RequestDigest, Tape};
use blockhouse_policy::{Grants, HttpPermit, Target};
use bytes::Bytes;
use hyper::body::Body;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, HeaderMap, HeaderValue, PROXY_AUTHORIZATION};
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::AbortOnDropHandle;

/// From the first lookup to the response's last byte. Against servers that trickle, whose connection the run would keep.
const TOTAL_MAX: Duration = Duration::from_secs(5 * 60);

/// Lookup, connecting, the proxy and TLS.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Errors that are explained in a run's logs. Against filling them.
const EXPLAINED_MAX: usize = 20;

/// What one run's requests share.
#[derive(Debug)]
pub(crate) struct Egress {
    pub(super) outbound: Arc<Outbound>,
    pub(super) grants: Arc<Grants>,
    pub(super) auditor: Arc<Auditor>,
    pub(crate) budget: Arc<Budget>,
    pub(super) secrets: HeaderSecrets,
    pub(super) tape: Arc<Tape>,
    progress: Arc<Progress>,
    explained: Mutex<HashSet<String>>,
}

/// How long the parts of an exchange may take. Components can only make it less.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) connect: Duration,
    pub(crate) response: Duration,
    pub(crate) between_bytes: Duration,
    pub(crate) total: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let [connect, total] = [CONNECT_MAX, TOTAL_MAX];
        Self { connect, response: total, between_bytes: total, total }
    }
}

impl Patience {
    fn bounded(self) -> Self {
        let most = Self::default();
        Self {
            connect: self.connect.min(most.connect),
            response: self.response.min(most.response),
            between_bytes: self.between_bytes.min(most.between_bytes),
            total: self.total.min(most.total),
        }
    }
}

/// A request's head as the component wrote it.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) method: Method,
    pub(crate) path: PathAndQuery,
    pub(crate) headers: HeaderMap,
    /// The body's length, if it is known.
    pub(crate) length: Option<u64>,
}

/// A request that may be sent.
#[derive(Debug)]
pub(crate) struct Ready {
    egress: Arc<Egress>,
    permit: HttpPermit,
    head: Head,
    patience: Patience,
}

impl Egress {
    pub(crate) fn new(
        outbound: Arc<Outbound>,
        grants: Arc<Grants>,
        auditor: Arc<Auditor>,
        secrets: HeaderSecrets,
        progress: Arc<Progress>,
        tape: Arc<Tape>,
    ) -> Self {
        let budget = Arc::new(Budget::new(grants.limits()));
        let explained = Mutex::default();
        Self { outbound, grants, auditor, budget, secrets, tape, progress, explained }
    }

    /// Asks policy whether requests may go there. Nothing has happened yet: no lookup, no connection.
    pub(crate) fn permit(&self, scheme: &str, authority: &str) -> Result<HttpPermit, SendError> {
        // Being told no costs as much as being told yes.
        self.budget.charge_request();
        // SECURITY: walls::a_user_in_the_url_is_refused
        let target = Target::parse(scheme, authority)
            .map_err(|error| SendError::Invalid(format!("the URL can't be used: {error}")))?;
        // SECURITY: walls::a_host_that_is_not_granted_is_refused_before_dns
        match self.grants.http(&target) {
            Ok(permit) => Ok(permit),
            Err(denied) => {
                let subject = target.to_string();
                self.auditor.denied("http", &subject, &denied);
                Err(SendError::Denied(denied.rule))
            }
        }
    }

    /// Writes an error into the log of the step that is running, each once: WASI's codes have no room for reasons.
    pub(super) fn explain(&self, error: &SendError) {
        let line = format!("{error}\n");
        let mut explained = self.explained.lock().unwrap_or_else(PoisonError::into_inner);
        if explained.len() < EXPLAINED_MAX && explained.insert(line.clone()) {
            // If that hits the log's limit, the component's own next line does as well.
            let _ = self.progress.write(line.as_bytes());
        }
    }

    /// Takes a request of the run's and checks its head.
    pub(crate) fn prepare(
        self: &Arc<Self>,
        permit: HttpPermit,
        mut head: Head,
        patience: Patience,
    ) -> Result<Ready, SendError> {
        head::check(&head.path, &head.headers, head.length)?;
        self.budget.request().map_err(SendError::Limit)?;
        // The host's headers take the place of the component's, which never sees them.
        // SECURITY: walls::a_header_that_policy_sets_is_not_the_components_to_choose
        for header in permit.headers() {
            let (name, value) = self.secrets.header(header)?;
            head.headers.insert(name, value);
        }
        let host = permit.target().to_string();
        let host = host.split_once("://").map_or(host.as_str(), |(_, host)| host);
        let host = HeaderValue::from_str(host);
        let host = host.map_err(|_| SendError::Invalid("the host can't be sent".to_owned()))?;
        head.headers.insert(HOST, host);
        head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
        let egress = Arc::clone(self);
        Ok(Ready { egress, permit, head, patience: patience.bounded() })
    }
}

impl Ready {
    /// Where it goes.
    pub(super) fn target(&self) -> &Target {
        self.permit.target()
    }

    /// Whether it can be carried out twice without doing more than once, by what its method means (RFC 9110, 9.2.2).
    pub(super) fn is_idempotent(&self) -> bool {
        self.head.method.is_idempotent()
    }

    /// All of it, with this body, in one value.
    pub(super) fn digest(&self, body: &[u8]) -> RequestDigest {
        let Head { method, path, headers, length: _ } = &self.head;
        let target = self.target().to_string();
        let line = [method.as_str().as_bytes(), target.as_bytes(), path.as_str().as_bytes()];
        let headers =
            headers.iter().flat_map(|(name, value)| [name.as_str().as_bytes(), value.as_bytes()]);
        let mut digest = Running::default();
        for part in line.into_iter().chain(headers).chain([body]) {
            // With their lengths: two parts must not pass for two others.
            digest.update(&part.len().to_be_bytes());
            digest.update(part);
        }
        RequestDigest(*digest.end().as_bytes())
    }

    /// Connects and sends. Waits for a connection of the run's if all are in use, for as long as it takes.
    pub(crate) async fn send<B>(self, body: B) -> Result<Response<ResponseBody>, SendError>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        crash::point(CrashPoint::HttpPermitted);
        let slot = self.egress.budget.connection().await;
        let Self { egress, permit, head, patience } = self;
        let started = Instant::now();
        let deadline = started + patience.total;
        let connect_by = deadline.min(started + patience.connect);
        let connected = {
            let connector = Connector {
                outbound: Arc::clone(&egress.outbound),
                budget: Arc::clone(&egress.budget),
                auditor: Arc::clone(&egress.auditor),
                permit: permit.clone(),
                deadline: connect_by,
            };
            // SECURITY: walls::a_tls_handshake_that_takes_for_ever_is_given_up
            let connected = timeout_at(connect_by, connector.connect()).await;
            let after = patience.connect.min(patience.total);
            connected.unwrap_or(Err(SendError::Timeout { phase: Phase::Connect, after }))
        };
        audit(&egress, &permit, &connected);
        let connected = connected.map_err(|error| egress.over().unwrap_or(error))?;

        crash::point(CrashPoint::HttpConnected);
        let request = request(&egress, permit.target(), head, body, &connected)?;
        let (mut sender, connection) = http1::Builder::new()
            .max_headers(HEADERS_MAX)
            .max_header_size(HEAD_MAX)
            .max_buf_size(HEAD_MAX)
            .handshake(TokioIo::new(connected.stream))
            .await
            .map_err(|error| SendError::Protocol(error.to_string()))?;
        let connection = AbortOnDropHandle::new(tokio::spawn(async move {
            // The slot is free when nothing is left of the connection. How it ended, the response tells.
            let _slot = slot;
            let _ = timeout_at(deadline, connection).await;
        }));
        let answer_by = deadline.min(Instant::now() + patience.response);
        let response = match timeout_at(answer_by, sender.send_request(request)).await {
            Ok(Ok(response)) => response,
            // At the deadline the connection ends as well, and it's chance which of the two is noticed first.
            Ok(Err(error)) if Instant::now() < answer_by => {
                return Err(egress.over().unwrap_or_else(|| broken(&error)));
            }
            Ok(Err(_)) | Err(_) => {
                let after = patience.response.min(patience.total);
                return Err(SendError::Timeout { phase: Phase::Response, after });
            }
        };
        crash::point(CrashPoint::HttpAnswered);
        // Nobody asked for another protocol; what would follow is not HTTP.
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(SendError::Protocol("the server switched the protocol".to_owned()));
        }
        let until = (deadline, patience.total);
        let between = patience.between_bytes;
        Ok(response.map(|body| ResponseBody::new(body, between, until, connection)))
    }
}

impl Egress {
    /// The true reason of whatever failed, if a limit was hit.
    fn over(&self) -> Option<SendError> {
        self.budget.hit().map(SendError::Limit)
    }
}

/// The request as the server, or the proxy in front of it, is to see it.
fn request<B: Body<Data = Bytes> + Unpin>(
    egress: &Egress,
    target: &Target,
    head: Head,
    body: B,
    connected: &Connected,
) -> Result<Request<RequestBody<B>>, SendError> {
    let declared = head::declared_length(&head.headers);
    let mut request = Request::new(RequestBody::new(body, declared));
    *request.method_mut() = head.method;
    *request.headers_mut() = head.headers;
    let origin = match connected.is_forwarded {
        true => Some(target.to_string()),
        false => None,
    };
    *request.uri_mut() = head::uri(head.path, origin.as_deref())?;
    let credentials = egress.outbound.proxy.as_ref().and_then(|proxy| proxy.credentials());
    // SECURITY: walls::credentials_of_the_proxy_are_for_the_proxy_only
    if let Some(credentials) = credentials.filter(|_| connected.is_forwarded) {
        request.headers_mut().insert(PROXY_AUTHORIZATION, credentials.clone());
    }
    Ok(request)
}

fn broken(error: &hyper::Error) -> SendError {
    if error.is_parse_too_large() {
        return SendError::ResponseHead;
    }
    let cause = std::error::Error::source(error);
    if cause.is_some_and(|cause| cause.is::<Unfinished>()) {
        let text = "the body is not as long as the header `content-length` says, or was given up";
        return SendError::Invalid(text.to_owned());
    }
    SendError::Protocol(error.to_string())
}

/// One event per request: where it went, or why it didn't.
fn audit(egress: &Egress, permit: &HttpPermit, connected: &Result<Connected, SendError>) {
    let (address, result) = match connected {
        Ok(connected) => (Some(connected.address.to_string()), "connected"),
        Err(error) => (None, error.code()),
    };
    let target = permit.target().to_string();
    egress.auditor.egress(&target, address.as_deref(), result, Some(permit.rule()));
}
