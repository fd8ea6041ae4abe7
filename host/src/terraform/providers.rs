//! The mirror of providers: read-only for runs, written by the daemon alone. [`Mirror`].
//!
//! `init` is told to look here first, and links to what it finds. What it has to download it puts into the run's own TF_DATA_DIR; from
//! there [`Mirror::import`] takes a copy when `init` has ended.
//!
//! # What an import trusts
//!
//! * **The content** was verified by Terraform when it downloaded it: the registry's signature, or the checksums of the operator's mirror. That
//!   is worth something because nothing of a tenant's has run before the import: TF_DATA_DIR was fresh and made by us, where plugins
//!   come from is said by [`Mirror::cli_configuration`] alone, and `init` executes no provider.
//! * **The lock file** lies in the run's working directory and may be committed by a tenant. It proves nothing about
//!   where content comes from. It is compared so that a copy is what `init` ended with: a damaged one, a half
//!   written one and one that was changed since are left out. Hashes that a tenant adds let Terraform accept no more than
//!   what one of the methods above has delivered.
//! * **The name** has the registry's host in it: whoever has a registry can only fill the places of that host.
//!
//! So `import` must not be called if a tenant could have bent what `init` did: if their scripts or a provider ran before it with this
//! TF_DATA_DIR, or if they chose its environment beyond `TF_VAR_*` (a proxy or certificate authorities of theirs make
//! a registry of theirs).

mod content;
mod lock_file;
mod mirror;
#[cfg(test)]
#[cfg(unix)]
mod tests;
mod text;
mod tree;
mod turns;

pub use turns::Turn;

use crate::digest::Digest;
use mirror::Tree;
use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use tokio::task::spawn_blocking;
use turns::Turns;
use url::Url;

/// How providers are found.
#[derive(Clone)]
pub struct Config {
    /// `<state>/providers`.
    pub directory: PathBuf,
    /// Network mirrors of the operator, asked before the registries.
    pub mirrors: Vec<Url>,
    /// Directories with providers, in the layout of `terraform providers mirror`. One that does not exist fails each `init`.
    pub local: Vec<PathBuf>,
    /// Whether the registries may be asked.
    pub direct: bool,
    /// Bytes of all providers together. More than that while runs need them.
    pub max_bytes: u64,
}

impl fmt::Debug for Config {
    /// URLs may hold passwords: only their origins are shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mirrors: Vec<_> =
            self.mirrors.iter().map(|url| url.origin().ascii_serialization()).collect();
        f.debug_struct("Config")
            .field("directory", &self.directory)
            .field("mirrors", &mirrors)
            .field("local", &self.local)
            .field("direct", &self.direct)
            .field("max_bytes", &self.max_bytes)
            .finish()
    }
}

/// The mirror. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Mirror(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Config,
    tree: Tree,
    turns: Turns,
    guarded: Guarded,
    /// Held by the one who changes the mirror.
    writer: Arc<tokio::sync::Mutex<()>>,
}

/// Directories of live runs, by number.
#[derive(Clone, Debug, Default)]
struct Guarded(Arc<Mutex<(u64, HashMap<u64, PathBuf>)>>);

impl Guarded {
    fn state(&self) -> MutexGuard<'_, (u64, HashMap<u64, PathBuf>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A mirror for each tenant and owner of definitions. What `init` downloads can't be trusted by others: backends and modules that the
/// configuration names execute code of its author's choosing meanwhile.
///
/// Each is held open while runs use it; the limit of their size is that of all together.
#[derive(Clone, Debug)]
pub struct Mirrors {
    config: Config,
    open: Arc<Mutex<HashMap<String, Mirror>>>,
}

impl Mirrors {
    /// Of this configuration, whose directory has one for each.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config, open: Arc::default() }
    }

    /// The one of a tenant's blocks of an owner's definitions. Blocks the first time.
    ///
    /// # Errors
    /// If its directory can't be used.
    pub fn of(&self, tenant: &str, owner: &str) -> io::Result<Mirror> {
        // SECURITY: terraform::providers::tests::what_one_tenant_has_downloaded_is_not_shown_to_another
        let whose = [tenant, owner].map(|name| format!("{}:{name}", name.len())).concat();
        let scope = Digest::of(whose.as_bytes()).to_string().replace("sha256:", "");
        let mut open = self.open();
        if let Some(mirror) = open.get(&scope) {
            return Ok(mirror.clone());
        }
        // Each holds a descriptor, and tenants come and go.
        open.retain(|_, mirror| mirror.is_used());
        let directory = self.config.directory.join(&scope);
        let mirror = Mirror::open(Config { directory: directory.clone(), ..self.config.clone() })?;
        // A file system that refuses costs no more than the order in which mirrors are removed.
        let _ = File::open(&directory).and_then(|opened| opened.set_modified(SystemTime::now()));
        open.insert(scope, mirror.clone());
        Ok(mirror)
    }

    /// Removes the least recently used mirrors that no run uses until all together have no more than they may. To be called after
    /// an import: nothing else makes them grow. A failure is logged.
    pub async fn make_room(&self) {
        let mirrors = self.clone();
        let made = spawn_blocking(move || mirrors.collect()).await;
        if let Ok(Err(error)) = made {
            tracing::warn!(%error, "old mirrors of providers can't be removed");
        }
    }

    fn collect(&self) -> io::Result<()> {
        // None is opened meanwhile.
        let mut open = self.open();
        open.retain(|_, mirror| mirror.is_used());
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.config.directory)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                let last = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                all.push((last, mirror::size(&entry.path())?, entry.file_name()));
            }
        }
        all.sort();
        let mut total = all.iter().map(|(_, bytes, _)| *bytes).fold(0, u64::saturating_add);
        for (_, bytes, scope) in all {
            if total <= self.config.max_bytes {
                break;
            }
            // SECURITY: terraform::providers::tests::a_mirror_that_a_run_uses_is_not_removed
            if scope.to_str().is_some_and(|scope| open.contains_key(scope)) {
                continue;
            }
            fs::remove_dir_all(self.config.directory.join(&scope))?;
            total = total.saturating_sub(bytes);
            tracing::info!(mirror = ?scope, bytes, "a mirror of providers was removed to make room");
        }
        Ok(())
    }

    fn open(&self) -> MutexGuard<'_, HashMap<String, Mirror>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Mirror::guard`].
#[derive(Debug)]
#[must_use = "what the run uses may be removed as soon as it is dropped"]
pub struct Guard {
    guarded: Guarded,
    number: u64,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.guarded.state().1.remove(&self.number);
    }
}

impl Mirror {
    /// Takes the directory into use, as the only process.
    ///
    /// # Errors
    /// If the directory can't be used, another process uses it, or a path can't be written into a configuration.
    pub fn open(config: Config) -> io::Result<Self> {
        for path in config.local.iter().chain([&config.directory]) {
            if path.to_str().is_none() || !path.is_absolute() {
                let why = format!("`{}` is not an absolute path in UTF-8", path.display());
                return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
            }
        }
        let tree = Tree::open(config.directory.clone())?;
        let (turns, guarded, writer) = (Turns::default(), Guarded::default(), Arc::default());
        Ok(Self(Arc::new(Inner { config, tree, turns, guarded, writer })))
    }

    /// Whether anybody has it but the collection of all.
    fn is_used(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// The text of a CLI configuration file: `provider_installation` with the mirror, the operator's mirrors and the registries, each
    /// restricted to `include` (patterns such as `registry.terraform.io/hashicorp/*`; empty: all), and `disable_checkpoint`.
    ///
    /// Providers that are `avoided` are not taken from the mirror. Patterns that Terraform would not understand allow nothing. The text may hold credentials of mirrors: its file must be private.
    #[must_use]
    pub fn cli_configuration(&self, include: &[String], avoided: &[String]) -> String {
        text::configuration(&self.0.config, &self.0.tree.mirror(), include, avoided)
    }

    /// The providers that a lock file names in a version that the mirror has, but not by the hash of what it has: Terraform would not
    /// take them from here, and would look nowhere else. Lock files that were written on another system are like that. Blocks.
    #[must_use]
    pub fn mismatched(&self, lock_file: &Path) -> Vec<String> {
        self.0.tree.mismatched(lock_file)
    }

    /// Directories that the process must be able to read and execute from: ours and the operator's.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        let own = [self.0.tree.mirror(), self.0.tree.store()];
        own.into_iter().chain(self.0.config.local.iter().cloned()).collect()
    }

    /// Waits for its turn: the first `init` with this key (the tree of the sources) fills the mirror, those that come meanwhile wait for
    /// it, later ones don't. Every `init` takes one, and holds it until `import` is done; then it calls [`Turn::filled`]. While
    /// anybody has a turn, nothing that `init` may be linking to is removed.
    pub async fn turn(&self, key: &str) -> Turn {
        self.0.turns.turn(key).await
    }

    /// Keeps what the run with this TF_DATA_DIR uses from being removed, from before its `init` to its end.
    pub fn guard(&self, data: &Path) -> Guard {
        let mut state = self.0.guarded.state();
        let number = state.0;
        state.0 = number.wrapping_add(1);
        state.1.insert(number, data.to_owned());
        Guard { guarded: self.0.guarded.clone(), number }
    }

    /// Takes over what `init` has downloaded into `data` (TF_DATA_DIR), checked against the lock file that init wrote (`lock_file`).
    /// What can't be verified is left out and told in the log. Returns the names of those taken, as in `registry.terraform.io/acme/thing
    /// 1.0.0`. What this rests on is said in the module; nothing is executed.
    pub async fn import(&self, data: &Path, lock_file: &Path) -> Vec<String> {
        // Taken along: what is under way goes on if nobody waits for it any more.
        let writer = Arc::clone(&self.0.writer).lock_owned().await;
        let (inner, data, lock_file) = (Arc::clone(&self.0), data.to_owned(), lock_file.to_owned());
        let imported = spawn_blocking(move || {
            let _writer = writer;
            let taken = inner.tree.import(&data, &lock_file).unwrap_or_else(|error| {
                tracing::warn!(%error, "the providers of a run can't be taken into the mirror");
                Vec::new()
            });
            if !taken.is_empty() {
                inner.make_room(data);
            }
            taken
        });
        imported.await.unwrap_or_default()
    }
}

impl Inner {
    /// Removes what is too much, unless another `init` is under way, which may be linking to it. The next import tries again.
    fn make_room(&self, data: PathBuf) {
        if self.turns.under_way() > 1 {
            return;
        }
        let mut used: Vec<_> = self.guarded.state().1.values().cloned().collect();
        used.push(data);
        match self.tree.collect(self.config.max_bytes, &used) {
            Ok(true) => self.turns.forget(),
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "old providers can't be removed from the mirror"),
        }
    }
}
