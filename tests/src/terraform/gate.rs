//! A gate that programs can wait at although they are confined to their directory: [`LoopbackGate`].
//!
//! A visitor connects, says its name in a line, and waits until it is answered `go`. In bash:
//! `exec 3<>/dev/tcp/127.0.0.1/1234; echo name >&3; read -r word <&3; [ "$word" = go ]`.

use anyhow::{Context as _, Result};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Bytes of a visitor's name.
const NAME_MAX: u64 = 256;

/// The gate. Dropping it ends the connections of those who wait; to them that is a failure.
#[derive(Debug)]
pub struct LoopbackGate {
    address: SocketAddr,
    state: Arc<watch::Sender<State>>,
    server: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    open: bool,
    arrived: Vec<String>,
    passed: Vec<String>,
    gone: Vec<String>,
}

impl LoopbackGate {
    /// A closed one, on a port of its own.
    ///
    /// # Errors
    /// If there is no port.
    pub async fn new() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(watch::Sender::new(State::default()));
        let server = tokio::spawn(serve(listener, Arc::clone(&state)));
        Ok(Self { address, state, server })
    }

    /// Host and port.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// A command for bash that waits here under this name (a plain word), and fails if the gate vanishes.
    #[must_use]
    pub fn command(&self, name: &str) -> String {
        let (host, port) = (self.address.ip(), self.address.port());
        format!(
            "exec 3<>/dev/tcp/{host}/{port} && echo {name} >&3 && read -r word <&3 && [ \"$word\" = go ]"
        )
    }

    /// Lets everybody through, now and later.
    pub fn open(&self) {
        self.state.send_modify(|state| state.open = true);
    }

    /// Those who come from now on wait.
    pub fn close(&self) {
        self.state.send_modify(|state| state.open = false);
    }

    /// Everybody who ever arrived, in their order.
    #[must_use]
    pub fn arrived(&self) -> Vec<String> {
        self.state.borrow().arrived.clone()
    }

    /// Everybody who was let through, in their order.
    #[must_use]
    pub fn passed(&self) -> Vec<String> {
        self.state.borrow().passed.clone()
    }

    /// Everybody who went away before the gate was opened: ended, or killed.
    #[must_use]
    pub fn gone(&self) -> Vec<String> {
        self.state.borrow().gone.clone()
    }

    /// Waits until so many have arrived in all.
    ///
    /// # Errors
    /// If they have not after `patience`.
    pub async fn reached(&self, visitors: usize, patience: Duration) -> Result<()> {
        self.until(patience, |state| state.arrived.len() >= visitors).await
    }

    /// Waits until so many have gone away in all without being let through.
    ///
    /// # Errors
    /// If they have not after `patience`.
    pub async fn deserted(&self, visitors: usize, patience: Duration) -> Result<()> {
        self.until(patience, |state| state.gone.len() >= visitors).await
    }

    async fn until(&self, patience: Duration, met: impl Fn(&State) -> bool) -> Result<()> {
        let mut state = self.state.subscribe();
        let waited = tokio::time::timeout(patience, state.wait_for(|state| met(state)));
        // Not as a chain: what is borrowed must be given back before the state is told.
        let is_met = waited.await.is_ok_and(|met| met.is_ok());
        is_met.then_some(()).with_context(|| format!("wait at a gate: {:?}", self.state.borrow()))
    }
}

impl Drop for LoopbackGate {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, state: Arc<watch::Sender<State>>) {
    let mut visits = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                visits.spawn(visit(stream, Arc::clone(&state)));
            }
            Some(_) = visits.join_next() => {}
        }
    }
}

async fn visit(stream: TcpStream, state: Arc<watch::Sender<State>>) {
    let mut stream = BufReader::new(stream);
    let mut name = String::new();
    if (&mut stream).take(NAME_MAX).read_line(&mut name).await.is_err() {
        return;
    }
    let name = name.trim().to_owned();
    state.send_modify(|state| state.arrived.push(name.clone()));
    let mut changes = state.subscribe();
    let opened = tokio::select! {
        opened = changes.wait_for(|state| state.open) => opened.is_ok(),
        // It has nothing more to say: this is its end.
        _ = stream.read_u8() => false,
    };
    if opened && stream.write_all(b"go\n").await.is_ok() {
        state.send_modify(|state| state.passed.push(name));
    } else {
        state.send_modify(|state| state.gone.push(name));
    }
}
