//! A daemon in this process.

use crate::{API_KEY, PRIVATE_KEY};
use anyhow::{Context as _, Result};
use blockhouse::admit::Route;
use blockhouse::backoff;
use blockhouse::daemon::{self, Daemon, Stopped};
use blockhouse::journal;
use blockhouse::meshstack::{self, Credentials, HttpConfig, Retry, RunnerIdentity};
use blockhouse::sandbox::{self, CacheConfig, Compiler, Sandbox};
use blockhouse::shutdown::Shutdown;
use blockhouse::slots;
use blockhouse::unseal::PrivateKey;
use blockhouse::{poll, report};
use blockhouse_emulator::Emulator;
use blockhouse_policy::{Grants, Limits, Pattern, Policy, RouteMatch};
use secrecy::{SecretBox, SecretString};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tempfile::TempDir;

/// A component, and the implementation type that is routed to it.
#[derive(Clone, Debug)]
pub struct Component {
    implementation_type: String,
    bytes: Vec<u8>,
    policy: String,
    limits: Limits,
}

/// Sets up a [`Runner`].
#[derive(Debug)]
pub struct RunnerBuilder {
    components: Vec<Component>,
    concurrency: u32,
    memory: u64,
    waiting: usize,
    credentials: Credentials,
    state: State,
    abort_grace: Duration,
    drain_timeout: Duration,
    report: report::Config,
    poll_interval: Duration,
}

/// Where a runner keeps what must not be lost.
#[derive(Debug)]
enum State {
    In(PathBuf),
    None,
    Temporary,
}

/// A daemon in this process, with short waits. Dropping it drains it.
#[derive(Debug)]
pub struct Runner {
    shutdown: Shutdown,
    admin: SocketAddr,
    thread: Option<JoinHandle<Stopped>>,
    _state: Option<TempDir>,
}

impl Component {
    /// Routes this implementation type to these bytes, under a policy that lets secrets go into outputs.
    #[must_use]
    pub fn new(implementation_type: &str, bytes: &[u8]) -> Self {
        let policy = "description = 'For tests.'\n\
                      [[secrets.use]]\nreason = 'x'\nkeys = ['*']\nin = ['outputs']\n";
        Self {
            implementation_type: implementation_type.to_owned(),
            bytes: bytes.to_vec(),
            policy: policy.to_owned(),
            limits: test_limits(),
        }
    }

    /// Routes this implementation type to these bytes, under exactly this policy and the program's default limits.
    #[must_use]
    pub fn under(implementation_type: &str, bytes: &[u8], policy: &str) -> Self {
        let component = Self::new(implementation_type, bytes).limits(Limits::default());
        Self { policy: policy.to_owned(), ..component }
    }

    /// With these limits instead of the tests' defaults.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// With what this text of a policy grants, in addition.
    #[must_use]
    pub fn policy(mut self, text: &str) -> Self {
        self.policy.push_str(text);
        self
    }
}

/// The default limits, but so much fuel, memory and log that hitting them takes a moment and not seconds.
fn test_limits() -> Limits {
    Limits {
        fuel: 200_000_000,
        memory_bytes: 16 << 20,
        log_total_bytes: 1 << 20,
        ..Limits::default()
    }
}

impl Default for RunnerBuilder {
    fn default() -> Self {
        let (id, secret) = API_KEY;
        Self {
            components: vec![Component::new("MANUAL", blockhouse_artifacts::MANUAL)],
            concurrency: 8,
            memory: u64::MAX,
            waiting: 1000,
            credentials: Credentials::ApiKey {
                client_id: id.to_owned(),
                client_secret: SecretString::from(secret),
            },
            state: State::Temporary,
            abort_grace: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(60),
            report: report::Config {
                interval: Duration::from_millis(20),
                sign_of_life: Duration::from_millis(100),
                backoff: short_backoff(),
            },
            poll_interval: Duration::from_millis(20),
        }
    }
}

fn short_backoff() -> backoff::Config {
    backoff::Config { first: Duration::from_millis(10), cap: Duration::from_millis(100) }
}

impl RunnerBuilder {
    /// Adds a component beside `MANUAL`.
    #[must_use]
    pub fn component(mut self, component: Component) -> Self {
        self.components.push(component);
        self
    }

    /// Concurrent runs.
    #[must_use]
    pub fn concurrency(mut self, concurrency: u32) -> Self {
        self.concurrency = concurrency;
        self
    }

    /// Bytes of memory that all runs together may reserve.
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// Runs that may wait.
    #[must_use]
    pub fn waiting(mut self, runs: usize) -> Self {
        self.waiting = runs;
        self
    }

    /// User and password instead of an API key.
    #[must_use]
    pub fn basic(mut self, username: &str, password: &str) -> Self {
        self.credentials = Credentials::Basic {
            username: username.to_owned(),
            password: SecretString::from(password),
        };
        self
    }

    /// Keeps the journal here instead of in a temporary directory.
    #[must_use]
    pub fn state_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.state = State::In(directory.into());
        self
    }

    /// Keeps nothing at all, to measure what keeping costs.
    #[must_use]
    pub fn without_state(mut self) -> Self {
        self.state = State::None;
        self
    }

    /// How long an aborted component may clean up.
    #[must_use]
    pub fn abort_grace(mut self, grace: Duration) -> Self {
        self.abort_grace = grace;
        self
    }

    /// How long a drain waits.
    #[must_use]
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = timeout;
        self
    }

    /// How often progress is reported at most, and at least.
    #[must_use]
    pub fn report(mut self, interval: Duration, sign_of_life: Duration) -> Self {
        self.report.interval = interval;
        self.report.sign_of_life = sign_of_life;
        self
    }

    /// The pause between idle polls.
    #[must_use]
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = interval;
        self
    }

    /// Starts the daemon against the emulator.
    ///
    /// # Errors
    /// If it can't start.
    pub fn start(self, emulator: &Emulator) -> Result<Runner> {
        let compiler = Compiler { cache: Some(kept()), ..crate::compiler() };
        let sandbox = Sandbox::new(&sandbox::Config { max_runs: self.concurrency, compiler })?;
        let routes = self.components.iter().map(|component| route(&sandbox, component));
        let routes = routes.collect::<Result<Vec<_>>>()?;
        let (state_directory, temporary) = match self.state {
            State::In(path) => (Some(path), None),
            State::None => (None, None),
            State::Temporary => {
                let temporary = tempfile::tempdir()?;
                (Some(temporary.path().to_owned()), Some(temporary))
            }
        };
        let retry = Retry {
            tries: 2,
            backoff: short_backoff(),
            retry_after_cap: Duration::from_millis(200),
        };
        let config = daemon::Config {
            meshstack: meshstack::Config {
                base_url: emulator.url().parse()?,
                credentials: self.credentials,
                runner: RunnerIdentity { uuid: emulator.runner_uuid(), node: "test".to_owned() },
                http: HttpConfig { retry, ..HttpConfig::default() },
            },
            registration: None,
            private_key: PrivateKey::from_pem(&SecretString::from(PRIVATE_KEY))?,
            poll: poll::Config { interval: self.poll_interval },
            report: self.report,
            state_directory,
            journal: journal::Config::default(),
            admin: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            slots: slots::Config {
                slots: usize::try_from(self.concurrency)?,
                memory: self.memory,
                waiting: self.waiting,
            },
            drain_timeout: self.drain_timeout,
            abort_grace: self.abort_grace,
            limits: test_limits(),
            outbound: blockhouse::capability::http::Config::default(),
            // `Process` has it: it is put together from the operator's configuration.
            terraform: None,
            interrupt_patience: Duration::ZERO,
        };
        let shutdown = Shutdown::default();
        let daemon = Daemon::build(config, sandbox, routes, shutdown.clone())?;
        let admin = daemon.admin_address().context("no admin server")?;
        let thread = std::thread::spawn(move || daemon.run(std::future::pending()));
        Ok(Runner { shutdown, admin, thread: Some(thread), _state: temporary })
    }
}

/// Where code is kept beside the program that made it, so that the next daemon has it at once. Compiling is tested elsewhere.
fn kept() -> CacheConfig {
    CacheConfig {
        directory: crate::program().with_file_name("compiled-for-tests"),
        max_bytes: 1 << 30,
        key: SecretBox::new(Box::new(*b"TEST ONLY: code of test programs")),
    }
}

fn route(sandbox: &Sandbox, component: &Component) -> Result<Arc<Route>> {
    let matches = RouteMatch {
        implementation_type: vec![Pattern::new(component.implementation_type.as_str())],
        ..RouteMatch::default()
    };
    let name = component.implementation_type.clone();
    let policy = Policy::parse("test.toml", &component.policy)?;
    let grants = Grants::new(Arc::new(policy), None, &component.limits);
    let component = sandbox.load(&component.bytes, grants.limits().component_bytes)?;
    component.permitted(&name, &grants)?;
    Ok(Arc::new(Route { name, matches, component, grants: Arc::new(grants) }))
}

impl Runner {
    /// A daemon that executes `MANUAL` runs.
    #[must_use]
    pub fn builder() -> RunnerBuilder {
        RunnerBuilder::default()
    }

    /// How to stop it.
    #[must_use]
    pub fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// The address of a page of the admin server.
    #[must_use]
    pub fn admin(&self, path: &str) -> String {
        format!("http://{}{path}", self.admin)
    }

    /// Drains it and tells how it ended.
    ///
    /// # Errors
    /// If it panicked.
    pub async fn drain(mut self) -> Result<Stopped> {
        self.shutdown.drain();
        self.ended().await
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// If it panicked.
    pub async fn ended(&mut self) -> Result<Stopped> {
        let thread = self.thread.take().context("has ended before")?;
        let joined = tokio::task::spawn_blocking(move || thread.join()).await?;
        joined.map_err(|_| anyhow::anyhow!("the daemon panicked"))
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.shutdown.abort();
        if let Some(thread) = self.thread.take() {
            // If it panicked, the test has failed for want of a result.
            let _ = thread.join();
        }
    }
}
