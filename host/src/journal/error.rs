//! Why the journal can't be used: [`JournalError`].

use super::lock::Owner;
use crate::frames::{self, FramesError};
use crate::outcome::Bytes;
use std::io;
use std::path::{Path, PathBuf};

/// Why the journal can't be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalError {
    /// A file or directory can't be used.
    #[error(transparent)]
    Frames(#[from] FramesError),
    /// Another daemon uses the directory.
    #[error(
        "the state directory `{path}` is in use by another daemon{}\n\
         hint: give each daemon its own `state.directory`",
        owner.as_ref().map(|owner| format!(": {owner}")).unwrap_or_default()
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// Who uses it, if that can be told.
        owner: Option<Owner>,
    },
    /// A segment has a record that is none.
    #[error("`{path}` has a record that can't be understood")]
    Record {
        /// The segment.
        path: PathBuf,
    },
    /// Little is free where the state directory is: what executes now may need it, and what is claimed would be lost.
    #[error(
        "only {} are free for the state directory; runs are claimed from {} on (`journal.minFreeMib`)",
        Bytes(*free),
        Bytes(*least)
    )]
    Room {
        /// Bytes that are free.
        free: u64,
        /// Bytes that must be.
        least: u64,
    },
    /// A thread that writes has ended, which only a panic can bring about.
    #[error("the journal's thread has ended")]
    Stopped,
}

impl JournalError {
    /// Whether the file that was to be read is not there: whoever reads while others write must expect that.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self, Self::Frames(FramesError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound)
    }
}

/// Says what was tried on what.
pub(super) fn at<T>(
    operation: &'static str,
    path: &Path,
    result: io::Result<T>,
) -> Result<T, JournalError> {
    Ok(frames::at(operation, path, result)?)
}
