//! `wasi:http`: the same walls, behind another interface.

use super::server::{Names, Reply, Server, ok, response};
use super::{granted, text};
use crate::trial::{Ended, Trial};
use blockhouse_artifacts::WASI_HTTP_REQUEST;

fn trial(policy: &str, inputs: &[(&str, &str)]) -> Trial {
    let trial = Trial::of(WASI_HTTP_REQUEST).policy(policy).http(Names::local().config());
    inputs.iter().fold(trial, |trial, (key, value)| trial.input(key, text(value)))
}

/// A request to this server with these inputs.
async fn send(server: &Server, inputs: &[(&str, &str)]) -> Ended {
    let authority = server.authority();
    let all = [&[("authority", authority.as_str()), ("path", "/")], inputs].concat();
    trial(&granted(server.port), &all).run().await.succeeded()
}

#[track_caller]
fn contains(ended: &Ended, words: &str) {
    assert!(ended.told.contains(words), "{}", ended.told);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_granted_host_is_reached() {
    let server = Server::start(|_| ok("hello")).await;
    let ended = send(&server, &[("method", "PUT"), ("body", "four"), ("header x-a", "b")]).await;
    contains(&ended, "status: 200");
    contains(&ended, "body: Ok(\"hello\")");
    let seen = server.only();
    assert_eq!(seen.line, "PUT / HTTP/1.1");
    assert_eq!(seen.header("host"), [server.authority()]);
    assert_eq!(seen.header("x-a"), ["b"]);
    assert!(seen.body.contains("four"), "{}", seen.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_without_a_grant_is_denied_at_call_time_and_the_log_says_why() {
    let names = Names::local();
    let trial = trial("", &[("authority", "api.test"), ("path", "/")]).http(names.config());
    let ended = trial.run().await.succeeded();
    contains(&ended, "error: ErrorCode::HttpRequestDenied");
    contains(&ended, "policy `test` grants no outbound HTTP");
    assert!(names.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_to_a_private_address_is_prohibited() {
    let server = Server::start(|_| ok("reached")).await;
    let policy = super::rule("'api.test'", &format!("ports = [{}]", server.port));
    let authority = server.authority();
    let ended = trial(&policy, &[("authority", &authority), ("path", "/")]).run().await;
    contains(&ended.succeeded(), "error: ErrorCode::DestinationIpProhibited");
    assert_eq!(server.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_is_a_url_is_refused() {
    let server = Server::start(|_| ok("reached")).await;
    for path in ["http://evil.test/", "evil.test:80/x", "*", "@evil.test", "/a b", "/\r\nx: y"] {
        let authority = server.authority();
        let inputs = [("authority", authority.as_str()), ("path", path)];
        let ended = trial(&granted(server.port), &inputs).run().await.succeeded();
        contains(&ended, "path: Err(())");
        assert_eq!(server.connections(), 0, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_in_the_authority_is_refused() {
    let server = Server::start(|_| ok("reached")).await;
    for user in ["user@", "user:password@", "evil.test@"] {
        let authority = format!("{user}{}", server.authority());
        let inputs = [("authority", authority.as_str()), ("path", "/")];
        let ended = trial(&granted(server.port), &inputs).run().await.succeeded();
        contains(&ended, "user names and passwords are not allowed");
        assert_eq!(server.connections(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_scheme_is_refused() {
    let server = Server::start(|_| ok("reached")).await;
    contains(&send(&server, &[("scheme", "https")]).await, "ErrorCode::HttpRequestDenied");
    contains(&send(&server, &[("scheme", "gopher")]).await, "the URL can't be used");
    assert_eq!(server.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_the_host_can_not_be_set() {
    let server = Server::start(|_| ok("hello")).await;
    let names = ["host", "connection", "transfer-encoding", "upgrade", "te", "trailer", "expect"];
    for name in names.into_iter().chain(["keep-alive", "proxy-authorization", "proxy-x"]) {
        let ended = send(&server, &[(&format!("header {name}"), "evil.test")]).await;
        contains(&ended, &format!("header {name}: Err(HeaderError::Forbidden)"));
    }
    for seen in server.seen() {
        assert_eq!(seen.header("host"), [server.authority()]);
        assert_eq!(seen.header("connection"), ["close"]);
    }
    let ended = send(&server, &[("header x-a", "b\r\nx-smuggled: c")]).await;
    contains(&ended, "Err(HeaderError::InvalidSyntax)");
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_the_connection_are_not_shown_to_the_component() {
    let server = Server::start(|_| response(200, "keep-alive: x\r\nx-a: b\r\n", "")).await;
    let ended = send(&server, &[]).await;
    contains(&ended, "\"x-a\"");
    assert!(!ended.told.contains("keep-alive"), "{}", ended.told);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_longer_than_declared_is_cut_off() {
    let server = Server::start(|_| ok("hello")).await;
    for length in ["2", "9"] {
        let inputs = [("method", "POST"), ("body", "four"), ("header content-length", length)];
        let ended = send(&server, &inputs).await;
        contains(&ended, "finish: Err(ErrorCode::HttpRequestBodySize");
        assert!(!ended.told.contains("status: 200") || length == "2", "{}", ended.told);
    }
    for seen in server.seen() {
        assert!(seen.body.len() <= 4 && !seen.body.contains("four") || seen.body == "four");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_that_tunnel_or_repeat_secrets_are_refused_here_as_well() {
    let server = Server::start(|_| ok("hello")).await;
    for method in ["CONNECT", "TRACE"] {
        contains(&send(&server, &[("method", method)]).await, "can't be used");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_answers_is_given_up_when_the_component_says() {
    let server = Server::start(|_| Reply::Silence(Vec::new())).await;
    let ended = send(&server, &[("first-byte", "100")]).await;
    contains(&ended, "error: ErrorCode::HttpResponseTimeout");
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_vec();
    let server = Server::start(move |_| Reply::Silence(head.clone())).await;
    let ended = send(&server, &[("between-bytes", "100")]).await;
    contains(&ended, "the response's body took longer than 100ms");
}

#[tokio::test(flavor = "multi_thread")]
async fn timeouts_of_zero_are_no_time_and_no_panic() {
    let server = Server::start(|_| ok("hello")).await;
    for key in ["connect", "first-byte", "between-bytes"] {
        let ended = send(&server, &[(key, "0")]).await;
        assert!(!ended.told.contains("panicked"), "{}", ended.told);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_is_hit_in_the_background_ends_the_run() {
    let body = "x".repeat(300_000);
    let server = Server::start(move |_| ok(&body)).await;
    let authority = server.authority();
    let run = trial(&granted(server.port), &[("authority", &authority), ("path", "/")]).run().await;
    run.stopped_by("limit.received", "too much data received over HTTP: 256.0 KiB allowed");
}
