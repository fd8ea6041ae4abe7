//! The operator's proxy: policy is asked all the same, and what is the proxy's stays with the proxy.

use super::server::{Names, Reply, Server, ok};
use super::{granted, request, rule, told};
use blockhouse::capability::http::Config;
use blockhouse_tests::Authority;
use secrecy::SecretString;

/// A way out through this proxy; `proxy.test` is the only name that anybody here knows.
fn through(proxy: &Server) -> (std::sync::Arc<Names>, Config) {
    let names = Names::of(&[("proxy.test", &[&["127.0.0.1"]])]);
    let url = format!("http://me:s3cret@proxy.test:{}", proxy.port);
    let config = Config { proxy: Some(SecretString::from(url)), ..names.config() };
    (names, config)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_by_http_is_forwarded_with_its_whole_url() {
    let proxy = Server::start(|_| ok("from the proxy")).await;
    let (names, config) = through(&proxy);
    let trial = request(&granted(8080), "http://API.test:8080/a?b").http(config);
    let ended = trial.run().await.succeeded();
    assert!(ended.told.contains("from the proxy"), "{}", ended.told);
    let seen = proxy.only();
    assert_eq!(seen.line, "GET http://api.test:8080/a?b HTTP/1.1");
    assert_eq!(seen.header("host"), ["api.test:8080"]);
    assert_eq!(seen.header("proxy-authorization"), ["Basic bWU6czNjcmV0"]);
    assert_eq!(names.asked(), ["proxy.test"], "names are the proxy's to look up");
    assert!(!format!("{ended:?}").contains("s3cret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_not_granted_is_refused_before_the_proxy() {
    let proxy = Server::start(|_| ok("from the proxy")).await;
    for url in ["http://evil.test/", "https://api.test:8080/", "http://127.0.0.1:8080/"] {
        let (names, config) = through(&proxy);
        let ended = request(&granted(8080), url).http(config).run().await.succeeded();
        told(&ended, "Denied", "policy `test` does not grant");
        assert!(names.asked().is_empty());
    }
    assert_eq!(proxy.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_the_url_is_vetted_although_a_proxy_connects() {
    let proxy = Server::start(|_| ok("from the proxy")).await;
    let (_, config) = through(&proxy);
    let policy = rule("'169.254.0.0/16'", "");
    let ended = request(&policy, "http://169.254.169.254/").http(config).run().await.succeeded();
    told(&ended, "Denied", "policy `test`");
    assert_eq!(proxy.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_the_proxy_are_for_the_proxy_only() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    let authority = Authority::new().unwrap();
    std::fs::write(&file, authority.pem()).unwrap();
    let server =
        Server::start_tls(authority.server("api.test", false).unwrap(), |_| ok("hello")).await;
    let port = server.port;
    let proxy = Server::start(move |_| Reply::Tunnel(port)).await;
    let (_, config) = through(&proxy);
    let policy = format!(
        "[[http]]\nreason = 'x'\nhosts = ['api.test']\nports = [8443]\nca_file = '{}'\n",
        file.display()
    );
    let ended = request(&policy, "https://api.test:8443/a").http(config).run().await.succeeded();
    assert!(ended.told.contains("body: hello"), "{}", ended.told);

    let seen = proxy.only();
    assert_eq!(seen.line, "CONNECT api.test:8443 HTTP/1.1");
    assert_eq!(seen.header("proxy-authorization"), ["Basic bWU6czNjcmV0"]);
    let seen = server.only();
    assert_eq!(seen.line, "GET /a HTTP/1.1");
    assert_eq!(seen.header("host"), ["api.test:8443"]);
    assert_eq!(seen.header("proxy-authorization"), Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_says_no_is_an_error_without_its_credentials() {
    let proxy = Server::start(|_| super::server::response(407, "", "")).await;
    let (_, config) = through(&proxy);
    let policy = "[[http]]\nreason = 'x'\nhosts = ['api.test']\n";
    let ended = request(policy, "https://api.test/").http(config).run().await.succeeded();
    told(&ended, "Unreachable", "the proxy did not connect to https://api.test: it answered 407");
    assert!(!format!("{ended:?}").contains("s3cret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_are_excepted_are_reached_directly_and_vetted() {
    let proxy = Server::start(|_| ok("from the proxy")).await;
    let server = Server::start(|_| ok("directly")).await;
    let (_, config) = through(&proxy);
    let names = Names::local();
    let config = Config { no_proxy: vec!["api.test".to_owned()], ..config };
    let config = Config { resolver: names.config().resolver, ..config };
    let trial = request(&granted(server.port), &server.url("/")).http(config.clone());
    assert!(trial.run().await.succeeded().told.contains("directly"));
    let policy = rule("'api.test'", &format!("ports = [{}]", server.port));
    let ended = request(&policy, &server.url("/")).http(config).run().await.succeeded();
    told(&ended, "Denied", "policy `test`");
    assert_eq!((proxy.connections(), server.connections()), (0, 1));
}
