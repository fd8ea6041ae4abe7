//! What is promised for each pair.

use super::{Cell, Disturbance, Ending, Knowledge, Order, Phase, Promise};

/// Everything ends as it would have.
const GOES_ON: Promise = Promise { ending: Ending::Succeeds, knowledge: Knowledge::Exact };

const fn fails(says: &'static str) -> Promise {
    Promise { ending: Ending::Fails(says), knowledge: Knowledge::Exact }
}

const fn fails_unknown(says: &'static str) -> Promise {
    Promise { ending: Ending::Fails(says), knowledge: Knowledge::Unknown }
}

impl Cell {
    /// The cell of this pair.
    #[must_use]
    pub fn of(disturbance: Disturbance, phase: Phase) -> Self {
        let order = match disturbance {
            Disturbance::ClockJump
            | Disturbance::DaemonKilled
            | Disturbance::ShimKilled
            | Disturbance::TerraformKilled => Order::RecoverThenRelease,
            Disturbance::ApiUnreachable
            | Disturbance::DaemonStopped
            | Disturbance::DiskFull
            | Disturbance::StateFails
            | Disturbance::StateRefused => Order::ReleaseThenRecover,
        };
        Self { disturbance, phase, order, promise: promise(disturbance, phase) }
    }
}

fn promise(disturbance: Disturbance, phase: Phase) -> Result<Promise, &'static str> {
    match disturbance {
        Disturbance::ApiUnreachable
        | Disturbance::ClockJump
        | Disturbance::DaemonKilled
        | Disturbance::DaemonStopped => Ok(GOES_ON),
        Disturbance::DiskFull => Ok(match phase {
            Phase::Apply | Phase::Clone | Phase::Destroy | Phase::Init | Phase::Plan => {
                fails("space left")
            }
            // What there is to be sent was written before.
            Phase::Report => GOES_ON,
        }),
        Disturbance::ShimKilled => match phase {
            Phase::Clone => Err("no shim yet"),
            // The daemon interrupts Terraform in the shim's place, once: it writes its state and gives its lock back.
            Phase::Apply | Phase::Destroy | Phase::Init | Phase::Plan => Ok(fails("supervisor")),
            Phase::Report => Err("no shim any more"),
        },
        Disturbance::StateFails => match phase {
            // Before the first write it is the same, only that the run meets it later.
            Phase::Apply | Phase::Clone | Phase::Destroy | Phase::Init => Ok(GOES_ON),
            Phase::Plan => Err("nothing is written"),
            Phase::Report => Err("nothing is written any more"),
        },
        Disturbance::StateRefused => match phase {
            // Terraform leaves its state behind and fails; the state is pushed all the same.
            Phase::Apply | Phase::Clone | Phase::Destroy | Phase::Init => {
                Ok(fails("the state has been written at last"))
            }
            Phase::Plan => Err("nothing is written"),
            Phase::Report => Err("nothing is written any more"),
        },
        Disturbance::TerraformKilled => match phase {
            Phase::Clone => Err("no Terraform yet"),
            // Whoever killed it, the kernel for want of memory most likely, would do it again.
            Phase::Init | Phase::Plan => Ok(fails("signal")),
            Phase::Apply | Phase::Destroy => Ok(fails_unknown("signal")),
            Phase::Report => Err("no Terraform any more"),
        },
    }
}
