//! `runs` and `poll`: how many runs at once, how we stop, how often we ask.

use std::time::Duration;

use super::measure::{Span, Whole};
use super::reader::{Reader, Section};
use super::show::Show;

const RUNS_KEYS: &[&str] =
    &["abortGrace", "concurrency", "drainTimeout", "memoryMib", "waiting", "wallTime"];
const POLL_KEYS: &[&str] = &["interval"];

/// Attack: each run holds memory; without a bound, a burst of orders takes the machine down.
const CONCURRENCY: Whole = Whole { default: 16, min: 1, max: 10_000, unit: "runs" };
const DRAIN_TIMEOUT: Span = Span {
    default: Duration::from_secs(30 * 60),
    min: Duration::ZERO,
    max: Duration::from_secs(7 * 24 * 60 * 60),
};
const ABORT_GRACE: Span = Span {
    default: Duration::from_secs(10),
    min: Duration::ZERO,
    max: Duration::from_secs(60 * 60),
};
/// Attack: a component that waits for ever holds its slot. The bounds are those of `wall_time` in policies.
const WALL_TIME: Span = Span {
    default: Duration::from_secs(30 * 60),
    min: Duration::from_secs(1),
    max: Duration::from_secs(7 * 24 * 60 * 60),
};
const INTERVAL: Span = Span {
    default: Duration::from_secs(10),
    min: Duration::from_millis(100),
    max: Duration::from_secs(60 * 60),
};

/// Attack: runs that are each within their limits take the machine down together. The default is of a machine that does not say how
/// much it has.
const MEMORY: Whole = Whole { default: 4096, min: 1, max: 1 << 30, unit: "MiB" };
/// The share of the machine that runs may have by default. The rest is for the system, the daemon itself and what it keeps of runs.
const MEMORY_PERCENT: u64 = 80;
/// Attack: a tenant that orders faster than its share lets its runs execute; each run that waits keeps its inputs in memory, and
/// gives signs of life.
const WAITING: Whole = Whole { default: 1000, min: 1, max: 10_000, unit: "runs" };

/// How many runs are executed and how they are stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runs {
    /// Runs at the same time, 1 to 10000. `runs.concurrency` or `maxConcurrentJobs` (where a negative number means as
    /// many as possible).
    pub concurrency: u64,
    /// MiB that all runs together may have: each reserves its limit before it starts. Four fifths of the machine unless given.
    pub memory_mib: u64,
    /// Runs that may wait for their tenant's share or for memory, 1 to 10000; with so many, no more are claimed.
    pub waiting: u64,
    /// On a drain, how long running runs may finish before they are aborted.
    pub drain_timeout: Duration,
    /// On an abort, how long a run may clean up before it is killed.
    pub abort_grace: Duration,
    /// How long a run may take when its policy does not say; `runs.wallTime` or `timeoutMins`. Without either, the policies' own default.
    pub wall_time: Option<Duration>,
}

/// How meshStack is asked for work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poll {
    /// Time between two claims while there is nothing to do; jittered. `poll.interval` or `pollingIntervalSeconds`.
    pub interval: Duration,
}

/// What the default of `runs.memoryMib` follows from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Machine {
    /// Bytes of memory that this process may use, if anybody knows.
    pub(super) memory: Option<u64>,
    /// The highest limit of the routes, in MiB: on a small machine, one run at a time is better than none.
    pub(super) largest_run_mib: u64,
}

impl Machine {
    fn memory_mib(self) -> u64 {
        let share = |bytes: u64| (bytes >> 20).saturating_mul(MEMORY_PERCENT) / 100;
        let mib = self.memory.map_or(MEMORY.default, share);
        mib.max(self.largest_run_mib).clamp(MEMORY.min, MEMORY.max)
    }
}

/// Opens the section; it is read in two parts, since the routes stand between them: they need the wall time, and the rest needs
/// to know the largest of them.
pub(super) fn section<'n>(reader: &mut Reader<'_>, root: &Section<'n>) -> Section<'n> {
    reader.subsection(root, "runs", RUNS_KEYS)
}

/// `runs.wallTime` or `timeoutMins`.
pub(super) fn wall_time(
    reader: &mut Reader<'_>,
    root: &Section<'_>,
    section: &Section<'_>,
) -> Option<Duration> {
    let older = root.find("timeoutMins");
    let is_older = older.is_some();
    let found = reader.either(older, section.find("wallTime"));
    reader.parse("runs.wallTime", found, |text| {
        if is_older {
            WALL_TIME.parse_count(text, Duration::from_secs(60))
        } else {
            WALL_TIME.parse(text)
        }
    })
}

impl Runs {
    pub(super) fn read(
        reader: &mut Reader<'_>,
        root: &Section<'_>,
        section: &Section<'_>,
        machine: Machine,
        wall_time: Option<Duration>,
    ) -> Self {
        let older = root.find("maxConcurrentJobs");
        let found = reader.either(older.clone(), section.find("concurrency"));
        let unlimited = older.as_ref().and_then(|found| found.text()).is_some_and(is_negative);
        if let Some(found) = older.filter(|_| unlimited) {
            reader.warn(&found, "there is no unlimited here; it means 10000 runs at the same time");
        }
        let concurrency = reader.parse("runs.concurrency", found, |text| {
            if unlimited { Ok(CONCURRENCY.max) } else { CONCURRENCY.parse(text) }
        });
        let memory = section.find("memoryMib");
        let memory = reader.parse("runs.memoryMib", memory, |text| MEMORY.parse(text));
        let waiting = section.find("waiting");
        let waiting = reader.parse("runs.waiting", waiting, |text| WAITING.parse(text));
        let drain = section.find("drainTimeout");
        let drain = reader.parse("runs.drainTimeout", drain, |text| DRAIN_TIMEOUT.parse(text));
        let grace = section.find("abortGrace");
        let grace = reader.parse("runs.abortGrace", grace, |text| ABORT_GRACE.parse(text));
        Self {
            concurrency: concurrency.unwrap_or(CONCURRENCY.default),
            memory_mib: memory.unwrap_or_else(|| machine.memory_mib()),
            waiting: waiting.unwrap_or(WAITING.default),
            drain_timeout: drain.unwrap_or(DRAIN_TIMEOUT.default),
            abort_grace: grace.unwrap_or(ABORT_GRACE.default),
            wall_time,
        }
    }

    pub(super) fn show(&self, out: &mut Show<'_>) {
        out.section("runs", |out| {
            out.value("concurrency", &self.concurrency.to_string());
            out.value("memoryMib", &self.memory_mib.to_string());
            out.value("waiting", &self.waiting.to_string());
            out.duration("drainTimeout", self.drain_timeout);
            out.duration("abortGrace", self.abort_grace);
            if let Some(wall_time) = self.wall_time {
                out.duration("wallTime", wall_time);
            }
        });
    }
}

/// The older key documents negative numbers as "no limit".
fn is_negative(text: &str) -> bool {
    text.trim().parse::<i64>().is_ok_and(|number| number < 0)
}

impl Poll {
    pub(super) fn read(reader: &mut Reader<'_>, root: &Section<'_>) -> Self {
        let section = reader.subsection(root, "poll", POLL_KEYS);
        let (older, found) = (root.find("pollingIntervalSeconds"), section.find("interval"));
        let is_older = older.is_some();
        let found = reader.either(older, found);
        let interval = reader.parse("poll.interval", found, |text| {
            if is_older {
                INTERVAL.parse_count(text, Duration::from_secs(1))
            } else {
                INTERVAL.parse(text)
            }
        });
        Self { interval: interval.unwrap_or(INTERVAL.default) }
    }

    pub(super) fn show(&self, out: &mut Show<'_>) {
        out.section("poll", |out| out.duration("interval", self.interval));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_may_have_four_fifths_of_the_machine_and_one_always_fits() {
        let machine = |memory| Machine { memory, largest_run_mib: 64 }.memory_mib();
        assert_eq!(machine(Some(10 << 30)), 8192);
        assert_eq!(machine(None), MEMORY.default);
        assert_eq!(machine(Some(1)), 64);
        let mib = machine(Some(u64::MAX));
        assert_eq!(MEMORY.parse(&mib.to_string()), Ok(mib));
    }
}
