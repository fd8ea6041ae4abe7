//! How a program is stopped, as decisions over time: [`Stopping`]. Neither sends signals nor looks at a clock.

use super::{Ladder, Stop, StopReason};
use std::time::Duration;

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// For the first or second time.
    Interrupt(u8),
    /// With all that it has started.
    Kill,
}

/// Where a program is on its ladder. Times are from its start, and never go back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stopping {
    ladder: Ladder,
    asked: Option<Asked>,
    progress: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    reason: StopReason,
    at: Duration,
    /// When the second interrupt was sent.
    again: Option<Duration>,
    interrupts: u8,
    killed: bool,
}

impl Stopping {
    pub(super) fn new(ladder: Ladder) -> Self {
        Self { ladder, asked: None, progress: Duration::ZERO }
    }

    /// The first time, it is interrupted. Whoever asks after that changes nothing, since two interrupts lose Terraform's state.
    pub(super) fn ask(&mut self, reason: StopReason, now: Duration) -> Option<Act> {
        // SECURITY: walls::one_interrupt_whoever_asks
        if self.asked.is_some() {
            return None;
        }
        let interrupts = 1;
        self.asked = Some(Asked { reason, at: now, again: None, interrupts, killed: false });
        Some(Act::Interrupt(interrupts))
    }

    /// Killed without being asked first, unless it was.
    pub(super) fn kill(&mut self, reason: StopReason, now: Duration) -> Act {
        let fresh = Asked { reason, at: now, again: None, interrupts: 0, killed: true };
        self.asked.get_or_insert(fresh).killed = true;
        Act::Kill
    }

    /// It has written something that tells of progress.
    pub(super) fn progressed(&mut self, now: Duration) {
        self.progress = now;
    }

    /// What time has brought about.
    pub(super) fn tick(&mut self, now: Duration) -> Option<Act> {
        let (ladder, progress) = (self.ladder, self.progress);
        let asked = self.asked.as_mut().filter(|asked| !asked.killed)?;
        if let Some(again) = asked.again {
            if now.saturating_sub(again) < ladder.force {
                return None;
            }
            asked.killed = true;
            return Some(Act::Kill);
        }
        let waited = now.saturating_sub(asked.at);
        let is_stalled = ladder.stall.is_none_or(|stall| now.saturating_sub(progress) >= stall);
        if waited < ladder.limit && (waited < ladder.grace || !is_stalled) {
            return None;
        }
        asked.interrupts = 2;
        asked.again = Some(now);
        Some(Act::Interrupt(asked.interrupts))
    }

    /// Whether it has been asked to stop.
    pub(super) fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// What has been done up to now.
    pub(super) fn done(&self, now: Duration) -> Option<Stop> {
        self.asked.map(|asked| Stop {
            reason: asked.reason,
            interrupts: asked.interrupts,
            killed: asked.killed,
            took: now.saturating_sub(asked.at),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shim::Orphan;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    const LADDER: Ladder = Ladder {
        grace: seconds(10),
        stall: Some(seconds(5)),
        limit: seconds(100),
        force: seconds(3),
        orphan: Orphan::Continues,
    };

    #[test]
    fn only_the_first_one_who_asks_has_it_interrupted() {
        let mut stopping = Stopping::new(LADDER);
        assert_eq!(stopping.tick(seconds(1000)), None);
        assert_eq!(stopping.ask(StopReason::ByUser, seconds(1)), Some(Act::Interrupt(1)));
        for reason in [StopReason::ByUser, StopReason::Shutdown, StopReason::Time] {
            assert_eq!(stopping.ask(reason, seconds(2)), None);
        }
        let stop = stopping.done(seconds(3)).unwrap();
        let expected =
            Stop { reason: StopReason::ByUser, interrupts: 1, killed: false, took: seconds(2) };
        assert_eq!(stop, expected);
    }

    #[test]
    fn one_that_hangs_is_interrupted_again_after_the_grace_and_killed_after_the_force() {
        let mut stopping = Stopping::new(LADDER);
        stopping.ask(StopReason::Time, seconds(0));
        assert_eq!(stopping.tick(seconds(9)), None);
        assert_eq!(stopping.tick(seconds(10)), Some(Act::Interrupt(2)));
        assert_eq!(stopping.tick(seconds(12)), None);
        assert_eq!(stopping.tick(seconds(13)), Some(Act::Kill));
        assert_eq!(stopping.tick(seconds(1000)), None);
        let stop = stopping.done(seconds(14)).unwrap();
        assert_eq!((stop.interrupts, stop.killed, stop.took), (2, true, seconds(14)));
    }

    #[test]
    fn progress_is_waited_for_up_to_the_limit() {
        let mut stopping = Stopping::new(LADDER);
        stopping.ask(StopReason::Time, seconds(0));
        for second in 1..100 {
            if second % 4 == 0 {
                stopping.progressed(seconds(second));
            }
            assert_eq!(stopping.tick(seconds(second)), None, "{second}");
        }
        assert_eq!(stopping.tick(seconds(100)), Some(Act::Interrupt(2)));
    }

    #[test]
    fn a_stall_within_the_grace_is_forgiven_and_one_after_it_is_not() {
        let mut stopping = Stopping::new(LADDER);
        stopping.ask(StopReason::Time, seconds(0));
        stopping.progressed(seconds(9));
        assert_eq!(stopping.tick(seconds(13)), None);
        assert_eq!(stopping.tick(seconds(14)), Some(Act::Interrupt(2)));
        let mut without = Stopping::new(Ladder { stall: None, ..LADDER });
        without.ask(StopReason::Time, seconds(0));
        without.progressed(seconds(9));
        assert_eq!(without.tick(seconds(10)), Some(Act::Interrupt(2)));
    }

    #[test]
    fn one_that_is_killed_is_not_interrupted_any_more() {
        let mut stopping = Stopping::new(LADDER);
        assert_eq!(stopping.kill(StopReason::Orphaned, seconds(1)), Act::Kill);
        assert_eq!(stopping.ask(StopReason::ByUser, seconds(2)), None);
        assert_eq!(stopping.tick(seconds(200)), None);
        let stop = stopping.done(seconds(2)).unwrap();
        assert_eq!((stop.reason, stop.interrupts, stop.killed), (StopReason::Orphaned, 0, true));
    }
}
