//! What handles stand for is counted, and not only the handles.

use super::server::{Names, Server, ok};
use super::{granted, text, usable};
use crate::trial::Trial;
use blockhouse_artifacts::HTTP_MANY_SECRETS;

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_named_very_often_does_not_grow_without_end() {
    let server = Server::start(|_| ok("hello")).await;
    let policy = format!("{}{}", granted(server.port), usable("api.test"));
    let trial = Trial::of(HTTP_MANY_SECRETS).policy(&policy).http(Names::local().config());
    let trial = trial.input("url", text(&server.url("/"))).secret("token", &"x".repeat(10_000));
    let ended = trial.with(|limits| limits.handles = 20_000).run().await.succeeded();
    assert!(ended.told.contains("is larger than 1024 KiB"), "{}", ended.told);
    assert_eq!(server.connections(), 0);
}
