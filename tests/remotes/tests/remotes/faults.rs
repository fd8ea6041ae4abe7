//! What goes wrong on purpose, over TLS as well.

use std::sync::Arc;
use std::time::Duration;

use blockhouse_remotes::github::Route;
use blockhouse_remotes::{Fault, FaultKind, Gate, GitLab, gitlab};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use reqwest::{Certificate, Client, Method};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::client::{BOUNDARY, Hub, Lab, RUNS, TRIGGER_TOKEN, form, hub_builder};

#[tokio::test]
async fn scripted_faults_come_in_order_and_end() {
    let hub = Hub::start().await;
    hub.github.script(Route::Runs, Fault::status(502), 2);
    hub.github.script(Route::Runs, Fault::Pass, 1);
    hub.github.script(Route::Runs, Fault::retry_after(429, "7"), 1);
    let mut seen = Vec::new();
    for _ in 0..5 {
        let answer = hub.with(Method::GET, RUNS, &hub.token).send().await.unwrap();
        let after =
            answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        seen.push((answer.status().as_u16(), after));
    }
    let plain = |status| (status, None);
    let expected = [plain(502), plain(502), plain(200), (429, Some("7".to_owned())), plain(200)];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn an_outage_lasts_until_it_is_ended_and_spares_other_routes() {
    let hub = Hub::start().await;
    hub.github.fail(&[Route::Runs], &Fault::status(503));
    for _ in 0..3 {
        assert_eq!(hub.find(RUNS).await.0, 503);
    }
    hub.dispatch("a").await;
    hub.github.recover(&[Route::Runs]);
    assert_eq!(hub.find(RUNS).await.0, 200);
}

#[tokio::test]
async fn redirects_and_limits_look_as_the_services_send_them() {
    let lab = Lab::start();
    lab.gitlab.script(gitlab::Route::Trigger, Fault::redirect(307, "http://localhost:1/x"), 1);
    lab.gitlab.script(gitlab::Route::Trigger, gitlab::retry_later(9), 1);
    let send = async || lab.request("42", form(&[])).send().await.unwrap();
    let redirect = send().await;
    assert_eq!(redirect.status(), 307);
    assert_eq!(redirect.headers()["location"], "http://localhost:1/x");
    let limited = send().await;
    assert_eq!(
        (limited.status().as_u16(), &limited.headers()["retry-after"]),
        (429, &"9".parse().unwrap())
    );
    assert_eq!(limited.text().await.unwrap(), "Retry later\n");
}

#[tokio::test]
async fn a_connection_dropped_before_changes_nothing_and_one_dropped_after_does() {
    let lab = Lab::start();
    let send = || lab.request("42", form(&[("token", TRIGGER_TOKEN), ("ref", "main")])).send();
    lab.gitlab.script(gitlab::Route::Trigger, Fault::DropBefore, 1);
    assert!(send().await.is_err());
    assert!(lab.gitlab.pipelines().is_empty());
    lab.gitlab.script(gitlab::Route::Trigger, Fault::DropAfter, 1);
    assert!(send().await.is_err());
    assert_eq!(lab.gitlab.pipelines().len(), 1);
    let statuses: Vec<_> = lab.gitlab.requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [None, None]);
}

#[tokio::test]
async fn bodies_can_be_broken_cut_short_endless_and_slow() {
    let hub = Hub::start().await;
    let body = async |fault| {
        hub.github.script(Route::Runs, fault, 1);
        hub.with(Method::GET, RUNS, &hub.token).send().await.unwrap().bytes().await
    };
    let whole = body(Fault::Pass).await.unwrap();
    assert!(serde_json::from_slice::<serde_json::Value>(&whole).is_ok());
    let broken = body(Fault::MalformedBody).await.unwrap();
    assert!(serde_json::from_slice::<serde_json::Value>(&broken).is_err());
    assert!(body(Fault::TruncatedBody).await.is_err());
    assert_eq!(body(Fault::OversizedBody(5_000_000)).await.unwrap().len(), 5_000_000);
    let pause = Duration::from_millis(1);
    let slow = body(Fault::SlowBody { piece: 7, pause }).await.unwrap();
    assert_eq!(slow, whole);
}

#[tokio::test]
async fn a_gate_holds_a_request_until_it_is_opened() {
    let hub = Hub::start().await;
    let gate = Gate::new();
    hub.github.script(Route::Runs, Fault::Hold(gate.clone()), 1);
    let held = tokio::spawn(hub.with(Method::GET, RUNS, &hub.token).send());
    gate.reached(1).await;
    assert!(!held.is_finished());
    hub.dispatch("meanwhile").await;
    gate.open();
    let body: serde_json::Value = held.await.unwrap().unwrap().json().await.unwrap();
    assert_eq!(body["total_count"], 1, "it is processed only now");
    let kinds: Vec<_> = hub.github.requests_of(Route::Runs).iter().map(|r| r.fault).collect();
    assert_eq!(kinds, [Some(FaultKind::Hold)]);
}

/// A TEST ONLY authority's certificate, and a server of that authority.
fn tls() -> (String, TlsAcceptor) {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
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
async fn a_fake_with_a_certificate_speaks_tls_only() {
    let (authority, acceptor) = tls();
    let project = gitlab::Project::new(42, "acme/infra", TRIGGER_TOKEN).reference("main");
    let gitlab = GitLab::builder().project(project).tls(acceptor).start().unwrap();
    assert!(gitlab.url().starts_with("https://localhost:"));
    let root = Certificate::from_pem(authority.as_bytes()).unwrap();
    let client = Client::builder().no_proxy().tls_certs_only([root]).build().unwrap();
    let url = format!("{}/api/v4/projects/42/trigger/pipeline", gitlab.url());
    let media = format!("multipart/form-data; boundary={BOUNDARY}");
    let body = form(&[("token", TRIGGER_TOKEN), ("ref", "main")]);
    let request = client.post(&url).header("content-type", &media).body(body.clone());
    assert_eq!(request.send().await.unwrap().status(), 201);
    let stranger = Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let request = stranger.post(&url).header("content-type", media).body(body);
    assert!(request.send().await.is_err());
    assert!(client.get(url.replace("https", "http")).send().await.is_err());
    assert_eq!(gitlab.requests().len(), 1);
}

#[tokio::test]
async fn a_violation_fails_the_test_when_the_fake_is_dropped() {
    let hub = Hub::of(hub_builder()).await;
    hub.bare(Method::GET, "/nowhere").header("user-agent", "t").send().await.unwrap();
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(hub)));
    let message = *dropped.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("clients broke the protocol of fake-github"), "{message}");
    assert!(message.contains("GET /nowhere: no such endpoint"), "{message}");
}
