use secrecy::ExposeSecret;

use super::*;
use crate::meshstack::{BodyError, CallErrorKind, Operation};

fn minimal() -> String {
    format!(
        r#"{{"metadata":{{"uuid":"{RUN}"}},"spec":{{"runToken":"{RUN_TOKEN}"}},"new":[1e400]}}"#
    )
}

#[tokio::test]
async fn a_claim_brings_the_run_with_its_document_untouched() {
    for status in [200, 201] {
        let server = Server::replies([Reply::json(status, &minimal())]).await;
        let claim = client(&server, basic()).claim().await.unwrap().unwrap();
        assert_eq!(claim.id().as_str(), RUN);
        assert_eq!(claim.run_token().unwrap().expose_secret(), RUN_TOKEN);
        assert_eq!(claim.document().expose_secret(), minimal());
    }
}

#[tokio::test]
async fn every_header_of_the_protocol_is_sent() {
    let server = Server::replies([Reply::status(404)]).await;
    client(&server, basic()).claim().await.unwrap();
    let seen = &server.seen()[0];
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", CLAIM_PATH));
    assert!(seen.body.is_empty());
    let media = "application/vnd.meshcloud.api.meshbuildingblockrun.v1.hal+json";
    for (name, value) in [
        ("accept", media.to_owned()),
        ("content-type", media.to_owned()),
        ("content-length", "0".to_owned()),
        ("x-block-runner-node-id", format!("{RUNNER}-node-1")),
        ("user-agent", format!("blockhouse/{version}")),
        ("x-meshcloud-runner-name", "blockhouse".to_owned()),
        ("x-meshcloud-runner-version", version.to_owned()),
    ] {
        assert_eq!(seen.header(name), Some(value.as_str()), "{name}");
    }
    assert_eq!(seen.header("accept-encoding"), None);
    assert_eq!(seen.headers.iter().filter(|(name, _)| name == "user-agent").count(), 1);
}

#[tokio::test]
async fn nothing_to_do_and_lost_races_are_no_run() {
    for status in [404, 409] {
        let server = Server::replies([Reply::json(status, r#"{"message":"no"}"#)]).await;
        assert!(client(&server, basic()).claim().await.unwrap().is_none());
        assert_eq!(server.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_claim_is_not_repeated_after_a_dropped_answer() {
    let server = Server::start(|_| Reply::Drop).await;
    let error = client(&server, basic()).claim().await.unwrap_err();
    assert!(matches!(error.kind, CallErrorKind::Interrupted(_)), "{error:?}");
    assert_eq!(error.operation, Operation::Claim);
    assert!(error.is_retryable());
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_claim_is_not_repeated_on_a_used_connection_either() {
    // hyper and reqwest have retries of their own for connections that were idle.
    let server = Server::replies([Reply::status(404), Reply::Drop, Reply::status(404)]).await;
    let client = client(&server, basic());
    client.claim().await.unwrap();
    assert!(matches!(client.claim().await.unwrap_err().kind, CallErrorKind::Interrupted(_)));
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn a_claim_is_not_repeated_after_a_fault() {
    for status in [500, 502, 503, 429, 400, 403, 204] {
        let server = Server::start(move |_| Reply::status(status)).await;
        let error = client(&server, basic()).claim().await.unwrap_err();
        assert_eq!(error.status().unwrap().as_u16(), status);
        assert_eq!(error.is_retryable(), matches!(status, 429 | 500..), "{status}");
        assert_eq!(server.seen().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_refused_connection_is_a_connect_error() {
    // A port that nobody listens on: bound and closed again.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = Url::parse(&format!("http://127.0.0.1:{port}")).unwrap();
    let error = Client::new(config(&url, basic())).unwrap().claim().await.unwrap_err();
    assert!(matches!(error.kind, CallErrorKind::Connect(_)), "{error:?}");
    assert!(error.is_retryable());
    assert_eq!(error.status(), None);
}

#[tokio::test]
async fn a_claim_without_an_id_is_an_error() {
    let server =
        Server::replies([Reply::json(200, r#"{"spec":{"runToken":"s3cr3t-thing"}}"#)]).await;
    let error = client(&server, basic()).claim().await.unwrap_err();
    assert!(matches!(error.kind, CallErrorKind::Body(BodyError::Document(_))), "{error:?}");
    let shown = shown(&error);
    assert!(shown.contains("metadata.uuid: is missing"), "{shown}");
    assert!(!shown.contains("s3cr3t-thing"), "{shown}");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Server::start(|_| Reply::json(200, &minimal())).await;
    let location = elsewhere.url.join("/path?token=s3cr3t-thing").unwrap();
    for status in [301, 302, 303, 307, 308] {
        let server =
            Server::replies([Reply::status(status).with("location", location.as_str())]).await;
        let error = client(&server, basic()).claim().await.unwrap_err();
        let CallErrorKind::Redirect { target, .. } = &error.kind else { panic!("{error:?}") };
        assert_eq!(*target, Some(elsewhere.url.origin().ascii_serialization()));
        assert!(!error.is_retryable());
        assert!(!shown(&error).contains("s3cr3t-thing"));
    }
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn errors_hold_no_secret() {
    // A server that repeats what it was sent, also cut in two by a control character, also across its limits.
    let echo = |seen: &server::Seen| {
        let sent = seen.header("authorization").unwrap_or_default().to_owned();
        let credential = sent.split(' ').nth(1).unwrap_or_default().to_owned();
        let (a, b) = credential.split_at(credential.len() / 2);
        let filler = format!("{credential} ").repeat(2000);
        Reply::json(400, &format!("{sent} {PASSWORD} {a}\u{1}{b} {a}\u{7f}{b} {filler}"))
    };
    let server = Server::start(echo).await;
    let error = client(&server, basic()).claim().await.unwrap_err();
    let text = shown(&error);
    assert!(text.contains("<redacted>"), "{text}");
    assert!(!text.contains("dXNlcjpodW50ZXIy") && !text.contains("hunter2"), "{text}");

    let run = run_client(&server);
    let text = shown(&run.register(&[]).await.unwrap_err());
    assert!(text.contains("<redacted>"), "{text}");
    assert!(!text.contains(RUN_TOKEN), "{text}");

    // The plan's link is signed, and nobody answers there.
    let links = serde_json::json!({
        "planArtifact": { "href": server.url.join("/plan?signature=s3cr3t-thing").unwrap() }
    });
    let run = client(&server, basic()).run_client(&claim(Some(RUN_TOKEN), &links)).unwrap();
    drop(server);
    let text = shown(&run.download_plan(1000).await.unwrap_err());
    assert!(!text.contains("s3cr3t-thing"), "{text}");
}

#[tokio::test]
async fn login_errors_hold_no_secret() {
    let server = Server::start(|seen| Reply::json(400, &String::from_utf8_lossy(&seen.body))).await;
    let text = shown(&client(&server, api_key()).claim().await.unwrap_err());
    assert!(text.contains("400") && !text.contains(SECRET), "{text}");
}

#[tokio::test]
async fn excerpts_are_short_and_clean() {
    let server =
        Server::start(|_| Reply::json(418, &format!("a\u{1b}[31mb\r\nc{}", "ä".repeat(20_000))))
            .await;
    let error = client(&server, basic()).claim().await.unwrap_err();
    let CallErrorKind::Status { excerpt, .. } = &error.kind else { panic!("{error:?}") };
    assert!(excerpt.starts_with("a[31mb  cää"), "{excerpt}");
    assert!(excerpt.len() <= 1024 && excerpt.len() > 1000);
}

#[test]
fn debug_holds_no_secret() {
    let base = Url::parse("http://127.0.0.1").unwrap();
    let mut with_proxy = config(&base, api_key());
    with_proxy.http.proxy = Some(Url::parse("http://user:s3cr3t-of-the-proxy@proxy:1").unwrap());
    let mut mistaken = with_proxy.clone();
    mistaken.base_url = Url::parse("http://user:s3cr3t-in-the-url@host/").unwrap();
    let links = serde_json::json!({ "planArtifact": { "href": "http://127.0.0.1/x?s3cr3t" } });
    let claim = claim(Some(RUN_TOKEN), &links);
    let key = Client::new(with_proxy.clone()).unwrap();
    let user = Client::new(config(&base, basic())).unwrap();
    let text = format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        mistaken,
        Client::new(mistaken.clone()).unwrap_err(),
        with_proxy,
        basic(),
        key,
        user,
        claim,
        key.run_client(&claim).unwrap().clone(),
        RunClient::from_claim_alone(&http(), &runner(), None, &{
            let links = serde_json::json!({ "self": { "href": "http://127.0.0.1/x" } });
            super::claim(Some(RUN_TOKEN), &links)
        })
        .unwrap(),
    );
    for secret in ["s3cr3t", RUN_TOKEN, PASSWORD, SECRET, "dXNlcjpodW50ZXIy"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}
