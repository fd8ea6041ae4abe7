//! A scripted HTTP/1.1 server on loopback, written by hand since it must also misbehave; and names that lead to it.

use blockhouse::capability::http::{Addresses, Config, Held, Resolve};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What the server does with a request.
#[derive(Clone)]
pub(crate) enum Reply {
    /// Says this and closes the connection.
    Close(Vec<u8>),
    /// Says the first, then the second for ever.
    Endless(Vec<u8>, Vec<u8>),
    /// Waits for a permit, then goes on.
    Held(Arc<Semaphore>, Box<Reply>),
    /// Says this, then nothing more.
    Silence(Vec<u8>),
    /// Says this, then a byte now and then.
    Trickle(Vec<u8>),
    /// Says yes to a tunnel and connects it with this port.
    Tunnel(u16),
}

/// A response with this body.
pub(crate) fn ok(body: &str) -> Reply {
    response(200, "", body)
}

/// A response with these header lines.
pub(crate) fn response(status: u16, headers: &str, body: &str) -> Reply {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} Scripted\r\ncontent-length: {length}\r\n{headers}\r\n");
    Reply::Close([head.as_bytes(), body.as_bytes()].concat())
}

/// A request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The request line.
    pub(crate) line: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// Whether the client presented a certificate.
    pub(crate) has_certificate: bool,
}

impl Seen {
    /// All values of a header.
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        let all = self.headers.iter().filter(|(n, _)| n == name);
        all.map(|(_, value)| value.as_str()).collect()
    }
}

/// Serves until dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    state: Arc<State>,
    task: JoinHandle<()>,
}

struct State {
    script: Box<dyn Fn(&Seen) -> Reply + Send + Sync>,
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    /// Connections that have ended.
    ended: AtomicUsize,
    /// Requests that wait for their reply, and the most of them at a time.
    waiting: AtomicUsize,
    most: AtomicUsize,
    changed: Notify,
}

impl Server {
    pub(crate) async fn start(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen(None, script).await
    }

    pub(crate) async fn start_tls(
        tls: TlsAcceptor,
        script: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::listen(Some(tls), script).await
    }

    async fn listen(
        tls: Option<TlsAcceptor>,
        script: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            script: Box::new(script),
            seen: Mutex::default(),
            connections: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            changed: Notify::new(),
        });
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                shared.connections.fetch_add(1, Ordering::SeqCst);
                shared.changed.notify_waiters();
                let (state, tls) = (Arc::clone(&shared), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => state.serve(stream, false).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                let known = stream.get_ref().1.peer_certificates().is_some();
                                state.serve(stream, known).await;
                            }
                        }
                    }
                });
            }
        });
        Self { port, state, task }
    }

    /// `api.test` and its port, which leads here.
    pub(crate) fn authority(&self) -> String {
        format!("api.test:{}", self.port)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.authority())
    }

    /// How often somebody connected.
    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// How many requests have waited for their replies at the same time.
    pub(crate) fn most_at_a_time(&self) -> usize {
        self.state.most.load(Ordering::SeqCst)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    /// The one request that came.
    pub(crate) fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen[0].clone()
    }

    /// Waits until so many connections were made.
    pub(crate) async fn connected(&self, count: usize) {
        self.until(|state| state.connections.load(Ordering::SeqCst) >= count).await;
    }

    /// Waits until so many requests wait for their replies, and so many connections were made altogether.
    pub(crate) async fn holds(&self, waiting: usize, connections: usize) {
        self.until(|state| {
            state.waiting.load(Ordering::SeqCst) == waiting
                && state.connections.load(Ordering::SeqCst) == connections
        })
        .await;
    }

    /// Waits until all connections have ended.
    pub(crate) async fn idle(&self) {
        let both =
            |state: &State| [&state.ended, &state.connections].map(|n| n.load(Ordering::SeqCst));
        self.until(|state| both(state)[0] == both(state)[1]).await;
    }

    async fn until(&self, is_so: impl Fn(&State) -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.state.changed.notified());
            changed.as_mut().enable();
            if is_so(&self.state) {
                return;
            }
            changed.await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    async fn serve(&self, stream: impl AsyncRead + AsyncWrite + Unpin, has_certificate: bool) {
        // Clients hang up on what misbehaves; that is what the tests are about.
        let _ = self.answer(stream, has_certificate).await;
        self.ended.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    async fn answer(
        &self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin,
        has_certificate: bool,
    ) -> std::io::Result<()> {
        let Some(seen) = request(&mut stream, has_certificate).await? else { return Ok(()) };
        self.seen.lock().unwrap().push(seen.clone());
        let mut reply = (self.script)(&seen);
        let waiting = self.waiting.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(waiting, Ordering::SeqCst);
        self.changed.notify_waiters();
        while let Reply::Held(gate, then) = reply {
            gate.acquire().await.unwrap().forget();
            reply = *then;
        }
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        match reply {
            Reply::Held(..) => Ok(()),
            Reply::Close(bytes) => {
                stream.write_all(&bytes).await?;
                stream.shutdown().await
            }
            Reply::Endless(head, rest) => {
                stream.write_all(&head).await?;
                loop {
                    stream.write_all(&rest).await?;
                }
            }
            Reply::Silence(bytes) => {
                stream.write_all(&bytes).await?;
                std::future::pending().await
            }
            Reply::Trickle(bytes) => {
                stream.write_all(&bytes).await?;
                let mut pace = tokio::time::interval(Duration::from_millis(5));
                loop {
                    pace.tick().await;
                    stream.write_all(b"1\r\nx\r\n").await?;
                }
            }
            Reply::Tunnel(port) => {
                let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
                stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await?;
                tokio::io::copy_bidirectional(&mut stream, &mut server).await.map(|_| ())
            }
        }
    }
}

async fn request(
    stream: &mut (impl AsyncRead + Unpin),
    has_certificate: bool,
) -> std::io::Result<Option<Seen>> {
    let mut buffer = Vec::new();
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let line = lines.next().unwrap().to_owned();
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(':').unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let find = |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, v)| v);
    if let Some(length) = find("content-length") {
        let length: usize = length.parse().unwrap();
        while buffer.len() < end + length && stream.read_buf(&mut buffer).await? > 0 {}
    } else if find("transfer-encoding").is_some() {
        while !buffer.ends_with(b"0\r\n\r\n") && stream.read_buf(&mut buffer).await? > 0 {}
    }
    let body = String::from_utf8_lossy(&buffer[end..]).into_owned();
    Ok(Some(Seen { line, headers, body, has_certificate }))
}

/// Names and their addresses; a name with several answers gives them in turn, the last one from then on.
#[derive(Debug, Default)]
pub(crate) struct Names {
    answers: Mutex<HashMap<String, Vec<Vec<IpAddr>>>>,
    asked: Mutex<Vec<String>>,
}

impl Names {
    /// `api.test` is this machine.
    pub(crate) fn local() -> Arc<Self> {
        Self::of(&[("api.test", &[&["127.0.0.1"]])])
    }

    /// Each name with its answers, each answer with its addresses.
    pub(crate) fn of(names: &[(&str, &[&[&str]])]) -> Arc<Self> {
        let parse = |answer: &&[&str]| answer.iter().map(|text| text.parse().unwrap()).collect();
        let answers = names
            .iter()
            .map(|(name, answers)| ((*name).to_owned(), answers.iter().map(parse).collect()));
        Arc::new(Self { answers: Mutex::new(answers.collect()), asked: Mutex::default() })
    }

    /// What was looked up, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// A way out that knows these names.
    pub(crate) fn config(self: &Arc<Self>) -> Config {
        let resolver: Arc<dyn Resolve> = Arc::clone(self) as _;
        Config { resolver, ..Config::default() }
    }
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, name: &'a str, _: Held) -> Addresses<'a> {
        self.asked.lock().unwrap().push(name.to_owned());
        let mut answers = self.answers.lock().unwrap();
        let answer = match answers.get_mut(name) {
            None => Err(std::io::Error::other("no such name")),
            Some(turns) if turns.len() > 1 => Ok(turns.remove(0)),
            Some(turns) => Ok(turns[0].clone()),
        };
        Box::pin(std::future::ready(answer))
    }
}
