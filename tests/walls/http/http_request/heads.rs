//! What a request says before its body: nothing that server and proxy could understand differently.

use super::super::server::{Server, ok};
use super::super::{request_to, text, told};

/// The request is refused in these words, and no server sees it.
async fn refused(inputs: &[(&str, &str)], words: &str) {
    let server = Server::start(|_| ok("reached")).await;
    let trial = request_to(&server);
    let trial = inputs.iter().fold(trial, |trial, (key, value)| trial.input(key, text(value)));
    let ended = trial.run().await.succeeded();
    told(&ended, "InvalidRequest", words);
    assert_eq!(server.connections(), 0, "{inputs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_break_in_a_header_is_refused() {
    for value in ["a\r\nx-smuggled: b", "a\nx-smuggled: b", "a\r", "a\0b"] {
        refused(&[("header x-good", value)], "`x-good` has a control character").await;
    }
    for name in ["x-bad\r\nhost", "x bad", "x:bad", "", "x-b\u{e4}d"] {
        refused(&[(&format!("header {name}"), "a")], "has a name that is none").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_the_host_are_refused() {
    for name in [
        "Host",
        "Connection",
        "Transfer-Encoding",
        "Upgrade",
        "TE",
        "Trailer",
        "Expect",
        "Keep-Alive",
        "Proxy-Authorization",
        "Proxy-Connection",
        "HTTP2-Settings",
    ] {
        let words = format!("the header `{}` can't be set", name.to_ascii_lowercase());
        refused(&[(&format!("header {name}"), "x")], &words).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_that_contradicts_the_body_is_refused() {
    for length in ["0", "3", "5", "+4", "4, 4", "0x4", ""] {
        let inputs = [("method", "POST"), ("body", "four"), ("header content-length", length)];
        refused(&inputs, "contradicts the body").await;
    }
    let twice = ("header content-length", "4");
    refused(&[("method", "POST"), ("body", "four"), twice, twice], "contradicts the body").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_that_tunnel_or_repeat_secrets_are_refused() {
    for method in ["CONNECT", "TRACE", "trace"] {
        refused(&[("method", method)], "can't be used").await;
    }
    for method in ["GET / HTTP/1.1\r\nx:", "", "G T"] {
        refused(&[("method", method)], "the method is not a method").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_too_large_is_refused() {
    let long = "x".repeat(70_000);
    refused(&[("header x-long", &long)], "the request's head is too large").await;
    let many = vec![("header x-many", "y"); 101];
    refused(&many, "the request's head is too large").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_characters_in_a_path_are_refused() {
    for path in ["/a b", "/\r\nhost: evil.test\r\n\r\nGET /", "/\u{e4}", "/\0"] {
        let server = Server::start(|_| ok("reached")).await;
        let policy = super::super::granted(server.port);
        let trial = super::super::request(&policy, &server.url(path));
        told(&trial.run().await.succeeded(), "InvalidRequest", "not a path");
        assert_eq!(server.connections(), 0, "{path:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_has_the_length_that_the_host_counts() {
    let server = Server::start(|_| ok("hello")).await;
    let trial = request_to(&server).input("method", text("PUT")).input("body", text("four"));
    trial.run().await.succeeded();
    let seen = server.only();
    assert_eq!(seen.header("content-length"), ["4"]);
    assert_eq!(seen.header("transfer-encoding"), Vec::<&str>::new());
    assert_eq!(seen.body, "four");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_absence_of_a_body_is_said_where_one_is_usual() {
    let server = Server::start(|_| ok("hello")).await;
    request_to(&server).input("method", text("POST")).run().await.succeeded();
    assert_eq!(server.only().header("content-length"), ["0"]);
}
