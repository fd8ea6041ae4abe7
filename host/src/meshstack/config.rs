//! What a client must be told: [`Config`].

use std::fmt;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;
use uuid::Uuid;

use crate::backoff;

/// Everything that [`super::Client`] needs.
#[derive(Clone)]
pub struct Config {
    /// Where meshStack's API is; may have a path in front of `/api`. Credentials are sent to its origin only.
    pub base_url: Url,
    /// What the runner proves itself with.
    pub credentials: Credentials,
    /// Which runner this is.
    pub runner: RunnerIdentity,
    /// How to talk HTTP.
    pub http: HttpConfig,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { base_url, credentials, runner, http } = self;
        f.debug_struct("Config")
            // Not yet checked: it may still hold a password, which is refused only later.
            .field("base_url", &base_url.origin().ascii_serialization())
            .field("credentials", credentials)
            .field("runner", runner)
            .field("http", http)
            .finish()
    }
}

/// What a runner proves itself with.
#[derive(Clone)]
pub enum Credentials {
    /// An API key, exchanged for short-lived tokens.
    ApiKey {
        /// Names the key.
        client_id: String,
        /// Its secret half.
        client_secret: SecretString,
    },
    /// User and password, sent with each call (the legacy way).
    Basic {
        /// Names the user; no `:` in it.
        username: String,
        /// Their password.
        password: SecretString,
    },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ApiKey { client_id, .. } => {
                f.debug_struct("ApiKey").field("client_id", client_id).finish_non_exhaustive()
            }
            Self::Basic { username, .. } => {
                f.debug_struct("Basic").field("username", username).finish_non_exhaustive()
            }
        }
    }
}

/// Which runner, and which of its replicas, is calling.
#[derive(Clone, Debug)]
pub struct RunnerIdentity {
    /// The runner's id in meshStack; also its id as a source of statuses.
    pub uuid: Uuid,
    /// Tells replicas apart, for example the host's name; visible ASCII.
    pub node: String,
}

/// How to talk HTTP. HTTP/1.1 only: all calls are small, and a pool of connections has no shared stream to stall.
#[derive(Clone)]
pub struct HttpConfig {
    /// For name resolution, connection and TLS handshake together.
    pub connect_timeout: Duration,
    /// The longest silence: until the answer begins, and between two pieces of it.
    pub read_timeout: Duration,
    /// For one try of a call as a whole.
    pub total_timeout: Duration,
    /// Instead of `total_timeout` for calls that carry a plan (up to 128 MiB, 171 MiB when sent as base64).
    pub transfer_timeout: Duration,
    /// The proxy for all calls. Nothing is read from the environment here; that's the configuration's decision.
    pub proxy: Option<Url>,
    /// Hosts, domains and CIDRs that are called directly in spite of `proxy`.
    pub no_proxy: Vec<String>,
    /// PEM bundles that are trusted in addition to the platform's roots.
    pub ca_certificates: Vec<Vec<u8>>,
    /// How calls that are safe to repeat are repeated.
    pub retry: Retry,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(30),
            total_timeout: Duration::from_secs(60),
            transfer_timeout: Duration::from_secs(15 * 60),
            proxy: None,
            no_proxy: Vec::new(),
            ca_certificates: Vec::new(),
            retry: Retry::default(),
        }
    }
}

impl fmt::Debug for HttpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            connect_timeout,
            read_timeout,
            total_timeout,
            transfer_timeout,
            proxy,
            no_proxy,
            ca_certificates,
            retry,
        } = self;
        // A proxy's URL may carry a password.
        let proxy = proxy.as_ref().map(|url| url.origin().ascii_serialization());
        f.debug_struct("HttpConfig")
            .field("connect_timeout", connect_timeout)
            .field("read_timeout", read_timeout)
            .field("total_timeout", total_timeout)
            .field("transfer_timeout", transfer_timeout)
            .field("proxy", &proxy)
            .field("no_proxy", no_proxy)
            .field("ca_certificates", &ca_certificates.len())
            .field("retry", retry)
            .finish()
    }
}

/// How calls that are safe to repeat are repeated before their error is handed to the caller.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// How often a call is tried in all; 0 counts as 1.
    pub tries: u32,
    /// The delays between tries, and between logins while logging in fails.
    pub backoff: backoff::Config,
    /// The longest `Retry-After` that is obeyed; more is cut down to this, so that a server can't park us.
    pub retry_after_cap: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            tries: 3,
            backoff: backoff::Config {
                first: Duration::from_millis(500),
                cap: Duration::from_secs(10),
            },
            retry_after_cap: Duration::from_secs(60),
        }
    }
}
