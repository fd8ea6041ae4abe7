//! Run directories: [`RunDirectories`] makes one [`RunDirectory`] for a run whose component may use files.
//!
//! `<state>/runs/<run id>/work` is what the component sees as `/work`. A directory belongs to one run and is removed when the run
//! has ended, however it did, and its final status is written down: it holds all that the next process needs to go on with the run. Its
//! [tape](crate::tape) is in it, and of a run that drives native programs ([`Kind::Native`]) what these are doing. All work on the disk is
//! done where blocking is allowed. Nothing below the state directory is reached through a symbolic link.

mod place;

use crate::os;
use crate::run::RunId;
use crate::shim;
use blockhouse_policy::FilesPermit;
use place::Place;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::task::{JoinError, spawn_blocking};

/// Where run directories are, below the state directory.
const BASE: &str = "runs";

/// Where directories are that hold what could not be saved elsewhere, likewise.
const KEPT: &str = "kept";

/// What the component sees, within the run directory.
const WORK: &str = "work";

/// What native programs have beside it.
const NATIVE: [&str; 5] = ["data", "home", "plan", "secrets", "tmp"];

/// What they are doing and have done.
const OPERATIONS: &str = "operations";

/// Makes run directories.
#[derive(Clone, Debug)]
pub struct RunDirectories {
    /// `None`: each in the system's place for temporary files.
    base: Option<PathBuf>,
}

/// One run's directory. It stays until it is removed on purpose, so that the run can go on; one of a process that has no state is removed
/// when it is dropped, too, but nobody waits for that.
#[derive(Debug)]
pub struct RunDirectory {
    root: Option<Place>,
    work: WorkDirectory,
    kind: Kind,
    is_temporary: bool,
}

/// What a run directory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The component's files only.
    Component,
    /// Native programs work in it, too.
    Native,
}

/// The part of a run directory that the component sees as `/work`.
#[derive(Clone, Debug)]
pub struct WorkDirectory {
    path: PathBuf,
    /// None of a directory that no component will see.
    permit: Option<FilesPermit>,
}

/// What can go wrong with a run directory.
#[derive(Debug, thiserror::Error)]
pub enum RunDirectoryError {
    /// It can't be made, or there is one of that name.
    #[error("failed to create the run directory `{}`", path.display())]
    Create {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The directory of all run directories is not ours alone, or can't be opened.
    #[error("failed to open the run directories in `{}`", path.display())]
    Open {
        /// The directory.
        path: PathBuf,
        /// What the system said, or what to do.
        #[source]
        source: io::Error,
    },
    /// The task that makes it did not end: a defect.
    #[error("creating a run directory did not end")]
    Stopped(#[source] JoinError),
}

impl RunDirectories {
    /// Below the state directory, where nothing is made before a run needs it. Removes what an earlier process left there, but for
    /// the directories of runs that `goes_on` knows: the caller must hold the lock of the state directory. Blocks.
    ///
    /// # Errors
    /// If what is in the place of the directory is a link, no directory, or not ours alone: nothing is removed then.
    pub fn open(state: &Path, goes_on: impl Fn(&str) -> bool) -> Result<Self, RunDirectoryError> {
        let path = state.join(BASE);
        let is_kept = |name: &OsStr| {
            if name.to_str().is_some_and(&goes_on) {
                return true;
            }
            let operations = path.join(name).join(OPERATIONS);
            if !operations.is_dir() {
                return false;
            }
            // SECURITY: rundir::a_directory_in_which_a_program_may_be_running_is_kept
            let is_busy = is_busy(&operations);
            if is_busy {
                let path = operations.display();
                tracing::error!(%path, "programs of a run that nobody knows of may be running; its directory is kept");
            }
            is_busy
        };
        // SECURITY: rundir::a_link_in_the_place_of_all_directories_is_refused
        match os::open_private_directory(&path) {
            Ok(base) => place::remove_all(&path, &Arc::new(base), is_kept),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(RunDirectoryError::Open { path, source }),
        }
        Ok(Self { base: Some(path) })
    }

    /// The same without removing anything. The caller must hold the lock all the same if it is to remove what is left of a run.
    #[must_use]
    pub fn as_they_are(state: &Path) -> Self {
        Self { base: Some(state.join(BASE)) }
    }

    /// In the system's place for temporary files, for a process that has no state.
    #[must_use]
    pub fn temporary() -> Self {
        Self { base: None }
    }

    /// Makes the directory of a run.
    ///
    /// # Errors
    /// If it can't be made. One that exists is an error as well: it may be in use, where names differ by case only.
    pub async fn create(
        &self,
        run: &RunId,
        permit: FilesPermit,
        kind: Kind,
    ) -> Result<RunDirectory, RunDirectoryError> {
        let (base, run) = (self.base.clone(), run.clone());
        // If nobody waits any more, the result is dropped and the directory with it.
        let made = spawn_blocking(move || match base {
            Some(base) => create_below(&base, &run, permit, kind),
            None => create_temporary(permit, kind),
        });
        made.await.map_err(RunDirectoryError::Stopped)?
    }

    /// Where the directory of a run is, or would be; none for a process that has no state.
    #[must_use]
    pub fn path(&self, run: &RunId) -> Option<PathBuf> {
        self.base.as_ref().map(|base| base.join(run.as_str()))
    }

    /// Whether a run that an earlier process has left had got so far that it works in its directory.
    #[must_use]
    pub fn has_begun(&self, run: &RunId) -> bool {
        let path = self.base.as_ref().map(|base| base.join(run.as_str()).join(OPERATIONS));
        let entries = path.and_then(|path| std::fs::read_dir(path).ok());
        entries.is_some_and(|mut entries| entries.next().is_some())
    }

    /// The directory that an earlier process has left for a run, to be removed; none if there is none.
    pub async fn left(&self, run: &RunId) -> Option<RunDirectory> {
        let (base, run) = (self.base.clone()?, run.clone());
        let found = spawn_blocking(move || {
            let path = base.join(run.as_str());
            path.symlink_metadata().ok()?;
            let base = os::open_private_directory(&base).ok()?;
            let kind = kind_of(&path);
            let root = Place::new(base.into(), run.as_str(), path.clone());
            let work = WorkDirectory { path: path.join(WORK), permit: None };
            Some(RunDirectory { root: Some(root), work, kind, is_temporary: false })
        });
        found.await.ok().flatten()
    }

    /// Takes over the directory that an earlier process may have left for this run. One in which native programs have been is as it was
    /// left; in any other the component finds nothing: it puts the same files there again.
    ///
    /// # Errors
    /// If it can't be opened or made.
    pub async fn take_over(
        &self,
        run: &RunId,
        permit: FilesPermit,
        kind: Kind,
    ) -> Result<RunDirectory, RunDirectoryError> {
        let Some(base) = self.base.clone() else { return self.create(run, permit, kind).await };
        let run = run.clone();
        let taken = spawn_blocking(move || {
            let path = base.join(run.as_str());
            if !path.exists() {
                return create_below(&base, &run, permit, kind);
            }
            let opened = os::open_private_directory(&base).and_then(|base| {
                os::open_private_directory(&path)?;
                Ok(Place::new(base.into(), run.as_str(), path.clone()))
            });
            let root = match opened {
                Ok(root) => root,
                Err(source) => return Err(RunDirectoryError::Open { path, source }),
            };
            if kind_of(&path) == Kind::Native {
                let work = WorkDirectory { path: path.join(WORK), permit: Some(permit) };
                let root = Some(root);
                return Ok(RunDirectory { root, work, kind: Kind::Native, is_temporary: false });
            }
            match NATIVE.iter().chain([&WORK]).try_for_each(|name| root.remove_within(name)) {
                Ok(()) => with_parts(root, permit, kind),
                Err(source) => Err(RunDirectoryError::Create { path, source }),
            }
        });
        taken.await.map_err(RunDirectoryError::Stopped)?
    }
}

impl RunDirectory {
    /// What the component sees as `/work`.
    #[must_use]
    pub fn work(&self) -> &WorkDirectory {
        &self.work
    }

    /// The whole of it.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.work.path.parent().unwrap_or(&self.work.path)
    }

    /// Where it is written down what native programs do.
    #[must_use]
    pub fn operations(&self) -> PathBuf {
        self.path().join(OPERATIONS)
    }

    /// Moves the state that could not be written elsewhere to where nothing removes it, then removes the rest. A failure is logged, and
    /// leaves the directory where it is.
    pub async fn set_aside(self) {
        let (from, kept) =
            (self.path().to_owned(), self.path().ancestors().nth(2).map(|state| state.join(KEPT)));
        let moved = spawn_blocking(move || set_aside(&from, &kept.unwrap_or_default())).await;
        match moved {
            Ok(Ok(())) => self.remove().await,
            Ok(Err(error)) => {
                tracing::error!(path = %self.work.path.display(), %error, "a state could not be set aside; the run directory is kept");
            }
            Err(_) => {}
        }
    }

    /// Removes the directory with all that is in it. A failure is logged; the next start tries again.
    pub async fn remove(mut self) {
        // SECURITY: rundir::a_directory_in_which_a_program_may_be_running_is_kept
        if self.kind == Kind::Native && is_busy(&self.operations()) {
            let path = self.work.path.display();
            return tracing::error!(%path, "a program may be running in a run directory; it is kept");
        }
        if let Some(root) = self.root.take() {
            // It was logged, and a panic of the task would be reported by the runtime.
            let _ = spawn_blocking(move || root.remove()).await;
        }
    }
}

impl WorkDirectory {
    /// Where it is on this machine.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the component may do there.
    #[must_use]
    pub fn permit(&self) -> Option<&FilesPermit> {
        self.permit.as_ref()
    }
}

impl Drop for RunDirectory {
    fn drop(&mut self) {
        let Some(root) = self.root.take() else { return };
        // SECURITY: rundir::a_directory_by_which_a_run_can_go_on_is_not_removed_by_dropping_it
        if !self.is_temporary || self.kind == Kind::Native {
            return;
        }
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || root.remove())),
            Err(_) => root.remove(),
        }
    }
}

/// By what was made last.
fn kind_of(root: &Path) -> Kind {
    if root.join(OPERATIONS).is_dir() { Kind::Native } else { Kind::Component }
}

/// The directories that there are of runs, and those in which something of them is kept that could not be saved elsewhere.
///
/// # Errors
/// If one of the two places is there and can't be read.
pub fn list(state: &Path) -> io::Result<[BTreeMap<RunId, PathBuf>; 2]> {
    let list = |base: &str| {
        let entries = match std::fs::read_dir(state.join(base)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            entries => entries?,
        };
        let named = |entry: std::fs::DirEntry| {
            // Anything else in there is not ours.
            let run = RunId::parse(entry.file_name().to_str()?).ok()?;
            Some((run, entry.path()))
        };
        entries.filter_map(|entry| entry.map(named).transpose()).collect()
    };
    Ok([list(BASE)?, list(KEPT)?])
}

/// Whether a program was started below and nobody has seen its end. What can't be read may be one.
fn is_busy(operations: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(operations) else { return true };
    entries.flatten().any(|entry| {
        let has = |name: &str| entry.path().join(name).exists();
        has(shim::STATUS) && !has(shim::END)
    })
}

/// What Terraform leaves behind where it can't write its state, and what it prints if it can't do that either.
fn set_aside(from: &Path, kept: &Path) -> io::Result<()> {
    let name = from.file_name().unwrap_or_default();
    let to = kept.join(name);
    os::create_private_directory(kept)?;
    os::create_private_directory(&to)?;
    let errored = from.join(WORK).join("errored.tfstate");
    // A link or a directory of that name is a trick, and no state.
    if std::fs::symlink_metadata(&errored).is_ok_and(|metadata| metadata.is_file()) {
        std::fs::rename(&errored, to.join("errored.tfstate"))?;
    } else {
        for entry in std::fs::read_dir(from.join(OPERATIONS))?.flatten() {
            let operation = entry.file_name();
            let is_writing =
                ["apply", "destroy"].iter().any(|verb| operation.to_string_lossy().contains(verb));
            let output = entry.path().join("stdout");
            if is_writing && output.is_file() {
                let mut file = operation.clone();
                file.push(".stdout");
                std::fs::rename(output, to.join(file))?;
            }
        }
    }
    // Before the rest is removed.
    for directory in [to.as_path(), kept] {
        os::sync_directory(directory)?;
    }
    tracing::error!(path = %to.display(), "a state that could not be saved is kept");
    Ok(())
}

fn create_below(
    base: &Path,
    run: &RunId,
    permit: FilesPermit,
    kind: Kind,
) -> Result<RunDirectory, RunDirectoryError> {
    let path = base.join(run.as_str());
    let made = os::create_private_directory(base).and_then(|base| {
        let root = Place::new(base.into(), run.as_str(), path.clone());
        // SECURITY: rundir::a_directory_that_exists_is_never_shared
        root.create().map(|()| root)
    });
    match made {
        Ok(root) => with_parts(root, permit, kind),
        Err(source) => Err(RunDirectoryError::Create { path, source }),
    }
}

fn create_temporary(permit: FilesPermit, kind: Kind) -> Result<RunDirectory, RunDirectoryError> {
    let made = tempfile::Builder::new().prefix("blockhouse-").tempdir().and_then(|root| {
        let place = Place::of(root.path())?;
        // Kept: removing it by `tempfile` would recurse as deep as the component has made its directories.
        let _ = root.keep();
        Ok(place)
    });
    match made {
        Ok(root) => with_parts(root, permit, kind).map(|mut directory| {
            directory.is_temporary = true;
            directory
        }),
        Err(source) => Err(RunDirectoryError::Create { path: std::env::temp_dir(), source }),
    }
}

fn with_parts(
    root: Place,
    permit: FilesPermit,
    kind: Kind,
) -> Result<RunDirectory, RunDirectoryError> {
    let path = root.path().join(WORK);
    let native = NATIVE.iter().filter(|_| kind == Kind::Native);
    // The one by which the next start knows what it is comes last.
    let names =
        std::iter::once(&WORK).chain(native).chain((kind == Kind::Native).then_some(&OPERATIONS));
    let made = names.into_iter().try_for_each(|name| root.create_within(name));
    match made {
        Ok(()) => {
            let work = WorkDirectory { path, permit: Some(permit) };
            Ok(RunDirectory { root: Some(root), work, kind, is_temporary: false })
        }
        Err(source) => {
            root.remove();
            Err(RunDirectoryError::Create { path, source })
        }
    }
}

#[cfg(test)]
mod tests;
