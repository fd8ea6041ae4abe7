//! A git server by http and https on loopback: hyper around `git http-backend`, the program that real servers use.

use crate::git_repository::git;
use anyhow::{Context as _, Result};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What the server does with requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum GitHttpMode {
    /// Answers with this status, and with what it was sent as `Authorization`.
    Fail(u16),
    /// Serves files only, as a web server that knows nothing of git.
    Plain,
    /// Redirects to this, with the rest of the request's path after the repository's.
    Redirect(String),
    /// Serves.
    #[default]
    Serve,
    /// Lists references, but answers a fetch only once the mode is another one, as that says.
    StallFetch,
}

/// A request as it came in.
#[derive(Clone, Debug)]
pub struct GitHttpRequest {
    /// Path and query.
    pub target: String,
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// Whether objects are asked for.
    pub is_fetch: bool,
}

#[derive(Debug, Default)]
struct State {
    mode: watch::Sender<GitHttpMode>,
    authorization: Option<String>,
    requests: Vec<GitHttpRequest>,
}

/// The server. Dropping it stops it.
#[derive(Debug)]
pub struct GitHttp {
    origin: String,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl GitHttp {
    /// Serves the repositories in `root` without encryption.
    ///
    /// # Errors
    /// If there is no port.
    pub async fn start(root: &Path) -> Result<Self> {
        Self::listen(root, None).await
    }

    /// Serves the repositories in `root` with encryption, as `localhost`.
    ///
    /// # Errors
    /// If there is no port.
    pub async fn start_tls(root: &Path, acceptor: TlsAcceptor) -> Result<Self> {
        Self::listen(root, Some(acceptor)).await
    }

    async fn listen(root: &Path, tls: Option<TlsAcceptor>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let origin = format!("{scheme}://localhost:{port}");
        let state = Arc::new(Mutex::new(State::default()));
        let (root, shared) = (root.to_owned(), Arc::clone(&state));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (root, state, tls) = (root.clone(), Arc::clone(&shared), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, root, state).await,
                        // A client that does not trust us goes away.
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, root, state).await;
                            }
                        }
                    }
                });
            }
        });
        Ok(Self { origin, state, task })
    }

    /// The URL of a repository in the root.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        format!("{}/{name}", self.origin)
    }

    /// What it does from now on.
    pub fn set(&self, mode: GitHttpMode) {
        self.lock().mode.send_replace(mode);
    }

    /// Lets only those in who send this `Authorization`.
    pub fn only(&self, authorization: &str) {
        self.lock().authorization = Some(authorization.to_owned());
    }

    /// All requests until now.
    #[must_use]
    pub fn requests(&self) -> Vec<GitHttpRequest> {
        self.lock().requests.clone()
    }

    /// How often objects were asked for.
    #[must_use]
    pub fn fetches(&self) -> usize {
        self.lock().requests.iter().filter(|request| request.is_fetch).count()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for GitHttp {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    root: PathBuf,
    state: Arc<Mutex<State>>,
) {
    let service = service_fn(move |request| answer(request, root.clone(), Arc::clone(&state)));
    // A client that goes away is no failure of the server.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    request: Request<Incoming>,
    root: PathBuf,
    state: Arc<Mutex<State>>,
) -> Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let text = |name: header::HeaderName| {
        let value = head.headers.get(name).and_then(|value| value.to_str().ok());
        value.map(str::to_owned)
    };
    let target = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let authorization = text(header::AUTHORIZATION);
    // Only long requests are compressed, and only a fetch is long.
    let is_listing = body.windows(15).any(|part| part == b"command=ls-refs");
    let is_fetch = head.method == hyper::Method::POST && !is_listing;
    let (mut mode, wanted) = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let (authorization, target) = (authorization.clone(), target.clone());
        state.requests.push(GitHttpRequest { target, authorization, is_fetch });
        (state.mode.subscribe(), state.authorization.clone())
    };
    if wanted.is_some() && wanted != authorization {
        let challenge = (header::WWW_AUTHENTICATE, "Basic realm=\"git\"");
        let response = Response::builder().status(401).header(challenge.0, challenge.1);
        return Ok(response.body(Full::default())?);
    }
    let is_served = |mode: &GitHttpMode| *mode != GitHttpMode::StallFetch || !is_fetch;
    // The sender lives as long as the state.
    let mode = mode.wait_for(is_served).await.map(|mode| mode.clone()).unwrap_or_default();
    match mode.clone() {
        GitHttpMode::Fail(status) => {
            let told = authorization.unwrap_or_default();
            let response = Response::builder().status(status);
            let response = response.header(header::CONTENT_TYPE, "text/plain");
            return Ok(response.body(Full::from(format!("you sent {told}")))?);
        }
        GitHttpMode::Redirect(to) => {
            let rest = target.find("/info/").and_then(|at| target.get(at..)).unwrap_or_default();
            // What is there already is served.
            if !to.is_empty() && !target.starts_with(&to) {
                let response = Response::builder().status(StatusCode::FOUND);
                let response = response.header(header::LOCATION, format!("{to}{rest}"));
                return Ok(response.body(Full::default())?);
            }
        }
        GitHttpMode::Plain | GitHttpMode::Serve | GitHttpMode::StallFetch => {}
    }
    let query = head.uri.query().filter(|_| mode != GitHttpMode::Plain).unwrap_or_default();
    let mut backend = git();
    backend
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", head.method.as_str())
        .env("PATH_INFO", head.uri.path())
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", text(header::CONTENT_TYPE).unwrap_or_default())
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("REMOTE_ADDR", "127.0.0.1");
    for (name, header) in
        [("HTTP_CONTENT_ENCODING", "content-encoding"), ("HTTP_GIT_PROTOCOL", "git-protocol")]
    {
        if let Some(value) = text(header::HeaderName::from_static(header)) {
            backend.env(name, value);
        }
    }
    let output = tokio::task::spawn_blocking(move || -> Result<Vec<u8>> {
        let backend = backend.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = backend.spawn()?;
        let mut stdin = child.stdin.take().context("no standard input")?;
        std::thread::scope(|scope| {
            // If it reads no further, its answer says why.
            scope.spawn(move || stdin.write_all(&body));
            Ok(child.wait_with_output()?.stdout)
        })
    });
    response(&output.await??)
}

/// A response as a CGI program writes it.
fn response(output: &[u8]) -> Result<Response<Full<Bytes>>> {
    let end = output.windows(4).position(|part| part == b"\r\n\r\n").context("no headers")?;
    let (head, body) = output.split_at(end);
    let mut response = Response::builder();
    for line in std::str::from_utf8(head)?.lines() {
        let (name, value) = line.split_once(": ").context("no header")?;
        response = match name {
            "Status" => response.status(value.get(..3).unwrap_or("500")),
            name => response.header(name, value),
        };
    }
    let body = Bytes::copy_from_slice(body.get(4..).unwrap_or_default());
    Ok(response.body(Full::from(body))?)
}
