//! The journal: what a restart must know about each claimed run.
//!
//! [`Journal`] is a log in segments: claims, the steps that meshStack was told of, final statuses, and that a run is settled.
//! A claim and a final status are on the disk before [`RunJournal::claim`] and [`RunJournal::end`] return. One thread writes:
//! whatever arrives while the disk is busy is written and synced together, so that many runs cost little more than one.
//! Everything is encrypted with a key that is sealed to the runner's own, since it holds run tokens and outputs.
//! A segment is removed when every run in it is settled.

mod error;
mod record;
mod writer;

pub use error::JournalError;
pub use record::LeftOver;

use crate::meshstack::wire::{Step, Update};
use crate::os;
use crate::run::RunId;
use crate::unseal::PrivateKey;
use error::at;
use record::Record;
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use writer::Writer;

/// What the names of segments end with; before it comes their number. Each is a file of [`frames`](crate::frames), which are JSON arrays
/// `[run id, record]`.
const SUFFIX: &str = ".journal";

/// Where the log is. Holds a lock: one daemon per directory. Dropping it waits until all is written.
#[derive(Debug)]
pub struct Journal {
    writer: Arc<Writer>,
    _lock: File,
}

/// One run's part of the journal. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RunJournal {
    run: RunId,
    writer: Arc<Writer>,
}

/// What is found at start.
#[derive(Debug, Default)]
pub struct Found {
    /// Runs that are still to be reported.
    pub runs: Vec<LeftOver>,
    /// What could not be read; the segments are left as they are.
    pub unreadable: Vec<JournalError>,
}

impl Journal {
    /// Opens the journal in `directory`, creating it if need be, and finds what the last daemon left over.
    ///
    /// # Errors
    /// [`JournalError`] if it can't be created, written or locked.
    pub fn open(directory: &Path, key: &PrivateKey) -> Result<(Self, Found), JournalError> {
        let segments = directory.join("journal");
        at("create", &segments, os::create_private_directory(&segments))?;
        // It may be a mounted volume that is another's and that we have to take as it is; what we make in it is checked.
        if os::is_open_to_others(directory).unwrap_or_default() {
            let path = directory.display();
            tracing::warn!(%path, "others may change what is in the state directory; it should be for this user only (chmod 700)");
        }
        let lock = lock(directory)?;
        let replayed = record::replay(&segments, key)?;
        let runner = Arc::clone(key.public());
        let writer = Writer::start(segments, runner, replayed.segments, &replayed.runs)?;
        let writer = Arc::new(writer);
        let runs = replayed.runs.into_iter().map(|(run, history)| {
            history.left_over(RunJournal { run, writer: Arc::clone(&writer) })
        });
        let found = Found { runs: runs.flatten().collect(), unreadable: replayed.unreadable };
        Ok((Self { writer, _lock: lock }, found))
    }

    /// Whether the journal can be written; a disk that was full may have room again.
    pub async fn is_writable(&self) -> bool {
        // A run that does not exist is settled already.
        let Ok(run) = RunId::parse("probe") else { return false };
        self.writer.append_durably(&run, &Record::Settled).await.is_ok()
    }

    /// The part of a run.
    #[must_use]
    pub fn of(&self, run: RunId) -> RunJournal {
        RunJournal { run, writer: Arc::clone(&self.writer) }
    }
}

fn lock(directory: &Path) -> Result<File, JournalError> {
    let path = directory.join("lock");
    // SECURITY: journal::tests::a_link_in_the_place_of_the_lock_or_the_journal_is_refused
    let file = match os::create_private_file(&path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => os::open_without_following(&path),
        created => created,
    };
    let file = at("open", &path, file)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(JournalError::InUse { path: directory.to_owned() }),
        Err(TryLockError::Error(source)) => at("lock", &path, Err(source)),
    }
}

impl RunJournal {
    /// Whose it is.
    #[must_use]
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// Writes down that the run has been claimed, durably: from here on it can't be lost.
    ///
    /// # Errors
    /// [`JournalError`] if it can't be written.
    pub async fn claim(&self, document: &str) -> Result<(), JournalError> {
        self.writer.append_durably(&self.run, &Record::Claim { document: document.into() }).await
    }

    /// Writes down which steps meshStack is told of, and how far each has got. Survives a crash of the daemon, but perhaps not
    /// one of the machine.
    ///
    /// # Errors
    /// [`JournalError`] if it can't be written.
    pub async fn steps(&self, steps: Vec<Step>) -> Result<(), JournalError> {
        self.writer.append(&self.run, &Record::Steps { steps }).await
    }

    /// Writes down the final status, before meshStack is told: from here on it is decided.
    ///
    /// # Errors
    /// [`JournalError`] if it can't be written.
    pub async fn end(&self, update: Update) -> Result<(), JournalError> {
        self.writer.append_durably(&self.run, &Record::End { update: Box::new(update) }).await
    }

    /// The run needs the journal no more: meshStack has accepted the final status. Nobody waits for it: if it is lost, the next
    /// start delivers the status again, which does no harm.
    pub fn settle(&self) {
        self.writer.append_sometime(&self.run, &Record::Settled);
    }
}

/// The numbers of the segments in a directory, ascending, with their paths.
fn segments_in(directory: &Path) -> Result<Vec<(u64, PathBuf)>, JournalError> {
    let mut segments = Vec::new();
    for entry in at("read", directory, fs::read_dir(directory))? {
        let path = at("read", directory, entry)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let number = name.and_then(|name| name.strip_suffix(SUFFIX)?.parse().ok());
        // Anything else in there is not ours.
        if let Some(number) = number {
            segments.push((number, path));
        }
    }
    segments.sort_unstable();
    Ok(segments)
}

#[cfg(test)]
mod tests;
