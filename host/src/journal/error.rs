//! Why the journal can't be used: [`JournalError`].

use crate::frames::FramesError;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why the journal can't be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalError {
    /// A segment can't be read or written.
    #[error(transparent)]
    Frames(#[from] FramesError),
    /// Another daemon uses the directory.
    #[error(
        "the state directory `{path}` is in use by another daemon\n\
         hint: give each daemon its own `state.directory`"
    )]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The system refused.
    #[error("failed to {operation} `{path}`")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// A segment has a record that is none.
    #[error("`{path}` has a record that can't be understood")]
    Record {
        /// The segment.
        path: PathBuf,
    },
    /// The writing thread has ended, which only a panic can bring about.
    #[error("the journal's thread has ended")]
    Stopped,
}

/// Says what was tried on what.
pub(super) fn at<T>(
    operation: &'static str,
    path: &Path,
    result: io::Result<T>,
) -> Result<T, JournalError> {
    result.map_err(|source| {
        let source = Arc::new(source);
        JournalError::Io { operation, path: path.to_owned(), source }
    })
}
