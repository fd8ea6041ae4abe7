//! Where a request goes: scheme, host and port, in every spelling.

use super::super::server::{Names, Server, ok};
use super::super::{granted, request, request_by, rule, told};

/// Nothing was looked up and nobody was connected to.
async fn refused(url: &str, policy: impl Fn(u16) -> String, kind: &str, words: &str) {
    let server = Server::start(|_| ok("reached")).await;
    let names = Names::local();
    let url = url.replace("PORT", &server.port.to_string());
    let ended = request_by(&names, &policy(server.port), &url).run().await.succeeded();
    told(&ended, kind, words);
    assert_eq!(names.asked(), Vec::<String>::new(), "{url}");
    assert_eq!(server.connections(), 0, "{url}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_granted_host_is_reached() {
    let server = Server::start(|_| ok("hello")).await;
    let names = Names::local();
    let url = server.url("/a/../b?c=%2e#fragment");
    let ended = request_by(&names, &granted(server.port), &url).run().await.succeeded();
    assert!(ended.told.contains("status: 200"), "{}", ended.told);
    assert!(ended.told.contains("body: hello"), "{}", ended.told);
    let seen = server.only();
    assert_eq!(seen.line, "GET /a/../b?c=%2e HTTP/1.1", "as it was written");
    let expected = [("host".to_owned(), server.authority()), ("connection".into(), "close".into())];
    let mut headers = seen.headers;
    headers.sort();
    let mut expected = expected.to_vec();
    expected.sort();
    assert_eq!(headers, expected, "nothing else is added");
    assert_eq!(names.asked(), ["api.test"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_not_granted_is_refused_before_dns() {
    let words = "policy `test` does not grant http://evil.test:";
    refused("http://evil.test:PORT/", granted, "Denied", words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_grant_nothing_is_reached() {
    refused("http://api.test:PORT/", |_| String::new(), "Denied", "policy `test`").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_port_of_a_granted_host_is_refused() {
    refused("http://api.test:1/", granted, "Denied", "http://api.test:1").await;
    refused("http://api.test/", granted, "Denied", "http://api.test").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_scheme_of_a_granted_host_is_refused() {
    refused("https://api.test:PORT/", granted, "Denied", "https://api.test").await;
    for url in ["ftp://api.test:PORT/", "file:///etc/passwd", "unix://x", "gopher://api.test/"] {
        refused(url, granted, "InvalidRequest", "the URL can't be used").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_in_the_url_is_refused() {
    for url in [
        "http://user@api.test:PORT/",
        "http://user:password@api.test:PORT/",
        "http://api.test:PORT@evil.test/",
        "http://evil.test@api.test:PORT/",
        "http://api.test:PORT\\@evil.test/",
    ] {
        refused(url, granted, "InvalidRequest", "the URL can't be used").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_is_none_is_refused() {
    for url in ["", "api.test", "http:/api.test", "http://", "http://:PORT/", "http://api.test:0/"]
    {
        refused(url, granted, "InvalidRequest", "the URL").await;
    }
    for host in ["api.test%00.evil", "api%2etest", "api.test\r\nx", "api.test\t", "[::1%25lo]"] {
        let url = format!("http://{host}:PORT/");
        refused(&url, granted, "InvalidRequest", "the URL can't be used").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trailing_dot_and_capitals_are_another_spelling_of_the_same_name() {
    let server = Server::start(|_| ok("hello")).await;
    for host in ["api.test.", "API.test", "Api.TEST."] {
        let names = Names::local();
        let url = format!("HTTP://{host}:{}/", server.port);
        let ended = request_by(&names, &granted(server.port), &url).run().await.succeeded();
        assert!(ended.told.contains("status: 200"), "{}", ended.told);
        assert_eq!(names.asked(), ["api.test"]);
    }
    for seen in server.seen() {
        assert_eq!(seen.header("host"), [server.authority()]);
    }
    // And no way round a name that is not granted.
    refused("http://EVIL.test.:PORT/", granted, "Denied", "http://evil.test:").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_only_looks_like_a_granted_one_is_refused() {
    // A Cyrillic letter in the place of a Latin one.
    refused("http://\u{430}pi.test:PORT/", granted, "Denied", "http://xn--").await;
    for host in ["api.test.evil.test", "evil-api.test", "test", "sub.api.test"] {
        let url = format!("http://{host}:PORT/");
        refused(&url, granted, "Denied", "does not grant").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wildcard_is_for_what_is_below_it() {
    let wild = |port| rule("'*.api.test'", &format!("ports = [{port}]"));
    for host in ["api.test", "evilapi.test", "x.api.test.evil.test"] {
        refused(&format!("http://{host}:PORT/"), wild, "Denied", "does not grant").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_in_the_url_are_refused_in_every_form() {
    for host in [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "127.1",
        "127.0.0.1.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[2002:7f00:1::]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b:1::127.0.0.1]",
        "0.0.0.0",
        "0",
        "[::]",
        "\u{ff11}27.0.0.1",
    ] {
        // The name is granted with all that is private behind it; an address is not a name.
        refused(&format!("http://{host}:PORT/"), granted, "Denied", "").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_granted_is_reached() {
    let server = Server::start(|_| ok("hello")).await;
    let policy = rule("'127.0.0.1/32'", &format!("ports = [{}]", server.port));
    let url = format!("http://0x7f.1:{}/", server.port);
    let ended = request(&policy, &url).run().await.succeeded();
    assert!(ended.told.contains("status: 200"), "{}", ended.told);
    assert_eq!(server.only().header("host"), [format!("127.0.0.1:{}", server.port)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_addresses_are_refused_although_their_network_is_granted() {
    let granted = |_| rule("'169.254.0.0/16', '100.64.0.0/10', 'fd00::/8'", "");
    for host in [
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::169.254.169.254]",
        "[2002:a9fe:a9fe::]",
        "[fd00:ec2::254]",
        "100.100.100.200",
    ] {
        refused(&format!("http://{host}/"), granted, "Denied", "").await;
    }
}
