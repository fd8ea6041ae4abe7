//! Fetches files of releases: [`Downloads`].

use crate::backoff::{self, Backoff};
use crate::digest::{Digest, Running};
use crate::os;
use bytes::Bytes;
use reqwest::redirect::{Action, Attempt, Policy};
use reqwest::{Certificate, Client, Proxy, StatusCode};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use url::Url;

/// Release sites redirect to storage, which may redirect once more.
const REDIRECTS_MAX: usize = 5;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Until the answer begins, and between two pieces of it.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// For one file: 30 MB at 17 kB/s.
const TOTAL_MAX: Duration = Duration::from_secs(30 * 60);

/// How often a file is asked for, the first time included.
const TRIES: usize = 4;

const RETRY: backoff::Config =
    backoff::Config { first: Duration::from_millis(500), cap: Duration::from_secs(10) };

/// Pieces that may wait for the disk.
const PIECES: usize = 16;

/// Why a file is not there. Hosts and paths are named, never what may be secret in a URL.
#[derive(Debug, thiserror::Error)]
pub(super) enum DownloadError {
    #[error("the HTTP client can't be made: {0}")]
    Client(String),
    #[error("it can't be written")]
    Disk(#[source] io::Error),
    #[error("there is no such file ({0})")]
    Missing(StatusCode),
    #[error("{0}")]
    Redirect(String),
    #[error("the server answered with {0}")]
    Status(StatusCode),
    #[error("it has more than {0} bytes")]
    TooLarge(u64),
    #[error("{0}")]
    Transport(String),
}

impl DownloadError {
    /// Whether the same request may go well a moment later.
    fn is_passing(&self) -> bool {
        match self {
            Self::Status(status) => {
                status.is_server_error() || matches!(status.as_u16(), 408 | 429)
            }
            Self::Transport(_) => true,
            Self::Client(_)
            | Self::Disk(_)
            | Self::Missing(_)
            | Self::Redirect(_)
            | Self::TooLarge(_) => false,
        }
    }
}

/// The client. Made with the first download: a machine that has all its programs needs neither certificates nor a proxy.
#[derive(Debug, Default)]
pub(super) struct Downloads {
    https: OnceLock<Client>,
    /// For mirrors inside a network that have no TLS; may be redirected to `http`, too.
    http: OnceLock<Client>,
}

/// How the client is made.
pub(super) struct Way<'a> {
    pub(super) ca_files: &'a [PathBuf],
    pub(super) proxy: Option<&'a Url>,
}

/// Where bytes go.
enum Sink {
    Memory(Vec<u8>),
    Writer(mpsc::Sender<Bytes>),
}

impl Downloads {
    /// A file that fits into memory.
    pub(super) async fn bytes(
        &self,
        way: &Way<'_>,
        url: &Url,
        max: u64,
    ) -> Result<Vec<u8>, DownloadError> {
        let mut backoff = Backoff::new(RETRY);
        for left in (0..TRIES).rev() {
            let mut sink = Sink::Memory(Vec::new());
            match (self.fetch(way, url, max, &mut sink).await, sink) {
                (Ok(()), Sink::Memory(bytes)) => return Ok(bytes),
                (Err(error), _) if left > 0 && error.is_passing() => {
                    pause(&mut backoff, url, &error).await
                }
                (Err(error), _) => return Err(error),
                (Ok(()), Sink::Writer(_)) => break,
            }
        }
        Err(DownloadError::Transport("it was given up".to_owned()))
    }

    /// A file of any size, written to a new file as it comes; returns its digest.
    pub(super) async fn file(
        &self,
        way: &Way<'_>,
        url: &Url,
        max: u64,
        to: &Path,
    ) -> Result<Digest, DownloadError> {
        let mut backoff = Backoff::new(RETRY);
        for left in (0..TRIES).rev() {
            match self.file_once(way, url, max, to).await {
                Err(error) if left > 0 && error.is_passing() => {
                    pause(&mut backoff, url, &error).await
                }
                ended => return ended,
            }
        }
        Err(DownloadError::Transport("it was given up".to_owned()))
    }

    async fn file_once(
        &self,
        way: &Way<'_>,
        url: &Url,
        max: u64,
        to: &Path,
    ) -> Result<Digest, DownloadError> {
        let (sender, pieces) = mpsc::channel(PIECES);
        let to = to.to_owned();
        let writer = spawn_blocking(move || write(&to, pieces));
        let fetched = {
            let mut sink = Sink::Writer(sender);
            self.fetch(way, url, max, &mut sink).await
        };
        // The writer's trouble is the cause of ours, if it had any.
        let written = writer.await.map_err(|error| DownloadError::Disk(io::Error::other(error)))?;
        let digest = written.map_err(DownloadError::Disk)?;
        fetched.map(|()| digest)
    }

    async fn fetch(
        &self,
        way: &Way<'_>,
        url: &Url,
        max: u64,
        sink: &mut Sink,
    ) -> Result<(), DownloadError> {
        let client = self.client(way, url)?;
        within(TOTAL_MAX, once(client, url, max, sink)).await?
    }

    fn client(&self, way: &Way<'_>, url: &Url) -> Result<&Client, DownloadError> {
        let is_https = url.scheme() == "https";
        let place = if is_https { &self.https } else { &self.http };
        if let Some(client) = place.get() {
            return Ok(client);
        }
        let client = build(way, is_https)?;
        Ok(place.get_or_init(|| client))
    }
}

async fn pause(backoff: &mut Backoff, url: &Url, error: &DownloadError) {
    let delay = backoff.delay();
    let host = url.host_str().unwrap_or_default();
    tracing::warn!(host, path = url.path(), %error, ?delay, "a download failed and is tried again");
    sleep(delay).await;
}

fn write(to: &Path, mut pieces: mpsc::Receiver<Bytes>) -> io::Result<Digest> {
    // What an earlier try has left.
    if let Err(error) = std::fs::remove_file(to)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = os::create_private_file(to)?;
    let mut digest = Running::default();
    while let Some(piece) = pieces.blocking_recv() {
        digest.update(&piece);
        file.write_all(&piece)?;
    }
    Ok(digest.end())
}

async fn once(client: &Client, url: &Url, max: u64, sink: &mut Sink) -> Result<(), DownloadError> {
    let answer =
        within(CONNECT_TIMEOUT.saturating_add(SILENCE_MAX), client.get(url.clone()).send()).await?;
    let mut answer = answer.map_err(transport)?;
    match answer.status() {
        StatusCode::OK => {}
        // What storage says about files that are not there, when it keeps that to itself.
        status @ (StatusCode::FORBIDDEN | StatusCode::GONE | StatusCode::NOT_FOUND) => {
            return Err(DownloadError::Missing(status));
        }
        status => return Err(DownloadError::Status(status)),
    }
    // SECURITY: terraform::store::tests::a_download_that_is_too_long_is_given_up
    if answer.content_length().is_some_and(|length| length > max) {
        return Err(DownloadError::TooLarge(max));
    }
    let mut received = 0_u64;
    // An answer that is shorter than it said is an error of the client's.
    // SECURITY: terraform::store::tests::a_truncated_download_installs_nothing
    while let Some(piece) = within(SILENCE_MAX, answer.chunk()).await?.map_err(transport)? {
        received = received.saturating_add(piece.len() as u64);
        if received > max {
            return Err(DownloadError::TooLarge(max));
        }
        match sink {
            Sink::Memory(bytes) => bytes.extend_from_slice(&piece),
            // It has ended early: it will say why.
            Sink::Writer(sender) => {
                if sender.send(piece).await.is_err() {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Result<T, DownloadError> {
    let over = |_| {
        DownloadError::Transport(format!("nothing came for {}", humantime::format_duration(limit)))
    };
    timeout(limit, future).await.map_err(over)
}

/// The causes, without the URL: a mirror's may hold credentials.
fn transport(error: reqwest::Error) -> DownloadError {
    let is_redirect = error.is_redirect();
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    if is_redirect { DownloadError::Redirect(text) } else { DownloadError::Transport(text) }
}

fn build(way: &Way<'_>, is_https: bool) -> Result<Client, DownloadError> {
    let failed = |why: String| DownloadError::Client(why);
    let mut authorities = Vec::new();
    for path in way.ca_files {
        let shown = path.display();
        let pem = std::fs::read(path)
            .map_err(|error| failed(format!("`{shown}` can't be read: {error}")))?;
        let found = Certificate::from_pem_bundle(&pem).unwrap_or_default();
        if found.is_empty() {
            return Err(failed(format!("`{shown}` has no certificates")));
        }
        authorities.extend(found);
    }
    let mut builder = Client::builder()
        .no_proxy()
        .redirect(Policy::custom(move |attempt| redirect(attempt, is_https)))
        .retry(reqwest::retry::never())
        .referer(false)
        .http1_only()
        .connect_timeout(CONNECT_TIMEOUT)
        .https_only(is_https)
        .user_agent(concat!("blockhouse/", env!("CARGO_PKG_VERSION")));
    if let Some(url) = way.proxy {
        let proxy =
            Proxy::all(url.clone()).map_err(|_| failed("the proxy's URL is none".to_owned()))?;
        builder = builder.proxy(proxy);
    }
    let over_tls = is_https || way.proxy.is_some_and(|url| url.scheme() == "https");
    builder = if over_tls {
        builder.tls_certs_merge(authorities)
    } else {
        // Images without any certificates can still use a mirror inside their own network.
        builder.tls_certs_only(authorities)
    };
    builder.build().map_err(|error| failed(format!("{error:?}")))
}

fn redirect(attempt: Attempt<'_>, is_https: bool) -> Action {
    match may_follow(attempt.previous(), attempt.url(), is_https) {
        Ok(()) => attempt.follow(),
        Err(why) => attempt.error(why),
    }
}

/// From `https` only to `https`: whoever sits in between must not learn what is downloaded, nor choose it.
fn may_follow(previous: &[Url], next: &Url, is_https: bool) -> Result<(), &'static str> {
    // SECURITY: terraform::store::download::https_is_never_left
    let is_allowed = match next.scheme() {
        "https" => true,
        "http" => !is_https && previous.iter().all(|url| url.scheme() == "http"),
        _ => false,
    };
    if !is_allowed {
        return Err("it is redirected to where it must not go");
    }
    if previous.len() > REDIRECTS_MAX {
        return Err("it is redirected too often");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_is_never_left() {
        let url = |text: &str| text.parse::<Url>().unwrap();
        let (safe, plain) = (url("https://a.example.com/"), url("http://a.example.com/"));
        let from = |previous: &Url| vec![previous.clone()];
        may_follow(&from(&safe), &safe, true).unwrap();
        may_follow(&from(&safe), &plain, true).unwrap_err();
        may_follow(&from(&plain), &plain, false).unwrap();
        may_follow(&from(&plain), &safe, false).unwrap();
        may_follow(&[plain.clone(), safe.clone()], &plain, false).unwrap_err();
        may_follow(&from(&plain), &url("file:///etc/passwd"), false).unwrap_err();
        may_follow(&vec![safe.clone(); REDIRECTS_MAX], &safe, true).unwrap();
        may_follow(&vec![safe.clone(); REDIRECTS_MAX + 1], &safe, true).unwrap_err();
    }
}
