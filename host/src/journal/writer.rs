//! The thread that writes: [`Writer`].

use super::error::{JournalError, at};
use super::health::Health;
use super::record::{History, Old, Record};
use super::{segment_name, segments_in};
use crate::crash::{self, CrashPoint};
use crate::frames;
use crate::run::RunId;
use crate::unseal::PublicKey;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::{fs, io};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

/// The size at which the next segment is begun; finished ones are removed when their runs are settled.
const SEGMENT_BYTES: u64 = 4 << 20;

/// Records that are written together at most. Against a batch that takes seconds and all memory.
const BATCH_MAX: usize = 256;

/// Takes records and answers when they are written. Ends its thread when dropped, after all is written.
#[derive(Debug)]
pub(super) struct Writer {
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

/// A record to be written.
struct Order {
    run: RunId,
    content: Zeroizing<Vec<u8>>,
    durably: bool,
    settles: bool,
    written: oneshot::Sender<Result<(), JournalError>>,
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
        let kept = BTreeMap::new();
        let mut log = Log { directory, runner, health, segment: None, number, segments, kept };
        // A disk that can't be written must be known before the first claim.
        log.carry_over(runs)?;
        log.remove_settled();
        let (orders, inbox) = channel();
        let path = log.directory.clone();
        let thread = Builder::new().name("journal".to_owned()).spawn(move || log.write(&inbox));
        let thread = at("start the thread for", &path, thread)?;
        Ok(Self { orders: Some(orders), thread: Some(thread) })
    }

    /// Writes a record so that it survives a crash of the machine.
    pub(super) async fn append_durably(
        &self,
        run: &RunId,
        record: &Record,
    ) -> Result<(), JournalError> {
        self.order(run, record, true).await
    }

    /// Writes a record so that it survives a crash of this process.
    pub(super) async fn append(&self, run: &RunId, record: &Record) -> Result<(), JournalError> {
        self.order(run, record, false).await
    }

    /// Writes a record without anybody waiting for it.
    pub(super) fn append_sometime(&self, run: &RunId, record: &Record) {
        if let Err(error) = self.send(run, record, false) {
            tracing::warn!(%run, %error, "a record of the journal is lost");
        }
    }

    async fn order(&self, run: &RunId, record: &Record, durably: bool) -> Result<(), JournalError> {
        let answer = self.send(run, record, durably)?;
        answer.await.map_err(|_| JournalError::Stopped)?
    }

    fn send(
        &self,
        run: &RunId,
        record: &Record,
        durably: bool,
    ) -> Result<oneshot::Receiver<Result<(), JournalError>>, JournalError> {
        let content = record.encode(run)?;
        let (written, answer) = oneshot::channel();
        let settles = matches!(record, Record::Settled);
        let order = Order { run: run.clone(), content, durably, settles, written };
        let orders = self.orders.as_ref().ok_or(JournalError::Stopped)?;
        orders.send(order).map_err(|_| JournalError::Stopped)?;
        Ok(answer)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Some(thread) = self.thread.take() {
            // If it has panicked, everybody who waited for it was told.
            let _ = thread.join();
        }
    }
}

impl Log {
    /// Writes what is ordered until nobody can order any more. What arrives during a write is one batch.
    fn write(&mut self, inbox: &Receiver<Order>) {
        // That a run is settled must be written some time, or it would be kept for ever.
        let mut owed: Vec<Order> = Vec::new();
        while let Ok(first) = inbox.recv() {
            let arrived = std::iter::once(first).chain(inbox.try_iter().take(BATCH_MAX - 1));
            let batch: Vec<_> = owed.drain(..).chain(arrived).collect();
            let result = self.write_batch(&batch);
            self.health.wrote(result.clone());
            if result.is_ok() {
                batch.iter().for_each(|order| self.keep(order));
                self.remove_settled();
            }
            for order in batch {
                if order.settles && !order.durably && result.is_err() {
                    owed.push(order);
                    continue;
                }
                // Who does not wait does not want to know.
                let _ = order.written.send(result.clone());
            }
        }
    }

    /// Writes each run's whole history into a new segment.
    fn carry_over(&mut self, runs: &BTreeMap<RunId, History>) -> Result<(), JournalError> {
        self.rotate()?;
        let Some(segment) = &mut self.segment else { return Err(JournalError::Stopped) };
        let mut frames = Vec::new();
        for (run, history) in runs {
            let Some(record) = history.carried() else { continue };
            let content = record.encode(run)?;
            frames.extend(segment.frame(&content)?);
            self.kept.insert(run.clone(), self.number);
        }
        segment.append(&frames, true)?;
        crash::point(CrashPoint::JournalCarried);
        Ok(())
    }

    fn write_batch(&mut self, batch: &[Order]) -> Result<(), JournalError> {
        let is_full = |segment: &frames::Writer| segment.length() >= SEGMENT_BYTES;
        if self.segment.as_ref().is_none_or(is_full) {
            self.rotate()?;
        }
        // Given back below; after an error the next batch begins another segment.
        let Some(mut segment) = self.segment.take() else { return Err(JournalError::Stopped) };
        let mut frames = Vec::new();
        for order in batch {
            frames.extend(segment.frame(&order.content)?);
        }
        segment.append(&frames, batch.iter().any(|order| order.durably))?;
        crash::point(CrashPoint::JournalAppended);
        self.segment = Some(segment);
        Ok(())
    }

    fn rotate(&mut self) -> Result<(), JournalError> {
        self.number += 1;
        let path = self.directory.join(segment_name(self.number));
        let segment = frames::Writer::create(&path, &self.runner)?;
        let path = segment.path().to_owned();
        self.segments.insert(self.number, Old { path, is_damaged: false });
        self.segment = Some(segment);
        Ok(())
    }

    fn keep(&mut self, order: &Order) {
        if order.settles {
            self.kept.remove(&order.run);
        } else {
            self.kept.entry(order.run.clone()).or_insert(self.number);
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
