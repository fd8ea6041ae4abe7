//! The runs that were ordered: [`Orders`].

use crate::blocks::{Blocks, Plot};
use anyhow::Result;
use blockhouse_emulator::{Behavior, RunState};
use blockhouse_tests::{AllTypes, Kind};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use uuid::Uuid;

/// How many of a hundred runs are of a type.
const SHARES: [(Kind, u32); 6] = [
    (Kind::Manual, 25),
    (Kind::Files, 10),
    (Kind::Github, 15),
    (Kind::Gitlab, 10),
    (Kind::Azure, 15),
    (Kind::Terraform, 25),
];

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Ordered {
    pub(crate) kind: Kind,
    pub(crate) size: u32,
    pub(crate) block: Option<(Arc<Plot>, Behavior)>,
    pub(crate) since: Instant,
    /// Whether its shim or its Terraform was killed.
    pub(crate) was_hit: bool,
    /// Daemons that were killed when it was ordered: whether one was killed during it.
    pub(crate) kills_before: usize,
}

/// Those that have not ended, and how the others did.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    pub(crate) open: BTreeMap<Uuid, Ordered>,
    pub(crate) ended: BTreeMap<(Kind, RunState), u32>,
    next: u32,
}

impl Orders {
    /// Orders a run of a type that is chosen by chance; false if all blocks are taken.
    pub(crate) fn order(
        &mut self,
        all: &AllTypes,
        blocks: &Blocks,
        only: Option<Kind>,
        chance: &mut fastrand::Rng,
        kills_before: usize,
    ) -> Result<bool> {
        let kind = only.unwrap_or_else(|| draw(chance));
        let block = match kind {
            Kind::Terraform => match blocks.take(chance) {
                Some(plot) => {
                    let behavior = plot.next(all, chance);
                    Some((plot, behavior))
                }
                None => return Ok(false),
            },
            _ => None,
        };
        self.place(all, kind, block, kills_before)?;
        Ok(true)
    }

    /// Orders this run.
    pub(crate) fn place(
        &mut self,
        all: &AllTypes,
        kind: Kind,
        block: Option<(Arc<Plot>, Behavior)>,
        kills_before: usize,
    ) -> Result<Uuid> {
        let (id, size) = (Uuid::new_v4(), self.next);
        self.next += 1;
        let spec = match &block {
            None => all.spec(kind, id, size)?,
            Some((plot, behavior)) => all.terraform_spec(&plot.block, *behavior, id, size),
        };
        let since = Instant::now();
        let ordered = Ordered { kind, size, block, since, was_hit: false, kills_before };
        self.open.insert(id, ordered);
        all.emulator.enqueue(spec);
        Ok(id)
    }
}

fn draw(chance: &mut fastrand::Rng) -> Kind {
    let mut drawn = chance.u32(..100);
    for (kind, share) in SHARES {
        if drawn < share {
            return kind;
        }
        drawn -= share;
    }
    Kind::Manual
}
