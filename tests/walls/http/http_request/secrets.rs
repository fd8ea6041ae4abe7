//! Secrets in requests: put in by the host, for hosts that policy names, unseen by the component.

use super::super::server::{Names, Server, ok};
use super::super::{granted, request, request_by, request_to, rule, text, told, usable};
use crate::trial::{Ended, Trial};

const SECRET: &str = "hunter2";

/// The component, its user and its operator have seen nothing of it.
fn unseen(ended: &Ended) {
    let shown = format!("{ended:?}{}", ended.detail());
    assert!(!shown.contains(SECRET), "{shown}");
}

/// A policy that sets a header from the secret.
fn with_header(port: u16) -> String {
    let header = "headers = [{ name = 'Authorization', secret = 'token', prefix = 'Bearer ' }]";
    format!("{}{header}\n", granted(port))
}

fn with_secret(server: &Server) -> Trial {
    let policy = format!("{}{}", granted(server.port), usable("api.test"));
    request(&policy, &server.url("/")).secret("token", SECRET)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_policy_sets_is_not_the_components_to_choose() {
    let server = Server::start(|_| ok("hello")).await;
    let trial = request(&with_header(server.port), &server.url("/")).secret("token", SECRET);
    let trial = trial.input("header authorization", text("Bearer mine"));
    let ended = trial.run().await.succeeded();
    assert_eq!(server.only().header("authorization"), ["Bearer hunter2"]);
    unseen(&ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_policy_sets_is_not_sent_elsewhere() {
    let server = Server::start(|_| ok("hello")).await;
    let names = Names::of(&[("api.test", &[&["127.0.0.1"]]), ("other.test", &[&["127.0.0.1"]])]);
    let other = format!("ports = [{}]\nprivate = ['127.0.0.0/8']", server.port);
    let policy = format!("{}{}", with_header(server.port), rule("'other.test'", &other));
    let url = format!("http://other.test:{}/", server.port);
    let ended = request_by(&names, &policy, &url).secret("token", SECRET).run().await.succeeded();
    assert!(ended.told.contains("status: 200"), "{}", ended.told);
    assert_eq!(server.only().header("authorization"), Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_policy_sets_from_a_missing_secret_is_an_error_that_says_so() {
    let server = Server::start(|_| ok("hello")).await;
    let ended = request(&with_header(server.port), &server.url("/")).run().await.succeeded();
    told(&ended, "InvalidRequest", "the secret `token`, which this run does not have");
    assert_eq!(server.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_used_in_headers_and_bodies_without_being_seen() {
    let server = Server::start(|_| ok("hello")).await;
    let trial = with_secret(&server)
        .input("method", text("POST"))
        .input("secret header private-token", text("glpat-"))
        .input("basic", text("me"))
        .input("json", text("{\"password\":\""))
        .input("body", text("\"}&token="))
        .input("form", text(""));
    let ended = trial.run().await.succeeded();
    assert!(ended.told.contains("status: 200"), "{}", ended.told);
    let seen = server.only();
    assert_eq!(seen.header("private-token"), ["glpat-hunter2"]);
    assert_eq!(seen.header("authorization"), ["Basic bWU6aHVudGVyMg=="]);
    assert_eq!(seen.body, "{\"password\":\"hunter2\"}&token=hunter2");
    unseen(&ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_not_sent_to_a_host_that_policy_does_not_name() {
    let server = Server::start(|_| ok("hello")).await;
    for policy in
        [granted(server.port), format!("{}{}", granted(server.port), usable("other.test"))]
    {
        for input in ["secret header authorization", "basic", "json", "form"] {
            let trial = request(&policy, &server.url("/")).secret("token", SECRET);
            let ended = trial.input(input, text("x")).run().await.succeeded();
            let words =
                "policy `test` does not grant the secret `token` in requests to http://api.test";
            told(&ended, "Denied", words);
            unseen(&ended);
        }
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_for_tokens_is_not_sent_itself() {
    let server = Server::start(|_| ok("hello")).await;
    let policy = format!("{}{}", granted(server.port), usable("api.test").replace("http'", "jwt'"));
    for input in ["secret header authorization", "basic", "json", "form"] {
        let trial = request(&policy, &server.url("/")).secret("token", SECRET);
        let ended = trial.input(input, text("x")).run().await.succeeded();
        let words =
            "policy `test` does not grant the secret `token` in requests to http://api.test";
        told(&ended, "Denied", words);
        unseen(&ended);
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_with_a_line_break_is_not_put_into_a_header() {
    let server = Server::start(|_| ok("hello")).await;
    for secret in ["hunter2\r\nx-smuggled: y", "hunter2\n", "hunter2\0"] {
        let policy = format!("{}{}", granted(server.port), usable("api.test"));
        let by_handle = request(&policy, &server.url("/"))
            .input("secret header authorization", text("Bearer "))
            .secret("token", secret);
        let by_policy =
            request(&with_header(server.port), &server.url("/")).secret("token", secret);
        for trial in [by_handle, by_policy] {
            let ended = trial.run().await.succeeded();
            told(&ended, "InvalidRequest", "the secret `token` holds a line break");
            unseen(&ended);
        }
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_in_json_or_a_form_stays_in_its_place() {
    let server = Server::start(|_| ok("hello")).await;
    let policy = format!("{}{}", granted(server.port), usable("api.test"));
    let trial = request(&policy, &server.url("/")).secret("token", "a\",\"admin\":\"b&c=d");
    let trial = trial.input("method", text("POST")).input("json", text("{\"p\":\""));
    trial.input("body", text("\"}")).run().await.succeeded();
    let body: serde_json::Value = serde_json::from_str(&server.only().body).unwrap();
    assert_eq!(body, serde_json::json!({ "p": "a\",\"admin\":\"b&c=d" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_network_holds_no_secret() {
    let server = Server::start(|_| super::super::server::Reply::Close(Vec::new())).await;
    let trial = with_secret(&server).input("secret header authorization", text("Bearer "));
    let ended = trial.run().await.succeeded();
    told(&ended, "Network", "the connection failed");
    unseen(&ended);
    // Without a secret in it the request is the same to everybody else.
    request_to(&server).run().await.succeeded();
}
