//! Git repositories: [`Git`] keeps mirrors of them and checks a commit out into a directory.
//!
//! The program `git` fetches, since no library knows all that servers ask for: ssh with pinned keys, client certificates, shallow and
//! incremental fetches. It never writes a working directory: objects are read out of the mirror and written by us, so that
//! there are no hooks, filters, submodules or links.
//!
//! Each checkout asks the server for its references, with the credentials of its run, before anything is taken from a mirror. Work is done where
//! blocking is allowed, by programs on a leash that is cut when the checkout is stopped, late, or dropped.

mod checkout;
mod command;
mod lines;
mod mirror;
mod names;
mod objects;
mod plan;
mod revision;
mod ssh;
mod url;
mod write;

pub use ssh::SshCommand;
pub use url::{RepositoryUrl, Transport, Transports};

use crate::process::Leash;
use checkout::Job;
use lines::Lines;
use mirror::Mirrors;
use secrecy::SecretString;
use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

/// Where the authorities of the system are, by its kind.
const SYSTEM_AUTHORITIES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// How git is used on this machine.
#[derive(Clone)]
pub struct Config {
    /// Where mirrors are kept: `<state>/git`.
    pub mirrors: PathBuf,
    /// The program; found on PATH at start.
    pub git: PathBuf,
    /// The program for ssh.
    pub ssh: PathBuf,
    /// Bytes of all mirrors together; the least recently used go first. No file of one may be longer.
    pub mirrors_max_bytes: u64,
    /// Known host keys, used where the definition brings none: `SSH_KNOWN_HOSTS`, else `~/.ssh/known_hosts`.
    pub known_hosts: Option<PathBuf>,
    /// Whether host keys go unchecked.
    pub insecure_host_keys: bool,
    /// Certificate authorities beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Environment of proxies, as in `https_proxy`.
    pub proxy: Vec<(String, String)>,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A proxy's URL may have a password.
        let proxy: Vec<_> = self.proxy.iter().map(|(name, _)| name).collect();
        f.debug_struct("Config")
            .field("mirrors", &self.mirrors)
            .field("git", &self.git)
            .field("ssh", &self.ssh)
            .field("mirrors_max_bytes", &self.mirrors_max_bytes)
            .field("known_hosts", &self.known_hosts)
            .field("insecure_host_keys", &self.insecure_host_keys)
            .field("ca_file", &self.ca_file)
            .field("proxy", &proxy)
            .finish()
    }
}

/// What is to be fetched. The caller has asked policy about the URL.
#[derive(Debug)]
pub struct Repository {
    /// Parsed and canonical.
    pub url: RepositoryUrl,
    /// Branch, tag or commit; at least seven digits of it.
    pub revision: Option<String>,
    /// Folder in the repository.
    pub path: Option<String>,
    /// For ssh.
    pub private_key: Option<SecretString>,
    /// Host, key type, key.
    pub known_host: Option<(String, String, String)>,
    /// Value of an `Authorization` header or a client certificate for https, from policy.
    pub https: Option<HttpsCredentials>,
}

/// How we say who we are to an https server. Nothing of it is ever sent without encryption.
#[derive(Debug)]
pub struct HttpsCredentials {
    /// User (may be anything) and token.
    pub basic: Option<(String, SecretString)>,
    /// PEM files: certificate, key.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// PEM file with authorities for this server, besides all others.
    pub ca_file: Option<PathBuf>,
}

/// How much a checkout may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// All of it.
    pub timeout: Duration,
    /// Bytes that are checked out.
    pub bytes: u64,
    /// Files and folders that are checked out.
    pub files: u64,
}

/// What the revision was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevisionKind {
    /// A branch.
    Branch,
    /// A commit.
    Commit,
    /// What the server's HEAD is.
    DefaultBranch,
    /// A tag.
    Tag,
}

/// What was checked out.
#[derive(Clone, Debug)]
pub struct Checkout {
    /// In full.
    pub commit: String,
    /// Names what became the directory: the same name, the same content. git's tree, or a digest where links became copies.
    pub tree: String,
    /// What the revision was.
    pub kind: RevisionKind,
    /// For the operator.
    pub notes: Vec<String>,
    /// Bytes that were checked out.
    pub bytes: u64,
    /// Files that were checked out.
    pub files: u64,
}

/// Why there is no checkout. Texts have git's and the server's words: bounded, plain, without credentials.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// Stopped.
    #[error("the checkout was stopped")]
    Aborted,
    /// The server or git said no.
    #[error("{0}")]
    Failed(String),
    /// Ours.
    #[error("{0}")]
    Fault(String),
    /// Not a request that can be carried out.
    #[error("{0}")]
    Invalid(String),
    /// No such repository, revision or path.
    #[error("{0}")]
    NotFound(String),
    /// Too slow.
    #[error("{0}")]
    Timeout(String),
    /// Too large.
    #[error("{0}")]
    TooLarge(String),
}

/// Fetches and checks out. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Git {
    config: Arc<Config>,
    mirrors: Mirrors,
    lines: Lines,
    /// The system's authorities and the configured ones.
    ca_bundle: Option<PathBuf>,
}

/// Cuts the leash when the checkout is dropped.
struct Cut(Arc<Leash>);

impl Drop for Cut {
    fn drop(&mut self) {
        self.0.cut();
    }
}

impl Git {
    /// Takes the mirrors directory into use. Blocks.
    ///
    /// # Errors
    /// If the directory is not ours alone, or the authorities can't be read.
    pub fn open(config: Config) -> io::Result<Self> {
        let mirrors = Mirrors::open(&config.mirrors, config.mirrors_max_bytes)?;
        let ca_bundle = match &config.ca_file {
            None => None,
            Some(file) => Some(bundle(file, None, &config.mirrors)?),
        };
        Ok(Self { config: Arc::new(config), mirrors, lines: Lines::default(), ca_bundle })
    }

    /// Checks out into `directory`, which exists, is empty and is ours; on an error it is empty again. What must be written for
    /// git meanwhile, such as a key, is in `scratch`, and gone afterwards.
    ///
    /// Dropping the future stops git at once. What is being written then may still be finished.
    ///
    /// # Errors
    /// [`GitError`].
    pub async fn checkout(
        &self,
        repository: Repository,
        directory: &Path,
        scratch: &Path,
        limits: Limits,
        cancel: CancellationToken,
    ) -> Result<Checkout, GitError> {
        let cut = Cut(Arc::default());
        let (git, leash) = (self.clone(), Arc::clone(&cut.0));
        let (directory, scratch) = (directory.to_owned(), scratch.to_owned());
        let work = async {
            let make = move || Job::new(&git, &repository, &directory, &scratch, limits, leash);
            let job = Arc::new(blocking(make).await?);
            let result = job.check_out(self, &cancel).await;
            if result.is_err() {
                job.clear().await?;
            }
            result
        };
        tokio::pin!(work);
        // What blocks ends with its programs. It is waited for, so that nothing is written afterwards.
        let result = tokio::select! {
            biased;
            () = cancel.cancelled() => {
                cut.0.cut();
                work.await
            }
            result = &mut work => result,
        };
        if cancel.is_cancelled() && result.is_err() { Err(GitError::Aborted) } else { result }
    }

    /// What `GIT_SSH_COMMAND` must be for modules that come by ssh. The key and what else it needs are written into `directory`,
    /// which is ours alone and whose owner removes it. Blocks.
    ///
    /// # Errors
    /// If no host key is known, or the files can't be written.
    pub fn ssh_command(
        &self,
        private_key: Option<&SecretString>,
        known_host: Option<&(String, String, String)>,
        directory: &Path,
    ) -> Result<SshCommand, GitError> {
        SshCommand::write(&self.config, private_key, known_host, directory)
    }
}

/// Does what blocks where that is allowed.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, GitError> + Send + 'static,
) -> Result<T, GitError> {
    let ended = spawn_blocking(work).await;
    ended.map_err(|error| GitError::Fault(format!("a task of git did not end: {error}")))?
}

/// To git, authorities that are given stand in the place of all others: one file in `directory` with those in `file` and the
/// others, which are the system's if none are given.
fn bundle(file: &Path, others: Option<&Path>, directory: &Path) -> io::Result<PathBuf> {
    let mut all = fs::read(file)?;
    let others = match others {
        None => SYSTEM_AUTHORITIES.iter().find_map(|path| fs::read(path).ok()).unwrap_or_default(),
        Some(others) => fs::read(others)?,
    };
    all.push(b'\n');
    all.extend_from_slice(&others);
    let path = directory.join("authorities.pem");
    let mut new = tempfile::NamedTempFile::new_in(directory)?;
    new.write_all(&all)?;
    new.persist(&path).map_err(|error| error.error)?;
    Ok(path)
}
