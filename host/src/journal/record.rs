//! What is written, and what it amounts to when it is read again.

use super::segment::{Read, Reader};
use super::{JournalError, RunJournal, segments_in};
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
    /// A run without a claim had not begun.
    pub(super) fn left_over(self, journal: RunJournal) -> Option<LeftOver> {
        let Self { claim, steps, end } = self;
        claim.map(|claim| LeftOver { journal, claim, steps, end })
    }
}

/// What the segments amount to.
#[derive(Debug, Default)]
pub(super) struct Replayed {
    /// The runs that are not settled.
    pub(super) runs: BTreeMap<RunId, History>,
    /// The first segment in which each of them is.
    pub(super) kept: BTreeMap<RunId, u64>,
    /// The segments that could be read to their end.
    pub(super) segments: BTreeMap<u64, PathBuf>,
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
                replayed.segments.insert(number, path);
                continue;
            }
            Err(error) => {
                replayed.unreadable.push(error);
                continue;
            }
        };
        let unreadable = replayed.unreadable.len();
        loop {
            match reader.next() {
                Read::Record(run, record) => replayed.apply(number, run, record),
                Read::Damaged(error) => replayed.unreadable.push(error),
                Read::End => break,
            }
        }
        if replayed.unreadable.len() == unreadable {
            replayed.segments.insert(number, path);
        }
    }
    Ok(replayed)
}

impl Replayed {
    fn apply(&mut self, segment: u64, run: RunId, record: Record) {
        if let Record::Settled = record {
            self.runs.remove(&run);
            self.kept.remove(&run);
            return;
        }
        self.kept.entry(run.clone()).or_insert(segment);
        let history = self.runs.entry(run).or_default();
        match record {
            Record::Claim { document } => history.claim = Some(document),
            Record::End { update } => history.end = Some(*update),
            Record::Steps { steps } => history.steps = steps,
            Record::Settled => {}
        }
    }
}
