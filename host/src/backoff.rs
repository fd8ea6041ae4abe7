//! How long to wait before trying again: [`Backoff`], exponential with full jitter and a cap.
//!
//! Used by the meshStack client's retries, by the poll loop (reset on success) and by the reporter.
//!
//! An own type and not the crate `backon`: its jitter *adds* up to the whole delay (so it exceeds the cap and never
//! spreads below the delay: clients that failed together return together), and it is consumed by one retried call,
//! while the poll loop needs a value that lives for ever and is reset.

use std::time::Duration;

/// The two ends of a back-off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// The longest that the first delay can be; it doubles with each further one.
    pub first: Duration,
    /// The longest that any delay can be.
    pub cap: Duration,
}

/// Delays that grow while something keeps failing.
///
/// Each is drawn evenly from zero to a ceiling that doubles up to the cap ("full jitter"), so that many clients
/// that fail at once come back spread out.
#[derive(Clone, Debug)]
pub struct Backoff {
    config: Config,
    ceiling: Duration,
}

impl Backoff {
    /// Starts with the first delay.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config, ceiling: config.first.min(config.cap) }
    }

    /// The next delay: from zero to the ceiling, which then doubles.
    pub fn delay(&mut self) -> Duration {
        let ceiling = self.ceiling;
        self.ceiling = ceiling.saturating_mul(2).min(self.config.cap);
        spread(ceiling)
    }

    /// The next delay when the other side asked for at least `floor` (`Retry-After`): `floor` plus jitter, since the
    /// others were told the same. May exceed the cap; whoever reads `floor` from outside must bound it.
    pub fn delay_after(&mut self, floor: Duration) -> Duration {
        floor.saturating_add(self.delay())
    }

    /// Starts over: to be called on success.
    pub fn reset(&mut self) {
        self.ceiling = self.config.first.min(self.config.cap);
    }
}

/// Draws evenly from `0..=ceiling`.
fn spread(ceiling: Duration) -> Duration {
    // 2^64 ns are 584 years.
    let nanos = u64::try_from(ceiling.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(fastrand::u64(0..=nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: Config =
        Config { first: Duration::from_millis(100), cap: Duration::from_millis(700) };

    fn ceilings(backoff: &mut Backoff, count: usize) -> Vec<u128> {
        (0..count)
            .map(|_| {
                let ceiling = backoff.ceiling;
                assert!(backoff.delay() <= ceiling);
                ceiling.as_millis()
            })
            .collect()
    }

    #[test]
    fn ceilings_double_up_to_the_cap() {
        assert_eq!(ceilings(&mut Backoff::new(CONFIG), 6), [100, 200, 400, 700, 700, 700]);
    }

    #[test]
    fn success_starts_over() {
        let mut backoff = Backoff::new(CONFIG);
        ceilings(&mut backoff, 5);
        backoff.reset();
        assert_eq!(ceilings(&mut backoff, 2), [100, 200]);
    }

    #[test]
    fn jitter_is_full() {
        fastrand::seed(7);
        let ceiling = Duration::from_secs(100);
        let drawn: Vec<_> = (0..1000).map(|_| spread(ceiling)).collect();
        assert!(drawn.iter().any(|d| *d < Duration::from_secs(5)));
        assert!(drawn.iter().any(|d| *d > Duration::from_secs(95)));
        assert!(drawn.iter().all(|d| *d <= ceiling));
    }

    #[test]
    fn a_demanded_delay_is_kept_and_still_spread() {
        let mut backoff = Backoff::new(CONFIG);
        let floor = Duration::from_secs(3);
        let delay = backoff.delay_after(floor);
        assert!(delay >= floor && delay <= floor + CONFIG.first);
    }

    #[test]
    fn extreme_configurations_do_not_panic() {
        for (first, cap) in [
            (Duration::ZERO, Duration::ZERO),
            (Duration::MAX, Duration::MAX),
            (Duration::from_secs(60), Duration::from_secs(1)),
        ] {
            let mut backoff = Backoff::new(Config { first, cap });
            for _ in 0..200 {
                assert!(backoff.delay() <= cap);
            }
            assert!(backoff.delay_after(Duration::MAX) == Duration::MAX);
        }
    }
}
