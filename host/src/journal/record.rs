//! What is written, and what it amounts to when it is read again.

use super::{JournalError, RunJournal, segments_in};
use crate::frames::{Read, Reader};
use crate::meshstack::wire::{Step, Update};
use crate::run::RunId;
use crate::unseal::PrivateKey;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One thing that happened to a run.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Record {
    /// All that an earlier segment says of a run, in one piece: that segment is needed for it no more.
    Carried {
        #[serde(serialize_with = "expose")]
        document: SecretString,
        steps: Vec<Step>,
        end: Option<Box<Update>>,
    },
    Claim {
        #[serde(serialize_with = "expose")]
        document: SecretString,
    },
    End {
        update: Box<Update>,
    },
    Settled,
    Steps {
        steps: Vec<Step>,
    },
}

/// Only the journal writes it, and encrypted.
fn expose<S: Serializer>(document: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(document.expose_secret())
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

/// All that the journal knows of a run.
#[derive(Debug, Default)]
pub(super) struct History {
    claim: Option<SecretString>,
    steps: Vec<Step>,
    end: Option<Update>,
}

impl History {
    /// The whole history as one record; none without a claim.
    pub(super) fn carried(&self) -> Option<Record> {
        let document = self.claim.clone()?;
        let end = self.end.clone().map(Box::new);
        Some(Record::Carried { document, steps: self.steps.clone(), end })
    }

    /// A run without a claim had not begun.
    pub(super) fn left_over(self, journal: RunJournal) -> Option<LeftOver> {
        let Self { claim, steps, end } = self;
        claim.map(|claim| LeftOver { journal, claim, steps, end })
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
                replayed.unreadable.push(error.into());
                continue;
            }
        };
        let unreadable = replayed.unreadable.len();
        loop {
            match reader.next() {
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

fn parse(content: &[u8]) -> Option<(RunId, Record)> {
    let (run, record) = serde_json::from_slice::<(String, Record)>(content).ok()?;
    Some((RunId::parse(&run).ok()?, record))
}

impl Replayed {
    fn apply(&mut self, run: RunId, record: Record) {
        if let Record::Settled = record {
            self.runs.remove(&run);
            return;
        }
        let history = self.runs.entry(run).or_default();
        match record {
            Record::Carried { document, steps, end } => {
                *history = History { claim: Some(document), steps, end: end.map(|end| *end) };
            }
            Record::Claim { document } => history.claim = Some(document),
            Record::End { update } => history.end = Some(*update),
            Record::Steps { steps } => history.steps = steps,
            Record::Settled => {}
        }
    }
}
