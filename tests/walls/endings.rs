//! Ends that are the component's own doing, and that nobody else gets the blame for.

use crate::trial::Trial;

pub(crate) mod trap {
    use super::*;
    use blockhouse::timeline::StepStatus;
    use blockhouse_artifacts::TRAP;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_trap_fails_the_running_step_and_tells_where_it_happened() {
        let ended = Trial::of(TRAP).run().await;
        let step = ended.steps.first().unwrap();
        assert_eq!((step.id.as_str(), step.status), ("trapping", StepStatus::Failed));
        assert_eq!(step.user_message, Some(ended.message()));
        let ended = ended.crashed("component.trap", "unreachable");
        assert!(ended.detail().contains("\n  in "), "a backtrace: {}", ended.detail());
        assert!(ended.log().contains("component.trap"), "{}", ended.log());
    }
}

pub(crate) mod panic {
    use super::*;
    use blockhouse_artifacts::PANIC;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_words_of_a_panic_are_in_the_log() {
        let ended = Trial::of(PANIC).run().await.crashed("component.trap", "unreachable");
        assert!(ended.log().contains("the author did not think of this"), "{}", ended.log());
    }
}

pub(crate) mod exit_zero {
    use super::*;
    use blockhouse_artifacts::EXIT_ZERO;

    #[tokio::test(flavor = "multi_thread")]
    async fn leaving_without_a_verdict_is_no_success() {
        Trial::of(EXIT_ZERO).run().await.crashed("component.exited", "exit(0)");
    }
}

pub(crate) mod exit_one {
    use super::*;
    use blockhouse_artifacts::EXIT_ONE;

    #[tokio::test(flavor = "multi_thread")]
    async fn leaving_with_an_error_code_is_a_failure() {
        Trial::of(EXIT_ONE).run().await.crashed("component.exited", "error code");
    }
}

pub(crate) mod non_utf8_failure {
    use super::*;
    use blockhouse_artifacts::NON_UTF8_FAILURE;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_message_that_is_not_unicode_is_the_components_fault() {
        Trial::of(NON_UTF8_FAILURE).run().await.crashed("component.trap", "utf-8");
    }
}

pub(crate) mod impossible_verdict {
    use super::*;
    use blockhouse_artifacts::IMPOSSIBLE_VERDICT;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_verdict_that_does_not_exist_is_the_components_fault() {
        Trial::of(IMPOSSIBLE_VERDICT).run().await.crashed("component.trap", "discriminant");
    }
}

pub(crate) mod result_outside_memory {
    use super::*;
    use blockhouse_artifacts::RESULT_OUTSIDE_MEMORY;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_result_outside_of_memory_is_the_components_fault() {
        Trial::of(RESULT_OUTSIDE_MEMORY).run().await.crashed("component.trap", "out of bounds");
    }
}

pub(crate) mod bad_realloc {
    use super::*;
    use blockhouse_artifacts::BAD_REALLOC;

    #[tokio::test(flavor = "multi_thread")]
    async fn room_outside_of_memory_is_the_components_fault() {
        Trial::of(BAD_REALLOC).run().await.crashed("component.trap", "realloc");
    }
}
