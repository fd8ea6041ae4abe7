//! Repositories and servers that mean harm, through [`blockhouse::git`]: what is in a repository chooses nothing, and what is asked for is
//! fetched from where policy was asked about.

mod mirrors;
mod requests;
mod servers;
#[cfg(unix)]
mod ssh;
mod trees;

use blockhouse::git::{
    Checkout, Config, Git, GitError, Limits, Repository, RepositoryUrl, Transports,
};
use blockhouse_tests::{GitRepository, on_path, patience};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// A state directory with mirrors in it.
struct Place {
    state: TempDir,
    git: Git,
}

/// A checkout and where it is.
struct Done {
    checkout: Checkout,
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let state = tempfile::tempdir().unwrap();
        fs::create_dir(state.path().join("scratch")).unwrap();
        let mut config = Config {
            mirrors: state.path().join("git"),
            git: on_path("git"),
            ssh: on_path("ssh"),
            mirrors_max_bytes: 1 << 30,
            known_hosts: None,
            insecure_host_keys: false,
            ca_file: None,
            proxy: Vec::new(),
        };
        change(&mut config);
        Self { state, git: Git::open(config).unwrap() }
    }

    fn scratch(&self) -> PathBuf {
        self.state.path().join("scratch")
    }

    /// The mirrors, by their directories.
    fn mirrors(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.state.path().join("git")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.join("HEAD").is_file()).collect()
    }

    async fn checkout(&self, repository: Repository) -> Result<Done, GitError> {
        self.within(repository, limits()).await
    }

    async fn within(&self, repository: Repository, limits: Limits) -> Result<Done, GitError> {
        self.until(repository, limits, CancellationToken::new()).await
    }

    /// Whatever comes of it: an error leaves nothing behind, and nothing stays in the place for what git needs meanwhile.
    async fn until(
        &self,
        repository: Repository,
        limits: Limits,
        cancel: CancellationToken,
    ) -> Result<Done, GitError> {
        let directory = tempfile::tempdir().unwrap();
        let scratch = self.scratch();
        let result =
            self.git.checkout(repository, directory.path(), &scratch, limits, cancel).await;
        if result.is_err() {
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "something was left");
        }
        Ok(Done { checkout: result?, directory })
    }

    /// The text of the error that there must be.
    async fn refused(&self, repository: Repository) -> String {
        match self.checkout(repository).await {
            Ok(done) => panic!("it was checked out: {:?}", done.files()),
            Err(error) => error.to_string(),
        }
    }
}

impl Done {
    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// All files by their paths; folders end in `/`.
    fn files(&self) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        let mut directories = vec![self.path().to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(self.path()).unwrap().to_str().unwrap().to_owned();
                let metadata = fs::symlink_metadata(&path).unwrap();
                assert!(!metadata.is_symlink(), "{name} is a link");
                if metadata.is_dir() {
                    files.insert(format!("{name}/"), String::new());
                    directories.push(path);
                } else {
                    files.insert(name, fs::read_to_string(&path).unwrap());
                }
            }
        }
        files
    }

    fn names(&self) -> Vec<String> {
        self.files().into_keys().collect()
    }

    #[track_caller]
    fn notes(&self, words: &str) {
        let notes = &self.checkout.notes;
        assert!(notes.iter().any(|note| note.contains(words)), "{notes:?}");
    }
}

fn limits() -> Limits {
    Limits { timeout: patience(), bytes: 10 << 20, files: 1000 }
}

fn url(text: &str) -> RepositoryUrl {
    RepositoryUrl::parse(text, Transports { file: true, http: true }).unwrap()
}

/// The default branch of the repository at this URL.
fn at(text: &str) -> Repository {
    Repository {
        url: url(text),
        revision: None,
        path: None,
        private_key: None,
        known_host: None,
        https: None,
    }
}

/// A repository on this machine, as git itself reads it.
fn local(repository: &GitRepository) -> Repository {
    at(&format!("file://{}", repository.path().display()))
}

fn of(repository: Repository, revision: &str) -> Repository {
    Repository { revision: Some(revision.to_owned()), ..repository }
}

fn below(repository: Repository, path: &str) -> Repository {
    Repository { path: Some(path.to_owned()), ..repository }
}
