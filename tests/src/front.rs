//! What stands in front of meshStack and fails in its own ways: [`Front`].

use anyhow::{Context as _, Result};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

/// Forwards connections to a server on loopback, with TLS or without. Dropping it stops it.
#[derive(Debug)]
pub struct Front {
    port: u16,
    state: Arc<State>,
    _task: AbortOnDropHandle<()>,
}

struct State {
    server: u16,
    tls: Mutex<Option<TlsAcceptor>>,
    /// How often all connections were cut.
    cuts: watch::Sender<usize>,
    /// Handshakes that the client broke off.
    refused: watch::Sender<usize>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Front {
    /// In front of the server on this port.
    ///
    /// # Errors
    /// If it can't listen.
    pub async fn start(server: u16, tls: Option<TlsAcceptor>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("failed to listen")?;
        let port = listener.local_addr()?.port();
        let (cuts, refused) = (watch::Sender::new(0), watch::Sender::new(0));
        let state = Arc::new(State { server, tls: Mutex::new(tls), cuts, refused });
        let serving = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&serving).connected(stream));
            }
        });
        Ok(Self { port, state, _task: AbortOnDropHandle::new(task) })
    }

    /// Where it listens on loopback.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts all connections.
    pub fn cut(&self) {
        self.state.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Has another certificate from now on, and cuts all connections.
    pub fn present(&self, tls: TlsAcceptor) {
        *self.state.tls.lock().unwrap_or_else(PoisonError::into_inner) = Some(tls);
        self.cut();
    }

    /// Waits until clients have broken off so many handshakes.
    pub async fn refused(&self, count: usize) {
        // The sender lives as long as `self`, so waiting can't fail.
        let _ = self.state.refused.subscribe().wait_for(|refused| *refused >= count).await;
    }
}

impl State {
    async fn connected(self: Arc<Self>, stream: TcpStream) {
        let mut cuts = self.cuts.subscribe();
        let tls = self.tls.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let forwarded = async {
            match tls {
                None => self.forward(stream).await,
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => self.forward(stream).await,
                    Err(_) => self.refused.send_modify(|refused| *refused += 1),
                },
            }
        };
        tokio::select! {
            () = forwarded => {}
            _ = cuts.changed() => {}
        }
    }

    async fn forward(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        if let Ok(mut server) = TcpStream::connect(("127.0.0.1", self.server)).await {
            // Either side may go at any time.
            let _ = copy_bidirectional(&mut stream, &mut server).await;
        }
    }
}
