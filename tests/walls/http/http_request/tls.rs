//! TLS: whom we trust, who we are, and how long we wait.

use super::super::server::{Names, Server, ok};
use super::super::{request_by, text, told};
use crate::trial::Ended;
use blockhouse_tests::Authority;
use std::path::Path;
use std::time::Duration;
use tokio::net::TcpListener;

/// The rule for `api.test` by `https`, with more in it.
fn https(port: u16, more: &str) -> String {
    format!(
        "[[http]]\nreason = 'x'\nhosts = ['api.test', '127.0.0.1/32']\nports = [{port}]\n\
         private = ['127.0.0.0/8']\n{more}\n"
    )
}

/// The rule trusts this authority.
fn trusting(directory: &Path, authority: &Authority) -> String {
    let file = directory.join("ca.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    format!("ca_file = '{}'", file.display())
}

async fn get(server: &Server, policy: &str) -> Ended {
    let url = format!("https://{}/", server.authority());
    request_by(&Names::local(), policy, &url).run().await.succeeded()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_an_authority_that_policy_names_is_trusted() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new().unwrap();
    let server =
        Server::start_tls(authority.server("api.test", false).unwrap(), |_| ok("hello")).await;
    let policy = https(server.port, &trusting(directory.path(), &authority));
    let ended = get(&server, &policy).await;
    assert!(ended.told.contains("body: hello"), "{}", ended.told);
    assert_eq!(server.only().header("host"), [server.authority()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_an_unknown_authority_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new().unwrap();
    let server =
        Server::start_tls(authority.server("api.test", false).unwrap(), |_| ok("hello")).await;
    let strange = https(server.port, &trusting(directory.path(), &Authority::new().unwrap()));
    for policy in [https(server.port, ""), strange] {
        let ended = get(&server, &policy).await;
        told(&ended, "Unreachable", "failed to establish TLS with api.test");
        assert!(server.seen().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_for_another_name_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new().unwrap();
    let server =
        Server::start_tls(authority.server("other.test", false).unwrap(), |_| ok("hello")).await;
    let policy = https(server.port, &trusting(directory.path(), &authority));
    let ended = get(&server, &policy).await;
    told(&ended, "Unreachable", "failed to establish TLS with api.test");
    assert!(server.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_is_presented_where_policy_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new().unwrap();
    let server =
        Server::start_tls(authority.server("api.test", true).unwrap(), |_| ok("hello")).await;
    let (certificate, key) = authority.client().unwrap();
    let [certificate_file, key_file] = ["c.pem", "k.pem"].map(|name| directory.path().join(name));
    std::fs::write(&certificate_file, certificate).unwrap();
    std::fs::write(&key_file, key).unwrap();
    let trust = trusting(directory.path(), &authority);
    let identity = format!(
        "{trust}\nclient_certificate = {{ certificate_file = '{}', key_file = '{}' }}",
        certificate_file.display(),
        key_file.display()
    );

    let without = get(&server, &https(server.port, &trust)).await;
    told(&without, "Network", "");
    assert!(server.seen().is_empty());
    let ended = get(&server, &https(server.port, &identity)).await;
    assert!(ended.told.contains("body: hello"), "{}", ended.told);
    assert!(server.only().has_certificate);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tls_handshake_that_takes_for_ever_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = format!("https://api.test:{port}/");
    let trial = request_by(&Names::local(), &https(port, ""), &url);
    // The system connects on the listener's behalf, and nobody says anything, ever.
    let ended = trial.input("timeout", text("200")).run().await.succeeded();
    told(&ended, "Unreachable", "connecting took longer than 200ms");
    drop(listener);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tls_handshake_without_end_hits_the_limit_or_fails() {
    use tokio::io::AsyncWriteExt as _;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = format!("https://api.test:{port}/");
    let limit = Duration::from_secs(60);
    let trial = request_by(&Names::local(), &https(port, ""), &url);
    let run = trial.with(|limits| limits.wall_time = limit).start();
    let (mut stream, _) = listener.accept().await.unwrap();
    // Handshake records that never make a message.
    while stream.write_all(b"\x16\x03\x03\x00\x01\x02").await.is_ok() {}
    let ended = run.end().await;
    assert!(["limit.received", "succeeded"].contains(&ended.code()), "{:?}", ended.outcome);
}

mod files {
    use blockhouse::capability::http::{Config, Outbound};
    use blockhouse_policy::Policy;

    #[test]
    fn files_that_cannot_be_used_are_named_with_the_policys_line() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("empty.pem"), "nothing").unwrap();
        let file = directory.path().join("team.toml").display().to_string();
        for (more, words) in [
            ("ca_file = 'gone.pem'", "failed to read `"),
            ("ca_file = 'empty.pem'", "holds no certificate in PEM format"),
            (
                "client_certificate = { certificate_file = 'empty.pem', key_file = 'empty.pem' }",
                "holds no private key in PEM format",
            ),
        ] {
            let text = format!(
                "description = 'x'\n\n[[http]]\nreason = 'x'\nhosts = ['api.test']\n{more}\n"
            );
            let policy = Policy::parse(&file, &text).unwrap();
            let error = Outbound::build(Config::default(), [&policy]).unwrap_err();
            let shown = blockhouse::telemetry::chain(&error).to_string();
            assert!(shown.contains(words), "{shown}");
            assert!(shown.contains("team.toml:3"), "{shown}");
            assert!(shown.contains(&directory.path().display().to_string()), "{shown}");
        }
    }
}
