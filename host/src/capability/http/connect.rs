//! From a permit to a connection: addresses are looked up once, each is vetted, and only those are connected to.

use super::budget::Budget;
use super::error::SendError;
use super::metered::Metered;
use super::outbound::Outbound;
use super::proxy::Proxy;
use super::tls::Client;
use crate::audit::Auditor;
use blockhouse_policy::{AddressPermit, Host, HttpPermit, Scheme, Target};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

/// The least that one of several addresses is given; so that one that swallows packets does not take all the time, and a slow
/// one gets its chance.
const ADDRESS_MIN: Duration = Duration::from_secs(2);

/// What bytes can pass through.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for S {}

/// A connection's bytes, through TLS and proxy or not.
pub(super) struct Wire(Box<dyn Stream>);

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(context)
    }
}

/// A connection that is ready for a request.
pub(super) struct Connected {
    pub(super) stream: Wire,
    /// The address that was connected to: the server's, or the proxy's.
    pub(super) address: SocketAddr,
    /// Whether a proxy reads the request, and so must be told where it goes.
    pub(super) is_forwarded: bool,
}

/// What a connection is made with.
pub(super) struct Connector {
    pub(super) outbound: Arc<Outbound>,
    pub(super) budget: Arc<Budget>,
    pub(super) auditor: Arc<Auditor>,
    pub(super) permit: HttpPermit,
    pub(super) deadline: Instant,
}

impl Connector {
    pub(super) async fn connect(&self) -> Result<Connected, SendError> {
        let target = self.permit.target();
        let proxy = self.outbound.proxy.as_ref().filter(|proxy| proxy.is_for(target));
        match proxy {
            None => self.directly().await,
            Some(proxy) => self.through(proxy).await,
        }
    }

    async fn directly(&self) -> Result<Connected, SendError> {
        let target = self.permit.target();
        let permits = match target.host() {
            Host::Ip(address) => self.vet([*address])?,
            Host::Name(name) => {
                // Once: what is connected to below is what was vetted here, whatever the name means later.
                // SECURITY: walls::a_name_that_changes_its_address_is_connected_to_where_it_was_vetted
                let addresses = self.outbound.lookups.addresses(name, &self.budget).await?;
                self.vet(addresses)?
            }
        };
        let addresses = permits.iter().map(|permit| vetted(permit, target.port())).collect();
        let (stream, address) = self.first_of(addresses, &target.to_string()).await?;
        let stream = match target.scheme() {
            Scheme::Http => wire(stream),
            Scheme::Https => wire(self.tls(stream).await?),
        };
        Ok(Connected { stream, address, is_forwarded: false })
    }

    /// The proxy itself is the operator's choice and not vetted; an address in the URL is all the same. What addresses a name
    /// has is for the proxy to find out.
    async fn through(&self, proxy: &Proxy) -> Result<Connected, SendError> {
        let target = self.permit.target();
        // SECURITY: walls::an_address_in_the_url_is_vetted_although_a_proxy_connects
        if let Host::Ip(address) = target.host() {
            self.vet([*address])?;
        }
        let addresses = self.outbound.lookups.addresses(&proxy.host, &self.budget).await?;
        let addresses =
            addresses.into_iter().map(|address| SocketAddr::new(address, proxy.port)).collect();
        let (stream, address) = self.first_of(addresses, "the proxy").await?;
        let stream = match proxy.is_tls {
            false => wire(stream),
            true => {
                let client = self.outbound.proxy_tls().ok_or_else(|| no_tls("the proxy"))?;
                let name = server_name(&proxy.host, "the proxy")?;
                wire(client.connect(name, stream).await?)
            }
        };
        Ok(match target.scheme() {
            Scheme::Http => Connected { stream, address, is_forwarded: true },
            Scheme::Https => {
                let tunnel = proxy.tunnel(stream, target).await?;
                let stream = wire(self.tls(tunnel).await?);
                Connected { stream, address, is_forwarded: false }
            }
        })
    }

    /// The addresses that policy allows.
    // SECURITY: walls::a_name_that_resolves_to_a_private_address_is_refused
    fn vet(
        &self,
        addresses: impl IntoIterator<Item = IpAddr>,
    ) -> Result<Vec<AddressPermit>, SendError> {
        let target = self.permit.target();
        let mut permits = Vec::new();
        let mut first_denied = None;
        for address in addresses {
            match self.permit.address(address) {
                Ok(permit) => permits.push(permit),
                Err(denied) => {
                    let subject = format!("{target} at {address}");
                    self.auditor.denied("http", &subject, &denied);
                    first_denied.get_or_insert(denied.rule);
                }
            }
        }
        match first_denied {
            Some(rule) if permits.is_empty() => Err(SendError::AddressDenied(rule)),
            Some(_) | None => Ok(permits),
        }
    }

    /// Connects to the first address that answers, in their order.
    async fn first_of(
        &self,
        addresses: Vec<SocketAddr>,
        target: &str,
    ) -> Result<(Metered, SocketAddr), SendError> {
        let failed = |reason: &str| SendError::Connect {
            target: target.to_owned(),
            reason: reason.to_owned(),
        };
        let mut error = failed("there is no address");
        let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        for address in addresses {
            let time = self.deadline.saturating_duration_since(Instant::now());
            let share = (time / left.max(1)).max(ADDRESS_MIN);
            left = left.saturating_sub(1);
            match tokio::time::timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // Heads and small bodies are to leave at once. Without it they leave, too.
                    let _ = stream.set_nodelay(true);
                    return Ok((Metered::new(stream, Arc::clone(&self.budget)), address));
                }
                Ok(Err(cause)) => error = failed(&cause.kind().to_string()),
                Err(_) => error = failed("no answer"),
            }
        }
        Err(error)
    }

    /// TLS with the server itself, for the name that policy was asked about.
    async fn tls<S: Stream>(&self, stream: S) -> Result<TlsStream<S>, SendError> {
        let target = self.permit.target();
        let shown = target.to_string();
        let client: &Client = self.outbound.tls(&self.permit).ok_or_else(|| no_tls(&shown))?;
        let name = match target.host() {
            Host::Ip(address) => ServerName::from(*address),
            Host::Name(name) => server_name(name, &shown)?,
        };
        client.connect(name, stream).await
    }
}

fn wire(stream: impl Stream) -> Wire {
    Wire(Box::new(stream))
}

/// Only a permit makes an address that components' requests go to.
fn vetted(permit: &AddressPermit, port: u16) -> SocketAddr {
    SocketAddr::new(permit.address(), port)
}

fn server_name(name: &str, target: &str) -> Result<ServerName<'static>, SendError> {
    ServerName::try_from(name.to_owned()).map_err(|_| SendError::Tls {
        target: target.to_owned(),
        reason: "no certificate can be for such a name".to_owned(),
    })
}

/// For policies that came after the start.
fn no_tls(target: &str) -> SendError {
    SendError::Tls { target: target.to_owned(), reason: "the runner has no TLS set up".to_owned() }
}

/// `host:port`, the port always there.
pub(super) fn authority(target: &Target) -> String {
    let port = target.port();
    match target.host() {
        Host::Ip(IpAddr::V6(address)) => format!("[{address}]:{port}"),
        Host::Ip(IpAddr::V4(address)) => format!("{address}:{port}"),
        Host::Name(name) => format!("{name}:{port}"),
    }
}
