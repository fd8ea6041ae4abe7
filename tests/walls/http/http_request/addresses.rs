//! What a name leads to: looked up once, and only what was vetted is connected to.

use super::super::server::{Names, Server, ok, response};
use super::super::{granted, request_by, rule, text, told};
use std::net::TcpListener;

/// A name with these addresses leads nowhere under a policy that grants it without private networks, or with `private`.
async fn nowhere(addresses: &[&str], private: &str) {
    let server = Server::start(|_| ok("reached")).await;
    let names = Names::of(&[("api.test", &[addresses])]);
    let policy = rule("'api.test'", &format!("ports = [{}]\n{private}", server.port));
    let ended = request_by(&names, &policy, &server.url("/")).run().await.succeeded();
    told(&ended, "Denied", "policy `test`");
    assert_eq!(server.connections(), 0, "{addresses:?}");
    assert_eq!(names.asked(), ["api.test"], "{addresses:?}");
}

/// A listener at another address of this machine, where there is one (macOS has to be told to have it).
fn decoy(port: u16) -> Option<TcpListener> {
    let decoy = TcpListener::bind(("127.0.0.2", port)).ok()?;
    decoy.set_nonblocking(true).unwrap();
    Some(decoy)
}

fn is_untouched(decoy: &Option<TcpListener>) -> bool {
    decoy.as_ref().is_none_or(|decoy| decoy.accept().is_err())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_resolves_to_a_private_address_is_refused() {
    for address in [
        "127.0.0.1",
        "::1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.1.1",
        "fe80::1",
        "fd12:3456::1",
        "0.0.0.0",
        "::",
    ] {
        nowhere(&[address], "").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_resolves_to_a_metadata_address_is_refused() {
    for address in ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16"] {
        nowhere(&[address], "private = ['169.254.0.0/16', '100.64.0.0/10', 'fd00::/8']").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_version_4_within_one_of_version_6_is_the_same_address() {
    for address in [
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::7f00:1",
        "64:ff9b:1::7f00:1",
        "::ffff:169.254.169.254",
    ] {
        nowhere(&[address], "private = ['10.0.0.0/8']").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_network_is_granted_as_far_as_it_goes() {
    nowhere(&["127.0.0.1", "10.2.0.1"], "private = ['10.1.0.0/16']").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_mixed_addresses_only_those_that_are_granted_are_connected_to() {
    let server = Server::start(|_| ok("hello")).await;
    // The second one is this machine as well, but not granted.
    let decoy = decoy(server.port);
    let names = Names::of(&[("api.test", &[&["127.0.0.2", "10.9.9.9", "127.0.0.1"]])]);
    let private = format!("ports = [{}]\nprivate = ['127.0.0.1/32']", server.port);
    let policy = rule("'api.test'", &private);
    let trial = request_by(&names, &policy, &server.url("/")).input("timeout", text("60000"));
    let ended = trial.run().await.succeeded();
    assert!(ended.told.contains("body: hello"), "{}", ended.told);
    assert!(is_untouched(&decoy), "the address that was not granted was connected to");
    assert_eq!(server.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_changes_its_address_is_connected_to_where_it_was_vetted() {
    let server = Server::start(|_| ok("hello")).await;
    let decoy = decoy(server.port);
    // Whoever asks twice gets another answer.
    let names = Names::of(&[("api.test", &[&["127.0.0.1"], &["127.0.0.2"]])]);
    let private = format!("ports = [{}]\nprivate = ['127.0.0.1/32']", server.port);
    let policy = rule("'api.test'", &private);
    let url = server.url("/");
    let trial = request_by(&names, &policy, &url).input("timeout", text("60000"));
    let ended = trial.run().await.succeeded();
    assert!(ended.told.contains("body: hello"), "{}", ended.told);
    assert_eq!(names.asked(), ["api.test"], "exactly one lookup");
    // The next request asks anew, and is told no: nothing is remembered from the first.
    let ended = request_by(&names, &policy, &url).run().await.succeeded();
    told(&ended, "Denied", "policy `test`");
    assert!(is_untouched(&decoy));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_a_response_and_never_followed() {
    let server = Server::start(|_| {
        response(302, "location: http://169.254.169.254/latest/meta-data\r\n", "moved")
    })
    .await;
    let names = Names::local();
    let ended = request_by(&names, &granted(server.port), &server.url("/")).run().await.succeeded();
    assert!(ended.told.contains("status: 302"), "{}", ended.told);
    assert!(ended.told.contains("latest/meta-data"), "{}", ended.told);
    assert_eq!((server.connections(), names.asked().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_without_an_address_is_an_error_that_says_so() {
    let names = Names::of(&[("empty.test", &[&[]])]);
    let policy = rule("'gone.test', 'empty.test'", "");
    let ended = request_by(&names, &policy, "http://gone.test/").run().await.succeeded();
    told(&ended, "Unreachable", "failed to look `gone.test` up: no such name");
    let ended = request_by(&names, &policy, "http://empty.test/").run().await.succeeded();
    told(&ended, "Unreachable", "it has no address");
}
