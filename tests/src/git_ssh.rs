//! A git server by ssh on loopback: OpenSSH's `sshd`, one process per connection, with keys of its own.

use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tempfile::TempDir;

/// Where distributions put it: not on PATH.
const SSHD: &str = "/usr/sbin/sshd";

/// The server. Dropping it ends it and its connections.
#[derive(Debug)]
pub struct GitSsh {
    port: u16,
    directory: TempDir,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    is_over: AtomicBool,
    connections: AtomicUsize,
    children: Mutex<Vec<Child>>,
}

impl GitSsh {
    /// Serves what `git-shell` allows, to whoever has the key, as the user of this process.
    ///
    /// # Errors
    /// If `sshd` is not installed (Debian: `openssh-server`), or keys can't be made.
    pub fn start() -> Result<Self> {
        ensure!(Path::new(SSHD).is_file(), "`{SSHD}` is missing; install openssh-server");
        let directory = tempfile::tempdir()?;
        let place = directory.path();
        for (key, kind) in [("host", "ed25519"), ("host_ecdsa", "ecdsa"), ("user", "ed25519")] {
            let arguments = ["-q", "-t", kind, "-N", "", "-C", key, "-f"];
            let status = command("ssh-keygen").args(arguments).arg(place.join(key)).status()?;
            ensure!(status.success(), "ssh-keygen failed");
        }
        // As root, sshd insists on this directory.
        if fs::metadata("/run/sshd").is_err() {
            // Only root needs it.
            let _ = fs::create_dir("/run/sshd");
        }
        let shell = crate::git_repository::on_path("git-shell");
        let path = std::env::var("PATH").unwrap_or_default();
        let config = format!(
            "HostKey {0}/host\nHostKey {0}/host_ecdsa\nLogLevel DEBUG1\nAuthorizedKeysFile {0}/user.pub\nStrictModes no\nUsePAM no\nPidFile none\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n\
             AcceptEnv GIT_PROTOCOL\nSetEnv PATH={path}\n\
             ForceCommand exec {1} -c \"$SSH_ORIGINAL_COMMAND\"\n",
            place.display(),
            shell.display(),
        );
        let config_path = place.join("sshd_config");
        fs::write(&config_path, config)?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = std::thread::spawn(move || accept(&listener, &config_path, &theirs));
        Ok(Self { port, directory, shared, thread: Some(thread) })
    }

    /// The URL of a repository.
    #[must_use]
    pub fn url(&self, repository: &Path) -> String {
        let path = repository.display();
        format!("ssh://{}@localhost:{}{path}", user(), self.port)
    }

    /// The same as `user@host:path`, which has no place for a port: for an ssh that is told it otherwise.
    #[must_use]
    pub fn scp_url(&self, repository: &Path) -> String {
        format!("{}@localhost:{}", user(), repository.display())
    }

    /// The private key that opens it.
    ///
    /// # Errors
    /// If it is gone.
    pub fn private_key(&self) -> Result<String> {
        Ok(fs::read_to_string(self.directory.path().join("user"))?)
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its host, the type of its host key, and the key. It has two; clients that may choose take this one.
    ///
    /// # Errors
    /// If it is gone.
    pub fn known_host(&self) -> Result<(String, String, String)> {
        self.known_host_in("host.pub")
    }

    /// The same of its other host key.
    ///
    /// # Errors
    /// If it is gone.
    pub fn other_known_host(&self) -> Result<(String, String, String)> {
        self.known_host_in("host_ecdsa.pub")
    }

    /// The types of host keys that its connections have agreed on, in their order.
    #[must_use]
    pub fn agreed(&self) -> Vec<String> {
        let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
        let agreed = log.lines().filter_map(|line| line.split_once("kex: host key algorithm: "));
        agreed.map(|(_, kind)| kind.split(' ').next().unwrap_or_default().to_owned()).collect()
    }

    fn known_host_in(&self, name: &str) -> Result<(String, String, String)> {
        let text = fs::read_to_string(self.directory.path().join(name))?;
        let mut words = text.split(' ').map(str::to_owned);
        let kind = words.next().context("no key type")?;
        let key = words.next().context("no key")?;
        Ok((format!("[localhost]:{}", self.port), kind, key))
    }

    /// How often somebody has connected.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for GitSsh {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        // Wakes the thread.
        let _ = std::net::TcpStream::connect(("127.0.0.1", self.port));
        if let Some(thread) = self.thread.take() {
            // If it panicked, the test has failed.
            let _ = thread.join();
        }
        let mut children = self.shared.children.lock().unwrap_or_else(PoisonError::into_inner);
        for child in children.iter_mut() {
            // It may have ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn accept(listener: &TcpListener, config: &PathBuf, shared: &Shared) {
    while let Ok((stream, _)) = listener.accept() {
        if shared.is_over.load(Ordering::SeqCst) {
            return;
        }
        shared.connections.fetch_add(1, Ordering::SeqCst);
        let Ok(copy) = stream.try_clone() else { return };
        let child = command(SSHD)
            .args(["-i", "-f"])
            .arg(config)
            .arg("-E")
            .arg(config.with_file_name("log"))
            .stdin(Stdio::from(OwnedFd::from(copy)))
            .stdout(Stdio::from(OwnedFd::from(stream)))
            .stderr(Stdio::null())
            .spawn();
        // A server that can't be started is seen by the client.
        if let Ok(child) = child {
            shared.children.lock().unwrap_or_else(PoisonError::into_inner).push(child);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "tests need a server")]
fn command(program: &str) -> Command {
    Command::new(program)
}

fn user() -> String {
    let output = command("id").arg("-un").output().map(|output| output.stdout);
    String::from_utf8_lossy(&output.unwrap_or_default()).trim().to_owned()
}
