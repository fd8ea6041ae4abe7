//! Run directories: [`RunDirectories`] makes one [`RunDirectory`] for a run whose component may use files.
//!
//! `<state>/runs/<run id>/work` is what the component sees as `/work`. A directory belongs to one run, is removed when the run
//! has ended, however it did, and what a crash left behind is removed by the next start. All work on the disk is done where
//! blocking is allowed. Nothing here follows a symbolic link.

use crate::os;
use crate::run::RunId;
use blockhouse_policy::FilesPermit;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};
use tokio::runtime::Handle;
use tokio::task::{JoinError, spawn_blocking};

/// Where run directories are, below the state directory.
const BASE: &str = "runs";

/// What the component sees, within the run directory.
const WORK: &str = "work";

/// How often removing a directory is begun anew: a file operation that the run has left behind may still create a file in it.
const TRIES: u32 = 4;

/// Makes run directories.
#[derive(Clone, Debug)]
pub struct RunDirectories {
    /// `None`: each in the system's place for temporary files.
    base: Option<PathBuf>,
}

/// One run's directory. Dropping it removes it, too, but nobody waits for that.
#[derive(Debug)]
pub struct RunDirectory {
    root: Option<PathBuf>,
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
    /// The task that makes it did not end: a defect.
    #[error("creating a run directory did not end")]
    Stopped(#[source] JoinError),
}

impl RunDirectories {
    /// Below the state directory, where nothing is made before a run needs it. Removes what an earlier process left there: the
    /// caller must hold the lock of the state directory. Blocks.
    #[must_use]
    pub fn open(state: &Path) -> Self {
        let base = state.join(BASE);
        match fs::read_dir(&base) {
            Ok(entries) => entries.flatten().for_each(|left_over| sweep(&left_over)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::error!(path = %base.display(), %error, "the run directories can't be listed");
            }
        }
        Self { base: Some(base) }
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
            let _ = spawn_blocking(move || remove_and_log(&root)).await;
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
            Ok(runtime) => drop(runtime.spawn_blocking(move || remove_and_log(&root))),
            Err(_) => remove_and_log(&root),
        }
    }
}

fn create_below(
    base: &Path,
    run: &RunId,
    permit: FilesPermit,
) -> Result<RunDirectory, RunDirectoryError> {
    let root = base.join(run.as_str());
    let result = os::create_private_directory(base).and_then(|()| {
        // SECURITY: rundir::a_directory_that_exists_is_never_shared
        os::create_new_private_directory(&root)
    });
    match result {
        Ok(()) => with_work(root, permit),
        Err(source) => Err(RunDirectoryError::Create { path: root, source }),
    }
}

fn create_temporary(permit: FilesPermit) -> Result<RunDirectory, RunDirectoryError> {
    match tempfile::Builder::new().prefix("blockhouse-").tempdir() {
        // Kept: removing it by `tempfile` would recurse as deep as the component has made its directories.
        Ok(root) => with_work(root.keep(), permit),
        Err(source) => Err(RunDirectoryError::Create { path: std::env::temp_dir(), source }),
    }
}

fn with_work(root: PathBuf, permit: FilesPermit) -> Result<RunDirectory, RunDirectoryError> {
    let path = root.join(WORK);
    // From here on it is removed, whatever happens.
    let work = WorkDirectory { path: path.clone(), permit };
    let directory = RunDirectory { root: Some(root), work };
    match os::create_new_private_directory(&path) {
        Ok(()) => Ok(directory),
        Err(source) => Err(RunDirectoryError::Create { path, source }),
    }
}

/// Removes what an earlier process left behind.
fn sweep(left_over: &DirEntry) {
    let path = left_over.path();
    // SECURITY: rundir::what_was_left_over_is_removed_and_links_are_not_followed
    match left_over.file_type() {
        Ok(kind) if kind.is_dir() => remove_and_log(&path),
        _ => {
            if let Err(error) = fs::remove_file(&path) {
                log_left(&path, &error);
            }
        }
    }
}

fn remove_and_log(root: &Path) {
    let mut result = Ok(());
    for _ in 0..TRIES {
        result = remove(root);
        if result.is_ok() {
            return;
        }
    }
    if let Err(error) = result {
        log_left(root, &error);
    }
}

fn log_left(path: &Path, error: &io::Error) {
    if error.kind() != io::ErrorKind::NotFound {
        tracing::error!(path = %path.display(), %error, "a run directory can't be removed; the next start tries again");
    }
}

/// Removes a directory however deep it is: what is two levels down is moved up to the first, so that neither the stack nor the
/// number of open directories grows. `std::fs::remove_dir_all` needs both for each level, and a component chooses the levels.
// SECURITY: rundir::removing_needs_no_more_stack_for_more_levels (walls::directories_of_any_depth_are_removed)
fn remove(root: &Path) -> io::Result<()> {
    // Such names are in no directory that was left half removed.
    let mark = uuid::Uuid::new_v4();
    let mut moved: u64 = 0;
    loop {
        let mut is_empty = true;
        for entry in fs::read_dir(root)? {
            is_empty = false;
            let entry = entry?;
            if !entry.file_type()?.is_dir() {
                fs::remove_file(entry.path())?;
                continue;
            }
            for inner in fs::read_dir(entry.path())? {
                let inner = inner?;
                if inner.file_type()?.is_dir() {
                    fs::rename(inner.path(), root.join(format!("{mark}-{moved}")))?;
                    moved += 1;
                } else {
                    fs::remove_file(inner.path())?;
                }
            }
            fs::remove_dir(entry.path())?;
        }
        if is_empty {
            return fs::remove_dir(root);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use blockhouse_policy::{Grants, Limits, Policy};
    use std::sync::Arc;

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
        let directories = RunDirectories::open(state.path());
        assert_eq!(fs::read_dir(state.path()).unwrap().count(), 0);
        let directory = directories.create(&id("run"), permit()).await.unwrap();
        assert_eq!(directory.work().path(), state.path().join("runs/run/work"));
        directory.remove().await;
        assert_eq!(fs::read_dir(state.path().join("runs")).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_directory_that_exists_is_never_shared() {
        let state = tempfile::tempdir().unwrap();
        let directories = RunDirectories::open(state.path());
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
        let directories = RunDirectories::open(state.path());
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

        let _ = RunDirectories::open(state.path());
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

    #[test]
    fn removing_needs_no_more_stack_for_more_levels() {
        let root = tempfile::tempdir().unwrap().keep();
        let [deep, outer] = [root.join("deep"), root.join("outer")];
        fs::create_dir(&deep).unwrap();
        for _ in 0..1_000 {
            fs::create_dir(&outer).unwrap();
            fs::rename(&deep, outer.join("deep")).unwrap();
            fs::rename(&outer, &deep).unwrap();
        }
        let small = std::thread::Builder::new().stack_size(96 << 10);
        let left = root.clone();
        small.spawn(move || remove(&left).unwrap()).unwrap().join().unwrap();
        assert!(!root.exists());
    }

    #[test]
    fn a_directory_that_is_dropped_outside_of_a_runtime_is_removed() {
        let root = tempfile::tempdir().unwrap().keep();
        let directory = with_work(root.clone(), permit()).unwrap();
        drop(directory);
        assert!(!root.exists());
    }
}
