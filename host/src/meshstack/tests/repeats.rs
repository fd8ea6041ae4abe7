use std::time::{Duration, Instant, SystemTime};

use super::*;
use crate::meshstack::CallErrorKind;

#[tokio::test]
async fn faults_are_repeated_until_an_answer_comes() {
    for fault in [Reply::status(500), Reply::status(503), Reply::status(429), Reply::Drop] {
        let server = Server::replies([fault.clone(), fault, Reply::status(200)]).await;
        run_client(&server).register(&[]).await.unwrap();
        let seen = server.seen();
        assert_eq!(seen.len(), 3);
        assert!(!seen[0].body.is_empty());
        assert!(seen.iter().all(|again| again.body == seen[0].body));
    }
}

#[tokio::test]
async fn the_last_fault_is_told_when_no_try_is_left() {
    let server = Server::start(|_| Reply::json(503, "maintenance")).await;
    let error = run_client(&server).register(&[]).await.unwrap_err();
    assert_eq!(server.seen().len(), 3);
    assert!(error.is_retryable());
    assert!(shown(&error).contains("503 Service Unavailable: maintenance"), "{}", shown(&error));
}

#[tokio::test]
async fn refusals_are_not_repeated() {
    for status in [400, 403, 404, 410, 422] {
        let server = Server::start(move |_| Reply::status(status)).await;
        let error = run_client(&server).register(&[]).await.unwrap_err();
        assert_eq!(error.status().unwrap().as_u16(), status);
        assert!(!error.is_retryable());
        assert_eq!(server.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_401_on_a_run_token_is_tried_once_more() {
    let server = Server::replies([Reply::status(401), Reply::status(200)]).await;
    run_client(&server).register(&[]).await.unwrap();
    let server = Server::start(|_| Reply::status(401)).await;
    let error = run_client(&server).register(&[]).await.unwrap_err();
    assert!(matches!(error.kind, CallErrorKind::Unauthorized), "{error:?}");
    assert_eq!(server.seen().len(), 2);
}

/// How long a call takes whose first try is answered by this `Retry-After`.
async fn waits(retry_after: &str, cap: Duration) -> Duration {
    let busy = Reply::status(503).with("retry-after", retry_after);
    let server = Server::replies([busy, Reply::status(200)]).await;
    let mut config = config(&server.url, basic());
    config.http.retry.retry_after_cap = cap;
    let links = serde_json::json!({});
    let run = Client::new(config).unwrap().run_client(&claim(Some(RUN_TOKEN), &links)).unwrap();
    let began = Instant::now();
    run.register(&[]).await.unwrap();
    assert_eq!(server.seen().len(), 2);
    began.elapsed()
}

#[tokio::test]
async fn retry_after_in_seconds_is_obeyed() {
    assert!(waits("1", Duration::from_secs(60)).await >= Duration::from_secs(1));
}

#[tokio::test]
async fn retry_after_as_a_date_is_obeyed() {
    // Dates have whole seconds: one that is 3 s ahead is still more than 1 s ahead when it is read.
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3));
    assert!(waits(&date, Duration::from_secs(60)).await >= Duration::from_secs(1));
}

#[tokio::test]
async fn retry_after_is_bounded() {
    let cap = Duration::from_millis(100);
    for asked in ["86400", "Fri, 31 Dec 9999 23:59:59 GMT"] {
        let waited = waits(asked, cap).await;
        assert!(waited >= cap && waited < Duration::from_secs(60), "{waited:?}");
    }
}

#[tokio::test]
async fn retry_after_is_told_to_the_caller() {
    let server = Server::replies([Reply::status(429).with("retry-after", "7")]).await;
    let error = client(&server, basic()).claim().await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
}
