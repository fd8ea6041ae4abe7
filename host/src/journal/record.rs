//! What is written, and what it amounts to when it is read again.

use super::{JournalError, RunJournal, segments_in};
use crate::frames::{FramesError, Read, Reader};
use crate::meshstack::wire::{Step, Update};
use crate::run::RunId;
use crate::unseal::PrivateKey;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use zeroize::Zeroizing;

/// One thing that happened to a run. Points in time are missing in what earlier versions have written.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Record {
    /// All that an earlier segment says of a run, in one piece: that segment is needed for it no more.
    Carried {
        #[serde(serialize_with = "expose")]
        document: SecretString,
        steps: Vec<Step>,
        end: Option<Box<Update>>,
        #[serde(default)]
        claimed: Option<SystemTime>,
        #[serde(default)]
        ended: Option<SystemTime>,
    },
    Claim {
        #[serde(serialize_with = "expose")]
        document: SecretString,
        #[serde(default)]
        at: Option<SystemTime>,
    },
    End {
        update: Box<Update>,
        #[serde(default)]
        at: Option<SystemTime>,
    },
    /// In no segment of the log: see `rejected`.
    Rejected(Rejection),
    Settled,
    Steps {
        steps: Vec<Step>,
    },
}

/// Only the journal writes it, and encrypted.
fn expose<S: Serializer>(document: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(document.expose_secret())
}

impl Record {
    /// What a frame holds.
    pub(super) fn encode(&self, run: &RunId) -> Result<Zeroizing<Vec<u8>>, JournalError> {
        let content = serde_json::to_vec(&(run.as_str(), self));
        Ok(Zeroizing::new(content.map_err(|_| FramesError::Encrypt)?))
    }
}

/// That meshStack has rejected a run's final status for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// When.
    pub when: SystemTime,
    /// The status of its last answer.
    pub status: Option<u16>,
    /// The last error with its causes. Like a report, it may repeat what was reported.
    pub text: String,
}

/// A run whose final status meshStack had not accepted when the last daemon ended.
#[derive(Debug)]
pub struct LeftOver {
    /// Its part of the journal.
    pub journal: RunJournal,
    /// The claimed run's document.
    pub claim: SecretString,
    /// The steps that meshStack had been told of, and how far each had got.
    pub steps: Vec<Step>,
    /// The final status, if the run had got that far.
    pub end: Option<Update>,
}

/// All that the journal knows of a run. Points in time are missing if an earlier version has written it.
#[derive(Debug, Default)]
pub struct History {
    /// The run's document; none if the claim can't be read.
    pub claim: Option<SecretString>,
    /// When it was claimed.
    pub claimed: Option<SystemTime>,
    /// The steps that meshStack had been told of, and how far each had got.
    pub steps: Vec<Step>,
    /// The final status, once it is decided.
    pub end: Option<Update>,
    /// When it was decided.
    pub ended: Option<SystemTime>,
    /// How meshStack has rejected it.
    pub rejection: Option<Rejection>,
}

impl History {
    /// The whole history as one record; none without a claim.
    pub(super) fn carried(&self) -> Option<Record> {
        let document = self.claim.clone()?;
        let (steps, end) = (self.steps.clone(), self.end.clone().map(Box::new));
        Some(Record::Carried { document, steps, end, claimed: self.claimed, ended: self.ended })
    }

    /// A run without a claim had not begun.
    pub(super) fn left_over(self, journal: RunJournal) -> Option<LeftOver> {
        let Self { claim, steps, end, .. } = self;
        claim.map(|claim| LeftOver { journal, claim, steps, end })
    }

    /// What comes later in time. That a run is settled ends its history, and is not for this.
    pub(super) fn apply(&mut self, record: Record) {
        match record {
            Record::Carried { document, steps, end, claimed, ended } => {
                let (claim, end) = (Some(document), end.map(|end| *end));
                *self = Self { claim, claimed, steps, end, ended, rejection: None };
            }
            Record::Claim { document, at } => {
                self.claim = Some(document);
                self.claimed = at;
            }
            Record::End { update, at } => {
                self.end = Some(*update);
                // It is written down again when it is delivered again.
                self.ended = self.ended.or(at);
            }
            Record::Rejected(rejection) => self.rejection = Some(rejection),
            Record::Steps { steps } => self.steps = steps,
            Record::Settled => {}
        }
    }
}

/// An earlier segment.
#[derive(Debug)]
pub(super) struct Old {
    pub(super) path: PathBuf,
    /// Whether somebody may want to look at it when it is needed no more.
    pub(super) is_damaged: bool,
}

/// What the segments amount to.
#[derive(Debug, Default)]
pub(super) struct Replayed {
    /// The runs that are not settled.
    pub(super) runs: BTreeMap<RunId, History>,
    /// The segments that could be opened.
    pub(super) segments: BTreeMap<u64, Old>,
    pub(super) unreadable: Vec<JournalError>,
    /// How many segments went away meanwhile.
    pub(super) gone: usize,
}

/// Reads all segments. What can't be read is skipped and told.
pub(super) fn replay(directory: &Path, key: &PrivateKey) -> Result<Replayed, JournalError> {
    let mut replayed = Replayed::default();
    for (number, path) in segments_in(directory)? {
        let mut reader = match Reader::open(&path, key) {
            Ok(Some(reader)) => reader,
            // The daemon ended while it began the segment.
            Ok(None) => {
                replayed.segments.insert(number, Old { path, is_damaged: false });
                continue;
            }
            Err(error) => {
                let error = JournalError::from(error);
                // Removed since it was listed, by a daemon that goes on: nothing in it is needed.
                if error.is_gone() {
                    replayed.gone += 1;
                } else {
                    replayed.unreadable.push(error);
                }
                continue;
            }
        };
        let unreadable = replayed.unreadable.len();
        loop {
            match reader.read() {
                Ok(Read::Frame(content)) => match parse(&content) {
                    Some((run, record)) => replayed.apply(run, record),
                    None => {
                        let path = path.clone();
                        replayed.unreadable.push(JournalError::Record { path });
                    }
                },
                Ok(Read::Damaged(error)) => replayed.unreadable.push(error.into()),
                Ok(Read::End) => break,
                Err(error) => {
                    replayed.unreadable.push(error.into());
                    break;
                }
            }
        }
        let is_damaged = replayed.unreadable.len() != unreadable;
        replayed.segments.insert(number, Old { path, is_damaged });
    }
    Ok(replayed)
}

pub(super) fn parse(content: &[u8]) -> Option<(RunId, Record)> {
    let (run, record) = serde_json::from_slice::<(String, Record)>(content).ok()?;
    Some((RunId::parse(&run).ok()?, record))
}

impl Replayed {
    fn apply(&mut self, run: RunId, record: Record) {
        if let Record::Settled = record {
            self.runs.remove(&run);
        } else {
            self.runs.entry(run).or_default().apply(record);
        }
    }
}
