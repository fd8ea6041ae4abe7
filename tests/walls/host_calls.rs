//! What passes between the component and the host: bounded in size, and checked as if it came from an enemy.

use crate::trial::Trial;

const TRANSFER: &str = "too much data in one call to the host: 1.0 MiB allowed";

pub(crate) mod huge_list {
    use super::*;
    use blockhouse_artifacts::HUGE_LIST;

    /// Also pins wasmtime's words "fuel allocated for hostcalls has been exhausted", which have no public type.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_text_that_is_too_long_for_one_call_is_not_copied() {
        Trial::of(HUGE_LIST).run().await.stopped_by("limit.transfer", TRANSFER);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_same_text_is_cut_where_the_call_may_be_that_large() {
        let trial = Trial::of(HUGE_LIST).with(|limits| limits.host_call_bytes = 5 << 20);
        let summary = trial.run().await.succeeded().summary.unwrap();
        assert!(summary.len() <= 1 << 10 && summary.ends_with('…'), "{summary}");
    }
}

pub(crate) mod aliased_list {
    use super::*;
    use blockhouse_artifacts::ALIASED_LIST;

    #[tokio::test(flavor = "multi_thread")]
    async fn texts_at_the_same_place_count_as_often_as_they_are_copied() {
        Trial::of(ALIASED_LIST).run().await.stopped_by("limit.transfer", TRANSFER);
    }
}

pub(crate) mod random_flood {
    use super::*;
    use blockhouse_artifacts::RANDOM_FLOOD;

    #[tokio::test(flavor = "multi_thread")]
    async fn more_random_bytes_than_allowed_are_not_made() {
        let ended = Trial::of(RANDOM_FLOOD).run().await;
        ended.crashed("component.trap", "exceeds limit 65536");
    }
}

pub(crate) mod write_zeroes {
    use super::*;
    use blockhouse_artifacts::WRITE_ZEROES;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_host_does_not_make_a_terabyte_of_zeroes() {
        let ended = Trial::of(WRITE_ZEROES).run().await;
        ended.crashed("component.trap", "cannot write more zeroes");
    }
}

pub(crate) mod write_unasked {
    use super::*;
    use blockhouse_artifacts::WRITE_UNASKED;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_write_beyond_what_was_permitted_ends_the_run() {
        let ended = Trial::of(WRITE_UNASKED).run().await;
        ended.crashed("component.misuse", "wrote 100000 bytes where 65536 were permitted");
    }
}

pub(crate) mod forged_handle {
    use super::*;
    use blockhouse_artifacts::FORGED_HANDLE;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_handle_that_was_not_given_does_not_work() {
        let ended = Trial::of(FORGED_HANDLE).run().await;
        ended.crashed("component.trap", "unknown handle index 12345");
    }
}

pub(crate) mod dropped_handle {
    use super::*;
    use blockhouse_artifacts::DROPPED_HANDLE;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_handle_that_was_given_back_does_not_work() {
        let ended = Trial::of(DROPPED_HANDLE).run().await;
        assert_eq!(ended.told, "dropping: Ok(())\n");
        ended.crashed("component.trap", "unknown handle index");
    }
}

pub(crate) mod forged_secret {
    use super::*;
    use blockhouse_artifacts::FORGED_SECRET;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_handle_of_another_type_does_not_work() {
        let trial = Trial::of(FORGED_SECRET).secret("token", "hunter2").reveal("token");
        let ended = trial.run().await;
        let shown = format!("{ended:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("[secret"), "{shown}");
        ended.crashed("component.trap", "handle index");
    }
}

pub(crate) mod report_after_return {
    use super::*;
    use blockhouse_artifacts::REPORT_AFTER_RETURN;

    #[tokio::test(flavor = "multi_thread")]
    async fn nothing_can_be_reported_after_the_result() {
        let ended = Trial::of(REPORT_AFTER_RETURN).run().await;
        assert_eq!(ended.summary.as_deref(), Some("beforehand"));
        ended.crashed("component.trap", "cannot leave component instance");
    }
}

pub(crate) mod non_utf8 {
    use super::*;
    use blockhouse_artifacts::NON_UTF8;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_text_that_is_not_unicode_ends_the_run() {
        Trial::of(NON_UTF8).run().await.crashed("component.trap", "utf-8");
    }
}

pub(crate) mod text_outside_memory {
    use super::*;
    use blockhouse_artifacts::TEXT_OUTSIDE_MEMORY;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_text_outside_of_memory_ends_the_run() {
        let ended = Trial::of(TEXT_OUTSIDE_MEMORY).run().await;
        ended.crashed("component.trap", "out of bounds");
    }
}
