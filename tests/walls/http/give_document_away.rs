//! The run's document, which is worth a run's secrets: only hosts that policy names for it are given it.

use super::server::{Names, Seen, Server, ok, response};
use super::{granted, rule, text};
use crate::trial::{Ended, Trial};
use blockhouse_artifacts::GIVE_DOCUMENT_AWAY;
use data_encoding::BASE64;

/// Its inputs are those of [`trial`], sealed.
pub(super) const DOCUMENT: &str = r#"{"new":1e400,"spec":{"runToken":"eyJ-run-token","buildingBlock":{"spec":{"inputs":[
    {"key":"password","value":"sealed","type":"STRING","isSensitive":true}]}},
    "buildingBlockDefinition":{"spec":{"implementation":{"type":"GITHUB_WORKFLOW","appPem":"sealed-key","owner":"acme"}}}}}"#;

fn given_to(host: &str) -> String {
    format!("[[run_document]]\nreason = 'x'\nhosts = ['{host}']\n")
}

fn trial(policy: &str, url: &str) -> Trial {
    let names = Names::of(&[("api.test", &[&["127.0.0.1"]]), ("other.test", &[&["127.0.0.1"]])]);
    let trial = Trial::of(GIVE_DOCUMENT_AWAY).policy(policy).http(names.config());
    trial.document(DOCUMENT).secret("password", "hunter2-4711").input("url", text(url))
}

/// Neither the component nor anybody who reads what it tells has seen anything of it.
fn unseen(ended: &Ended) {
    for part in ["hunter2", "eyJ", "sealed", "runToken"] {
        assert!(!format!("{ended:?}").contains(part), "{part}: {ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_runs_document_is_sent_without_the_definitions_secrets_and_unseen() {
    let server = Server::start(|_| ok("hello")).await;
    let policy = format!("{}{}", granted(server.port), given_to("api.test"));
    let ended = trial(&policy, &server.url("/")).run().await.succeeded();
    assert_eq!(ended.told.matches("Ok(200)").count(), 5, "{}", ended.told);
    assert!(ended.told.contains("link: self https://mesh/run\n"), "{}", ended.told);
    unseen(&ended);
    let seen = server.seen();
    let decoded = |text: &str| String::from_utf8(BASE64.decode(text.as_bytes()).unwrap()).unwrap();
    let header = |seen: &Seen| decoded(seen.header("x-run")[0]);
    let all = seen[0].body.clone();
    assert_eq!([decoded(&seen[1].body), header(&seen[4])], [all.clone(), all.clone()]);
    let bare = seen[2].body.clone();
    assert_eq!(decoded(&seen[3].body), bare);
    for text in [&all, &bare] {
        for part in ["\"new\":1e400", "eyJ-run-token", "hunter2-4711", "GITHUB_WORKFLOW"] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(!text.contains("sealed") && !text.contains("appPem"), "{text}");
    }
    assert!(all.contains("\"owner\":\"acme\"") && !bare.contains("acme"), "{all} {bare}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_run_token_that_a_server_repeats_is_in_no_text_that_is_shown() {
    let server = Server::start(|seen| {
        let token = if seen.body.contains("eyJ-run-token") { "eyJ-run-token" } else { "nobody" };
        response(403, "", &format!("no access for {token}"))
    })
    .await;
    let policy = format!("{}{}", granted(server.port), given_to("api.test"));
    let ended = trial(&policy, &server.url("/")).run().await.succeeded();
    unseen(&ended);
    let marker = "answer: no access for [secret run token]\n";
    assert_eq!(ended.told.matches(marker).count(), 2, "{}", ended.told);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_runs_document_goes_to_no_host_without_a_grant() {
    let server = Server::start(|_| ok("hello")).await;
    let place = format!("ports = [{}]\nprivate = ['127.0.0.0/8']", server.port);
    let reached = rule("'api.test', 'other.test'", &place);
    // Leave to use every secret is none to give away what holds them all.
    let secrets = "[[secrets.use]]\nreason = 'x'\nkeys = ['*']\nin = ['http']\nhosts = ['*']\n";
    for (policy, words) in [
        (format!("{reached}{secrets}"), "policy `test` gives the run's document to nobody"),
        (
            format!("{reached}{}", given_to("other.test")),
            "policy `test` does not give the run's document to http://api.test",
        ),
        (given_to("*"), "policy `test` grants no outbound HTTP"),
    ] {
        let ended = trial(&policy, &server.url("/")).run().await.succeeded();
        assert_eq!(ended.told.matches(words).count(), 5, "{}", ended.told);
        assert_eq!(ended.told.matches("SendError::Denied(").count(), 5, "{}", ended.told);
        unseen(&ended);
    }
    assert_eq!(server.connections(), 0);
}
