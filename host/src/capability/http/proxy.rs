//! The operator's proxy: which requests go through it, and how it is asked for a tunnel.

use super::connect::{Wire, authority};
use super::error::SendError;
use super::head::HEADERS_MAX;
use base64::Engine as _;
use blockhouse_policy::Target;
use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue, PROXY_AUTHORIZATION};
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, Uri};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

/// Bytes of the proxy's answer's head.
const ANSWER_MAX: usize = 16 << 10;

/// Why a proxy can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the proxy must be a URL such as `http://user:password@proxy.example.com:3128`")]
pub struct InvalidProxy;

/// A proxy and the hosts that are reached without it.
pub(super) struct Proxy {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) is_tls: bool,
    credentials: Option<HeaderValue>,
    matcher: Matcher,
}

/// Shows neither user nor password.
impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Proxy({}:{})", self.host, self.port)
    }
}

impl Proxy {
    pub(super) fn new(url: &SecretString, exceptions: &[String]) -> Result<Self, InvalidProxy> {
        let url: Url = url.expose_secret().parse().map_err(|_| InvalidProxy)?;
        let is_tls = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return Err(InvalidProxy),
        };
        let host = url.host_str().ok_or(InvalidProxy)?;
        // Url writes addresses of version 6 in brackets, which resolvers don't know.
        let host = host.trim_matches(['[', ']']).to_owned();
        let port = url.port_or_known_default().ok_or(InvalidProxy)?;
        let matcher = Matcher::builder()
            .all(format!("http://{}:{port}", url.host_str().ok_or(InvalidProxy)?))
            .no(exceptions.join(","))
            .build();
        Ok(Self { host, port, is_tls, credentials: credentials(&url)?, matcher })
    }

    /// Whether requests to this target go through the proxy.
    pub(super) fn is_for(&self, target: &Target) -> bool {
        let uri = target.to_string().parse::<Uri>();
        uri.is_ok_and(|uri| self.matcher.intercept(&uri).is_some())
    }

    /// What the proxy wants to see of requests that it forwards.
    pub(super) fn credentials(&self) -> Option<&HeaderValue> {
        self.credentials.as_ref()
    }

    /// Asks for a tunnel to the target.
    pub(super) async fn tunnel(
        &self,
        stream: Wire,
        target: &Target,
    ) -> Result<TokioIo<Upgraded>, SendError> {
        let failed = |reason: String| SendError::Proxy { target: target.to_string(), reason };
        let broken = |error: hyper::Error| failed(error.to_string());
        let authority = authority(target);
        let mut request = Request::builder().method(Method::CONNECT).uri(&authority);
        request = request.header(HOST, &authority);
        if let Some(credentials) = &self.credentials {
            request = request.header(PROXY_AUTHORIZATION, credentials);
        }
        let request = request.body(Empty::<Bytes>::new());
        let request = request.map_err(|error| failed(error.to_string()))?;
        let (mut sender, connection) = http1::Builder::new()
            .max_headers(HEADERS_MAX)
            .max_header_size(ANSWER_MAX)
            .max_buf_size(ANSWER_MAX)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        let exchange = async {
            let response = sender.send_request(request).await.map_err(broken)?;
            if !response.status().is_success() {
                return Err(failed(format!("it answered {}", response.status())));
            }
            hyper::upgrade::on(response).await.map_err(broken)
        };
        // The connection ends by handing the stream over, which the exchange waits for.
        let connection = connection.with_upgrades();
        let (upgraded, _) = tokio::join!(exchange, connection);
        upgraded.map(TokioIo::new)
    }
}

fn credentials(url: &Url) -> Result<Option<HeaderValue>, InvalidProxy> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(None);
    }
    let decode = |text: &str| percent_decode(text.as_bytes());
    let mut pair = decode(url.username());
    pair.push(b':');
    pair.extend(decode(url.password().unwrap_or_default()));
    let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
    let mut value = HeaderValue::try_from(format!("Basic {encoded}")).map_err(|_| InvalidProxy)?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// What a URL's user and password stand for.
fn percent_decode(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let hex = |at: usize| after.get(at).and_then(|&digit| char::from(digit).to_digit(16));
        match (byte, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(u8::try_from(high * 16 + low).unwrap_or(byte));
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                decoded.push(byte);
                rest = after;
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(url: &str, exceptions: &[&str]) -> Result<Proxy, InvalidProxy> {
        let exceptions: Vec<_> = exceptions.iter().map(|&text| text.to_owned()).collect();
        Proxy::new(&SecretString::from(url), &exceptions)
    }

    #[test]
    fn credentials_are_decoded_and_never_shown() {
        let proxy = proxy("http://me:p%40ss%3Aword@proxy.example:3128", &[]).unwrap();
        assert_eq!(proxy.credentials().unwrap(), "Basic bWU6cEBzczp3b3Jk");
        assert!(proxy.credentials().unwrap().is_sensitive());
        assert_eq!(format!("{proxy:?}"), "Proxy(proxy.example:3128)");
    }

    #[test]
    fn exceptions_are_reached_directly() {
        let proxy = proxy("http://proxy.example", &["direct.example", "10.0.0.0/8"]).unwrap();
        let is_for = |authority| proxy.is_for(&Target::parse("https", authority).unwrap());
        assert!(is_for("other.example"));
        assert!(is_for("192.0.2.1"));
        assert!(!is_for("direct.example"));
        assert!(!is_for("sub.direct.example:8443"));
        assert!(!is_for("10.1.2.3"));
    }

    #[test]
    fn odd_proxies_are_refused() {
        for url in ["proxy:3128", "socks5://proxy.example", "http://", ""] {
            assert_eq!(proxy(url, &[]).unwrap_err(), InvalidProxy, "{url}");
        }
    }
}
