use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::*;
use crate::meshstack::CallErrorKind;

/// Hands out `token-1`, `token-2`, …; claims find nothing, unless their token is refused.
async fn numbered(expires_in: u64, refused: &'static [&'static str]) -> Server {
    let logins = AtomicUsize::new(0);
    Server::start(move |seen| {
        if seen.target == "/api/login" {
            let number = logins.fetch_add(1, Ordering::SeqCst) + 1;
            return login(&format!("token-{number}"), expires_in);
        }
        let sent = seen.header("authorization").unwrap();
        if refused.iter().any(|token| sent == format!("Bearer {token}")) {
            Reply::status(401)
        } else {
            Reply::status(404)
        }
    })
    .await
}

#[tokio::test]
async fn login_sends_the_key_and_the_token_is_used_until_it_is_old() {
    let server = numbered(300, &[]).await;
    let client = client(&server, api_key());
    for _ in 0..3 {
        assert!(client.claim().await.unwrap().is_none());
    }
    let seen = server.seen();
    assert_eq!(seen.len(), 4);
    assert_eq!((seen[0].method.as_str(), seen[0].target.as_str()), ("POST", "/api/login"));
    assert_eq!(seen[0].header("content-type"), Some("application/json"));
    assert_eq!(seen[0].header("authorization"), None);
    assert_eq!(seen[0].json(), serde_json::json!({ "clientId": "key-id", "clientSecret": SECRET }));
    for call in &seen[1..] {
        assert_eq!(call.header("authorization"), Some("Bearer token-1"));
    }
}

#[tokio::test]
async fn a_token_is_replaced_thirty_seconds_before_its_end() {
    let server = numbered(300, &[]).await;
    let client = client(&server, api_key());
    client.claim().await.unwrap();
    pass(Duration::from_secs(265)).await;
    client.claim().await.unwrap();
    assert_eq!(server.count("/login"), 1);
    pass(Duration::from_secs(5)).await;
    client.claim().await.unwrap();
    assert_eq!(server.count("/login"), 2);
    assert_eq!(server.seen().last().unwrap().header("authorization"), Some("Bearer token-2"));
}

/// Lets time jump between calls, while no socket is waited for.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn fifty_concurrent_calls_log_in_once() {
    let server = numbered(300, &[]).await;
    let client = client(&server, api_key());
    let mut calls = JoinSet::new();
    for _ in 0..50 {
        let client = client.clone();
        calls.spawn(async move { client.claim().await.unwrap().is_none() });
    }
    assert_eq!(calls.join_all().await, [true; 50]);
    assert_eq!(server.count("/login"), 1);
}

#[tokio::test]
async fn fifty_calls_refused_at_once_refresh_once() {
    let server = numbered(300, &["token-1"]).await;
    let client = client(&server, api_key());
    let mut calls = JoinSet::new();
    for _ in 0..50 {
        let client = client.clone();
        calls.spawn(async move { client.claim().await.unwrap().is_none() });
    }
    assert_eq!(calls.join_all().await, [true; 50]);
    assert_eq!(server.count("/login"), 2);
    assert!(client.claim().await.unwrap().is_none());
    assert_eq!(server.count("/login"), 2);
}

#[tokio::test]
async fn a_401_refreshes_once_and_repeats_once() {
    let server = numbered(300, &["token-1", "token-2", "token-3"]).await;
    let error = client(&server, api_key()).claim().await.unwrap_err();
    assert!(matches!(error.kind, CallErrorKind::Unauthorized), "{error:?}");
    assert_eq!(error.status().unwrap().as_u16(), 401);
    assert!(!error.is_retryable());
    let sent: Vec<_> = server
        .seen()
        .iter()
        .filter_map(|seen| seen.header("authorization").map(str::to_owned))
        .collect();
    assert_eq!(sent, ["Bearer token-1", "Bearer token-2"]);
}

#[tokio::test]
async fn a_failed_login_is_told_to_all_who_waited_without_a_stampede() {
    let gate = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&gate);
    let server =
        Server::start(move |_| Reply::Held(Arc::clone(&held), Box::new(Reply::status(503)))).await;
    let mut config = config(&server.url, api_key());
    // No back-off: what's tested is that those who wait don't try one after the other.
    config.http.retry.backoff = backoff::Config { first: Duration::ZERO, cap: Duration::ZERO };
    let client = Client::new(config).unwrap();
    let waiting = Arc::new(AtomicUsize::new(0));
    let mut calls = JoinSet::new();
    for _ in 0..50 {
        let (client, waiting) = (client.clone(), Arc::clone(&waiting));
        calls.spawn(async move {
            // Counted in the same poll that queues for the session.
            waiting.fetch_add(1, Ordering::SeqCst);
            client.claim().await.unwrap_err()
        });
    }
    while waiting.load(Ordering::SeqCst) < 50 || server.count("/login") == 0 {
        tokio::task::yield_now().await;
    }
    gate.add_permits(1000);
    for error in calls.join_all().await {
        assert!(matches!(error.kind, CallErrorKind::Login(_)), "{error:?}");
        assert!(error.is_retryable());
        assert_eq!(error.status().unwrap().as_u16(), 503);
    }
    assert_eq!(server.count("/login"), 1);
}

#[tokio::test]
async fn nobody_logs_in_again_while_a_failure_is_backed_off() {
    let server = Server::start(|_| Reply::status(401)).await;
    let mut config = config(&server.url, api_key());
    config.http.retry.backoff =
        backoff::Config { first: Duration::from_secs(3600), cap: Duration::from_secs(3600) };
    fastrand::seed(1);
    let client = Client::new(config).unwrap();
    for _ in 0..20 {
        let error = client.claim().await.unwrap_err();
        assert!(matches!(error.kind, CallErrorKind::Login(_)), "{error:?}");
        assert!(!error.is_retryable());
    }
    assert_eq!(server.count("/login"), 1);
    pass(Duration::from_secs(3600)).await;
    client.claim().await.unwrap_err();
    assert_eq!(server.count("/login"), 2);
}

#[tokio::test]
async fn a_token_that_still_lives_outlives_a_failed_refresh() {
    let logins = AtomicUsize::new(0);
    let server = Server::start(move |seen| match seen.target.as_str() {
        "/api/login" if logins.fetch_add(1, Ordering::SeqCst) > 0 => Reply::status(500),
        "/api/login" => login("token-1", 300),
        _ => Reply::status(404),
    })
    .await;
    let client = client(&server, api_key());
    client.claim().await.unwrap();
    pass(Duration::from_secs(280)).await;
    assert!(client.claim().await.unwrap().is_none());
    assert_eq!(server.count("/login"), 2);
    pass(Duration::from_secs(21)).await;
    assert!(matches!(client.claim().await.unwrap_err().kind, CallErrorKind::Login(_)));
}

#[tokio::test]
async fn a_cancelled_login_is_taken_over() {
    let gate = Arc::new(Semaphore::new(0));
    let (held, logins) = (Arc::clone(&gate), AtomicUsize::new(0));
    let server = Server::start(move |seen| match seen.target.as_str() {
        "/api/login" if logins.fetch_add(1, Ordering::SeqCst) == 0 => {
            Reply::Held(Arc::clone(&held), Box::new(Reply::Drop))
        }
        "/api/login" => login("token-2", 300),
        _ => Reply::status(404),
    })
    .await;
    let client = client(&server, api_key());
    let first = tokio::spawn({
        let client = client.clone();
        async move { client.claim().await }
    });
    while server.count("/login") == 0 {
        tokio::task::yield_now().await;
    }
    let second = tokio::spawn(async move { client.claim().await });
    first.abort();
    assert!(second.await.unwrap().unwrap().is_none());
    assert_eq!(server.count("/login"), 2);
}

#[tokio::test]
async fn basic_sends_user_and_password() {
    let server = Server::replies([Reply::status(404)]).await;
    assert!(client(&server, basic()).claim().await.unwrap().is_none());
    // base64("user:hunter2-password")
    assert_eq!(
        server.seen()[0].header("authorization"),
        Some("Basic dXNlcjpodW50ZXIyLXBhc3N3b3Jk")
    );
}

#[tokio::test]
async fn unusable_login_answers_are_errors() {
    for body in [
        r#"{"expires_in":300}"#,
        r#"{"access_token":""}"#,
        r#"{"access_token":"a\nb"}"#,
        r#"{"access_token":{"s3cr3t-thing":1}}"#,
        "<html>",
        "",
    ] {
        let server = Server::start(move |_| Reply::json(200, body)).await;
        let error = client(&server, api_key()).claim().await.unwrap_err();
        assert!(matches!(error.kind, CallErrorKind::Login(_)), "{body}: {error:?}");
        assert!(!shown(&error).contains("s3cr3t-thing"), "{body}");
    }
}

#[test]
fn credentials_that_cannot_be_sent_are_refused() {
    let base = Url::parse("http://127.0.0.1").unwrap();
    for (username, password) in [("a:b", "x"), ("a\n", "x"), ("a", "x\r\ny")] {
        let credentials = Credentials::Basic {
            username: username.to_owned(),
            password: SecretString::from(password),
        };
        assert!(Client::new(config(&base, credentials)).is_err(), "{username:?}");
    }
}
