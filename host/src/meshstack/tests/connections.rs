use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::*;
use crate::meshstack::{BuildError, CallErrorKind};

/// A certificate authority's PEM, and a server's side of TLS with a certificate from it.
fn authority() -> (String, TlsAcceptor) {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &authority).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    (authority.pem(), TlsAcceptor::from(Arc::new(config)))
}

#[tokio::test]
async fn an_extra_authority_is_trusted_and_a_strange_one_is_not() {
    let (pem, acceptor) = authority();
    let (other, _) = authority();
    let server = Server::start_tls(acceptor, |_| Reply::status(404)).await;
    let with = |bundles: &[&String]| {
        let mut config = config(&server.url, basic());
        config.http.ca_certificates = bundles.iter().map(|pem| pem.as_bytes().to_vec()).collect();
        Client::new(config).unwrap()
    };
    let error = with(&[&other]).claim().await.unwrap_err();
    assert!(matches!(error.kind, CallErrorKind::Connect(_)), "{error:?}");
    assert!(server.seen().is_empty());
    assert!(with(&[&other, &pem]).claim().await.unwrap().is_none());
    assert!(with(&[&format!("# both\n{other}\n{pem}")]).claim().await.unwrap().is_none());
}

#[test]
fn a_bundle_without_certificates_is_refused_by_its_number() {
    let base = Url::parse("https://127.0.0.1").unwrap();
    let (pem, _) = authority();
    for broken in ["", "no pem", "-----BEGIN CERTIFICATE-----\nAAAA"] {
        let mut config = config(&base, basic());
        config.http.ca_certificates = vec![pem.clone().into_bytes(), broken.into()];
        let result = Client::new(config);
        assert!(matches!(result, Err(BuildError::CaCertificates { number: 2 })), "{broken}");
    }
}

#[tokio::test]
async fn a_proxy_is_used_but_for_the_hosts_that_are_excepted() {
    let proxy = Server::start(|_| Reply::status(404)).await;
    let mut config = config(&Url::parse("http://meshstack.invalid").unwrap(), basic());
    config.http.proxy = Some(proxy.url.clone());
    assert!(Client::new(config.clone()).unwrap().claim().await.unwrap().is_none());
    assert_eq!(proxy.seen()[0].target, format!("http://meshstack.invalid{CLAIM_PATH}"));

    let server = Server::start(|_| Reply::status(404)).await;
    config.base_url = server.url.clone();
    config.http.no_proxy = vec!["example.com".to_owned(), "127.0.0.0/8".to_owned()];
    assert!(Client::new(config).unwrap().claim().await.unwrap().is_none());
    assert_eq!((proxy.seen().len(), server.seen().len()), (1, 1));
    assert_eq!(server.seen()[0].target, CLAIM_PATH);
}

#[test]
fn proxies_that_are_not_http_are_refused() {
    let base = Url::parse("http://127.0.0.1").unwrap();
    for url in ["socks5://127.0.0.1:1", "file:///x"] {
        let mut config = config(&base, basic());
        config.http.proxy = Some(Url::parse(url).unwrap());
        assert!(matches!(Client::new(config), Err(BuildError::Proxy)), "{url}");
    }
}

#[test]
fn a_node_name_that_cannot_be_a_header_is_refused() {
    let base = Url::parse("http://127.0.0.1").unwrap();
    for node in ["a b", "a\r\nx: y", "nöde"] {
        let mut config = config(&base, basic());
        config.runner.node = node.to_owned();
        assert!(matches!(Client::new(config), Err(BuildError::Node)), "{node:?}");
    }
}

#[tokio::test]
async fn connections_are_used_again() {
    let server = Server::start(|_| Reply::json(404, r#"{"message":"nothing"}"#)).await;
    let client = client(&server, basic());
    for _ in 0..5 {
        client.claim().await.unwrap();
    }
    assert_eq!(server.connections(), 1);
}
