//! Secrets that the host takes out of responses: they go back to where they came from, unseen.

use super::server::{Names, Server, ok, response};
use super::{
    everything_for, granted, nothing_was_passed_on, nothing_was_repeated, rule, text, usable,
};
use crate::trial::Trial;
use blockhouse_artifacts::TAKE_SECRET;

const SECRET: &str = "hunter2-4711";

fn trial(policy: &str, from: &Server) -> Trial {
    let names = Names::of(&[("api.test", &[&["127.0.0.1"]]), ("other.test", &[&["127.0.0.1"]])]);
    let trial = Trial::of(TAKE_SECRET).policy(policy).http(names.config());
    trial.input("from", text(&from.url("/")))
}

async fn issuing() -> Server {
    Server::start(|_| ok(&format!("{{\"token\": \"{SECRET}\", \"n\":1.10}}"))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_received_secret_goes_back_without_being_seen() {
    let server = issuing().await;
    let trial = trial(&granted(server.port), &server);
    let ended = trial.input("url", text(&server.url("/x"))).run().await.succeeded();
    assert!(
        ended.told.contains("body: 23 bytes: {\"token\": \"\", \"n\":1.10}\n"),
        "{}",
        ended.told
    );
    assert!(ended.told.contains("a secret\nsent: Ok(200)"), "{}", ended.told);
    let seen = server.seen();
    assert_eq!(seen[1].header("authorization"), [format!("Bearer {SECRET}")]);
    assert!(seen[2..].iter().all(|seen| seen.body == SECRET), "{seen:?}");
    assert!(!format!("{ended:?}").contains(SECRET), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_received_secret_that_a_server_repeats_is_in_no_text_that_is_shown() {
    let server = Server::start(|seen| match seen.header("authorization").first() {
        None if seen.body.is_empty() => ok(&format!("{{\"token\": \"{SECRET}\"}}")),
        None => ok("fine"),
        Some(authorization) => {
            // As an access log would have it, in pieces.
            let (start, end) = authorization.split_at(12);
            let body = format!("no access for {authorization} with ({start}\n{end})");
            response(403, &format!("x-refused: {authorization}\r\n"), &body)
        }
    })
    .await;
    let trial = trial(&granted(server.port), &server);
    let ended = trial.input("url", text(&server.url("/x"))).run().await.succeeded();
    let marker = "Bearer [secret token received] with (Bearer [secret token received])";
    nothing_was_repeated(&ended, SECRET, marker);
    assert!(!format!("{ended:?}").contains("hunter2"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_received_secret_is_sent_to_no_other_origin() {
    let (server, other) = (issuing().await, Server::start(|_| ok("hello")).await);
    let ports = format!("ports = [{}, {}]\nprivate = ['127.0.0.0/8']", server.port, other.port);
    let policy = rule("'api.test', 'other.test'", &ports);
    // Grants for secrets of the run are none for it.
    let policy = format!("{policy}{}", usable("*").replace("'token'", "'*'"));
    let another_name = format!("http://other.test:{}/", server.port);
    for url in [other.url("/"), another_name] {
        let ended = trial(&policy, &server).input("url", text(&url)).run().await.succeeded();
        let from = server.url("");
        let words =
            format!("lets the secret received from {from} go back there and not to http://");
        assert!(ended.told.contains("sent: Err(SendError::Denied("), "{}", ended.told);
        assert!(ended.told.contains(&words), "{}", ended.told);
    }
    assert_eq!((server.connections(), other.connections()), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_received_secret_is_neither_shown_nor_passed_on() {
    let server = issuing().await;
    let policy = format!("{}{}", granted(server.port), everything_for("token"));
    let ended = trial(&policy, &server).input("pass on", text("")).run().await.succeeded();
    let what = format!("the secret received from {}", server.url(""));
    nothing_was_passed_on(&ended, &what);
    assert!(!format!("{ended:?}").contains(SECRET), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_in_hostile_json_is_taken_whole_or_not_at_all() {
    let depth = 50_000;
    let deep = format!("{}\"x\"{}", "[".repeat(depth), "]".repeat(depth));
    let deep_object = "{\"token\":".repeat(depth / 4);
    let beside = format!("{{\"a\":{deep},\"token\":\"{SECRET}\"}}");
    let twice = format!("{{\"token\":\"{SECRET}\",\"x\":1,\"tok\\u0065n\":\"{SECRET}2\"}}");
    let number = "{\"token\":4711}".to_owned();
    for (body, taken) in
        [(deep, None), (deep_object, None), (number, None), (beside, Some(12)), (twice, Some(25))]
    {
        let size = body.len();
        let server = Server::start(move |_| ok(&body)).await;
        let ended = trial(&granted(server.port), &server).run().await.succeeded();
        let left = format!("body: {} bytes: ", size - taken.unwrap_or(0));
        assert!(ended.told.contains(&left), "{left}: {}", ended.told);
        let expected = if taken.is_some() { "\na secret\n" } else { "\nno secret\n" };
        assert!(ended.told.contains(expected), "{}", ended.told);
        assert!(!ended.told.contains("hunter2"), "{}", ended.told);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_is_too_large_for_that_is_not_shown() {
    let body = format!("{{\"token\":\"{SECRET}\",\"x\":\"{}\"}}", "x".repeat(1 << 20));
    let server = Server::start(move |_| ok(&body)).await;
    let trial = trial(&granted(server.port), &server).with(|limits| {
        limits.host_call_bytes = 4 << 20;
        limits.http_received_bytes = 4 << 20;
    });
    let ended = trial.run().await.succeeded();
    let expected =
        "error: SendError::TooLarge(\"the response's body has more than 1048576 bytes\")";
    assert!(ended.told.contains(expected), "{}", ended.told);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_success_has_a_secret() {
    let server = Server::start(|_| response(403, "", "{\"token\":\"x\"}")).await;
    let ended = trial(&granted(server.port), &server).run().await.succeeded();
    assert!(ended.told.contains("{\"token\":\"x\"}\nno secret\n"), "{}", ended.told);
    let pointer = trial(&granted(server.port), &server).input("take", text("token"));
    let ended = pointer.run().await.succeeded();
    assert!(
        ended.told.contains("InvalidRequest(\"`take-secret` is no JSON pointer"),
        "{}",
        ended.told
    );
    assert_eq!(server.connections(), 1);
}
