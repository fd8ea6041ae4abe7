//! What is named is counted, and made once for each request.

use super::give_document_away::DOCUMENT;
use super::server::{Names, Server, ok};
use super::{granted, text};
use crate::trial::Trial;
use blockhouse_artifacts::MULTIPLY_DOCUMENT;

#[tokio::test(flavor = "multi_thread")]
async fn a_document_named_very_often_does_not_grow_without_end() {
    let server = Server::start(|_| ok("hello")).await;
    let given = "[[run_document]]\nreason = 'x'\nhosts = ['api.test']\n";
    let policy = format!("{}{given}", granted(server.port));
    let document = DOCUMENT.replace("1e400", &format!("\"{}\"", "x".repeat(10_000)));
    let trial = Trial::of(MULTIPLY_DOCUMENT).policy(&policy).http(Names::local().config());
    let trial = trial.document(&document).input("url", text(&server.url("/")));
    let ended = trial.run().await.succeeded();
    let refused = "Err(SendError::InvalidRequest(\"the request is larger than 1024 KiB\"))";
    for what in ["body", "headers"] {
        assert!(ended.told.contains(&format!("{what}: {refused}")), "{}", ended.told);
    }
    assert_eq!(server.connections(), 0);
}
