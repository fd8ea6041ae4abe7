//! A daemon as a process of its own, configured as an operator would.

use crate::{API_KEY, PRIVATE_KEY};
use anyhow::{Context as _, Result};
use blockhouse::digest::Digest;
use blockhouse_emulator::Emulator;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// A daemon in a process of its own. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Writes a configuration for the emulator into `directory`, with the embedded `MANUAL` and these components by
    /// implementation type, all under the policy in `policy.toml` there, which grants nothing. `more` is appended as it is.
    ///
    /// # Errors
    /// If the files can't be written.
    pub fn configure(
        directory: &Path,
        emulator: &Emulator,
        components: &[(&str, &[u8])],
        more: &str,
    ) -> Result<PathBuf> {
        let (id, secret) = API_KEY;
        fs::write(directory.join("TEST-ONLY-key.pem"), PRIVATE_KEY)?;
        fs::write(directory.join("policy.toml"), "description = \"For tests.\"\n")?;
        let mut config = format!(
            "runnerUuid: {}\n\
             api:\n  url: {}\n  clientId: {id}\n  clientSecret: {secret}\n\
             privateKeyFile: {}\n\
             state:\n  directory: {}\n\
             admin:\n  address: 127.0.0.1:0\n\
             routes:\n  - match: {{implementationType: MANUAL}}\n    component: {{embedded: manual}}\n",
            emulator.runner_uuid(),
            emulator.url(),
            directory.join("TEST-ONLY-key.pem").display(),
            directory.join("state").display(),
        );
        for (implementation_type, bytes) in components {
            let path = directory.join(format!("{implementation_type}.wasm"));
            fs::write(&path, bytes)?;
            write!(
                config,
                "  - match: {{implementationType: {implementation_type}}}\n    \
                 component: {{file: {}, digest: '{}'}}\n    policy: {{file: policy.toml}}\n",
                path.display(),
                Digest::of(bytes),
            )?;
        }
        config.push_str(more);
        let path = directory.join("runner-config.yml");
        fs::write(&path, config)?;
        Ok(path)
    }

    /// A command of the program in `directory`, with nothing of this process's environment.
    #[expect(clippy::disallowed_methods, reason = "tests start the program as its users do")]
    #[must_use]
    pub fn command(program: &Path, directory: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().current_dir(directory).env("HOME", directory);
        // Where git, ssh and bash are.
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command
    }

    /// Starts the daemon with the configuration in `directory`; its log goes to `daemon.log` there.
    ///
    /// # Errors
    /// If it can't be started.
    pub fn start(program: &Path, directory: &Path) -> Result<Self> {
        Self::start_with(program, directory, &[])
    }

    /// The same with these variables in its environment.
    ///
    /// # Errors
    /// If it can't be started.
    pub fn start_with(
        program: &Path,
        directory: &Path,
        environment: &[(String, String)],
    ) -> Result<Self> {
        let log = directory.join("daemon.log");
        let file = fs::File::options().create(true).append(true).open(&log)?;
        let child = Self::command(program, directory)
            .arg("daemon")
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()?;
        Ok(Self { child, log })
    }

    /// The process's id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All that it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Kills it at once, as a crash would.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Tells it to stop, as a service manager would: the first time drains, the second aborts.
    ///
    /// # Errors
    /// If the system refuses.
    #[cfg(unix)]
    pub fn terminate(&self) -> Result<()> {
        self.signal(rustix::process::Signal::TERM)
    }

    /// Tells it to leave its runs to the next one.
    ///
    /// # Errors
    /// If the system refuses.
    #[cfg(unix)]
    pub fn hand_over(&self) -> Result<()> {
        self.signal(rustix::process::Signal::USR2)
    }

    #[cfg(unix)]
    fn signal(&self, signal: rustix::process::Signal) -> Result<()> {
        let id = i32::try_from(self.child.id())?;
        let id = rustix::process::Pid::from_raw(id).context("no process id")?;
        Ok(rustix::process::kill_process(id, signal)?)
    }

    /// Waits for something that needs this process to run.
    ///
    /// # Errors
    /// If the process ends before; its log is part of the error.
    pub async fn until<T>(&mut self, something: impl Future<Output = T>) -> Result<T> {
        tokio::select! {
            biased;
            result = something => Ok(result),
            status = self.ended(Duration::MAX) => {
                anyhow::bail!("the daemon ended ({:?}); its log:\n{}", status?.code(), self.log())
            }
        }
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// If it has not after `patience`; its log is part of the error.
    pub async fn ended(&mut self, patience: Duration) -> Result<ExitStatus> {
        let deadline = tokio::time::Instant::now().checked_add(patience);
        // A child can only be polled or waited for on a blocked thread; its end is no condition of timing.
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if deadline.is_some_and(|deadline| tokio::time::Instant::now() > deadline) {
                anyhow::bail!("the daemon did not end; its log:\n{}", self.log());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Bytes of memory that it occupies.
    ///
    /// # Errors
    /// If the system has no `/proc`.
    #[cfg(target_os = "linux")]
    pub fn resident_bytes(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.context("no VmRSS")?.trim().trim_end_matches(" kB");
        Ok(kib.trim().parse::<u64>()? << 10)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.kill();
    }
}
