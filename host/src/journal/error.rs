//! Why the journal can't be used: [`JournalError`].

use crate::unseal::UnsealError;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why the journal can't be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalError {
    /// A part of a segment is not what was written.
    #[error("`{path}` is damaged {offset} bytes from its beginning")]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Where.
        offset: u64,
    },
    /// A record can't be encrypted: the system has no randomness, or a record is absurdly large.
    #[error("failed to encrypt a record of the journal")]
    Encrypt,
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
    /// A segment was written by a runner with another private key.
    #[error("failed to open `{path}` with this runner's private key")]
    Key {
        /// The segment.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: UnsealError,
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
