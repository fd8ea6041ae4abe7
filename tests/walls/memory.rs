//! Memory and what stands for memory: summed over the run, refused in time, and the refusal is named as the cause.

use crate::trial::{MIB, Trial, sandbox, sandbox_for};
use blockhouse::outcome::LimitName;

pub(crate) mod allocate_forever {
    use super::*;
    use blockhouse_artifacts::ALLOCATE_FOREVER;

    #[tokio::test(flavor = "multi_thread")]
    async fn allocating_without_end_is_refused_and_the_limit_is_named() {
        let ended = Trial::of(ALLOCATE_FOREVER).run().await;
        let hit = ended.hit();
        assert_eq!((hit.limit, hit.allowed), (LimitName::Memory, 16 << 20));
        assert!(hit.used > hit.allowed, "{hit}");
        assert!(ended.message().contains("limit.memory"), "{}", ended.message());
        assert!(ended.message().contains("16.0 MiB allowed"), "{}", ended.message());
        assert!(ended.usage.memory_peak > 14 * MIB, "{}", ended.usage);
    }
}

pub(crate) mod live_with_refusal {
    use super::*;
    use blockhouse_artifacts::LIVE_WITH_REFUSAL;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_component_that_copes_with_a_refusal_succeeds() {
        let ended = Trial::of(LIVE_WITH_REFUSAL).run().await.succeeded();
        assert!(ended.told.contains("refused"), "{}", ended.told);
    }
}

pub(crate) mod many_memories {
    use super::*;
    use blockhouse_artifacts::MANY_MEMORIES;

    #[tokio::test(flavor = "multi_thread")]
    async fn memories_are_summed() {
        let words = "memory limit exceeded: 16.1 MiB asked for, 16.0 MiB allowed";
        let run = Trial::of(MANY_MEMORIES).run().await;
        let ended = run.stopped_by("limit.memory", words);
        assert!(ended.usage.memory_peak <= 16 * MIB);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_same_memories_are_fine_where_they_fit() {
        let trial = Trial::of(MANY_MEMORIES).with(|limits| limits.memory_bytes = 32 * MIB);
        let ended = trial.run().await.succeeded();
        assert!(ended.usage.memory_peak > 16 * MIB, "{}", ended.usage);
    }
}

pub(crate) mod huge_memory {
    use blockhouse_artifacts::HUGE_MEMORY;

    #[test]
    fn a_memory_that_no_run_can_have_is_refused_at_load() {
        let error = super::sandbox().load(HUGE_MEMORY, super::MIB).unwrap_err();
        assert!(error.to_string().contains("memory"), "{error}");
    }
}

pub(crate) mod too_many_memories {
    use blockhouse_artifacts::TOO_MANY_MEMORIES;

    #[test]
    fn more_memories_than_a_run_can_have_are_refused_at_load() {
        let error = super::sandbox().load(TOO_MANY_MEMORIES, super::MIB).unwrap_err();
        assert!(error.to_string().contains("memories"), "{error}");
    }
}

pub(crate) mod too_many_instances {
    use blockhouse_artifacts::TOO_MANY_INSTANCES;

    #[test]
    fn more_parts_than_a_run_can_have_are_refused_at_load() {
        let error = super::sandbox().load(TOO_MANY_INSTANCES, super::MIB).unwrap_err();
        assert!(error.to_string().contains("instances"), "{error}");
    }
}

pub(crate) mod hoard_memories {
    use super::*;
    use blockhouse_artifacts::{HOARD_MEMORIES, IDLE};
    use std::future::poll_fn;
    use std::task::Poll;

    /// A slot is taken before a run is claimed: a run that has a slot must get its instance.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_run_with_all_its_memories_takes_none_from_its_neighbours() {
        let sandbox = Box::leak(Box::new(sandbox_for(4)));
        let mut hoards = Vec::new();
        for _ in 0..3 {
            let hoard = Trial::in_sandbox(sandbox, HOARD_MEMORIES).with(|l| l.fuel = u64::MAX / 2);
            let mut run = Box::pin(hoard.run_here());
            // Once is enough to instantiate: it then loops in its start function until it is interrupted.
            if let Poll::Ready(ended) =
                poll_fn(|context| Poll::Ready(run.as_mut().poll(context))).await
            {
                panic!("it got no memories: {:?}", ended.outcome);
            }
            hoards.push(run);
        }
        Trial::in_sandbox(sandbox, IDLE).run_here().await.succeeded();
    }
}

pub(crate) mod grow_table {
    use super::*;
    use blockhouse_artifacts::GROW_TABLE;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_growing_table_is_refused_and_the_limit_is_named() {
        let words = "table too large: 11000 elements asked for, 10000 allowed";
        Trial::of(GROW_TABLE).run().await.stopped_by("limit.table", words);
    }
}

pub(crate) mod huge_table {
    use blockhouse_artifacts::HUGE_TABLE;

    #[test]
    fn a_table_that_no_run_can_have_is_refused_at_load() {
        let error = super::sandbox().load(HUGE_TABLE, super::MIB).unwrap_err();
        assert!(error.to_string().contains("table"), "{error}");
    }
}

pub(crate) mod recurse_forever {
    use super::*;
    use blockhouse_artifacts::RECURSE_FOREVER;

    #[tokio::test(flavor = "multi_thread")]
    async fn endless_recursion_ends_with_the_stack_and_not_with_the_process() {
        let words = "stack exhausted: 512.0 KiB allowed; is a recursion endless?";
        Trial::of(RECURSE_FOREVER).run().await.stopped_by("limit.stack", words);
    }
}

pub(crate) mod leak_handles {
    use super::*;
    use blockhouse_artifacts::LEAK_HANDLES;

    #[tokio::test(flavor = "multi_thread")]
    async fn handles_that_are_never_given_back_run_out() {
        let words = "too many handles: 200 are allowed at a time";
        Trial::of(LEAK_HANDLES).run().await.stopped_by("limit.handles", words);
    }
}

pub(crate) mod leak_wasi_handles {
    use super::*;
    use blockhouse_artifacts::LEAK_WASI_HANDLES;

    #[tokio::test(flavor = "multi_thread")]
    async fn handles_of_wasi_count_as_well() {
        let words = "too many handles: 200 are allowed at a time";
        Trial::of(LEAK_WASI_HANDLES).run().await.stopped_by("limit.handles", words);
    }
}

pub(crate) mod lend_handles {
    use super::*;
    use blockhouse_artifacts::LEND_HANDLES;

    /// Also pins wasmtime's words "store handle limit exceeded", which have no public type.
    #[tokio::test(flavor = "multi_thread")]
    async fn handles_that_are_lent_to_the_host_count_as_well() {
        let words = "too many handles: 200 are allowed at a time";
        Trial::of(LEND_HANDLES).run().await.stopped_by("limit.handles", words);
    }
}
