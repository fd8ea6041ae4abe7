//! A network mirror: the files of a mirror's directory over https.

use super::ProviderMirror;
use anyhow::Result;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// What the server does with requests for archives. All others are served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MirrorMode {
    /// Sends as many bytes as there are, the last ones changed.
    Corrupt,
    /// Answers with this status.
    Fail(u16),
    /// Answers only once the mode is another one, as that says.
    Hold,
    /// Serves.
    #[default]
    Serve,
}

/// The server. Dropping it stops it.
#[derive(Debug)]
pub struct MirrorServer {
    origin: String,
    state: Arc<watch::Sender<State>>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    mode: MirrorMode,
    requests: Vec<String>,
}

#[derive(Clone)]
struct Site {
    directory: PathBuf,
    state: Arc<watch::Sender<State>>,
}

impl MirrorServer {
    /// Serves a mirror as `localhost`, with the certificate of this acceptor. The mirror must outlive it.
    ///
    /// # Errors
    /// If there is no port.
    pub async fn start(mirror: &ProviderMirror, acceptor: TlsAcceptor) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let origin = format!("https://localhost:{}/", listener.local_addr()?.port());
        let state = Arc::new(watch::Sender::new(State::default()));
        let site = Site { directory: mirror.path().to_owned(), state: Arc::clone(&state) };
        let task = tokio::spawn(accept(listener, acceptor, site));
        Ok(Self { origin, state, task })
    }

    /// The URL for `network_mirror`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.origin
    }

    /// What it does from now on.
    pub fn set(&self, mode: MirrorMode) {
        self.state.send_modify(|state| state.mode = mode);
    }

    /// The paths that were asked for, in their order.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.state.borrow().requests.clone()
    }

    /// How often archives were asked for.
    #[must_use]
    pub fn downloads(&self) -> usize {
        self.state.borrow().downloads()
    }

    /// Waits until archives were asked for so many times.
    ///
    /// # Errors
    /// If they were not after `patience`.
    pub async fn reached(&self, downloads: usize, patience: Duration) -> Result<()> {
        let mut state = self.state.subscribe();
        let met = state.wait_for(|state| state.downloads() >= downloads);
        let is_met = tokio::time::timeout(patience, met).await.is_ok_and(|met| met.is_ok());
        anyhow::ensure!(is_met, "wait for downloads: {:?}", self.requests());
        Ok(())
    }
}

impl Drop for MirrorServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    fn downloads(&self) -> usize {
        self.requests.iter().filter(|path| is_archive(path)).count()
    }
}

fn is_archive(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "zip")
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, site: Site) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                connections.spawn(serve(stream, acceptor.clone(), site.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, site: Site) {
    // Who does not trust the certificate leaves here.
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let service = service_fn(move |request| respond(request, site.clone()));
    // An error is a client that left.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn respond(
    request: Request<Incoming>,
    site: Site,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().trim_start_matches('/').to_owned();
    // Terraform asks for the size of an archive before it fetches it.
    let is_fetch = request.method() == Method::GET;
    if is_fetch {
        site.state.send_modify(|state| state.requests.push(path.clone()));
    }
    let mut mode = MirrorMode::Serve;
    if is_archive(&path) && is_fetch {
        let mut changes = site.state.subscribe();
        let left = changes.wait_for(|state| state.mode != MirrorMode::Hold).await;
        // The sender lives as long as the site.
        mode = left.map(|state| state.mode).unwrap_or_default();
    }
    let is_plain = Path::new(&path).components().all(|part| matches!(part, Component::Normal(_)));
    let content = is_plain.then(|| std::fs::read(site.directory.join(&path)).ok()).flatten();
    let mut response = Response::new(Full::default());
    match (mode, content) {
        (MirrorMode::Fail(status), _) => {
            *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
        }
        (_, None) => *response.status_mut() = StatusCode::NOT_FOUND,
        (mode, Some(mut content)) => {
            if mode == MirrorMode::Corrupt {
                content.iter_mut().rev().take(16).for_each(|byte| *byte ^= 0xFF);
            }
            *response.body_mut() = Full::new(content.into());
        }
    }
    let kind = if is_archive(&path) { "application/zip" } else { "application/json" };
    let kind = hyper::header::HeaderValue::from_static(kind);
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, kind);
    Ok(response)
}
