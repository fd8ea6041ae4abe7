//! The blocks of TERRAFORM runs: [`Blocks`]. One run of a block at a time, as meshStack does it.

use anyhow::Result;
use blockhouse_emulator::Behavior;
use blockhouse_tests::{AllTypes, Block};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

/// A block, and what is known of it.
#[derive(Debug)]
pub(crate) struct Plot {
    pub(crate) block: Block,
    /// Resources that exist and that no state knows, since a Terraform was killed before it could say so. Its run has said that.
    forgotten: AtomicI64,
    is_free: AtomicBool,
}

/// All blocks.
#[derive(Debug)]
pub(crate) struct Blocks(Vec<Arc<Plot>>);

impl Blocks {
    pub(crate) fn new(all: &AllTypes, count: u32) -> Result<Self> {
        let plot = |number| {
            let (forgotten, is_free) = (AtomicI64::new(0), AtomicBool::new(true));
            Ok(Arc::new(Plot { block: all.block(number)?, forgotten, is_free }))
        };
        Ok(Self((0..count).map(plot).collect::<Result<_>>()?))
    }

    /// Takes a block that no run works on; by chance.
    pub(crate) fn take(&self, chance: &mut fastrand::Rng) -> Option<Arc<Plot>> {
        let is_free = |plot: &&Arc<Plot>| plot.is_free.load(Ordering::Relaxed);
        let free: Vec<_> = self.0.iter().filter(is_free).collect();
        let plot = *free.get(chance.usize(..free.len().max(1)))?;
        plot.is_free.store(false, Ordering::Relaxed);
        Some(Arc::clone(plot))
    }

    pub(crate) fn all(&self) -> &[Arc<Plot>] {
        &self.0
    }
}

impl Plot {
    /// No run works on it any more.
    pub(crate) fn release(&self) {
        self.is_free.store(true, Ordering::Relaxed);
    }

    /// What is to be done with it: a resource that is there goes as often as it stays.
    pub(crate) fn next(&self, all: &AllTypes, chance: &mut fastrand::Rng) -> Behavior {
        let state = all.emulator.terraform_state(&self.block.state).unwrap_or_default();
        if !state.resources().is_empty() && chance.bool() {
            Behavior::Destroy
        } else {
            Behavior::Apply
        }
    }

    /// Compares what exists with what the state says. What differs after a kill is remembered, so that it is not told again; the run
    /// must have told it.
    pub(crate) fn compare(&self, all: &AllTypes, was_killed: bool) -> Option<String> {
        let (made, unmade) = all.resources(&self.block);
        let state = all.emulator.terraform_state(&self.block.state).unwrap_or_default();
        // One that was killed while it was made goes without what it has for its end.
        let known = state.resources().len() - state.tainted().len();
        let [are_made, are_unmade, are_known] =
            [made, unmade, known].map(|count| i64::try_from(count).unwrap_or(i64::MAX));
        let forgotten = are_made - are_unmade - are_known;
        let is_new = self.forgotten.swap(forgotten, Ordering::Relaxed) != forgotten;
        (is_new && !was_killed).then(|| {
            format!("made {made} times, unmade {unmade} times, but the state has {known} resources")
        })
    }
}
