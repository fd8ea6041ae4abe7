//! Requests that only ask end with the run.

use super::server::{Names, Reply, Server, ok};
use super::{granted, text};
use crate::trial::{HOUR, Trial};
use blockhouse::outcome::{AbortReason, Outcome};
use blockhouse_artifacts::HANG_ON_REQUEST;
use std::sync::Arc;
use tokio::sync::Semaphore;

#[tokio::test(flavor = "multi_thread")]
async fn an_interruptible_request_ends_with_the_abort() {
    let gate = Arc::new(Semaphore::new(0));
    let server = Server::start(move |seen| match seen.line.starts_with("GET") {
        true => Reply::Held(Arc::clone(&gate), Box::new(ok("too late"))),
        false => ok("bye"),
    })
    .await;
    let trial = Trial::of(HANG_ON_REQUEST).policy(&granted(server.port));
    let trial = trial.http(Names::local().config()).input("url", text(&server.url("/")));
    // An hour to clean up: one that has asked by its request gets it, and does not need it.
    let run = trial.grace(HOUR).start();
    server.holds(1, 1).await;
    run.abort(AbortReason::ByUser);
    let ended = run.end().await;
    let told =
        "first: Err(SendError::Aborted)\nsecond: Err(SendError::Aborted)\ncleaned up: Ok(200)\n";
    assert!(ended.told.ends_with(told), "{}", ended.told);
    assert_eq!(ended.outcome, Outcome::Aborted(AbortReason::ByUser));
    // The first one and the last one: what would only ask is not sent any more.
    assert_eq!(server.connections(), 2);
}
