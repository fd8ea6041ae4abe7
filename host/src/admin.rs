//! A small HTTP server for probes: `/healthz` and `/live` (the control thread runs), `/ready` (runs can be claimed).
//!
//! Main type: [`Admin`]. It lives on the control thread, so that `/live` answers whatever guests do. Everything is bounded: it
//! may be reachable from a network.

use crate::journal::Health;
use crate::meshstack::Contact;
use crate::shutdown::Shutdown;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Connections at a time. Against using up the process's file descriptors.
const CONNECTIONS_MAX: usize = 64;

/// How long a client may take to send a request's head. Against occupying connections for nothing.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// How many intervals without contact a daemon still counts as ready; one claim may fail and be tried again.
const INTERVALS: u32 = 3;

/// The least time without contact after which a daemon isn't ready.
const CONTACT_MIN: Duration = Duration::from_secs(30);

/// What readiness depends on.
#[derive(Clone, Debug)]
pub struct Readiness {
    contact: Contact,
    shutdown: Shutdown,
    journal: Health,
    patience: Duration,
}

/// The admin server, bound but not yet serving.
#[derive(Debug)]
pub struct Admin {
    listener: std::net::TcpListener,
    address: SocketAddr,
    readiness: Readiness,
}

impl Readiness {
    /// Ready means: meshStack has taken a call within the last few poll intervals, runs can be kept, and no drain has begun. While every
    /// slot is taken nothing is claimed, but runs give signs of life.
    #[must_use]
    pub fn new(
        contact: Contact,
        shutdown: Shutdown,
        journal: Health,
        poll_interval: Duration,
    ) -> Self {
        let patience = poll_interval.saturating_mul(INTERVALS).max(CONTACT_MIN);
        Self { contact, shutdown, journal, patience }
    }

    /// What is to be said although all is well.
    fn details(&self) -> String {
        match self.journal.rejected() {
            0 => "OK".to_owned(),
            runs => format!(
                "OK\n{runs} runs are kept whose final status meshStack has rejected: see `blockhouse runs ls`"
            ),
        }
    }

    fn check(&self) -> Result<(), String> {
        if self.shutdown.is_draining() {
            return Err("draining".to_owned());
        }
        if let Some(trouble) = self.journal.trouble() {
            return Err(trouble);
        }
        match self.contact.last() {
            None => Err("no contact with meshStack yet".to_owned()),
            Some(contact) if contact.elapsed() > self.patience => {
                Err("no recent contact with meshStack".to_owned())
            }
            Some(_) => Ok(()),
        }
    }
}

impl Admin {
    /// Reserves the address.
    ///
    /// # Errors
    /// What the system says if it can't be had.
    pub fn bind(address: SocketAddr, readiness: Readiness) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, readiness })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers probes for as long as it is polled.
    pub async fn serve(self) {
        let listener = match TcpListener::from_std(self.listener) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, "the admin server can't be started"),
        };
        let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            // The semaphore is never closed.
            let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return };
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, most likely: let others close some.
                    tracing::warn!(%error, "the admin server can't accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let readiness = self.readiness.clone();
            tokio::spawn(async move {
                let answer = service_fn(|request| {
                    let response = respond(&request, &readiness);
                    async { Ok::<_, Infallible>(response) }
                });
                let served = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD_TIMEOUT)
                    .serve_connection(TokioIo::new(stream), answer);
                // A client that misbehaves or goes away is no news.
                let _ = served.await;
                drop(permit);
            });
        }
    }
}

fn respond(request: &Request<Incoming>, readiness: &Readiness) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET");
    }
    match request.uri().path() {
        "/healthz" | "/live" => text(StatusCode::OK, "OK"),
        "/ready" => match readiness.check() {
            Ok(()) => text(StatusCode::OK, readiness.details()),
            Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, reason),
        },
        _ => text(StatusCode::NOT_FOUND, "there are /healthz, /live and /ready"),
    }
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}
