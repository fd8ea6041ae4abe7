//! Describing a fake. Main type: [`Builder`].

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;

use crate::fake::Fake;
use crate::remote::Remote;
use crate::server::{Server, Shared};
use crate::world::World;

/// A fake that is not started yet. What only one service has is in its module.
pub struct Builder<R> {
    pub(crate) remote: R,
    listen: SocketAddr,
    tls: Option<TlsAcceptor>,
}

impl<R: Remote> Builder<R> {
    pub(crate) fn of(remote: R) -> Self {
        Self { remote, listen: SocketAddr::from(([127, 0, 0, 1], 0)), tls: None }
    }

    /// Where to listen; a free port of the loopback address by default.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Speaks TLS only. The certificate should be for `localhost`, which is what the address says then.
    #[must_use]
    pub fn tls(mut self, acceptor: TlsAcceptor) -> Self {
        self.tls = Some(acceptor);
        self
    }

    /// Binds the address and serves it from a thread of its own.
    ///
    /// # Errors
    /// When the address is taken.
    pub fn start(self) -> io::Result<Fake<R>> {
        let (listener, address) = Server::bind(self.listen)?;
        let url = match self.tls {
            Some(_) => format!("https://localhost:{}", address.port()),
            None => format!("http://{address}"),
        };
        let shared = Arc::new(Shared::new(World::new(self.remote), url.clone(), self.tls));
        let server = Server::start(listener, Arc::clone(&shared))?;
        Ok(Fake::assemble(server, shared, url))
    }
}

impl<R> fmt::Debug for Builder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("listen", &self.listen).finish_non_exhaustive()
    }
}
