//! Compares what was seen with what was promised.

use super::{Ending, Knowledge, Phase, Promise};
use blockhouse_emulator::RunState;
use std::collections::BTreeSet;

/// What a stage saw when all was over. Resources are named by their addresses in Terraform.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The run's state.
    pub run: RunState,
    /// Accepted final statuses.
    pub final_statuses: u64,
    /// All that the run's messages say.
    pub text: String,
    /// Resources that certainly exist: those of before, and those whose making has ended; without those whose end has begun.
    pub certain: BTreeSet<String>,
    /// Resources that may exist: those of before, and those whose making has begun; without those whose end has ended.
    pub possible: BTreeSet<String>,
    /// Resources in the state.
    pub recorded: BTreeSet<String>,
    /// Locks that nobody is left to give back, in words.
    pub orphaned_locks: Vec<String>,
    /// Processes of the run that are still there, in words.
    pub survivors: Vec<String>,
    /// Secrets that were found, in words.
    pub leaks: Vec<String>,
}

/// What does not hold of what was promised; empty if all does.
#[must_use]
pub fn judge(promise: Promise, phase: Phase, seen: &Observed) -> Vec<String> {
    let mut broken = Vec::new();
    let text = seen.text.to_lowercase();
    match promise.ending {
        Ending::Fails(says) => {
            if seen.run != RunState::Failed {
                broken.push(format!("the run is {}, not failed", seen.run));
            }
            if !text.contains(says) {
                broken.push(format!("nothing says `{says}`: {}", seen.text));
            }
        }
        Ending::Succeeds if seen.run == RunState::Succeeded => {}
        Ending::Succeeds => {
            broken.push(format!("the run is {}, not succeeded: {}", seen.run, seen.text));
        }
    }
    if seen.final_statuses != 1 {
        broken.push(format!("{} final statuses", seen.final_statuses));
    }
    match promise.knowledge {
        // A dry run changes nothing.
        _ if phase == Phase::Plan && seen.recorded != seen.certain => {
            broken.push(format!("a dry run changed the state: {:?}", seen.recorded));
        }
        Knowledge::Exact => {
            broken.extend(lacking("forgotten", &seen.certain, &seen.recorded));
            broken.extend(lacking("invented", &seen.recorded, &seen.possible));
        }
        Knowledge::Unknown if text.contains("state") => {}
        Knowledge::Unknown => broken.push("nothing is said about the state".to_owned()),
    }
    let lists =
        [("lock", &seen.orphaned_locks), ("survivor", &seen.survivors), ("leak", &seen.leaks)];
    for (what, list) in lists {
        broken.extend(list.iter().map(|entry| format!("{what}: {entry}")));
    }
    broken
}

fn lacking(what: &str, of: &BTreeSet<String>, within: &BTreeSet<String>) -> Option<String> {
    let missing: Vec<_> = of.difference(within).collect();
    (!missing.is_empty()).then(|| format!("{what}: {missing:?}"))
}
