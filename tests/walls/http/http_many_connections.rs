//! Connections at a time.

use super::server::{Names, Reply, Server, ok};
use super::{granted, text};
use crate::trial::Trial;
use blockhouse_artifacts::HTTP_MANY_CONNECTIONS;
use std::sync::Arc;
use tokio::sync::Semaphore;

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_limit_wait() {
    let gate = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&gate);
    let server =
        Server::start(move |_| Reply::Held(Arc::clone(&held), Box::new(ok("hello")))).await;
    let trial = Trial::of(HTTP_MANY_CONNECTIONS).policy(&granted(server.port));
    let trial = trial.http(Names::local().config()).input("times", text("6"));
    let run = trial.input("authority", text(&server.authority())).start();
    run.tells("sent: 6").await;
    server.holds(2, 2).await;
    // One after the other is answered; each makes room for another one.
    for answered in 1..=4 {
        gate.add_permits(1);
        server.holds(2, 2 + answered).await;
    }
    gate.add_permits(2);
    let ended = run.end().await.succeeded();
    assert_eq!(ended.told.matches("Ok(Ok(5))").count(), 6, "{}", ended.told);
    assert_eq!(server.connections(), 6);
    assert_eq!(server.most_at_a_time(), 2);
}
