//! Looks at what a state directory knows of its runs, without the lock and without changing anything: [`look`].

use super::error::JournalError;
use super::record::{self, History};
use super::rejected::{self, Rejected};
use super::{SEGMENTS, segments_in};
use crate::run::RunId;
use crate::unseal::PrivateKey;
use std::collections::BTreeMap;
use std::path::Path;

/// How often it is begun anew because a daemon has removed what was to be read.
const TRIES: usize = 5;

/// What was seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// The runs that are not settled, and those that were rejected.
    pub runs: BTreeMap<RunId, History>,
    /// What could not be read.
    pub unreadable: Vec<JournalError>,
}

/// Looks. A daemon may be writing meanwhile: what it has not finished is not seen.
///
/// # Errors
/// [`JournalError`] if the directories can't be read. What is in them and can't be read is told beside the rest.
pub fn look(directory: &Path, key: &PrivateKey) -> Result<Seen, JournalError> {
    let segments = directory.join(SEGMENTS);
    match segments_in(&segments) {
        // No daemon was ever here.
        Err(error) if error.is_gone() => return Ok(Seen::default()),
        listed => listed.map(drop)?,
    }
    // What is in a segment that went away may be in one that was begun since.
    let mut replayed = record::replay(&segments, key)?;
    for _ in 1..TRIES {
        if replayed.gone == 0 {
            break;
        }
        replayed = record::replay(&segments, key)?;
    }
    let (mut runs, mut unreadable) = (replayed.runs, replayed.unreadable);
    let rejected = Rejected::in_state(directory);
    for run in rejected::twice(&rejected, &runs, key)? {
        runs.remove(&run);
    }
    for kept in rejected.list()? {
        match rejected::read(&kept, key) {
            Ok(Some(history)) => {
                runs.entry(kept.run).or_insert(history);
            }
            Ok(None) => {}
            Err(error) => unreadable.push(error),
        }
    }
    Ok(Seen { runs, unreadable })
}
