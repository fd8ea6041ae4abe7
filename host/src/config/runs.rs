//! `runs` and `poll`: how many runs at once, how we stop, how often we ask.

use std::time::Duration;

use super::measure::{Span, Whole};
use super::reader::{Reader, Section};
use super::show::Show;

const RUNS_KEYS: &[&str] = &["abortGrace", "concurrency", "drainTimeout", "wallTime"];
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

/// How many runs are executed and how they are stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runs {
    /// Runs at the same time, 1 to 10000. `runs.concurrency` or `maxConcurrentJobs` (where a negative number means as
    /// many as possible).
    pub concurrency: u64,
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

impl Runs {
    pub(super) fn read(reader: &mut Reader<'_>, root: &Section<'_>) -> Self {
        let section = reader.subsection(root, "runs", RUNS_KEYS);
        let older = root.find("maxConcurrentJobs");
        let found = reader.either(older.clone(), section.find("concurrency"));
        let unlimited = older.as_ref().and_then(|found| found.text()).is_some_and(is_negative);
        if let Some(found) = older.filter(|_| unlimited) {
            reader.warn(&found, "there is no unlimited here; it means 10000 runs at the same time");
        }
        let concurrency = reader.parse("runs.concurrency", found, |text| {
            if unlimited { Ok(CONCURRENCY.max) } else { CONCURRENCY.parse(text) }
        });
        let drain = section.find("drainTimeout");
        let drain = reader.parse("runs.drainTimeout", drain, |text| DRAIN_TIMEOUT.parse(text));
        let grace = section.find("abortGrace");
        let grace = reader.parse("runs.abortGrace", grace, |text| ABORT_GRACE.parse(text));
        let wall_time = Self::read_wall_time(reader, root, &section);
        Self {
            concurrency: concurrency.unwrap_or(CONCURRENCY.default),
            drain_timeout: drain.unwrap_or(DRAIN_TIMEOUT.default),
            abort_grace: grace.unwrap_or(ABORT_GRACE.default),
            wall_time,
        }
    }

    fn read_wall_time(
        reader: &mut Reader<'_>,
        root: &Section<'_>,
        runs: &Section<'_>,
    ) -> Option<Duration> {
        let older = root.find("timeoutMins");
        let is_older = older.is_some();
        let found = reader.either(older, runs.find("wallTime"));
        reader.parse("runs.wallTime", found, |text| {
            if is_older {
                WALL_TIME.parse_count(text, Duration::from_secs(60))
            } else {
                WALL_TIME.parse(text)
            }
        })
    }

    pub(super) fn show(&self, out: &mut Show<'_>) {
        out.section("runs", |out| {
            out.value("concurrency", &self.concurrency.to_string());
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
