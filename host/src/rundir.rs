//! Run directories: [`RunDirectories`] makes one [`RunDirectory`] for a run whose component may use files.
//!
//! `<state>/runs/<run id>/work` is what the component sees as `/work`. A directory belongs to one run, is removed when the run
//! has ended, however it did, and what a crash left behind is removed by the next start. All work on the disk is done where
//! blocking is allowed. Nothing below the state directory is reached through a symbolic link.

mod place;

use crate::os;
use crate::run::RunId;
use blockhouse_policy::FilesPermit;
use place::Place;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::task::{JoinError, spawn_blocking};

/// Where run directories are, below the state directory.
const BASE: &str = "runs";

/// What the component sees, within the run directory.
const WORK: &str = "work";

/// Makes run directories.
#[derive(Clone, Debug)]
pub struct RunDirectories {
    /// `None`: each in the system's place for temporary files.
    base: Option<PathBuf>,
}

/// One run's directory. Dropping it removes it, too, but nobody waits for that.
#[derive(Debug)]
pub struct RunDirectory {
    root: Option<Place>,
    work: WorkDirectory,
}

/// The part of a run directory that the component sees as `/work`.
#[derive(Clone, Debug)]
pub struct WorkDirectory {
    path: PathBuf,
    permit: FilesPermit,
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
    /// Below the state directory, where nothing is made before a run needs it. Removes what an earlier process left there: the
    /// caller must hold the lock of the state directory. Blocks.
    ///
    /// # Errors
    /// If what is in the place of the directory is a link, no directory, or not ours alone: nothing is removed then.
    pub fn open(state: &Path) -> Result<Self, RunDirectoryError> {
        let path = state.join(BASE);
        // SECURITY: rundir::a_link_in_the_place_of_all_directories_is_refused
        match os::open_private_directory(&path) {
            Ok(base) => place::remove_all(&path, &Arc::new(base)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(RunDirectoryError::Open { path, source }),
        }
        Ok(Self { base: Some(path) })
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
    ) -> Result<RunDirectory, RunDirectoryError> {
        let (base, run) = (self.base.clone(), run.clone());
        // If nobody waits any more, the result is dropped and the directory with it.
        let made = spawn_blocking(move || match base {
            Some(base) => create_below(&base, &run, permit),
            None => create_temporary(permit),
        });
        made.await.map_err(RunDirectoryError::Stopped)?
    }
}

impl RunDirectory {
    /// What the component sees as `/work`.
    #[must_use]
    pub fn work(&self) -> &WorkDirectory {
        &self.work
    }

    /// Removes the directory with all that is in it. A failure is logged; the next start tries again.
    pub async fn remove(mut self) {
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
    pub fn permit(&self) -> &FilesPermit {
        &self.permit
    }
}

impl Drop for RunDirectory {
    fn drop(&mut self) {
        let Some(root) = self.root.take() else { return };
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || root.remove())),
            Err(_) => root.remove(),
        }
    }
}

fn create_below(
    base: &Path,
    run: &RunId,
    permit: FilesPermit,
) -> Result<RunDirectory, RunDirectoryError> {
    let path = base.join(run.as_str());
    let made = os::create_private_directory(base).and_then(|base| {
        let root = Place::new(base.into(), run.as_str(), path.clone());
        // SECURITY: rundir::a_directory_that_exists_is_never_shared
        root.create().map(|()| root)
    });
    match made {
        Ok(root) => with_work(root, permit),
        Err(source) => Err(RunDirectoryError::Create { path, source }),
    }
}

fn create_temporary(permit: FilesPermit) -> Result<RunDirectory, RunDirectoryError> {
    let made = tempfile::Builder::new().prefix("blockhouse-").tempdir().and_then(|root| {
        let place = Place::of(root.path())?;
        // Kept: removing it by `tempfile` would recurse as deep as the component has made its directories.
        let _ = root.keep();
        Ok(place)
    });
    match made {
        Ok(root) => with_work(root, permit),
        Err(source) => Err(RunDirectoryError::Create { path: std::env::temp_dir(), source }),
    }
}

fn with_work(root: Place, permit: FilesPermit) -> Result<RunDirectory, RunDirectoryError> {
    let path = root.path().join(WORK);
    let made = root.create_within(WORK);
    // From here on it is removed, whatever happens.
    let work = WorkDirectory { path: path.clone(), permit };
    let directory = RunDirectory { root: Some(root), work };
    match made {
        Ok(()) => Ok(directory),
        Err(source) => Err(RunDirectoryError::Create { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use blockhouse_policy::{Grants, Limits, Policy};
    use std::fs;

    fn permit() -> FilesPermit {
        let text = "description = 'x'\n[files]\nreason = 'x'\nwork = \"read-only\"\n";
        let policy = Arc::new(Policy::parse("test.toml", text).unwrap());
        Grants::new(policy, None, &Limits::default()).allows_files().unwrap()
    }

    fn id(text: &str) -> RunId {
        RunId::parse(text).unwrap()
    }

    #[tokio::test]
    async fn nothing_is_made_before_a_run_needs_it() {
        let state = tempfile::tempdir().unwrap();
        let directories = RunDirectories::open(state.path()).unwrap();
        assert_eq!(fs::read_dir(state.path()).unwrap().count(), 0);
        let directory = directories.create(&id("run"), permit()).await.unwrap();
        assert_eq!(directory.work().path(), state.path().join("runs/run/work"));
        directory.remove().await;
        assert_eq!(fs::read_dir(state.path().join("runs")).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_directory_that_exists_is_never_shared() {
        let state = tempfile::tempdir().unwrap();
        let directories = RunDirectories::open(state.path()).unwrap();
        let first = directories.create(&id("run"), permit()).await.unwrap();
        fs::write(first.work().path().join("file"), "theirs").unwrap();
        let second = directories.create(&id("run"), permit()).await;
        let Err(RunDirectoryError::Create { source, .. }) = second else { panic!("{second:?}") };
        assert_eq!(source.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(first.work().path().join("file")).unwrap(), "theirs");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_link_in_the_place_of_a_directory_is_not_followed() {
        let state = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let directories = RunDirectories::open(state.path()).unwrap();
        fs::create_dir(state.path().join("runs")).unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), state.path().join("runs/run")).unwrap();
        directories.create(&id("run"), permit()).await.unwrap_err();
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn what_was_left_over_is_removed_and_links_are_not_followed() {
        use std::os::unix::fs::symlink;
        let state = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(elsewhere.path().join("kept"), "kept").unwrap();
        let runs = state.path().join("runs");
        fs::create_dir_all(runs.join("one/work/a/b/c")).unwrap();
        fs::write(runs.join("one/work/a/b/c/file"), "left").unwrap();
        fs::create_dir_all(runs.join("two/half-removed")).unwrap();
        fs::write(runs.join("file"), "left").unwrap();
        for place in ["link", "one/link", "one/work/link", "one/work/a/b/link"] {
            symlink(elsewhere.path(), runs.join(place)).unwrap();
        }
        symlink("/no/such/place", runs.join("dangling")).unwrap();

        RunDirectories::open(state.path()).unwrap();
        assert_eq!(fs::read_dir(&runs).unwrap().count(), 0);
        assert_eq!(fs::read_to_string(elsewhere.path().join("kept")).unwrap(), "kept");
    }

    #[tokio::test]
    async fn a_temporary_directory_is_removed_with_all_that_is_in_it() {
        let directories = RunDirectories::temporary();
        let directory = directories.create(&id("run"), permit()).await.unwrap();
        let work = directory.work().path().to_owned();
        fs::create_dir_all(work.join("a/b/c")).unwrap();
        directory.remove().await;
        assert!(!work.parent().unwrap().exists());
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_link_in_the_place_of_all_directories_is_refused() {
        use std::os::unix::fs::symlink;
        let state = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        fs::create_dir(elsewhere.path().join("data")).unwrap();
        fs::write(elsewhere.path().join("file"), "theirs").unwrap();
        let directories = RunDirectories::open(state.path()).unwrap();
        symlink(elsewhere.path(), state.path().join("runs")).unwrap();
        let Err(RunDirectoryError::Open { source, .. }) = RunDirectories::open(state.path()) else {
            panic!("it was opened");
        };
        assert!(source.to_string().contains("remove it"), "{source}");
        // Nor is one that came later.
        directories.create(&id("run"), permit()).await.unwrap_err();
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_directory_that_is_dropped_outside_of_a_runtime_is_removed() {
        let root = tempfile::tempdir().unwrap().keep();
        let directory = with_work(Place::of(&root).unwrap(), permit()).unwrap();
        drop(directory);
        assert!(!root.exists());
    }
}
