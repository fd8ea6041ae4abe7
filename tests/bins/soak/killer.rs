//! What goes wrong on purpose: [`Killer`].

use anyhow::Result;
use blockhouse_emulator::RandomFaults;
use blockhouse_tests::{AllTypes, Process, Role, Seen};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How long the daemon waits for an answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);

/// What is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Victim {
    Daemon,
    Shim,
    Terraform,
}

/// Decides when what is killed.
#[derive(Debug)]
pub(crate) struct Killer {
    every: Duration,
    next: Instant,
    chance: fastrand::Rng,
    pub(crate) killed: BTreeMap<Victim, u32>,
}

/// What was hit.
#[derive(Debug)]
pub(crate) enum Hit {
    Daemon,
    Run(Uuid),
    Nothing,
}

impl Killer {
    pub(crate) fn new(every: Duration, seed: u64) -> Self {
        let mut chance = fastrand::Rng::with_seed(seed ^ 0x6b69_6c6c);
        let next = Instant::now() + spread(every, &mut chance);
        Self { every, next, chance, killed: BTreeMap::new() }
    }

    /// Kills something if it is time.
    pub(crate) fn strike(&mut self, all: &AllTypes, daemon: &mut Process) -> Result<Hit> {
        if self.every.is_zero() || Instant::now() < self.next {
            return Ok(Hit::Nothing);
        }
        self.next = Instant::now() + spread(self.every, &mut self.chance);
        let victim = match self.chance.u32(..4) {
            0 => Victim::Shim,
            1 => Victim::Terraform,
            _ => Victim::Daemon,
        };
        let role = match victim {
            Victim::Daemon => {
                daemon.kill()?;
                *self.killed.entry(victim).or_default() += 1;
                return Ok(Hit::Daemon);
            }
            Victim::Shim => Role::Shim,
            Victim::Terraform => Role::Tool,
        };
        let processes = blockhouse_tests::Processes::now()?;
        let found = processes.with_role(role, daemon.id(), &all.state());
        let Some(seen) = found.get(self.chance.usize(..found.len().max(1))) else {
            return Ok(Hit::Nothing);
        };
        // It may have ended meanwhile.
        let (Some(run), Ok(())) = (run_of(seen, all), seen.kill()) else { return Ok(Hit::Nothing) };
        *self.killed.entry(victim).or_default() += 1;
        Ok(Hit::Run(run))
    }
}

/// Between nothing and twice the mean.
fn spread(every: Duration, chance: &mut fastrand::Rng) -> Duration {
    every.mul_f64(2.0 * chance.f64())
}

/// The run that a process works for: it has the run's directory in its arguments, or works in it.
fn run_of(seen: &Seen, all: &AllTypes) -> Option<Uuid> {
    let runs = all.state().join("runs");
    let arguments = seen.command.iter().map(std::path::Path::new);
    let mut paths = arguments.chain(seen.directory.as_deref());
    paths.find_map(|path| {
        let below = path.strip_prefix(&runs).ok()?;
        below.components().next()?.as_os_str().to_str()?.parse().ok()
    })
}

/// Faults of every kind, of so many percent of all calls.
pub(crate) fn faults(percent: f64, seed: u64) -> RandomFaults {
    let share = percent / 100.0;
    RandomFaults {
        seed,
        unavailable: share * 0.4,
        dropped_before: share * 0.3,
        dropped_after: share * 0.2,
        truncated: share * 0.05,
        delayed: share * 0.05,
        delay: 2 * PATIENCE,
        ..RandomFaults::default()
    }
}
