//! A run directory for a trial, and what is in it.

use crate::trial::Trial;
use blockhouse::run::{RunId, Value};
use blockhouse::rundir::{Kind, RunDirectories, RunDirectory};
use blockhouse_policy::{FilesPermit, Grants, Limits, Policy};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

pub(crate) const READ_ONLY: &str = "[files]\nreason = 'x'\nwork = \"read-only\"\n";

/// One MiB and twenty files.
pub(crate) const READ_WRITE: &str =
    "[files]\nreason = 'x'\nwork = \"read-write\"\nquota_mib = 1\nquota_files = 20\n";

/// The grants of a policy with this section.
pub(crate) fn grants(policy: &str) -> Grants {
    let text = format!("description = 'For tests.'\n{policy}");
    let policy = Policy::parse("test.toml", &text).unwrap();
    Grants::new(Arc::new(policy), None, &Limits::default())
}

fn permit(policy: &str) -> FilesPermit {
    grants(policy).allows_files().unwrap()
}

/// A state directory with the directory of one run.
pub(crate) struct Place {
    state: TempDir,
    directory: RunDirectory,
    policy: String,
}

impl Place {
    pub(crate) async fn with(policy: &str) -> Self {
        let state = tempfile::tempdir().unwrap();
        let run = RunId::parse("run").unwrap();
        let directories = RunDirectories::open(state.path(), |_| false).unwrap();
        let directory = directories.create(&run, permit(policy), Kind::Component).await.unwrap();
        Self { state, directory, policy: policy.to_owned() }
    }

    /// What the component sees as `/work`.
    pub(crate) fn work(&self) -> &Path {
        self.directory.work().path()
    }

    /// The state directory.
    pub(crate) fn state(&self) -> &Path {
        self.state.path()
    }

    /// A run that sees the directory, and takes this way.
    pub(crate) fn trial(&self, guest: &[u8], way: &str) -> Trial {
        let trial = Trial::of(guest).policy(&self.policy).work(self.directory.work());
        trial.input("way", Value::Text(way.to_owned()))
    }

    /// Bytes of all files, and how many files and directories there are.
    pub(crate) fn contents(&self) -> (u64, usize) {
        let (mut bytes, mut count) = (0, 0);
        let mut directories = vec![self.work().to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let entry = entry.unwrap();
                count += 1;
                match entry.metadata().unwrap() {
                    metadata if metadata.is_dir() => directories.push(entry.path()),
                    metadata => bytes += metadata.len(),
                }
            }
        }
        (bytes, count)
    }

    /// Ends the run: the state directory without its run directory.
    pub(crate) async fn ended(self) -> (TempDir, PathBuf) {
        let runs = self.state.path().join("runs");
        self.directory.remove().await;
        (self.state, runs)
    }
}
