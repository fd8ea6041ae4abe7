//! The journal: what a restart must know about each claimed run.
//!
//! [`Journal`] is a log in segments: claims, the steps that meshStack was told of, final statuses, and that a run is settled.
//! One thread writes: whatever arrives while the disk is busy is written and synced together, so that many runs cost little more than one.
//!
//! What is written survives a crash of the daemon. It is synced, and so survives a crash of the machine, when somebody waits for that
//! ([`RunJournal::durable`], [`RunJournal::end`]), and else within some milliseconds: a run that can do nothing outside waits for no disk, since
//! it does no harm if it is executed again.
//!
//! Everything is encrypted with a key that is sealed to the runner's own, since it holds run tokens and outputs.
//! A segment is removed when every run in it is settled. Runs that meshStack does not want to hear of are kept apart from the log, see
//! `rejected`. [`look`] is for people.

mod error;
mod health;
mod inbox;
mod lock;
mod look;
mod record;
mod rejected;
mod writer;

pub use error::JournalError;
pub use health::Health;
pub use lock::Owner;
pub use look::{Seen, look};
pub use record::{History, LeftOver, Rejection};
pub use writer::Writing;

use crate::meshstack::wire::{Step, Update};
use crate::os;
use crate::run::RunId;
use crate::unseal::PrivateKey;
use error::at;
use lock::Lock;
use record::Record;
use rejected::Rejected;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::task::spawn_blocking;
use writer::Writer;

/// What the names of segments end with; before it comes their number. Each is a file of [`frames`](crate::frames), which are JSON arrays
/// `[run id, record]`.
const SUFFIX: &str = ".journal";
/// The folder of the log in the state directory.
const SEGMENTS: &str = "journal";

/// How much the journal leaves and takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Bytes that must be free where the state directory is: with fewer, no run is claimed. What executes then still needs some, and
    /// native programs are stopped when the disk is nearly full.
    pub min_free: u64,
    /// How long a run is kept whose final status was rejected for good.
    pub retention: Duration,
    /// Bytes that all of those may take.
    pub max_bytes: u64,
}

impl Default for Config {
    fn default() -> Self {
        let retention = Duration::from_secs(30 * 24 * 60 * 60);
        Self { min_free: 64 << 20, retention, max_bytes: 256 << 20 }
    }
}

/// The name of the segment with a number.
fn segment_name(number: u64) -> String {
    format!("{number:016}{SUFFIX}")
}

/// Where the log is. Holds a lock: one daemon per directory. Dropping it waits until all is written.
#[derive(Debug)]
pub struct Journal {
    directory: PathBuf,
    config: Config,
    health: Health,
    key: Arc<PrivateKey>,
    rejected: Rejected,
    writer: Arc<Writer>,
    _lock: Lock,
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
    pub fn open(
        directory: &Path,
        key: &Arc<PrivateKey>,
        config: Config,
    ) -> Result<(Self, Found), JournalError> {
        let segments = directory.join(SEGMENTS);
        at("create", &segments, os::create_private_directory(&segments))?;
        // It may be a mounted volume that is another's and that we have to take as it is; what we make in it is checked.
        if os::is_open_to_others(directory).unwrap_or_default() {
            let path = directory.display();
            tracing::warn!(%path, "others may change what is in the state directory; it should be for this user only (chmod 700)");
        }
        let lock = Lock::take(directory)?;
        let rejected = Rejected::new(directory, config.retention, config.max_bytes);
        let kept = rejected.prune(SystemTime::now())?;
        let mut replayed = record::replay(&segments, key)?;
        for run in rejected::twice(&rejected, &replayed.runs, key)? {
            replayed.runs.remove(&run);
        }
        let runner = Arc::clone(key.public());
        let health = Health::default();
        health.keeps_rejected(kept);
        let writer =
            Writer::start(segments, runner, health.clone(), replayed.segments, &replayed.runs)?;
        let writer = Arc::new(writer);
        let runs = replayed.runs.into_iter().map(|(run, history)| {
            history.left_over(RunJournal { run, writer: Arc::clone(&writer) })
        });
        let found = Found { runs: runs.flatten().collect(), unreadable: replayed.unreadable };
        let directory = directory.to_owned();
        let key = Arc::clone(key);
        Ok((Self { directory, config, health, key, rejected, writer, _lock: lock }, found))
    }

    /// Whether a run that is claimed now could be kept to its end, as far as that can be known before: to be asked before each claim. A
    /// disk that was full may have room again.
    ///
    /// # Errors
    /// [`JournalError`]: why it could not.
    pub async fn check(&self) -> Result<(), JournalError> {
        if !self.health.has_seen_room() {
            let room = self.room().await;
            self.health.found_room(&room);
            room?;
        }
        if self.health.is_proven() { Ok(()) } else { self.probe().await }
    }

    /// What was last found out about that.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    async fn room(&self) -> Result<(), JournalError> {
        let directory = self.directory.clone();
        let free = spawn_blocking(move || os::free_bytes(&directory)).await;
        let least = self.config.min_free;
        match free {
            Ok(Ok(free)) if free < least => Err(JournalError::Room { free, least }),
            // Where the system does not say, writing tells.
            _ => Ok(()),
        }
    }

    /// Tries to write; all that was ordered before is written with it.
    ///
    /// # Errors
    /// [`JournalError`] if it can't be written.
    pub async fn probe(&self) -> Result<(), JournalError> {
        // A run that does not exist is settled already.
        let Ok(run) = RunId::parse("probe") else { return Ok(()) };
        self.writer.append_durably(&run, Record::Settled).written().await
    }

    /// Takes a run out of the log whose final status meshStack has rejected for good, and keeps it beside the log: nobody tries it again
    /// unasked. `update` is the final status, in case that it could not be written down. If this fails, the run stays in the log.
    ///
    /// # Errors
    /// [`JournalError`] if it can't be written.
    pub async fn reject(
        &self,
        run: &RunId,
        update: Update,
        rejection: Rejection,
    ) -> Result<(), JournalError> {
        let (segments, key) = (self.directory.join(SEGMENTS), Arc::clone(&self.key));
        let (rejected, of) = (self.rejected.clone(), run.clone());
        // It is seldom, so that nothing is kept in memory for it: the log has all of it.
        blocking(move || {
            let mut history = record::replay(&segments, &key)?.runs.remove(&of).unwrap_or_default();
            history.end.get_or_insert(update);
            history.rejection = Some(rejection);
            rejected.keep(&of, &history, key.public())
        })
        .await?;
        self.writer.append_durably(run, Record::Settled).written().await?;
        self.prune().await
    }

    /// Keeps to the bounds of what is kept of rejected runs: to be called now and then.
    ///
    /// # Errors
    /// [`JournalError`] if they can't be listed or removed.
    pub async fn prune(&self) -> Result<(), JournalError> {
        let rejected = self.rejected.clone();
        let kept = blocking(move || rejected.prune(SystemTime::now())).await?;
        self.health.keeps_rejected(kept);
        Ok(())
    }

    /// No longer keeps a rejected run; fine if it is not kept. Blocks.
    ///
    /// # Errors
    /// [`JournalError`] if it can't be removed.
    pub fn forget(&self, run: &RunId) -> Result<(), JournalError> {
        self.rejected.forget(run)
    }

    /// The part of a run.
    #[must_use]
    pub fn of(&self, run: RunId) -> RunJournal {
        RunJournal { run, writer: Arc::clone(&self.writer) }
    }
}

impl RunJournal {
    /// Whose it is.
    #[must_use]
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// Writes down that the run has been claimed. Once it is written it survives a crash of the daemon, and soon one of the machine: see
    /// [`durable`](Self::durable).
    pub fn claim(&self, document: &str) -> Writing {
        let (document, at) = (document.into(), Some(SystemTime::now()));
        self.writer.append(&self.run, Record::Claim { document, at })
    }

    /// Waits until all that was written of the run survives a crash of the machine: to be asked before anything is done for it that would
    /// have to be known afterwards.
    ///
    /// # Errors
    /// [`JournalError`] if it can't be written.
    pub async fn durable(&self) -> Result<(), JournalError> {
        self.writer.sync(&self.run).written().await
    }

    /// Writes down durably which steps meshStack is told of, and how far each has got, before it is.
    ///
    /// # Errors
    /// [`JournalError`] if it can't be written.
    pub async fn steps(&self, steps: Vec<Step>) -> Result<(), JournalError> {
        self.writer.append_durably(&self.run, Record::Steps { steps }).written().await
    }

    /// Writes down the final status durably, before meshStack is told: from here on it is decided.
    ///
    /// # Errors
    /// [`JournalError`] if it can't be written.
    pub async fn end(&self, update: Update) -> Result<(), JournalError> {
        let (update, at) = (Box::new(update), Some(SystemTime::now()));
        self.writer.append_durably(&self.run, Record::End { update, at }).written().await
    }

    /// The same for a run that does no harm if it is executed again: it is written soon, and nobody waits for it.
    pub fn end_soon(&self, update: Update) {
        let (update, at) = (Box::new(update), Some(SystemTime::now()));
        self.writer.append_sometime(&self.run, Record::End { update, at });
    }

    /// The run is given up: nobody goes on with it or delivers its final status. Durable.
    ///
    /// # Errors
    /// [`JournalError`] if it can't be written.
    pub async fn give_up(&self) -> Result<(), JournalError> {
        self.writer.append_durably(&self.run, Record::Settled).written().await
    }

    /// The run needs the journal no more: meshStack has accepted the final status. Nobody waits for it: if it is lost, the next
    /// start delivers the status again, which does no harm.
    pub fn settle(&self) {
        self.writer.append_sometime(&self.run, Record::Settled);
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, JournalError> + Send + 'static,
) -> Result<T, JournalError> {
    spawn_blocking(work).await.map_err(|_| JournalError::Stopped)?
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
