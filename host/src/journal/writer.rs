//! The thread that writes: [`Writer`].

use super::error::{JournalError, at};
use super::health::Health;
use super::inbox::{Inbox, Reading};
use super::record::{History, Old, Record};
use super::{segment_name, segments_in};
use crate::crash::{self, CrashPoint};
use crate::frames;
use crate::run::RunId;
use crate::unseal::PublicKey;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};
use std::{fs, io};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

/// The size at which the next segment is begun; finished ones are removed when their runs are settled.
const SEGMENT_BYTES: u64 = 4 << 20;

/// Records that are written together at most. Against a batch that takes seconds and all memory.
const BATCH_MAX: usize = 256;

/// How long a record may be written and not yet be on the disk if nobody waits for that. It costs a run that the machine loses power within
/// this time after its claim, before it has done anything; with less, a sync for each few runs would take what not waiting has won.
const SYNC_WITHIN: Duration = Duration::from_millis(20);

/// How long until what the disk did not take is tried again if nothing else is written meanwhile.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Takes records and answers when they are written. Ends its thread when dropped, after all is on the disk.
#[derive(Debug)]
pub(super) struct Writer {
    inbox: Arc<Inbox<Order>>,
    thread: Option<JoinHandle<()>>,
}

/// What is being written down. It is begun already, and goes on if nobody waits for it.
#[derive(Debug)]
#[must_use = "whether it can be written is known when it was waited for"]
pub struct Writing(Result<oneshot::Receiver<Result<(), JournalError>>, JournalError>);

/// Who waits for an order.
type Waiting = oneshot::Sender<Result<(), JournalError>>;

/// What is to be done.
struct Order {
    run: RunId,
    /// What is to be written, if it is not only about what is written already.
    record: Option<Record>,
    /// Whether all up to here must be on the disk before it is answered.
    durably: bool,
    /// Who waits for it. What nobody waits for is tried again until it is written.
    written: Option<Waiting>,
}

/// A record in the words of the log.
struct Encoded {
    run: RunId,
    content: Zeroizing<Vec<u8>>,
    settles: bool,
    /// Whether somebody is still to be told that it is written.
    is_awaited: bool,
}

/// What the thread owns.
struct Log {
    directory: PathBuf,
    runner: Arc<PublicKey>,
    health: Health,
    segment: Option<frames::Writer>,
    number: u64,
    /// The segments that are removed, from the oldest on, once they are needed no more.
    segments: BTreeMap<u64, Old>,
    /// The first segment of each run that is not settled.
    kept: BTreeMap<RunId, u64>,
    /// In the segment, but perhaps not on the disk yet.
    unsynced: Vec<Encoded>,
    /// To be written again: the disk did not take it.
    owed: Vec<Encoded>,
    /// When something is to be done about those, whatever comes.
    due: Option<Instant>,
}

impl Writer {
    /// Begins a segment that takes over what the earlier ones say of these `runs`.
    pub(super) fn start(
        directory: PathBuf,
        runner: Arc<PublicKey>,
        health: Health,
        segments: BTreeMap<u64, Old>,
        runs: &BTreeMap<RunId, History>,
    ) -> Result<Self, JournalError> {
        let number = segments_in(&directory)?.last().map_or(0, |(number, _)| *number);
        let mut log = Log::new(directory, runner, health, (number, segments));
        // A disk that can't be written must be known before the first claim.
        log.carry_over(runs)?;
        log.remove_settled();
        let inbox = Arc::<Inbox<Order>>::default();
        let path = log.directory.clone();
        let orders = Arc::clone(&inbox);
        let thread = Builder::new().name("journal".to_owned()).spawn(move || log.serve(&orders));
        let thread = at("start the thread for", &path, thread)?;
        Ok(Self { inbox, thread: Some(thread) })
    }

    /// Writes a record so that it survives a crash of the machine.
    pub(super) fn append_durably(&self, run: &RunId, record: Record) -> Writing {
        self.order(run, Some(record), true)
    }

    /// Writes a record so that it survives a crash of this process; and within [`SYNC_WITHIN`], one of the machine.
    pub(super) fn append(&self, run: &RunId, record: Record) -> Writing {
        self.order(run, Some(record), false)
    }

    /// The same for a record that nobody waits for, which then comes with the next sync.
    pub(super) fn append_sometime(&self, run: &RunId, record: Record) {
        if let Err(error) = self.put(run, Some(record), false, None) {
            tracing::warn!(%run, %error, "a record of the journal is lost");
        }
    }

    /// Lets all that was ordered before survive a crash of the machine.
    pub(super) fn sync(&self, run: &RunId) -> Writing {
        self.order(run, None, true)
    }

    fn order(&self, run: &RunId, record: Option<Record>, durably: bool) -> Writing {
        let (written, answer) = oneshot::channel();
        Writing(self.put(run, record, durably, Some(written)).map(|()| answer))
    }

    fn put(
        &self,
        run: &RunId,
        record: Option<Record>,
        durably: bool,
        written: Option<Waiting>,
    ) -> Result<(), JournalError> {
        let is_urgent = written.is_some();
        let order = Order { run: run.clone(), record, durably, written };
        if self.inbox.put(order, is_urgent) { Ok(()) } else { Err(JournalError::Stopped) }
    }
}

impl Writing {
    /// Waits until it is there.
    ///
    /// # Errors
    /// [`JournalError`] if it can't be written.
    pub async fn written(self) -> Result<(), JournalError> {
        self.0?.await.map_err(|_| JournalError::Stopped)?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.inbox.close();
        if let Some(thread) = self.thread.take() {
            // If it has panicked, everybody who waited for it was told.
            let _ = thread.join();
        }
    }
}

impl Order {
    /// What is to be written, and who waits for it. Done by the thread that writes, since whoever orders has other things to do.
    fn encode(self) -> (Option<Encoded>, Option<Waiting>) {
        let Self { run, record, written, .. } = self;
        let Some(record) = record else { return (None, written) };
        let error = match record.encode(&run) {
            Ok(content) => {
                let settles = matches!(record, Record::Settled);
                let is_awaited = written.is_some();
                return (Some(Encoded { run, content, settles, is_awaited }), written);
            }
            Err(error) => error,
        };
        match written {
            // Who does not wait any more does not want to know.
            Some(written) => drop(written.send(Err(error))),
            None => tracing::warn!(%run, %error, "a record of the journal is lost"),
        }
        (None, None)
    }
}

impl Log {
    /// With nothing written; the number of the last segment, and the segments that there are.
    fn new(
        directory: PathBuf,
        runner: Arc<PublicKey>,
        health: Health,
        (number, segments): (u64, BTreeMap<u64, Old>),
    ) -> Self {
        Self {
            directory,
            runner,
            health,
            segment: None,
            number,
            segments,
            kept: BTreeMap::new(),
            unsynced: Vec::new(),
            owed: Vec::new(),
            due: None,
        }
    }

    /// Writes what is ordered until nobody can order any more. What arrives during a write is one batch.
    fn serve(&mut self, inbox: &Inbox<Order>) {
        let reading = Reading(inbox);
        while let Some(orders) = reading.0.take(self.due, BATCH_MAX) {
            let is_due = self.due.is_some_and(|due| due <= Instant::now());
            self.carry_out(orders, is_due);
        }
        self.carry_out(Vec::new(), true);
    }

    /// Writes a batch with what is owed, and answers.
    fn carry_out(&mut self, arrived: Vec<Order>, sync: bool) {
        let sync = sync || !self.owed.is_empty() || arrived.iter().any(|order| order.durably);
        let mut batch = std::mem::take(&mut self.owed);
        let mut waiting = Vec::new();
        for order in arrived {
            let (encoded, written) = order.encode();
            batch.extend(encoded);
            waiting.extend(written);
        }
        let result = self.write(&batch, sync);
        self.health.wrote(result.clone());
        if result.is_ok() {
            batch.iter().for_each(|record| self.keep(record));
            self.remove_settled();
            if !sync {
                let written = batch.into_iter().map(|it| Encoded { is_awaited: false, ..it });
                self.unsynced.extend(written);
            }
        } else {
            // Of what is in that segment, nobody knows how much has got to the disk.
            self.owed.append(&mut self.unsynced);
            // Who waits hears it, and decides.
            self.owed.extend(batch.into_iter().filter(|record| !record.is_awaited));
        }
        for written in waiting {
            // Who does not wait any more does not want to know.
            let _ = written.send(result.clone());
        }
        self.due = if !self.owed.is_empty() {
            Some(Instant::now() + TRY_AGAIN)
        } else if self.unsynced.is_empty() {
            None
        } else {
            self.due.or_else(|| Some(Instant::now() + SYNC_WITHIN))
        };
    }

    /// Writes each run's whole history into a new segment.
    fn carry_over(&mut self, runs: &BTreeMap<RunId, History>) -> Result<(), JournalError> {
        let mut segment = self.rotate()?;
        let mut frames = Vec::new();
        for (run, history) in runs {
            let Some(record) = history.carried() else { continue };
            let content = record.encode(run)?;
            frames.extend(segment.frame(&content)?);
            self.kept.insert(run.clone(), self.number);
        }
        segment.append(&frames, true)?;
        self.segment = Some(segment);
        crash::point(CrashPoint::JournalCarried);
        Ok(())
    }

    fn write(&mut self, batch: &[Encoded], sync: bool) -> Result<(), JournalError> {
        // Given back below; after an error the next batch begins another segment.
        let (mut segment, is_new) = match self.segment.take() {
            Some(segment) if segment.length() < SEGMENT_BYTES => (segment, false),
            full => {
                if let Some(mut full) = full {
                    full.sync()?;
                    self.unsynced.clear();
                }
                (self.rotate()?, true)
            }
        };
        if let Err(error) = append(&mut segment, batch, sync) {
            if is_new {
                // Nothing is in it, and there would be one more for each try.
                let _ = fs::remove_file(segment.path());
                self.segments.remove(&self.number);
            }
            return Err(error);
        }
        self.segment = Some(segment);
        if sync {
            self.unsynced.clear();
        }
        Ok(())
    }

    /// Begins the next segment.
    fn rotate(&mut self) -> Result<frames::Writer, JournalError> {
        self.number += 1;
        let path = self.directory.join(segment_name(self.number));
        let segment = frames::Writer::create(&path, &self.runner)?;
        let path = segment.path().to_owned();
        self.segments.insert(self.number, Old { path, is_damaged: false });
        Ok(segment)
    }

    fn keep(&mut self, record: &Encoded) {
        if record.settles {
            self.kept.remove(&record.run);
        } else {
            self.kept.entry(record.run.clone()).or_insert(self.number);
        }
    }

    /// Removes the segments that are older than any run that is not settled. The oldest first, and none after one that stays:
    /// the later ones say which of its runs are settled.
    fn remove_settled(&mut self) {
        if self.segments.len() <= 1 {
            return;
        }
        let needed = self.kept.values().min().copied().unwrap_or(self.number).min(self.number);
        while let Some(oldest) = self.segments.first_entry() {
            if *oldest.key() >= needed {
                return;
            }
            let Old { path, is_damaged } = oldest.get();
            let removed = if *is_damaged {
                fs::rename(path, path.with_extension("damaged"))
            } else {
                fs::remove_file(path)
            };
            match removed {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::debug!(path = %path.display(), %error, "a segment of the journal can't be removed yet");
                    return;
                }
                _ => {
                    drop(oldest.remove());
                    crash::point(CrashPoint::JournalRemoved);
                }
            }
        }
    }
}

fn append(segment: &mut frames::Writer, batch: &[Encoded], sync: bool) -> Result<(), JournalError> {
    let mut frames = Vec::new();
    for record in batch {
        frames.extend(segment.frame(&record.content)?);
    }
    segment.append(&frames, sync)?;
    if !frames.is_empty() {
        crash::point(CrashPoint::JournalAppended);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
