//! Fuel is the budget: whatever a component computes, and whatever the host computes for it.

use crate::trial::Trial;

const WORDS: &str = "computing budget exceeded: 100 of 100 million instructions used";

pub(crate) mod loop_forever {
    use super::*;
    use blockhouse_artifacts::LOOP_FOREVER;

    #[tokio::test(flavor = "multi_thread")]
    async fn an_endless_loop_uses_up_its_fuel() {
        let ended = Trial::of(LOOP_FOREVER).run().await.stopped_by("limit.cpu", WORDS);
        assert_eq!(ended.usage.fuel, 100_000_000);
        assert!(ended.summary.unwrap().contains("limit.cpu"));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_run_that_never_reported_gets_a_step_that_says_why() {
        let ended = Trial::of(LOOP_FOREVER).with(|limits| limits.fuel = 1_000_000).run().await;
        let step = ended.steps.first().unwrap();
        assert_eq!(step.user_message, Some(ended.message()));
        assert!(
            ended.log().contains("used 1.000 of 1.000 million instructions"),
            "{}",
            ended.log()
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_same_loop_ends_at_the_same_instruction() {
        for fuel in [1_000, 12_345, 1_000_000] {
            let trial = || Trial::of(LOOP_FOREVER).with(|limits| limits.fuel = fuel);
            let [one, two] = [trial().run().await, trial().run().await];
            assert_eq!(one.hit(), two.hit());
            assert_eq!(one.usage.fuel, two.usage.fuel);
        }
    }
}

pub(crate) mod loop_in_start {
    use super::*;
    use blockhouse_artifacts::LOOP_IN_START;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_loop_during_instantiation_uses_up_the_fuel() {
        Trial::of(LOOP_IN_START).run().await.stopped_by("limit.cpu", WORDS);
    }
}

pub(crate) mod loop_in_realloc {
    use super::*;
    use blockhouse_artifacts::LOOP_IN_REALLOC;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_loop_while_the_run_is_handed_over_uses_up_the_fuel() {
        Trial::of(LOOP_IN_REALLOC).run().await.stopped_by("limit.cpu", WORDS);
    }
}

pub(crate) mod loop_after_return {
    use super::*;
    use blockhouse_artifacts::LOOP_AFTER_RETURN;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_loop_after_the_result_uses_up_the_fuel() {
        Trial::of(LOOP_AFTER_RETURN).run().await.stopped_by("limit.cpu", WORDS);
    }
}

pub(crate) mod fill_memory {
    use super::*;
    use blockhouse_artifacts::FILL_MEMORY;

    #[tokio::test(flavor = "multi_thread")]
    async fn one_instruction_that_does_much_costs_much() {
        let ended = Trial::of(FILL_MEMORY).run().await.stopped_by("limit.cpu", WORDS);
        assert_eq!(ended.usage.memory_peak, 160 << 16);
    }
}

pub(crate) mod cheap_host_calls {
    use super::*;
    use blockhouse_artifacts::CHEAP_HOST_CALLS;

    #[tokio::test(flavor = "multi_thread")]
    async fn cheap_host_calls_use_up_the_fuel() {
        let ended = Trial::of(CHEAP_HOST_CALLS).run().await.stopped_by("limit.cpu", WORDS);
        // 500 per call: by its own instructions alone the guest would have had the host work ten times as often.
        assert!((100_000..=200_000).contains(&ended.calls), "{} calls", ended.calls);
    }
}

pub(crate) mod rejected_work {
    use super::*;
    use blockhouse_artifacts::REJECTED_WORK;

    #[tokio::test(flavor = "multi_thread")]
    async fn work_whose_result_is_thrown_away_is_charged_all_the_same() {
        Trial::of(REJECTED_WORK).run().await.stopped_by("limit.cpu", WORDS);
    }
}

pub(crate) mod random_work {
    use super::*;
    use blockhouse_artifacts::RANDOM_WORK;

    #[tokio::test(flavor = "multi_thread")]
    async fn random_bytes_are_charged() {
        Trial::of(RANDOM_WORK).run().await.stopped_by("limit.cpu", WORDS);
    }
}

pub(crate) mod poll_list {
    use super::*;
    use blockhouse_artifacts::POLL_LIST;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_list_to_poll_is_charged_by_its_length() {
        Trial::of(POLL_LIST).run().await.stopped_by("limit.cpu", WORDS);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_list_to_poll_is_no_longer_than_there_may_be_handles() {
        let trial = Trial::of(POLL_LIST).with(|limits| limits.fuel = 1_000_000_000);
        let words = "too many handles: 200 are allowed at a time";
        trial.run().await.stopped_by("limit.handles", words);
    }
}
