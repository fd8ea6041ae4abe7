//! The number of requests.

use super::server::{Names, Server, ok};
use super::{granted, text};
use crate::trial::Trial;
use blockhouse_artifacts::HTTP_MANY_REQUESTS;

const WORDS: &str = "too many HTTP requests: 20 are allowed";

fn trial(policy: &str, url: &str, times: u32) -> Trial {
    let trial = Trial::of(HTTP_MANY_REQUESTS).policy(policy).http(Names::local().config());
    trial.input("url", text(url)).input("times", text(&times.to_string()))
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_limited_in_number() {
    let server = Server::start(|_| ok("hello")).await;
    let policy = granted(server.port);
    trial(&policy, &server.url("/"), 20).run().await.succeeded();
    assert_eq!(server.connections(), 20);
    trial(&policy, &server.url("/"), 100).run().await.stopped_by("limit.requests", WORDS);
    assert_eq!(server.connections(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_ignores_the_limit_has_hit_it_all_the_same() {
    let server = Server::start(|_| ok("hello")).await;
    // The one request too many is its last: it returns at once.
    let trial = trial(&granted(server.port), &server.url("/"), 21);
    trial.run().await.stopped_by("limit.requests", WORDS);
}

#[tokio::test(flavor = "multi_thread")]
async fn being_denied_costs_fuel() {
    let trial = trial("", "http://api.test/", 100_000);
    let trial = trial.with(|limits| limits.log_total_bytes = u64::MAX);
    let ended = trial.run().await;
    assert_eq!(ended.code(), "limit.cpu", "{:?}", ended.outcome);
    assert!(ended.calls < 1_100, "{} calls", ended.calls);
}
