//! Runs beside each other: one that attacks takes nothing from those around it.

use crate::trial::{Ended, Started, Trial, sandbox_for};
use blockhouse::outcome::AbortReason;
use blockhouse_artifacts::{
    ALLOCATE_FOREVER, CHEAP_HOST_CALLS, HONEST_WORK, IDLE, LEAVE_A_TRACE, LOOP_FOREVER,
    RECURSE_FOREVER, SLEEP_FOREVER,
};

const GOOD_RUNS: usize = 8;

fn endless(guest: &[u8]) -> Started {
    Trial::of(guest).with(|limits| limits.fuel = u64::MAX / 2).start()
}

/// Runs that all go on at the same time.
async fn good_runs() -> Vec<Ended> {
    let runs: Vec<_> = (0..GOOD_RUNS).map(|_| Trial::of(HONEST_WORK).start()).collect();
    let mut ended = Vec::new();
    for run in runs {
        ended.push(run.end().await.succeeded());
    }
    ended
}

pub(crate) mod honest_work {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn runs_beside_endless_loops_succeed() {
        // As many loops as there are threads, twice.
        let loops: Vec<_> = [LOOP_FOREVER, CHEAP_HOST_CALLS, LOOP_FOREVER, CHEAP_HOST_CALLS]
            .map(endless)
            .into_iter()
            .collect();
        good_runs().await;
        for run in loops {
            run.abort(AbortReason::ByUser);
            assert_eq!(run.end().await.code(), "aborted.user");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn runs_beside_those_that_hit_their_limits_succeed() {
        let hostile = [ALLOCATE_FOREVER, RECURSE_FOREVER, ALLOCATE_FOREVER, LOOP_FOREVER];
        let hostile = hostile.map(|guest| Trial::of(guest).start());
        good_runs().await;
        for run in hostile {
            assert!(run.end().await.code().starts_with("limit."));
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_same_run_uses_the_same_fuel_alone_and_beside_busy_neighbours() {
        let alone = Trial::of(HONEST_WORK).run().await.succeeded();
        assert!(alone.usage.fuel > 1_000_000, "{}", alone.usage);
        let loops = [LOOP_FOREVER, LOOP_FOREVER, CHEAP_HOST_CALLS].map(endless);
        for run in good_runs().await {
            assert_eq!(run.usage.fuel, alone.usage.fuel);
            assert_eq!(run.usage.memory_peak, alone.usage.memory_peak);
        }
        for run in loops {
            run.abort(AbortReason::Shutdown);
            run.end().await;
        }
    }
}

pub(crate) mod leave_a_trace {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_run_finds_nothing_of_an_earlier_one_in_the_same_place() {
        // One slot: the second run gets the very memory that the first one had.
        let sandbox = Box::leak(Box::new(sandbox_for(1)));
        for _ in 0..3 {
            let ended = Trial::in_sandbox(sandbox, LEAVE_A_TRACE).run().await.succeeded();
            assert!(ended.log().contains("earlier runs: 0, marks found: 0"), "{}", ended.log());
        }
    }
}

pub(crate) mod idle {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_smallest_component_succeeds() {
        let ended = Trial::of(IDLE).run().await.succeeded();
        assert_eq!(ended.usage.memory_peak, 65_536);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_run_beyond_the_pool_is_a_fault_that_may_be_tried_again() {
        let sandbox = Box::leak(Box::new(sandbox_for(1)));
        let first = Trial::in_sandbox(sandbox, SLEEP_FOREVER).start();
        first.tells("sleeping: Ok").await;

        let second = Trial::in_sandbox(sandbox, IDLE).run().await;
        assert_eq!(second.code(), "host", "{:?}", second.outcome);
        assert!(second.message().contains("Please start the run again"), "{}", second.message());

        first.abort(AbortReason::ByUser);
        first.end().await;
        Trial::in_sandbox(sandbox, IDLE).run().await.succeeded();
    }
}
