//! What a state directory knows of runs that are not settled: [`Inventory`]. For people; changes nothing, and takes no lock.

mod files;
mod logs;
mod operations;

pub use files::FileSize;
pub use logs::{LogError, Logs};
pub use operations::Operation;

use super::native::QUARANTINE;
use crate::journal::{self, History, JournalError, Owner, Rejection};
use crate::meshstack::Claim;
use crate::meshstack::wire::{RunStatus, Step};
use crate::run::{Run, RunId};
use crate::rundir;
use crate::terraform;
use crate::unseal::PrivateKey;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What there is.
#[derive(Debug)]
pub struct Inventory {
    /// In the order of their ids.
    pub runs: Vec<KnownRun>,
    /// What of the journal can't be read: there may be more runs.
    pub unreadable: Vec<JournalError>,
    /// Whose the directory is, if a process is known to work with it.
    pub owner: Option<Owner>,
}

/// A run that something is known of.
#[derive(Debug)]
pub struct KnownRun {
    /// Which.
    pub id: RunId,
    /// How far it has got.
    pub phase: Phase,
    /// Since when it is there.
    pub since: Option<SystemTime>,
    /// Its directory, if there is one.
    pub directory: Option<PathBuf>,
    /// Copies of its Terraform state that could not be written where it belongs.
    pub copies: Vec<PathBuf>,
    history: History,
    run: Option<Run>,
}

/// How far a run has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// It was claimed, has not reported any step, and has no directory.
    Claimed,
    /// It has an end that meshStack has not accepted yet.
    Ended,
    /// It executes, or did when its daemon ended.
    Executing,
    /// It is over; but a copy of its state is kept.
    Kept,
    /// The journal does not know it; but it has a directory.
    Left,
    /// meshStack has rejected its end for good.
    Rejected,
}

/// Why no run is found by what was given.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// There is none.
    #[error(
        "no run is known whose id is or begins with `{0}`; hint: `blockhouse runs ls` lists them"
    )]
    Unknown(String),
    /// There are several.
    #[error("several runs begin with `{prefix}`: {}", runs.join(", "))]
    Ambiguous {
        /// What was given.
        prefix: String,
        /// Those that it may be.
        runs: Vec<String>,
    },
}

/// Why there is no inventory.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// The journal can't be looked at.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The directories can't be listed.
    #[error("failed to list the directories in `{}`", path.display())]
    List {
        /// The state directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl Inventory {
    /// Takes stock of a state directory.
    ///
    /// # Errors
    /// [`InventoryError`] if it can't be read.
    pub fn take(state: &Path, key: &PrivateKey) -> Result<Self, InventoryError> {
        // Before the rest: one that ends meanwhile may have left what is seen.
        let owner = Owner::of(state);
        let list = |source| InventoryError::List { path: state.to_owned(), source };
        // Before the journal: a run that is claimed meanwhile has no directory that nobody knows.
        let [directories, kept] = rundir::list(state).map_err(list)?;
        let copies = terraform::copies(&state.join(QUARANTINE)).map_err(list)?;
        let seen = journal::look(state, key)?;
        let mut runs: BTreeMap<RunId, KnownRun> = seen
            .runs
            .into_iter()
            .map(|(id, history)| (id.clone(), KnownRun::of(id, history)))
            .collect();
        let of = |runs: &mut BTreeMap<RunId, KnownRun>, id: &RunId, phase, path: &Path| {
            let run = runs.entry(id.clone());
            let run = run.or_insert_with(|| KnownRun::unknown(id.clone(), phase, path));
            match phase {
                Phase::Left => {
                    run.directory = Some(path.to_owned());
                    // It has begun, even if it has reported nothing yet.
                    if run.phase == Phase::Claimed {
                        run.phase = Phase::Executing;
                    }
                }
                _ => run.copies.push(path.to_owned()),
            }
        };
        // Those that are over are gone by now.
        for (id, path) in directories.iter().filter(|(_, path)| path.symlink_metadata().is_ok()) {
            of(&mut runs, id, Phase::Left, path);
        }
        for (id, path) in kept.iter().chain(copies.iter().map(|(id, path)| (id, path))) {
            of(&mut runs, id, Phase::Kept, path);
        }
        let runs = runs.into_values().filter(KnownRun::is_there).collect();
        Ok(Self { runs, unreadable: seen.unreadable, owner })
    }

    /// The run with this id, or the only one whose id begins with it.
    ///
    /// # Errors
    /// [`FindError`].
    pub fn find(&self, prefix: &str) -> Result<&KnownRun, FindError> {
        let is_it = |run: &&KnownRun| run.id.as_str() == prefix;
        if let Some(run) = self.runs.iter().find(is_it) {
            return Ok(run);
        }
        let begins = |run: &&KnownRun| !prefix.is_empty() && run.id.as_str().starts_with(prefix);
        let found: Vec<_> = self.runs.iter().filter(begins).collect();
        match &*found {
            [] => Err(FindError::Unknown(prefix.to_owned())),
            [run] => Ok(run),
            runs => Err(FindError::Ambiguous {
                prefix: prefix.to_owned(),
                runs: runs.iter().map(|run| run.id.to_string()).collect(),
            }),
        }
    }
}

impl KnownRun {
    fn of(id: RunId, history: History) -> Self {
        let History { steps, end, rejection, .. } = &history;
        let phase = match (rejection, end) {
            (Some(_), _) => Phase::Rejected,
            (None, Some(_)) => Phase::Ended,
            (None, None) if steps.is_empty() => Phase::Claimed,
            (None, None) => Phase::Executing,
        };
        let rejected = history.rejection.as_ref().map(|rejection| rejection.when);
        let since = rejected.or(history.ended).or(history.claimed);
        let document = history.claim.as_ref().map(|claim| claim.expose_secret().as_bytes());
        let run = document.and_then(|bytes| Claim::parse(bytes).ok()?.run().ok());
        Self { id, phase, since, directory: None, copies: Vec::new(), history, run }
    }

    fn unknown(id: RunId, phase: Phase, path: &Path) -> Self {
        let since = std::fs::symlink_metadata(path).and_then(|metadata| metadata.modified()).ok();
        Self { since, phase, ..Self::of(id, History::default()) }
    }

    /// A run that was only prepared for has no history, no directory and no copy: a record that came too late is all that there is.
    fn is_there(&self) -> bool {
        self.history.claim.is_some()
            || self.history.rejection.is_some()
            || self.directory.is_some()
            || !self.copies.is_empty()
    }

    /// Its document as it was read; none if nobody knows it, or if it can't be read.
    #[must_use]
    pub fn run(&self) -> Option<&Run> {
        self.run.as_ref()
    }

    /// Its document as it was claimed.
    #[must_use]
    pub fn claim(&self) -> Option<Claim> {
        Claim::parse(self.history.claim.as_ref()?.expose_secret().as_bytes()).ok()
    }

    /// What the journal says of it.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// How it was rejected, if it was.
    #[must_use]
    pub fn rejection(&self) -> Option<&Rejection> {
        self.history.rejection.as_ref()
    }

    /// Its final status, if that is decided.
    #[must_use]
    pub fn outcome(&self) -> Option<RunStatus> {
        self.history.end.as_ref().map(|end| end.status)
    }

    /// Its steps, each as it was last told or is to be told.
    #[must_use]
    pub fn steps(&self) -> Vec<&Step> {
        let before = &self.history.steps;
        let told = self.history.end.as_ref().map(|end| &*end.steps).unwrap_or_default();
        let of = |steps: &'_ [Step], id: &str| steps.iter().position(|step| step.id == id);
        let latest = |id: &str| {
            let told = of(told, id).and_then(|index| told.get(index));
            told.or_else(|| before.get(of(before, id)?))
        };
        let is_new = |step: &&Step| before.iter().all(|before| before.id != step.id);
        let all = before.iter().chain(told.iter().filter(is_new));
        all.filter_map(|step| latest(&step.id)).collect()
    }

    /// What its native programs do or have done, in the order in which they were begun.
    #[must_use]
    pub fn operations(&self) -> Vec<Operation> {
        self.directory.as_deref().map(operations::list).unwrap_or_default()
    }

    /// What is in its directory, one level deep, with the sizes of what is below.
    #[must_use]
    pub fn files(&self) -> Vec<FileSize> {
        self.directory.as_deref().map(files::list).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
