//! What was tried and what came of it: [`Report`].

use crate::killer::Victim;
use crate::options::Options;
use crate::orders::Orders;
use crate::say;
use blockhouse_emulator::Emulator;
use std::collections::BTreeMap;
use std::time::Duration;

/// Memory of one daemon, from its start to its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) lived: Duration,
    pub(crate) least: u64,
    pub(crate) most: u64,
    pub(crate) last: u64,
    /// Once it had settled in.
    pub(crate) settled: Option<u64>,
}

/// When a daemon is there.
const STARTED: Duration = Duration::from_secs(1);

/// When a daemon has settled in, and when its memory is worth comparing with that.
const SETTLED: Duration = Duration::from_secs(20);
const COMPARED: Duration = Duration::from_secs(60);

impl Memory {
    pub(crate) fn new() -> Self {
        Self { lived: Duration::ZERO, least: u64::MAX, most: 0, last: 0, settled: None }
    }

    pub(crate) fn sample(&mut self, lived: Duration, bytes: u64) {
        self.lived = lived;
        if lived < STARTED {
            return;
        }
        self.least = self.least.min(bytes);
        self.most = self.most.max(bytes);
        self.last = bytes;
        if lived >= SETTLED {
            self.settled.get_or_insert(bytes);
        }
    }

    /// A daemon that has lived for long enough has grown by half since it had settled in.
    pub(crate) fn has_grown(&self) -> bool {
        self.lived >= COMPARED
            && self.settled.is_some_and(|settled| self.last > settled + settled / 2)
    }
}

/// All figures.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) options: &'a Options,
    pub(crate) killed: &'a BTreeMap<Victim, u32>,
    pub(crate) orders: &'a Orders,
    pub(crate) failed: &'a BTreeMap<String, u32>,
    pub(crate) recoveries: Vec<Duration>,
    pub(crate) memories: &'a [Memory],
    pub(crate) breaches: &'a [String],
}

impl Report<'_> {
    pub(crate) fn print(mut self, emulator: &Emulator) {
        say("\nwhat was tried");
        for (victim, times) in self.killed {
            say(&format!("  killed {victim:?}: {times} times"));
        }
        for ((route, kind), times) in emulator.faults_injected() {
            say(&format!("  {kind:?} on {route}: {times} times"));
        }
        say("what came of it");
        for ((kind, state), runs) in &self.orders.ended {
            say(&format!("  {kind} {state}: {runs}"));
        }
        for (why, runs) in self.failed {
            say(&format!("  {runs} failed and said: {why}"));
        }
        self.recoveries.sort_unstable();
        if let (Some(half), Some(most)) = (share(&self.recoveries, 50), share(&self.recoveries, 99))
        {
            let count = self.recoveries.len();
            say(&format!(
                "  from a kill to the next daemon's first claim: p50 {half:?}, p99 {most:?}, of {count}"
            ));
        }
        let [least, most] = [
            self.memories
                .iter()
                .map(|memory| memory.least)
                .filter(|least| *least < u64::MAX)
                .min()
                .unwrap_or_default(),
            self.memories.iter().map(|memory| memory.most).max().unwrap_or_default(),
        ];
        let last = self.memories.last().map_or(0, |memory| memory.last);
        let mib = |bytes: u64| bytes >> 20;
        say(&format!(
            "  memory of {} daemons: {} to {} MiB; the last one had {} MiB after {:?}",
            self.memories.len(),
            mib(least),
            mib(most),
            mib(last),
            self.memories.last().map_or(Duration::ZERO, |memory| memory.lived)
        ));
        match self.breaches {
            [] => say("nothing was lost and nothing is left"),
            breaches => {
                say(&format!("{} BREACHES", breaches.len()));
                breaches.iter().for_each(|breach| say(&format!("  {breach}")));
            }
        }
        say(&format!("to repeat: {}", self.options));
    }
}

/// So many percent are at most this.
fn share(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let index = (sorted.len().checked_sub(1)? * percent).div_ceil(100);
    sorted.get(index).copied()
}
