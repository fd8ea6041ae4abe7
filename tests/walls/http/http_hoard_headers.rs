//! Headers that only take memory.

use super::text;
use crate::trial::{MIB, Trial};
use blockhouse_artifacts::HTTP_HOARD_HEADERS;

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_are_never_sent_are_bounded() {
    // 16 MiB and 200 handles: 64 KiB is the most.
    let ended = Trial::of(HTTP_HOARD_HEADERS).input("size", text("70000")).run().await;
    ended.crashed("component.trap", "");
    let few = Trial::of(HTTP_HOARD_HEADERS).input("size", text("60000"));
    few.run().await.succeeded();
    // With more handles each set may have less, so that all of them stay the same.
    let many = Trial::of(HTTP_HOARD_HEADERS).input("size", text("60000"));
    let many = many.with(|limits| limits.handles = 16 * MIB / 16_384);
    many.run().await.crashed("component.trap", "");
}
