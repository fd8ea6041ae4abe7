//! Which run of the workflow is taken for ours.

use super::*;

/// An older server, which has these runs.
fn older(runs: &'static str) -> GitHub {
    GitHub { dispatch: [(422, UNKNOWN_FIELD), (204, "")], runs, ..GitHub::default() }
}

#[test]
fn an_older_server_is_asked_without_details() {
    let host = older(r#"{"workflow_runs":[{"id":77,"created_at":"2026-11-02T10:00:01Z"}]}"#).host();
    assert_eq!(applied(&host).unwrap(), Verdict::Succeeded);
    let sent = dispatches(&host);
    assert_eq!(sent.len(), 2);
    assert!(sent[0].body.contains("return_run_details"));
    assert!(!sent[1].body.contains("return_run_details"));
    let log = host.find("gh-trigger").unwrap().log.join("\n");
    assert!(log.contains("is a guess"), "{log}");
}

#[test]
fn a_run_that_shows_our_id_is_preferred_to_a_newer_one() {
    const RUNS: &str = r#"{"workflow_runs":[
        {"id":99,"created_at":"2026-11-02T10:00:09Z","display_title":"other"},
        {"id":77,"created_at":"2026-11-02T10:00:01Z","display_title":"run b3116611-0000-4000-8000-000000000001"}]}"#;
    let host = older(RUNS).host();
    assert_eq!(applied(&host).unwrap(), Verdict::Succeeded);
    assert!(host.requests().iter().any(|sent| sent.url.ends_with("/actions/runs/77")));
    assert!(!host.requests().iter().any(|sent| sent.url.contains("/actions/runs/99")));
    let log = host.find("gh-trigger").unwrap().log.join("\n");
    assert!(!log.contains("guess"), "{log}");
}

#[test]
fn an_old_run_is_not_ours() {
    const RUNS: &str = r#"{"workflow_runs":[
        {"id":1,"created_at":"2026-11-02T09:59:29Z"},{"id":2,"created_at":"soon"},{"id":3}]}"#;
    let host = older(RUNS).host();
    let message = applied(&host).unwrap_err().message;
    assert!(message.contains("shows no run of it"), "{message}");
    assert!(host.uptime() >= Duration::from_secs(120));
}

#[test]
fn a_guess_among_several_is_not_cancelled() {
    const RUNS: &str = r#"{"workflow_runs":[
        {"id":77,"created_at":"2026-11-02T10:00:02Z"},{"id":76,"created_at":"2026-11-02T10:00:01Z"}]}"#;
    let host = GitHub { run: |_| RUNNING, ..older(RUNS) }.host();
    host.abort_after(Duration::from_secs(30));
    let message = applied(&host).unwrap_err().message;
    assert!(message.contains("only a guess"), "{message}");
    assert!(!host.requests().iter().any(|sent| sent.url.ends_with("/cancel")));
}

#[test]
fn an_abort_while_searching_cancels_only_what_is_known() {
    const OURS: &str =
        r#"{"workflow_runs":[{"id":77,"name":"b3116611-0000-4000-8000-000000000001"}]}"#;
    for (runs, is_known) in [(OURS, true), (r#"{"workflow_runs":[{"id":77}]}"#, false)] {
        let searched = Cell::new(false);
        let github = older(runs).host();
        let host = Script::new(move |sent: &Sent, _| {
            // The first look comes too early.
            if sent.url.contains("/runs?") && !searched.replace(true) {
                return Ok(Answer::new(200, r#"{"workflow_runs":[]}"#));
            }
            github.answer(sent)
        });
        host.abort_after(Duration::from_secs(2));
        let message = applied(&host).unwrap_err().message;
        let cancels = host.requests().iter().any(|sent| sent.url.ends_with("/runs/77/cancel"));
        assert_eq!(cancels, is_known, "{message}");
        assert!(message.contains("was stopped"), "{message}");
    }
}
