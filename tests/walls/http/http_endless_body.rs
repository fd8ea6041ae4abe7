//! Bytes that are sent.

use super::server::{Names, Server, ok};
use super::{granted, text};
use crate::trial::Trial;
use blockhouse_artifacts::HTTP_ENDLESS_BODY;

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_request_hits_the_limit() {
    let server = Server::start(|_| ok("hello")).await;
    let trial = Trial::of(HTTP_ENDLESS_BODY).policy(&granted(server.port));
    let trial = trial.http(Names::local().config()).input("authority", text(&server.authority()));
    let words = "too much data sent over HTTP: 256.0 KiB allowed";
    trial.run().await.stopped_by("limit.sent", words);
}
