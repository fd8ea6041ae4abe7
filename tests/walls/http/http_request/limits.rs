//! Responses that are too long, too slow or never end.

use super::super::server::{Names, Reply, Server, ok};
use super::super::{granted, request_by, request_to, text, told};
use crate::trial::Ended;
use std::sync::Arc;
use tokio::sync::Semaphore;

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

fn endless(head: &str, rest: &str) -> Reply {
    Reply::Endless(head.as_bytes().to_vec(), rest.as_bytes().to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_response_hits_the_limit() {
    let server = Server::start(|_| endless(CHUNKED, "5\r\nhello\r\n")).await;
    let words = "too much data received over HTTP: 256.0 KiB allowed";
    request_to(&server).run().await.stopped_by("limit.received", words);
}

#[tokio::test(flavor = "multi_thread")]
async fn interim_answers_without_end_hit_the_limit() {
    let server = Server::start(|_| endless("", "HTTP/1.1 103 Early Hints\r\nx: y\r\n\r\n")).await;
    let words = "too much data received over HTTP: 256.0 KiB allowed";
    request_to(&server).run().await.stopped_by("limit.received", words);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_received_is_charged_as_fuel() {
    let body = "x".repeat(100_000);
    let server = Server::start(move |_| ok(&body)).await;
    let ended = request_to(&server).run().await.succeeded();
    let server = Server::start(|_| ok("")).await;
    let less = request_to(&server).run().await.succeeded();
    assert!(ended.usage.fuel > less.usage.fuel + 100_000, "{} {}", ended.usage, less.usage);
    assert!(less.usage.fuel > 100_000, "a request has a price of its own: {}", less.usage);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_is_larger_than_the_component_wants_is_an_error() {
    let body = "x".repeat(1_001);
    let server = Server::start(move |_| ok(&body)).await;
    let ended = request_to(&server).input("max", text("1000")).run().await.succeeded();
    told(&ended, "TooLarge", "more than 1000 bytes");
    request_to(&server).input("max", text("1001")).run().await.succeeded();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_is_never_larger_than_one_call_may_be() {
    let body = "x".repeat(2_000);
    let server = Server::start(move |_| ok(&body)).await;
    let trial = request_to(&server).input("max", text("1000000"));
    let ended = trial.with(|limits| limits.host_call_bytes = 1_500).run().await.succeeded();
    told(&ended, "TooLarge", "more than 1500 bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn huge_response_headers_are_an_error() {
    let long = format!("HTTP/1.1 200 OK\r\nx-long: {}\r\n\r\n", "x".repeat(100_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x-many: y\r\n".repeat(101));
    for head in [long, many] {
        let server = Server::start(move |_| Reply::Silence(head.clone().into_bytes())).await;
        let trial = request_to(&server).input("timeout", text("60000"));
        told(&trial.run().await.succeeded(), "TooLarge", "the response's head is larger");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_http_is_an_error() {
    for bytes in [
        "SSH-2.0-OpenSSH_9.9\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx",
        "HTTP/1.1 200 OK\r\nx : y\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "",
    ] {
        let server = Server::start(move |_| Reply::Close(bytes.as_bytes().to_vec())).await;
        let ended = request_to(&server).run().await.succeeded();
        told(&ended, "Network", "the connection failed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_stops_in_the_middle_is_an_error() {
    let server = Server::start(|_| {
        Reply::Close(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_vec())
    })
    .await;
    told(&request_to(&server).run().await.succeeded(), "Network", "the connection failed");
}

/// What was under way then depends on how fast this machine is, and with it the kind of error.
#[track_caller]
fn took_longer_than(ended: &Ended, time: &str) {
    assert!(ended.told.contains(&format!("took longer than {time}")), "{}", ended.told);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_answers_is_given_up() {
    let server = Server::start(|_| Reply::Silence(Vec::new())).await;
    let ended = request_to(&server).input("timeout", text("100")).run().await.succeeded();
    took_longer_than(&ended, "100ms");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_trickles_ends_at_the_deadline() {
    let server = Server::start(|_| Reply::Trickle(CHUNKED.as_bytes().to_vec())).await;
    let ended = request_to(&server).input("timeout", text("200")).run().await.succeeded();
    took_longer_than(&ended, "200ms");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_a_response_ends_with_the_run() {
    let server = Server::start(|_| Reply::Silence(Vec::new())).await;
    let limit = std::time::Duration::from_millis(200);
    let ended = request_to(&server).with(|limits| limits.wall_time = limit).run().await;
    assert_eq!(ended.code(), "limit.time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_aborted_leaves_no_connection_behind() {
    let gate = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&gate);
    let server = Server::start(move |_| {
        Reply::Held(Arc::clone(&held), Box::new(endless(CHUNKED, "5\r\nhello\r\n")))
    })
    .await;
    let run = request_to(&server).start();
    server.connected(1).await;
    run.abort(blockhouse::outcome::AbortReason::ByUser);
    assert_eq!(run.end().await.code(), "aborted.user");
    // The server is let go: it writes until it notices that nobody is there, and ends.
    gate.add_permits(1);
    server.idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_where_nobody_listens_is_an_error_that_says_so() {
    // Bound, so that nobody else gets the port, and never listening.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    let url = format!("http://api.test:{port}/");
    let ended = request_by(&Names::local(), &granted(port), &url).run().await.succeeded();
    let words = format!("failed to connect to http://api.test:{port}: connection refused");
    told(&ended, "Unreachable", &words);
}
