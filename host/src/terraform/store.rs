//! Programs: Terraform and OpenTofu in the versions that runs ask for. [`Store`].
//!
//! A program is one of the machine's if its version matches, else it is downloaded once: a signed list of checksums, the archive that it
//! names, the one file that it must hold. Each time that a program is handed out it is hashed: [`Store::program`] is called once per
//! run, and 90 MB take about 60 ms on a processor with SHA instructions.

mod archive;
mod download;
mod gate;
mod installed;
mod keys;
mod system;
mod version;

use download::{DownloadError, Downloads, Way};
use gate::Gate;
use installed::{InstallLock, Installed};
use keys::TrustedKeys;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use system::System;
use tokio::task::spawn_blocking;
use url::Url;

use crate::digest::Digest;

/// Bytes of a list of checksums; real ones have 3 KB.
const CHECKSUMS_MAX: u64 = 1 << 20;

/// Bytes of a signature; real ones have 600.
const SIGNATURE_MAX: u64 = 64 << 10;

/// Bytes of an archive; real ones have 30 MB.
const ARCHIVE_MAX: u64 = 256 << 20;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tool {
    /// HashiCorp's.
    Terraform,
    /// The Linux Foundation's.
    Tofu,
}

impl Tool {
    /// The name of its program, as people type it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Terraform => "terraform",
            Self::Tofu => "tofu",
        }
    }

    fn file_name(self) -> String {
        format!("{}{}", self.name(), std::env::consts::EXE_SUFFIX)
    }

    fn key(self, version: &str) -> String {
        format!("{}-{version}", self.name())
    }
}

/// How programs are found.
#[derive(Clone)]
pub struct Config {
    /// `<state>/tools`, or `tfInstallDir`.
    pub directory: PathBuf,
    /// Always this one, whatever the version.
    pub force: Option<Tool>,
    /// Programs on this machine; used when their version matches.
    pub system: Vec<PathBuf>,
    /// Whether programs may be downloaded.
    pub download: bool,
    /// Terraform's releases: base URL, key file (None: the embedded key), fingerprints.
    pub terraform: Releases,
    /// OpenTofu's.
    pub tofu: Releases,
    /// Bytes of all programs together; the least recently used go first.
    pub max_bytes: u64,
    /// Certificate authorities beside the system's, for the downloads.
    pub ca_files: Vec<PathBuf>,
    /// A proxy for the downloads.
    pub proxy: Option<Url>,
}

impl fmt::Debug for Config {
    /// URLs may hold passwords: only their origins are shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let proxy = self.proxy.as_ref().map(|url| url.origin().ascii_serialization());
        f.debug_struct("Config")
            .field("directory", &self.directory)
            .field("force", &self.force)
            .field("system", &self.system)
            .field("download", &self.download)
            .field("terraform", &self.terraform)
            .field("tofu", &self.tofu)
            .field("max_bytes", &self.max_bytes)
            .field("ca_files", &self.ca_files)
            .field("proxy", &proxy)
            .finish()
    }
}

/// Where releases come from and who signs them.
#[derive(Clone)]
pub struct Releases {
    /// Base URL, a mirror perhaps.
    pub url: Url,
    /// OpenPGP public keys, ASCII-armoured. None: those that are part of the program.
    pub key_file: Option<PathBuf>,
    /// Fingerprints of keys that are trusted, 40 hexadecimal digits.
    pub fingerprints: Vec<String>,
}

impl fmt::Debug for Releases {
    /// See [`Config`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Releases")
            .field("url", &self.url.origin().ascii_serialization())
            .field("key_file", &self.key_file)
            .field("fingerprints", &self.fingerprints)
            .finish()
    }
}

/// The URL of HashiCorp's releases.
pub const TERRAFORM_RELEASES: &str = "https://releases.hashicorp.com";

/// The URL of OpenTofu's releases.
pub const TOFU_RELEASES: &str = "https://github.com/opentofu/opentofu/releases/download";

/// The fingerprint of HashiCorp's key.
pub const TERRAFORM_FINGERPRINT: &str = "C874011F0AB405110D02105534365D9472D7468F";

/// The fingerprint of OpenTofu's key.
pub const TOFU_FINGERPRINT: &str = "E3E6E43D84CB852EADB0051D0C0AF313E5FD9F80";

/// A program that was checked; it isn't removed while this lives.
#[derive(Clone, Debug)]
pub struct Program {
    /// Which.
    pub tool: Tool,
    /// Its version.
    pub version: String,
    /// The file.
    pub path: PathBuf,
    /// A directory in which it is the only file and is called `terraform` as well as `tofu`; for PATH of scripts. With a program
    /// of the machine's, these are links to `path`.
    pub directory: PathBuf,
    _in_use: InUse,
}

/// Keeps an installed program from being removed, by a lock that other processes see.
#[derive(Clone, Debug)]
struct InUse(#[expect(dead_code, reason = "it is there to be held")] Option<Arc<File>>);

/// Why there is no program. Those who waited for the same one are told the same.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The version is none, or not to be had; the text names the field.
    #[error("{0}")]
    Invalid(String),
    /// A download, a signature, a checksum, an archive.
    #[error("{0}")]
    Untrusted(String),
    /// Unreachable and the like; may go well later.
    #[error("{0}")]
    Unavailable(String),
}

/// The programs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Config,
    terraform_keys: TrustedKeys,
    tofu_keys: TrustedKeys,
    installed: Installed,
    system: System,
    downloads: Downloads,
    gate: Gate<Result<Program, StoreError>>,
}

impl Store {
    /// Takes the directory into use; removes what an earlier process left half done. Keys are read now, so that a mistake with them
    /// is found before the first run.
    ///
    /// # Errors
    /// If the directory can't be used, or the keys aren't those of the fingerprints.
    pub fn open(config: Config) -> io::Result<Self> {
        let keys = |releases: &Releases, tool: Tool| match (config.download, &releases.key_file) {
            (false, _) => Ok(TrustedKeys::none()),
            (true, None) => trusted(keys::embedded(tool), releases, "the embedded keys"),
            (true, Some(path)) => {
                let named = |error: io::Error| {
                    io::Error::new(error.kind(), format!("`{}`: {error}", path.display()))
                };
                trusted(
                    &std::fs::read_to_string(path).map_err(named)?,
                    releases,
                    &path.display().to_string(),
                )
            }
        };
        let terraform_keys = keys(&config.terraform, Tool::Terraform)?;
        let tofu_keys = keys(&config.tofu, Tool::Tofu)?;
        let installed = Installed::open(config.directory.clone())?;
        let (system, downloads, gate) = (System::default(), Downloads::default(), Gate::default());
        Ok(Self(Arc::new(Inner {
            config,
            terraform_keys,
            tofu_keys,
            installed,
            system,
            downloads,
            gate,
        })))
    }

    /// Which tool a version means; an error names `terraformVersion`.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] if it is not one version.
    pub fn choose(&self, version: &str) -> Result<(Tool, String), StoreError> {
        version::choose(version, self.0.config.force)
    }

    /// The program, downloaded at most once however many ask for it; hashed again before it is handed out.
    ///
    /// # Errors
    /// [`StoreError`]. A failure is forgotten at once: whoever asks later causes a new attempt.
    pub async fn program(&self, tool: Tool, version: &str) -> Result<Program, StoreError> {
        // Whoever calls may not have got it from `choose`.
        let (_, version) = version::choose(version, Some(tool))?;
        let key = tool.key(&version);
        self.0.gate.pass(&key, self.obtain(tool, &version)).await
    }

    async fn obtain(&self, tool: Tool, version: &str) -> Result<Program, StoreError> {
        if let Some(program) = self.present(tool, version).await? {
            return Ok(program);
        }
        let (name, inner) = (tool.name(), &self.0);
        if !inner.config.download {
            return Err(StoreError::Invalid(format!(
                "`terraformVersion` asks for {name} {version}, which is not on this machine, and downloads are turned off"
            )));
        }
        let lock = inner
            .installed
            .lock(&tool.key(version))
            .await
            .map_err(|error| disk(tool, version, &error))?;
        // Another process may have been faster.
        if let Some(program) = self.present(tool, version).await? {
            return Ok(program);
        }
        self.install(lock, tool, version).await?;
        let Some(program) = self.present(tool, version).await? else {
            return Err(StoreError::Unavailable(format!(
                "{name} {version} is gone right after it was installed"
            )));
        };
        let (inner, max) = (Arc::clone(inner), inner.config.max_bytes);
        let collected = spawn_blocking(move || inner.installed.collect(max)).await;
        if let Ok(Err(error)) = collected {
            tracing::warn!(%error, "old programs can't be removed");
        }
        Ok(program)
    }

    /// The program if it need not be downloaded.
    async fn present(&self, tool: Tool, version: &str) -> Result<Option<Program>, StoreError> {
        let (inner, version) = (Arc::clone(&self.0), version.to_owned());
        let looked = spawn_blocking(move || {
            let links = inner.installed.system();
            match inner.system.find(&inner.config.system, tool, &version, &links)? {
                None => inner.installed.take(tool, &version),
                found => Ok(found),
            }
        });
        looked.await.map_err(|error| StoreError::Unavailable(error.to_string()))?
    }

    async fn install(
        &self,
        lock: InstallLock,
        tool: Tool,
        version: &str,
    ) -> Result<(), StoreError> {
        let inner = &self.0;
        let (releases, keys) = match tool {
            Tool::Terraform => (&inner.config.terraform, &inner.terraform_keys),
            Tool::Tofu => (&inner.config.tofu, &inner.tofu_keys),
        };
        let release = Release::new(tool, version, releases)?;
        let way = Way { ca_files: &inner.config.ca_files, proxy: inner.config.proxy.as_ref() };
        let failed = |file: &str, error| release.failed(file, error);

        let list =
            inner.downloads.bytes(&way, &release.url(&release.checksums)?, CHECKSUMS_MAX).await;
        let list = list.map_err(|error| failed(&release.checksums, error))?;
        let signature =
            inner.downloads.bytes(&way, &release.url(&release.signature)?, SIGNATURE_MAX).await;
        let signature = signature.map_err(|error| failed(&release.signature, error))?;
        // SECURITY: terraform::store::tests::a_list_without_a_good_signature_installs_nothing
        keys.verify(&list, &signature)
            .map_err(|error| release.untrusted(&release.checksums, &error))?;
        let expected = listed(&list, &release.archive).ok_or_else(|| {
            release.untrusted(
                &release.checksums,
                &format_args!("it does not list `{}`", release.archive),
            )
        })?;

        let partial = inner.installed.begin(&lock).map_err(|error| disk(tool, version, &error))?;
        let archive = partial.path().join("release.zip");
        let digest = inner
            .downloads
            .file(&way, &release.url(&release.archive)?, ARCHIVE_MAX, &archive)
            .await;
        let digest = digest.map_err(|error| failed(&release.archive, error))?;
        // SECURITY: terraform::store::tests::an_archive_with_another_checksum_installs_nothing
        if digest != expected {
            let why =
                format_args!("its checksum is {digest}, not {expected} as the signed list says");
            return Err(release.untrusted(&release.archive, &why));
        }
        let (inner, version) = (Arc::clone(inner), version.to_owned());
        let installed = spawn_blocking(move || {
            // Held to the end, whatever becomes of who asked.
            let _lock = lock;
            let program = partial.path().join("program");
            let digest = archive::extract(&archive, &tool.file_name(), &program)
                .map_err(|error| release.untrusted(&release.archive, &chain(&error)))?;
            let finished = inner.installed.finish(&partial, &program, digest, tool, &version);
            finished.map_err(|error| disk(tool, &version, &error))
        });
        installed.await.map_err(|error| StoreError::Unavailable(error.to_string()))?
    }
}

fn trusted(armoured: &str, releases: &Releases, place: &str) -> io::Result<TrustedKeys> {
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, format!("{place}: {error}"));
    TrustedKeys::read(armoured, &releases.fingerprints).map_err(invalid)
}

/// The digest that a list of checksums has for a file.
fn listed(list: &[u8], file: &str) -> Option<Digest> {
    let list = std::str::from_utf8(list).ok()?;
    let mut found = list.lines().filter_map(|line| {
        let (digest, name) = line.split_once(char::is_whitespace)?;
        // `sha256sum` marks files that it read as binary.
        (name.trim_start().trim_start_matches('*') == file).then_some(digest)
    });
    format!("sha256:{}", found.next()?.to_ascii_lowercase()).parse().ok()
}

fn disk(tool: Tool, version: &str, error: &io::Error) -> StoreError {
    StoreError::Unavailable(format!("{} {version} can't be installed: {error}", tool.name()))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// The files of one release.
struct Release {
    tool: Tool,
    version: String,
    /// Where they are, without a slash at the end.
    base: Url,
    archive: String,
    checksums: String,
    signature: String,
}

impl Release {
    fn new(tool: Tool, version: &str, releases: &Releases) -> Result<Self, StoreError> {
        let (name, (system, processor)) = (tool.name(), platform());
        let (folder, signature) = match tool {
            Tool::Terraform => (vec![name.to_owned(), version.to_owned()], "sig"),
            Tool::Tofu => (vec![format!("v{version}")], "gpgsig"),
        };
        let mut base = releases.url.clone();
        let no_base =
            || StoreError::Invalid(format!("the URL of the releases of {name} has no path"));
        base.path_segments_mut().map_err(|()| no_base())?.pop_if_empty().extend(folder);
        let checksums = format!("{name}_{version}_SHA256SUMS");
        Ok(Self {
            tool,
            version: version.to_owned(),
            base,
            archive: format!("{name}_{version}_{system}_{processor}.zip"),
            signature: format!("{checksums}.{signature}"),
            checksums,
        })
    }

    fn url(&self, file: &str) -> Result<Url, StoreError> {
        let mut url = self.base.clone();
        let no_base = || {
            StoreError::Invalid(format!(
                "the URL of the releases of {} has no path",
                self.tool.name()
            ))
        };
        url.path_segments_mut().map_err(|()| no_base())?.push(file);
        Ok(url)
    }

    fn failed(&self, file: &str, error: DownloadError) -> StoreError {
        let (name, version) = (self.tool.name(), &self.version);
        let host = self.base.host_str().unwrap_or_default();
        match error {
            DownloadError::Missing(status) => StoreError::Invalid(format!(
                "`terraformVersion` asks for {name} {version}, of which `{host}` has no `{file}` ({status})"
            )),
            DownloadError::TooLarge(_) => self.untrusted(file, &error),
            DownloadError::Client(_)
            | DownloadError::Disk(_)
            | DownloadError::Redirect(_)
            | DownloadError::Status(_)
            | DownloadError::Transport(_) => StoreError::Unavailable(format!(
                "failed to download `{file}` from `{host}`: {}",
                chain(&error)
            )),
        }
    }

    fn untrusted(&self, file: &str, why: &dyn fmt::Display) -> StoreError {
        let host = self.base.host_str().unwrap_or_default();
        StoreError::Untrusted(format!("`{file}` from `{host}` can't be trusted: {why}"))
    }
}

/// This machine in the names of releases.
pub(super) fn platform() -> (&'static str, &'static str) {
    let system = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    let processor = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        "x86" => "386",
        "x86_64" => "amd64",
        other => other,
    };
    (system, processor)
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
