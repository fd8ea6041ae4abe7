//! Wall time is the deadline, and aborts work whatever the component is doing.

use crate::trial::{HOUR, Trial};
use blockhouse::outcome::{AbortReason, Outcome};
use std::time::Duration;

const DEADLINE: Duration = Duration::from_millis(200);

pub(crate) mod sleep_forever {
    use super::*;
    use blockhouse_artifacts::SLEEP_FOREVER;

    #[tokio::test(flavor = "multi_thread")]
    async fn waiting_ends_at_the_deadline() {
        let ended = Trial::of(SLEEP_FOREVER).with(|l| l.wall_time = DEADLINE).run().await;
        let hit = ended.hit();
        assert!(hit.used >= 200 && hit.allowed == 200, "{hit}");
        assert!(ended.message().contains("limit.time"), "{}", ended.message());
        assert!(ended.message().contains("of 200.0ms used"), "{}", ended.message());
        assert!(ended.usage.fuel > 0, "what was used before is reported");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn waiting_ends_with_an_abort() {
        let run = Trial::of(SLEEP_FOREVER).start();
        run.tells("sleeping: Ok").await;
        run.abort(AbortReason::Shutdown);
        // It has heard of it, and returned: that its work is done is its own to say.
        run.end().await.succeeded();
    }
}

pub(crate) mod sleep_by_clock {
    use super::*;
    use blockhouse_artifacts::SLEEP_BY_CLOCK;

    #[tokio::test(flavor = "multi_thread")]
    async fn waiting_by_wasi_ends_at_the_deadline() {
        let ended = Trial::of(SLEEP_BY_CLOCK).with(|l| l.wall_time = DEADLINE).run().await;
        assert_eq!(ended.code(), "limit.time");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_that_never_asked_is_aborted_in_its_sleep() {
        let run = Trial::of(SLEEP_BY_CLOCK).grace(HOUR).start();
        run.tells("sleeping: Ok").await;
        run.abort(AbortReason::ByUser);
        assert_eq!(run.end().await.outcome, Outcome::Aborted(AbortReason::ByUser));
    }
}

pub(crate) mod ignore_abort {
    use super::*;
    use blockhouse_artifacts::{IGNORE_ABORT, LOOP_IN_START};

    #[tokio::test(flavor = "multi_thread")]
    async fn one_that_never_asked_is_stopped_at_once() {
        // A grace of an hour: the test would hang if it were given.
        let run = Trial::of(IGNORE_ABORT).with(|l| l.fuel = u64::MAX / 2).grace(HOUR).start();
        run.tells("computing: Ok").await;
        run.abort(AbortReason::ByUser);
        let ended = run.end().await;
        assert_eq!(ended.outcome, Outcome::Aborted(AbortReason::ByUser));
        assert_eq!(ended.code(), "aborted.user");
        assert_eq!(ended.message(), "The run was aborted.");
        assert!(ended.usage.fuel > 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn computing_ends_at_the_deadline() {
        let trial = Trial::of(IGNORE_ABORT).with(|l| {
            l.fuel = u64::MAX / 2;
            l.wall_time = DEADLINE;
        });
        assert_eq!(trial.run().await.code(), "limit.time");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_deadline_also_holds_for_instantiation() {
        let trial = Trial::of(LOOP_IN_START).with(|l| {
            l.fuel = u64::MAX / 2;
            l.wall_time = DEADLINE;
        });
        assert_eq!(trial.run().await.code(), "limit.time");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_run_that_is_aborted_before_it_begins_does_not_begin_for_long() {
        let run = Trial::of(LOOP_IN_START).with(|l| l.fuel = u64::MAX / 2).start();
        run.abort(AbortReason::Shutdown);
        let ended = run.end().await;
        assert_eq!(ended.code(), "aborted.shutdown");
        assert!(ended.message().contains("shut down"), "{}", ended.message());
    }
}

pub(crate) mod watch_abort {
    use super::*;
    use blockhouse_artifacts::WATCH_ABORT;

    #[tokio::test(flavor = "multi_thread")]
    async fn one_that_watches_may_clean_up() {
        let run = Trial::of(WATCH_ABORT).grace(HOUR).start();
        run.tells("working: Ok").await;
        run.abort(AbortReason::ByUser);
        let ended = run.end().await;
        assert!(ended.told.contains("cleaned up"), "{}", ended.told);
        assert_eq!(ended.outcome, Outcome::Aborted(AbortReason::ByUser), "and not just failed");
    }
}

pub(crate) mod overstay_abort {
    use super::*;
    use blockhouse_artifacts::OVERSTAY_ABORT;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_grace_has_an_end() {
        let trial = Trial::of(OVERSTAY_ABORT).with(|l| l.fuel = u64::MAX / 2);
        let run = trial.grace(Duration::from_millis(100)).start();
        run.tells("working: Ok").await;
        run.abort(AbortReason::ByUser);
        assert_eq!(run.end().await.code(), "aborted.user");
    }
}
