use std::time::{Duration, Instant};

use super::*;
use crate::meshstack::wire::{RunStatus, Update};
use crate::meshstack::{BodyError, CallError, CallErrorKind};

const MIB: usize = 1024 * 1024;

fn sign_of_life() -> Update {
    Update {
        status: RunStatus::InProgress,
        summary: None,
        steps: Vec::new(),
        artifact: None,
        changes_detected: None,
    }
}

async fn update_error(reply: Reply) -> (CallError, usize) {
    let server = Server::start(move |_| reply.clone()).await;
    let error = run_client(&server).update(&sign_of_life()).await.unwrap_err();
    (error, server.seen().len())
}

fn is_too_large(error: &CallError, expected: usize) -> bool {
    matches!(error.kind, CallErrorKind::Body(BodyError::TooLarge { limit }) if limit == expected)
}

#[tokio::test]
async fn an_oversized_answer_is_refused_by_its_announced_length() {
    // Only the announcement is sent: whoever would wait for the body would wait for ever.
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", MIB + 1);
    let (error, tries) = update_error(Reply::RawThenSilence(head.into_bytes())).await;
    assert!(is_too_large(&error, MIB), "{error:?}");
    assert!(!error.is_retryable());
    assert_eq!(tries, 1);
}

#[tokio::test]
async fn an_oversized_answer_without_a_length_is_refused_while_streaming() {
    let mut raw = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..20 {
        raw.extend_from_slice(format!("{:x}\r\n", MIB / 16).as_bytes());
        raw.extend_from_slice(&vec![b' '; MIB / 16]);
        raw.extend_from_slice(b"\r\n");
    }
    let (error, _) = update_error(Reply::RawThenSilence(raw)).await;
    assert!(is_too_large(&error, MIB), "{error:?}");
}

#[tokio::test]
async fn an_answer_of_exactly_the_limit_is_fine() {
    let mut body = br#"{"runAborted":true}"#.to_vec();
    body.resize(MIB, b' ');
    let server = Server::replies([Reply::Answer { status: 200, headers: Vec::new(), body }]).await;
    assert!(run_client(&server).update(&sign_of_life()).await.unwrap().run_aborted);
}

#[tokio::test]
async fn an_oversized_claim_is_refused() {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 32 * MIB + 1);
    let server = Server::replies([Reply::RawThenSilence(head.into_bytes())]).await;
    let error = client(&server, basic()).claim().await.unwrap_err();
    assert!(is_too_large(&error, 32 * MIB), "{error:?}");
}

#[tokio::test]
async fn a_truncated_answer_is_an_interruption_and_repeated() {
    let raw = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"runAborted\":".to_vec();
    let (error, tries) = update_error(Reply::RawThenClose(raw)).await;
    assert!(matches!(error.kind, CallErrorKind::Interrupted(_)), "{error:?}");
    assert_eq!(tries, 3);
}

#[tokio::test]
async fn malformed_answers_are_errors_that_do_not_quote_them() {
    for body in ["<html>s3cr3t", r#"{"runAborted":"s3cr3t"}"#, r#"["s3cr3t"]"#, "{", "\u{0}"] {
        let (error, _) = update_error(Reply::json(200, body)).await;
        assert!(matches!(error.kind, CallErrorKind::Body(BodyError::Json { .. })), "{error:?}");
        assert!(error.is_retryable());
        assert!(!shown(&error).contains("s3cr3t"), "{body}");
    }
}

#[tokio::test]
async fn answers_that_say_little_mean_not_aborted() {
    for body in ["", "{}", r#"{"runAborted":null}"#, r#"{"runAborted":false,"new":[{}]}"#] {
        let server = Server::replies([Reply::json(200, body)]).await;
        assert!(!run_client(&server).update(&sign_of_life()).await.unwrap().run_aborted, "{body}");
    }
}

#[tokio::test]
async fn not_http_at_all_is_an_error() {
    let (error, _) = update_error(Reply::RawThenClose(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec())).await;
    assert!(matches!(error.kind, CallErrorKind::Interrupted(_)), "{error:?}");
}

fn impatient(server: &Server, change: impl FnOnce(&mut HttpConfig)) -> RunClient {
    let mut config = config(&server.url, basic());
    config.http.retry.tries = 1;
    change(&mut config.http);
    let links =
        serde_json::json!({ "planArtifact": { "href": server.url.join("/plan").unwrap() } });
    Client::new(config).unwrap().run_client(&claim(Some(RUN_TOKEN), &links)).unwrap()
}

#[tokio::test]
async fn silence_in_the_middle_of_a_body_is_a_timeout() {
    let raw = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec();
    let server = Server::start(move |_| Reply::RawThenSilence(raw.clone())).await;
    let limit = Duration::from_millis(50);
    let run = impatient(&server, |http| http.read_timeout = limit);
    let error = run.update(&sign_of_life()).await.unwrap_err();
    assert!(matches!(error.kind, CallErrorKind::Timeout { after } if after == limit), "{error:?}");
    assert!(error.is_retryable());
    // A plan may take long as a whole, but not be silent for long.
    let error = run.download_plan(1000).await.unwrap_err();
    assert!(matches!(error.kind, CallErrorKind::Timeout { after } if after == limit), "{error:?}");
}

#[tokio::test]
async fn silence_instead_of_an_answer_is_a_timeout() {
    let server = Server::start(|_| Reply::RawThenSilence(Vec::new())).await;
    let limit = Duration::from_millis(50);
    let run = impatient(&server, |http| http.total_timeout = limit);
    let error = run.update(&sign_of_life()).await.unwrap_err();
    assert!(matches!(error.kind, CallErrorKind::Timeout { after } if after == limit), "{error:?}");
    // Long enough to connect on a busy machine; only then does the silence begin.
    let run = impatient(&server, |http| {
        http.connect_timeout = Duration::from_millis(980);
        http.read_timeout = Duration::from_millis(20);
    });
    let error = run.update(&sign_of_life()).await.unwrap_err();
    let limit = Duration::from_secs(1);
    assert!(matches!(error.kind, CallErrorKind::Timeout { after } if after == limit), "{error:?}");
}

#[tokio::test]
async fn a_failure_is_told_even_if_its_body_never_comes() {
    let raw = b"HTTP/1.1 503 Busy\r\ncontent-length: 100\r\n\r\nbusy".to_vec();
    let server = Server::start(move |_| Reply::RawThenSilence(raw.clone())).await;
    let run = impatient(&server, |http| http.read_timeout = Duration::from_millis(50));
    let began = Instant::now();
    let error = run.update(&sign_of_life()).await.unwrap_err();
    assert_eq!(error.status().unwrap().as_u16(), 503);
    assert!(began.elapsed() >= Duration::from_millis(50));
}

#[tokio::test]
async fn a_plan_larger_than_the_limit_is_refused() {
    let plan = Reply::Answer { status: 200, headers: Vec::new(), body: vec![7; 1001] };
    let server = Server::start(move |_| plan.clone()).await;
    let run = impatient(&server, |_| ());
    assert!(is_too_large(&run.download_plan(1000).await.unwrap_err(), 1000));
    assert_eq!(run.download_plan(1001).await.unwrap(), vec![7; 1001]);
    assert_eq!(run.download_plan(usize::MAX).await.unwrap().len(), 1001);
}
