//! How the app signs in, and stays signed in.

use super::*;

fn issued(host: &Script<'_>) -> usize {
    host.requests().iter().filter(|sent| sent.url.ends_with("/access_tokens")).count()
}

#[test]
fn the_app_signs_with_its_key() {
    let host = GitHub::default().host();
    applied(&host).unwrap();
    let sent = &host.requests()[0];
    assert_eq!(sent.url, format!("{API}/installation"));
    // 2026-11-02, 10:00 UTC, ten seconds before and five minutes after.
    let claims = r#"{"exp":1793613900,"iat":1793613590,"iss":"123"}"#;
    let expected = format!("Bearer <secret {claims} signed by key>");
    assert_eq!(sent.header("authorization"), Some(expected.as_str()));
    assert_eq!(issued(&host), 1);
}

#[test]
fn an_app_that_may_not_write_actions_is_told_so_before_the_dispatch() {
    for permission in ["read", ""] {
        let host = GitHub { permission, ..GitHub::default() }.host();
        let message = applied(&host).unwrap_err().message;
        assert!(message.contains("Actions: Read and write"), "{message}");
        assert!(dispatches(&host).is_empty());
    }
}

#[test]
fn what_is_wrong_with_the_app_is_named() {
    for (status, expected) in [
        (401, "`appId`"),
        (404, "not installed in the repository `acme/infra`"),
        (302, "`githubBaseUrl`"),
    ] {
        let host = Script::new(move |_, _| Ok(Answer::new(status, "")));
        let message = applied(&host).unwrap_err().message;
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_token_is_renewed_before_it_expires() {
    let host = GitHub {
        // Every ten seconds, for more than an hour.
        run: |looks| if looks < 400 { RUNNING } else { SUCCESS },
        expires: |token| ["2026-11-02T11:00:00Z", "2026-11-02T11:55:00Z"][token - 1],
        ..GitHub::default()
    };
    let host = host.host().configure("poll_minutes", "90");
    assert_eq!(applied(&host).unwrap(), Verdict::Succeeded);
    assert_eq!(issued(&host), 2);
}

#[test]
fn a_token_that_lives_shorter_is_renewed_sooner() {
    let host = GitHub {
        // Every ten seconds, for 20 minutes.
        run: |looks| if looks < 120 { RUNNING } else { SUCCESS },
        expires: |token| ["2026-11-02T10:10:00Z", "2026-11-02T10:30:00Z"][token.min(2) - 1],
        ..GitHub::default()
    };
    let host = host.host();
    assert_eq!(applied(&host).unwrap(), Verdict::Succeeded);
    let is_issue = |sent: &Sent| sent.url.ends_with("/access_tokens");
    let requests = host.requests();
    let second = requests.iter().rposition(is_issue).unwrap();
    let is_look = |sent: &&Sent| sent.url.ends_with("/actions/runs/77");
    let looks = requests.iter().take(second).filter(is_look).count();
    assert_eq!((issued(&host), looks), (2, 30), "after five of ten minutes, and never again");
}

#[test]
fn a_token_that_github_forgot_is_renewed_once() {
    let forgotten = Cell::new(1);
    let github = GitHub::default().host();
    let host = Script::new(move |sent: &Sent, _| {
        if sent.url.ends_with("/dispatches") && forgotten.get() > 0 {
            forgotten.set(forgotten.get() - 1);
            return Ok(Answer::new(401, r#"{"message":"Bad credentials"}"#));
        }
        github.answer(sent)
    });
    assert_eq!(applied(&host).unwrap(), Verdict::Succeeded);
    assert_eq!((issued(&host), dispatches(&host).len()), (2, 2));

    let github = GitHub::default().host();
    let host = Script::new(move |sent: &Sent, _| {
        if sent.url.ends_with("/dispatches") {
            Ok(Answer::new(401, ""))
        } else {
            github.answer(sent)
        }
    });
    assert!(applied(&host).is_err());
    assert_eq!(dispatches(&host).len(), 2);
}

#[test]
fn what_was_sent_is_not_sent_again() {
    let github = GitHub::default().host();
    let host = Script::new(move |sent: &Sent, _| {
        if sent.url.ends_with("/dispatches") {
            Err(SendError::Timeout("30 s".to_owned()))
        } else {
            github.answer(sent)
        }
    });
    let message = applied(&host).unwrap_err().message;
    assert!(message.contains("not known whether the workflow was dispatched"), "{message}");
    assert_eq!(dispatches(&host).len(), 1);
}

#[test]
fn a_run_that_is_being_stopped_dispatches_nothing() {
    let host = GitHub::default().host();
    host.abort_after(Duration::ZERO);
    assert!(host.aborted() && applied(&host).is_err());
    assert!(host.requests().is_empty());
}
