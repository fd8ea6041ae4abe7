//! One HTTP exchange, within its limits: [`Transport`].

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    LOCATION, RETRY_AFTER,
};
use reqwest::{Certificate, Method, NoProxy, Proxy, Response, StatusCode, redirect};
use tokio::time::timeout;
use url::Url;

use super::config::{HttpConfig, RunnerIdentity};
use super::contact::Contact;
use super::error::{BodyError, BuildError, CallErrorKind};
use super::links::Base;
use super::pressure::Pressure;
use super::retry_after;

const NODE_ID: HeaderName = HeaderName::from_static("x-block-runner-node-id");
const RUNNER_NAME: HeaderName = HeaderName::from_static("x-meshcloud-runner-name");
const RUNNER_VERSION: HeaderName = HeaderName::from_static("x-meshcloud-runner-version");

/// How much of a failed call's body is read: enough for an excerpt, and for most bodies whole, so that the
/// connection can be used again.
const FAILURE_BODY_MAX: usize = 16 * 1024;

/// Idle connections kept per host: with hundreds of runs reporting every few seconds, fewer would mean a handshake per call.
const POOL_MAX_IDLE: usize = 256;

/// Shorter than the keep-alive of usual servers and gateways (60 s and more, Tomcat 20 s), so that a connection is
/// rarely used just as the other side closes it; longer than the usual poll interval of 10 s.
const POOL_IDLE: Duration = Duration::from_secs(15);

/// Sends requests and reads answers; knows neither credentials nor what a status means.
#[derive(Debug)]
pub(super) struct Transport {
    http: reqwest::Client,
    read_timeout: Duration,
    /// Until an answer begins: connecting included.
    answer_timeout: Duration,
    total_timeout: Duration,
    transfer_timeout: Duration,
    retry_after_cap: Duration,
    pub(super) contact: Contact,
    pressure: Pressure,
}

/// What is sent. Not `Debug`: bodies may hold secrets.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) accept: &'static str,
    pub(super) content_type: Option<&'static str>,
    pub(super) body: Bytes,
    /// How many bytes a successful answer may have.
    pub(super) limit: usize,
    /// Whether a plan is carried, which may take long.
    pub(super) transfer: bool,
    /// Whether the body holds something that an answer's excerpt must not repeat.
    pub(super) confidential: bool,
}

/// What came back, whatever the status.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    /// The origin of `Location`, if there is one.
    pub(super) target: Option<String>,
    /// The whole body of a success; the beginning of a failure's.
    pub(super) body: Bytes,
    /// Whether `body` is not all.
    pub(super) truncated: bool,
}

impl Transport {
    pub(super) fn new(
        base: &Base,
        runner: &RunnerIdentity,
        config: &HttpConfig,
    ) -> Result<Self, BuildError> {
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .http1_only()
            .connect_timeout(config.connect_timeout)
            .pool_max_idle_per_host(POOL_MAX_IDLE)
            .pool_idle_timeout(POOL_IDLE)
            .user_agent(concat!("blockhouse/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers(runner)?);
        if let Some(url) = &config.proxy {
            builder = builder.proxy(proxy(url, &config.no_proxy)?);
        }
        let authorities = authorities(&config.ca_certificates)?;
        let over_tls =
            base.is_https() || config.proxy.as_ref().is_some_and(|url| url.scheme() == "https");
        builder = if over_tls {
            builder.tls_certs_merge(authorities)
        } else {
            // Without TLS the platform's roots are not loaded, so that an image without any can still talk to a
            // meshStack inside its own network.
            builder.tls_certs_only(authorities)
        };
        Ok(Self {
            http: builder.build().map_err(BuildError::Http)?,
            read_timeout: config.read_timeout,
            answer_timeout: config.connect_timeout.saturating_add(config.read_timeout),
            total_timeout: config.total_timeout,
            transfer_timeout: config.transfer_timeout,
            retry_after_cap: config.retry.retry_after_cap,
            contact: Contact::default(),
            pressure: Pressure::default(),
        })
    }

    /// Sends once, never again; `authorization` must be marked sensitive.
    pub(super) async fn exchange(
        &self,
        request: &Request,
        authorization: Option<&HeaderValue>,
    ) -> Result<Answer, CallErrorKind> {
        // What may take long must not keep everybody else waiting.
        if request.transfer {
            return within(self.transfer_timeout, self.unbounded(request, authorization)).await?;
        }
        let place = self.pressure.enter().await;
        let answer = within(self.total_timeout, self.unbounded(request, authorization)).await;
        let answer = answer.and_then(|answer| answer);
        place.leave(is_overloaded(&answer));
        answer
    }

    async fn unbounded(
        &self,
        request: &Request,
        authorization: Option<&HeaderValue>,
    ) -> Result<Answer, CallErrorKind> {
        let mut builder = self
            .http
            .request(request.method.clone(), request.url.clone())
            .header(ACCEPT, request.accept)
            .body(request.body.clone());
        if let Some(content_type) = request.content_type {
            builder = builder.header(CONTENT_TYPE, content_type);
        }
        if request.body.is_empty() && request.method != Method::GET {
            // RFC 9110, 8.6; hyper leaves it out, and some gateways answer 411 then.
            builder = builder.header(CONTENT_LENGTH, 0);
        }
        if let Some(authorization) = authorization {
            builder = builder.header(AUTHORIZATION, authorization);
        }
        // Nobody answers before our body is there, and that may take long if it's a plan.
        let patience = if request.transfer { self.transfer_timeout } else { self.answer_timeout };
        let mut response = within(patience, builder.send()).await?.map_err(sending)?;
        let status = response.status();
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let retry_after = header(RETRY_AFTER)
            .and_then(|value| retry_after::parse(value, SystemTime::now(), self.retry_after_cap));
        let target = header(LOCATION)
            .and_then(|location| request.url.join(location).ok())
            .map(|url| url.origin().ascii_serialization());
        let (body, truncated) = if status.is_success() {
            (self.body(&mut response, request.limit).await?, false)
        } else {
            self.beginning(&mut response).await
        };
        Ok(Answer { status, retry_after, target, body: body.into(), truncated })
    }

    /// Reads a body that must be there whole and fit.
    async fn body(&self, response: &mut Response, limit: usize) -> Result<Vec<u8>, CallErrorKind> {
        let too_large = || CallErrorKind::Body(BodyError::TooLarge { limit });
        if response.content_length().is_some_and(|length| length > limit as u64) {
            return Err(too_large());
        }
        // Grows with what really comes: a Content-Length is a claim, not memory.
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk(response).await? {
            if chunk.len() > limit - body.len() {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// Reads what can be had of a failure's body: the status says enough to go on without it.
    async fn beginning(&self, response: &mut Response) -> (Vec<u8>, bool) {
        let mut body = Vec::new();
        loop {
            match self.chunk(response).await {
                Ok(Some(chunk)) => {
                    let room = FAILURE_BODY_MAX - body.len();
                    body.extend(chunk.iter().take(room));
                    if chunk.len() > room {
                        return (body, true);
                    }
                }
                Ok(None) => return (body, false),
                Err(_) => return (body, true),
            }
        }
    }

    async fn chunk(&self, response: &mut Response) -> Result<Option<Bytes>, CallErrorKind> {
        within(self.read_timeout, response.chunk()).await?.map_err(interrupted)
    }
}

/// Whether meshStack, or what is between, can't cope or is not there.
fn is_overloaded(answer: &Result<Answer, CallErrorKind>) -> bool {
    match answer {
        Ok(answer) => {
            answer.status.is_server_error() || answer.status == StatusCode::TOO_MANY_REQUESTS
        }
        Err(
            CallErrorKind::Connect(_)
            | CallErrorKind::Interrupted(_)
            | CallErrorKind::Timeout { .. },
        ) => true,
        Err(_) => false,
    }
}

async fn within<T>(after: Duration, future: impl Future<Output = T>) -> Result<T, CallErrorKind> {
    timeout(after, future).await.map_err(|_| CallErrorKind::Timeout { after })
}

fn sending(error: reqwest::Error) -> CallErrorKind {
    if error.is_connect() {
        // SECURITY: meshstack::tests::claims::errors_hold_no_secret (a plan's URL may be signed)
        CallErrorKind::Connect(Arc::new(error.without_url()))
    } else {
        interrupted(error)
    }
}

fn interrupted(error: reqwest::Error) -> CallErrorKind {
    CallErrorKind::Interrupted(Arc::new(error.without_url()))
}

fn headers(runner: &RunnerIdentity) -> Result<HeaderMap, BuildError> {
    let node = format!("{}-{}", runner.uuid, runner.node);
    let visible = node.bytes().all(|byte| byte.is_ascii_graphic());
    let node = HeaderValue::from_str(&node).ok().filter(|_| visible).ok_or(BuildError::Node)?;
    Ok(HeaderMap::from_iter([
        (NODE_ID, node),
        (RUNNER_NAME, HeaderValue::from_static("blockhouse")),
        (RUNNER_VERSION, HeaderValue::from_static(env!("CARGO_PKG_VERSION"))),
    ]))
}

fn proxy(url: &Url, no_proxy: &[String]) -> Result<Proxy, BuildError> {
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(BuildError::Proxy);
    }
    let proxy = Proxy::all(url.clone()).map_err(|_| BuildError::Proxy)?;
    Ok(proxy.no_proxy(NoProxy::from_string(&no_proxy.join(","))))
}

fn authorities(bundles: &[Vec<u8>]) -> Result<Vec<Certificate>, BuildError> {
    let mut all = Vec::new();
    for (bundle, number) in bundles.iter().zip(1..) {
        let found = Certificate::from_pem_bundle(bundle).unwrap_or_default();
        if found.is_empty() {
            return Err(BuildError::CaCertificates { number });
        }
        all.extend(found);
    }
    Ok(all)
}
