//! What native programs do in a run's directory.

use crate::execute::paths;
use crate::shim::{self, Sight};
use crate::telemetry::chain;
use std::fs;
use std::path::{Path, PathBuf};

/// Something that a native program does or has done.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Such as `0007-apply`.
    pub name: String,
    /// Its directory.
    pub directory: PathBuf,
    /// How far it has got, or why that can't be told.
    pub sight: Result<Sight, String>,
}

impl Operation {
    /// Whether a program runs, or may.
    #[must_use]
    pub fn is_running(&self) -> bool {
        !matches!(self.sight, Ok(Sight::Ended(_) | Sight::Lost { .. } | Sight::NotStarted))
    }
}

/// Those of a run, in the order of their names, which is that of their beginnings.
pub(super) fn list(directory: &Path) -> Vec<Operation> {
    let entries = fs::read_dir(paths(directory).operations).into_iter().flatten().flatten();
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut operations: Vec<_> = directories
        .map(|entry| Operation {
            name: entry.file_name().to_string_lossy().into_owned(),
            sight: shim::look(&entry.path()).map_err(|error| chain(&error).to_string()),
            directory: entry.path(),
        })
        .collect();
    operations.sort_by(|one, other| one.name.cmp(&other.name));
    operations
}
