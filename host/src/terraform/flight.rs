//! What a run has in flight: [`InFlight`].

use super::answer::{Cancellation, OperationError, StateFate, StopReason};
use super::blocks::BlockLock;
use crate::outcome::AbortReason;
use crate::shutdown::Abort;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// What a run has in flight. Cheap to clone; outlives the [`Workspace`](super::Workspace).
#[derive(Clone, Debug)]
pub struct InFlight {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    abort: Abort,
    jobs: watch::Sender<usize>,
    report: Mutex<Option<Report>>,
    signals: watch::Sender<Signals>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Signals {
    hurry: bool,
    stop: Option<StopReason>,
}

/// What the host knows about a verb whose answer nobody may have heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// `apply`, `init`, …
    pub verb: &'static str,
    /// Whether and how it was stopped, in a sentence.
    pub stopped: Option<String>,
    /// What has become of the state.
    pub state: StateFate,
    /// The id of a lock that remains, or may.
    pub lock: Option<String>,
    /// Whether the run directory must not be removed: it has the only copy of the state.
    pub keep_directory: bool,
}

/// Counts a verb while it lives, and keeps the block.
struct Job {
    shared: Arc<Shared>,
    _block: Arc<BlockLock>,
}

impl InFlight {
    pub(super) fn new(abort: Abort) -> Self {
        let (jobs, signals) = (watch::Sender::new(0), watch::Sender::new(Signals::default()));
        Self { shared: Arc::new(Shared { abort, jobs, report: Mutex::new(None), signals }) }
    }

    /// Has what is in flight interrupted, once, and lets nothing else begin. Idempotent; the first reason counts.
    pub fn interrupt(&self, reason: StopReason) {
        self.shared.signals.send_modify(|signals| signals.stop = signals.stop.or(Some(reason)));
    }

    /// The host is going away: nothing is waited for any more but processes; no further tries to push state or to get a lock.
    pub fn hurry(&self) {
        self.shared.signals.send_modify(|signals| signals.hurry = true);
    }

    /// Waits until no verb is in flight: its processes are gone, and its state was written, or sealed and reported.
    /// Returns at once if there is none.
    pub async fn settled(&self) {
        // The sender lives as long as we do.
        let _ = self.shared.jobs.subscribe().wait_for(|jobs| *jobs == 0).await;
    }

    /// What is known of the last verb that may have written state, or that was stopped. For the final status of a run whose component
    /// was dropped meanwhile.
    #[must_use]
    pub fn report(&self) -> Option<Report> {
        self.shared.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What became of the state isn't forgotten over a later verb that writes none.
    pub(super) fn tell(&self, report: Report) {
        let mut last = self.shared.report.lock().unwrap_or_else(PoisonError::into_inner);
        let keeps = last.as_ref().is_some_and(|last| {
            matches!(last.state, StateFate::NotSaved(_) | StateFate::Unknown(_))
                || last.keep_directory
        });
        if !keeps || report.state != StateFate::Untouched {
            let keep_directory =
                report.keep_directory || last.as_ref().is_some_and(|last| last.keep_directory);
            let state = match (&report.state, last.take()) {
                (StateFate::Untouched, Some(last)) => last.state,
                _ => report.state,
            };
            *last = Some(Report { keep_directory, state, ..report });
        }
    }

    /// Why the run is being stopped, if it is.
    pub(super) fn stop(&self) -> Option<StopReason> {
        let stop = self.shared.signals.borrow().stop;
        stop.or_else(|| self.shared.abort.reason().map(reason))
    }

    pub(super) fn is_in_a_hurry(&self) -> bool {
        self.shared.signals.borrow().hurry
    }

    /// Waits until the run is to be stopped.
    pub(super) async fn stopped(&self) -> StopReason {
        let mut signals = self.shared.signals.subscribe();
        tokio::select! {
            aborted = self.shared.abort.aborted() => reason(aborted),
            changed = signals.wait_for(|signals| signals.stop.is_some()) => {
                changed.ok().and_then(|signals| signals.stop).unwrap_or(StopReason::Shutdown)
            }
        }
    }

    /// Waits for a time; false if the run is to be stopped or the host goes away meanwhile.
    pub(super) async fn pause(&self, time: Duration) -> bool {
        tokio::select! {
            biased;
            _ = self.stopped() => false,
            whole = self.pause_unless_hurried(time) => whole,
        }
    }

    /// Likewise, but a run that is to be stopped waits all the same: for what must be tried even then.
    pub(super) async fn pause_unless_hurried(&self, time: Duration) -> bool {
        let mut signals = self.shared.signals.subscribe();
        tokio::select! {
            biased;
            _ = signals.wait_for(|signals| signals.hurry) => false,
            () = tokio::time::sleep(time) => true,
        }
    }

    /// An error if the run is to be stopped: nothing else begins.
    pub(super) fn may_begin(&self, verb: &str) -> Result<(), OperationError> {
        match self.stop() {
            None => Ok(()),
            Some(reason) => Err(OperationError::Cancelled(not_begun(verb, reason))),
        }
    }

    /// Carries a verb out in a task of its own: whoever waits for the answer may give up, the verb does not.
    pub(super) async fn perform<T, E>(
        &self,
        block: &Arc<BlockLock>,
        job: impl Future<Output = Result<T, E>> + Send + 'static,
        lost: impl FnOnce(String) -> E,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        self.shared.jobs.send_modify(|jobs| *jobs += 1);
        let guard = Job { shared: Arc::clone(&self.shared), _block: Arc::clone(block) };
        let task = tokio::spawn(async move {
            let answer = job.await;
            drop(guard);
            answer
        });
        // A panic was told by the hook; the run gets an honest answer.
        task.await.unwrap_or_else(|_| Err(lost("the task of the verb ended early".to_owned())))
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.shared.jobs.send_modify(|jobs| *jobs = jobs.saturating_sub(1));
    }
}

/// A verb that the run's stop keeps from beginning.
pub(super) fn not_begun(verb: &str, reason: StopReason) -> Cancellation {
    let message = format!("`{verb}` was not started, since the run is being stopped.");
    Cancellation { reason, message, state: StateFate::Untouched, lock: None }
}

fn reason(reason: AbortReason) -> StopReason {
    match reason {
        AbortReason::ByUser => StopReason::ByUser,
        AbortReason::Shutdown => StopReason::Shutdown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terraform::BlockLocks;
    use tokio::sync::oneshot;

    async fn block() -> Arc<BlockLock> {
        Arc::new(BlockLocks::default().take("b").await)
    }

    #[tokio::test]
    async fn a_verb_goes_on_when_nobody_waits_for_it_and_keeps_the_block() {
        let locks = BlockLocks::default();
        let block = Arc::new(locks.take("b").await);
        let flight = InFlight::new(Abort::default());
        let (end, ended) = oneshot::channel::<()>();
        let mut call = Box::pin(flight.perform(
            &block,
            async move { ended.await.map_err(|_| String::new()) },
            |why| why,
        ));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(call.as_mut().poll(&mut context).is_pending());
        drop(call);
        drop(block);
        assert!(locks.try_take("b").is_none());
        let mut settled = Box::pin(flight.settled());
        assert!(settled.as_mut().poll(&mut context).is_pending());
        end.send(()).unwrap();
        settled.await;
        let _again = locks.take("b").await;
    }

    #[tokio::test]
    async fn a_panic_is_an_answer_and_settles() {
        let flight = InFlight::new(Abort::default());
        let job = async { if true { panic!("on purpose") } else { Ok::<(), String>(()) } };
        flight.perform(&block().await, job, |why| why).await.unwrap_err();
        flight.settled().await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_reason_counts_and_pauses_end() {
        let abort = Abort::default();
        let flight = InFlight::new(abort.clone());
        assert!(flight.pause(Duration::from_secs(1)).await);
        flight.may_begin("plan").unwrap();
        flight.interrupt(StopReason::Time);
        flight.interrupt(StopReason::Memory);
        abort.abort(AbortReason::ByUser);
        assert_eq!(flight.stop(), Some(StopReason::Time));
        flight.may_begin("plan").unwrap_err();
        assert!(!flight.pause(Duration::from_secs(1)).await);
        assert!(flight.pause_unless_hurried(Duration::from_secs(1)).await);
        flight.hurry();
        assert!(!flight.pause_unless_hurried(Duration::from_secs(1)).await);
    }

    #[test]
    fn a_lost_state_is_not_forgotten_over_a_later_verb() {
        let flight = InFlight::new(Abort::default());
        let report =
            |verb, state| Report { verb, stopped: None, state, lock: None, keep_directory: false };
        let lost = report("apply", StateFate::NotSaved("x".to_owned()));
        flight.tell(lost.clone());
        flight.tell(report("outputs", StateFate::Untouched));
        assert_eq!(flight.report(), Some(lost));
        flight.tell(report("apply", StateFate::Saved));
        assert_eq!(flight.report().unwrap().state, StateFate::Saved);
    }
}
