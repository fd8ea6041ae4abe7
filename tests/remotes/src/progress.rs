//! How a run of parts goes on: jobs of a workflow, stages of a pipeline. Main type: [`Progress`].

use time::OffsetDateTime;

/// What moves a run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Only a test does, so that a run stays as it is until then.
    ByHand,
    /// Every so many polls of the run (at least one).
    Polls(u32),
}

/// Where something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Done,
    Running,
    Waiting,
}

/// A run goes through frames: waiting, running with all parts waiting, then each part in turn running and done. With the last
/// part, the run is done.
#[derive(Debug)]
pub(crate) struct Progress {
    parts: usize,
    pace: Pace,
    polls: u32,
    /// When each frame began; the last is the present one.
    entered: Vec<OffsetDateTime>,
    cancelling: bool,
    /// The frame in which it was cancelled, and when.
    cancelled: Option<(usize, OffsetDateTime)>,
}

impl Progress {
    pub(crate) fn new(parts: usize, pace: Pace, now: OffsetDateTime) -> Self {
        let entered = vec![now];
        Self { parts, pace, polls: 0, entered, cancelling: false, cancelled: None }
    }

    fn frame(&self) -> usize {
        self.entered.len() - 1
    }

    fn last(&self) -> usize {
        (1 + 2 * self.parts).max(2)
    }

    /// After a poll was answered.
    pub(crate) fn polled(&mut self, now: OffsetDateTime) {
        let Pace::Polls(polls) = self.pace else { return };
        self.polls += 1;
        if self.polls >= polls.max(1) {
            self.polls = 0;
            self.step(now);
        }
    }

    /// To the next frame; stays at the last.
    pub(crate) fn step(&mut self, now: OffsetDateTime) {
        if self.whole() == Phase::Done {
            return;
        }
        if self.cancelling {
            self.cancelled = Some((self.frame(), now));
        } else {
            self.entered.push(now);
        }
    }

    /// To the end.
    pub(crate) fn finish(&mut self, now: OffsetDateTime) {
        while self.whole() != Phase::Done {
            self.step(now);
        }
    }

    /// The next step is the last one.
    pub(crate) fn cancel(&mut self) {
        self.cancelling = true;
    }

    pub(crate) fn is_cancelling(&self) -> bool {
        self.cancelling && self.cancelled.is_none()
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.is_some()
    }

    pub(crate) fn whole(&self) -> Phase {
        if self.cancelled.is_some() || self.frame() == self.last() {
            Phase::Done
        } else if self.frame() == 0 {
            Phase::Waiting
        } else {
            Phase::Running
        }
    }

    /// Where a part stands. A cancelled one is done, too.
    pub(crate) fn part(&self, index: usize) -> Phase {
        if self.cancelled.is_some() || self.finished(index).is_some() {
            Phase::Done
        } else if self.started(index).is_some() {
            Phase::Running
        } else {
            Phase::Waiting
        }
    }

    /// Whether a part was not done when the run was cancelled.
    pub(crate) fn is_part_cancelled(&self, index: usize) -> bool {
        self.cancelled.is_some_and(|(frame, _)| frame < 3 + 2 * index)
    }

    pub(crate) fn created(&self) -> Option<OffsetDateTime> {
        self.entered.first().copied()
    }

    pub(crate) fn changed(&self) -> Option<OffsetDateTime> {
        self.cancelled.map(|(_, at)| at).or_else(|| self.entered.last().copied())
    }

    pub(crate) fn started(&self, index: usize) -> Option<OffsetDateTime> {
        self.entered.get(2 + 2 * index).copied()
    }

    pub(crate) fn finished(&self, index: usize) -> Option<OffsetDateTime> {
        let by_itself = self.entered.get(3 + 2 * index).copied();
        by_itself.or_else(|| self.cancelled.map(|(_, at)| at))
    }
}

#[cfg(test)]
mod tests {
    use super::{Pace, Phase, Progress};
    use time::OffsetDateTime;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    #[test]
    fn parts_run_one_after_the_other() {
        use Phase::{Done, Running, Waiting};
        let mut progress = Progress::new(2, Pace::ByHand, NOW);
        let mut seen = Vec::new();
        for _ in 0..7 {
            seen.push((progress.whole(), progress.part(0), progress.part(1)));
            progress.step(NOW);
        }
        let expected = [
            (Waiting, Waiting, Waiting),
            (Running, Waiting, Waiting),
            (Running, Running, Waiting),
            (Running, Done, Waiting),
            (Running, Done, Running),
            (Done, Done, Done),
            (Done, Done, Done),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_cancelled_run_ends_with_the_next_step_and_keeps_what_was_done() {
        let mut progress = Progress::new(2, Pace::Polls(2), NOW);
        for _ in 0..3 {
            progress.step(NOW);
        }
        progress.cancel();
        progress.polled(NOW);
        assert!(progress.is_cancelling() && progress.whole() == Phase::Running);
        progress.polled(NOW);
        assert!(progress.is_cancelled() && progress.whole() == Phase::Done);
        assert!(!progress.is_part_cancelled(0) && progress.is_part_cancelled(1));
    }
}
