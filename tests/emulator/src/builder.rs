//! Configures and starts an emulator. Main type: [`Builder`].

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::config::Config;
use crate::event::{Event, Observer};
use crate::request::Recording;
use crate::seal::{SealError, Sealer};
use crate::server::{Server, Shared};
use crate::world::World;
use crate::{Emulator, emulator};

/// The runner that an emulator serves unless told otherwise.
pub const DEFAULT_RUNNER_UUID: Uuid = Uuid::from_u128(0xb10c_0000_0000_4000_8000_0000_0000_0001);
/// The real server's.
const TOKEN_LIFETIME: Duration = Duration::from_secs(300);
/// Long: a test that wants a timeout says so.
const RUN_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// Why an emulator did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address can't be had, or no thread.
    #[error("listen on `{listen}`")]
    Listen {
        /// Where it was to listen.
        listen: SocketAddr,
        /// The operating system's reason.
        #[source]
        err: io::Error,
    },
    /// The runner's certificate is unusable.
    #[error("use the runner's certificate")]
    Certificate(#[source] SealError),
}

/// What an emulator accepts and how it behaves.
pub struct Builder {
    listen: SocketAddr,
    public_url: Option<String>,
    runner: Uuid,
    api_keys: HashMap<String, String>,
    basic: HashMap<String, String>,
    certificate: Option<String>,
    token_lifetime: Duration,
    run_timeout: Duration,
    recording: Recording,
    state_locking: bool,
    observer: Observer,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            public_url: None,
            runner: DEFAULT_RUNNER_UUID,
            api_keys: HashMap::new(),
            basic: HashMap::new(),
            certificate: None,
            token_lifetime: TOKEN_LIFETIME,
            run_timeout: RUN_TIMEOUT,
            recording: Recording::Full,
            state_locking: true,
            observer: Observer::default(),
        }
    }

    /// Where to listen; a free port of the loopback address by default.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// The base of the links in documents, when it is not the address listened on.
    #[must_use]
    pub fn public_url(mut self, base: impl Into<String>) -> Self {
        self.public_url = Some(base.into().trim_end_matches('/').to_owned());
        self
    }

    /// The one runner known to the server; [`DEFAULT_RUNNER_UUID`] by default.
    #[must_use]
    pub fn runner_uuid(mut self, runner: Uuid) -> Self {
        self.runner = runner;
        self
    }

    /// Accepts this API key at login; may be called for several.
    #[must_use]
    pub fn api_key(mut self, client_id: impl Into<String>, secret: impl Into<String>) -> Self {
        self.api_keys.insert(client_id.into(), secret.into());
        self
    }

    /// Accepts this user and password; may be called for several.
    #[must_use]
    pub fn basic(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.basic.insert(user.into(), password.into());
        self
    }

    /// The X.509 certificate (PEM) to which secrets are sealed.
    #[must_use]
    pub fn runner_certificate(mut self, pem: impl Into<String>) -> Self {
        self.certificate = Some(pem.into());
        self
    }

    /// How long an API token lives, in server time (see [`Emulator::advance`]); 300 s by default.
    #[must_use]
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.token_lifetime = lifetime;
        self
    }

    /// For how long the server waits for a claimed, silent run, in server time; one hour by default.
    #[must_use]
    pub fn run_timeout(mut self, timeout: Duration) -> Self {
        self.run_timeout = timeout;
        self
    }

    /// How much is remembered; everything by default.
    #[must_use]
    pub fn recording(mut self, recording: Recording) -> Self {
        self.recording = recording;
        self
    }

    /// The state backend knows no `LOCK` and `UNLOCK` and answers them 405: nothing says that the real one has them.
    #[must_use]
    pub fn without_state_locking(mut self) -> Self {
        self.state_locking = false;
        self
    }

    /// Calls this for everything that happens, in order and under the server's lock: hand the event on, and don't
    /// call the emulator from there.
    #[must_use]
    pub fn observer(mut self, observer: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.observer = Observer(Some(Arc::new(observer)));
        self
    }

    /// Binds the address and serves it from a thread of its own.
    ///
    /// # Errors
    /// [`StartError`] when the address is taken or the certificate unusable.
    #[expect(
        clippy::unused_async,
        reason = "starting may have to wait some day; callers are async"
    )]
    pub async fn start(self) -> Result<Emulator, StartError> {
        let sealer = match &self.certificate {
            Some(pem) => Some(Sealer::new(pem).map_err(StartError::Certificate)?),
            None => None,
        };
        let listen = self.listen;
        let failed = |err| StartError::Listen { listen, err };
        let (listener, address) = Server::bind(listen).map_err(failed)?;
        let url = format!("http://{address}");
        let config = Arc::new(Config {
            base: self.public_url.unwrap_or_else(|| url.clone()),
            runner: self.runner,
            api_keys: self.api_keys,
            basic: self.basic,
            token_lifetime: self.token_lifetime,
            run_timeout: self.run_timeout,
            recording: self.recording,
            state_locking: self.state_locking,
        });
        let shared = Arc::new(Shared::new(World::new(Arc::clone(&config), self.observer)));
        let server = Server::start(listener, Arc::clone(&shared)).map_err(failed)?;
        Ok(emulator::assemble(server, shared, config, sealer, url))
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("listen", &self.listen)
            .field("runner", &self.runner)
            .field("api_keys", &self.api_keys.keys())
            .field("basic", &self.basic.keys())
            .field("recording", &self.recording)
            .finish_non_exhaustive()
    }
}
