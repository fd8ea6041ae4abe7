//! The server: its thread, its connections, and the way of a request. Main type: [`Server`].
//!
//! Owns one thread with its own runtime, so that the tasks and the runtime of a test hold only what is tested. Each
//! connection is a task there; dropping [`Server`] ends the thread and with it every connection.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use blockhouse_emulator::{AnswerBody, Dropped, Fault};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::call::{Answer, Call};
use crate::remote::Remote;
use crate::traffic::RecordedRequest;
use crate::violation::Violation;
use crate::world::World;

/// More than any of these services takes: a client that sends more has gone wild.
const BODY_MAX: usize = 64 * 1024 * 1024;

/// What the server and the test's handle share.
pub(crate) struct Shared<R: Remote> {
    world: Mutex<World<R>>,
    changes: watch::Sender<()>,
    url: String,
    tls: Option<TlsAcceptor>,
}

impl<R: Remote> Shared<R> {
    pub(crate) fn new(world: World<R>, url: String, tls: Option<TlsAcceptor>) -> Self {
        Self { world: Mutex::new(world), changes: watch::Sender::new(()), url, tls }
    }

    /// A panic in a test's condition must not hide the reason behind a poisoned lock.
    pub(crate) fn world(&self) -> MutexGuard<'_, World<R>> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn changed(&self) {
        self.changes.send_replace(());
    }

    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }
}

impl<R: Remote> fmt::Debug for Shared<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("url", &self.url).finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub(crate) struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Binds now, so that the address is known; serves from a thread of its own.
    pub(crate) fn bind(listen: SocketAddr) -> io::Result<(StdListener, SocketAddr)> {
        let listener = StdListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    }

    pub(crate) fn start<R: Remote>(
        listener: StdListener,
        shared: Arc<Shared<R>>,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _entered = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name(R::NAME.to_owned()).spawn(move || {
            runtime.block_on(async move {
                tokio::select! {
                    // A dropped sender stops it too.
                    _ = stopped => {}
                    () = accept(listener, shared) => {}
                }
            });
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // Its panic was printed already, and there is nobody to tell.
            let _ = thread.join();
        }
    }
}

async fn accept<R: Remote>(listener: TcpListener, shared: Arc<Shared<R>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // An error here is the peer's: it left before it was accepted.
                if let Ok((stream, _)) = accepted {
                    connections.spawn(connected(stream, Arc::clone(&shared)));
                }
            }
            // Ended connections are collected as they end, so that the set stays small.
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connected<R: Remote>(stream: TcpStream, shared: Arc<Shared<R>>) {
    // Answers are small; waiting for more to send would cost 40 ms each.
    let _ = stream.set_nodelay(true);
    shared.world().connections += 1;
    match shared.tls.clone() {
        None => serve(stream, shared).await,
        // A client that does not trust the certificate leaves.
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                serve(stream, shared).await;
            }
        }
    }
}

async fn serve<R: Remote>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    shared: Arc<Shared<R>>,
) {
    let service = service_fn(move |request| respond(Arc::clone(&shared), request));
    let mut http = http1::Builder::new();
    let served = http.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    // An error is a fault of ours or a client that left: neither concerns anybody.
    let _ = served.await;
}

async fn respond<R: Remote>(
    shared: Arc<Shared<R>>,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Dropped> {
    let (parts, body) = request.into_parts();
    // Read to its end even when the connection is to be dropped: else the kernel resets it, at its own time.
    let body = Limited::new(body, BODY_MAX).collect().await.map_err(|_| Dropped)?.to_bytes();
    let (record, fault) = note(&shared, &parts, &body);
    shared.changed();
    let answered = answer(&shared, &parts, &body, record, fault).await;
    shared.changed();
    answered
}

/// Records a request and gives it its fault.
fn note<R: Remote>(shared: &Shared<R>, parts: &Parts, body: &Bytes) -> (usize, Fault) {
    let mut world = shared.world();
    let route = world.remote.route(&parts.method, parts.uri.path());
    let fault = world.faults.pick(route);
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let headers = parts.headers.iter();
    let at = world.clock.now();
    world.requests.push(RecordedRequest {
        route,
        method: parts.method.to_string(),
        path: parts.uri.to_string(),
        headers: headers.map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect(),
        body: body.clone(),
        at,
        fault: fault.as_ref().map(Fault::kind),
        status: None,
    });
    (world.requests.len() - 1, fault.unwrap_or(Fault::Pass))
}

async fn answer<R: Remote>(
    shared: &Shared<R>,
    parts: &Parts,
    body: &Bytes,
    record: usize,
    fault: Fault,
) -> Result<Response<AnswerBody>, Dropped> {
    let note_status = |status: u16| {
        if let Some(request) = shared.world().requests.get_mut(record) {
            request.status = Some(status);
        }
    };
    if let Some(instead) = fault.instead() {
        if let Ok(response) = &instead {
            note_status(response.status().as_u16());
        }
        return instead;
    }
    fault.before().await;
    let answer = process(shared, parts, body);
    let status = answer.status;
    let response = fault.damage(answer.into_response().ok_or(Dropped)?)?;
    note_status(status);
    Ok(response)
}

fn process<R: Remote>(shared: &Shared<R>, parts: &Parts, body: &Bytes) -> Answer {
    let mut world = shared.world();
    let path = parts.uri.path();
    let mut call = Call {
        route: world.remote.route(&parts.method, path),
        method: &parts.method,
        path,
        query: parts.uri.query(),
        headers: &parts.headers,
        body,
        now: world.clock.now(),
        url: &shared.url,
        breaches: Vec::new(),
    };
    let answer = world.remote.answer(&mut call).unwrap_or_else(|refusal| refusal);
    let request = format!("{} {path}", parts.method);
    let breaches = call.breaches.into_iter();
    let violations = breaches.map(|message| Violation { request: request.clone(), message });
    world.violations.extend(violations);
    answer
}
