use crate::trigger::trigger;
use blockhouse_sdk::scripted::{Answer, Script, Status};
use blockhouse_sdk::{
    Behavior, Entered, Failure, Fields, Host as _, Input, Link, Run, SendError, Verdict,
};
use std::time::Duration;

const CREATED: &str = r#"{"id":7,"web_url":"https://git.example/g/p/-/pipelines/7"}"#;

fn links() -> Vec<Link> {
    let link =
        |name: &str| Link { name: name.to_owned(), href: format!("https://mesh.example/{name}") };
    ["meshstackBaseUrl", "registerSource", "self", "updateSource"].map(link).into()
}

fn run<'a>(
    project: Entered<'a, String>,
    token: &'a String,
    inputs: Vec<Input<'a, String>>,
    links: &'a [Link],
) -> Run<'a, String> {
    Run {
        behavior: Behavior::Detect,
        fields: Fields(vec![
            ("gitlabBaseUrl", Entered::Text("https://git.example/")),
            ("pipelineTriggerToken", Entered::Secret(token)),
            ("projectId", project),
            ("refName", Entered::Text("main")),
        ]),
        id: "run",
        inputs,
        links,
    }
}

/// What becomes of a run when GitLab answers like this.
fn answered(host: &Script<'_>) -> Result<Verdict, Failure> {
    let token = "token".to_owned();
    trigger(host, &run(Entered::Json("42"), &token, Vec::new(), &links()))
}

fn message(status: u16, body: &'static str) -> String {
    let host = Script::new(move |_, _| Ok(Answer::new(status, body)));
    let failure = answered(&host).unwrap_err();
    assert_eq!(host.requests().len(), 1, "sent again");
    failure.message
}

#[test]
fn the_pipeline_gets_everything_about_the_run() {
    let host = Script::new(|_, _| Ok(Answer::new(201, CREATED)));
    let (token, secret, links) = ("token".to_owned(), "password".to_owned(), links());
    let input = |key, value, is_environment| Input { is_environment, key, value };
    let inputs = vec![
        input("region", Entered::Text("eu"), true),
        input("size", Entered::Json("12345678901234567890"), false),
        input("password", Entered::Secret(&secret), false),
        input("absent", Entered::Json("null"), false),
        input("MESHSTACK_RUN", Entered::Text("forged"), true),
    ];
    let run = run(Entered::Text("group/project"), &token, inputs, &links);
    assert_eq!(trigger(&host, &run).unwrap(), Verdict::HandedOver);

    let sent = &host.requests()[0];
    assert_eq!(sent.url, "https://git.example/api/v4/projects/group%2Fproject/trigger/pipeline");
    let boundary = sent.header("content-type").unwrap();
    let boundary = boundary.strip_prefix("multipart/form-data; boundary=").unwrap();
    let fields: Vec<_> = sent
        .body
        .split(&format!("--{boundary}"))
        .filter_map(|part| {
            let (head, value) = part.split_once("\r\n\r\n")?;
            let name = head.split('"').nth(1)?;
            Some((name.to_owned(), value.trim_end().to_owned()))
        })
        .collect();
    let expected = [
        ("token", "<secret token>"),
        ("ref", "main"),
        ("variables[MESHSTACK_BEHAVIOR]", "DETECT"),
        ("variables[MESHSTACK_RUN]", "<run document>"),
        ("variables[MESHSTACK_BASE_URL]", "https://mesh.example/meshstackBaseUrl"),
        ("variables[MESHSTACK_REGISTER_SOURCE_URL]", "https://mesh.example/registerSource"),
        ("variables[MESHSTACK_SELF_URL]", "https://mesh.example/self"),
        ("variables[MESHSTACK_UPDATE_SOURCE_URL]", "https://mesh.example/updateSource"),
        ("variables[region]", "eu"),
        ("inputs[size]", "12345678901234567890"),
        ("inputs[password]", "<secret password>"),
    ];
    assert_eq!(fields, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));

    let step = host.find("gl-trigger").unwrap();
    assert_eq!(step.status, Status::Succeeded);
    assert!(step.message.contains("https://git.example/g/p/-/pipelines/7"));
    assert!(step.log.iter().any(|line| line.contains("`MESHSTACK_RUN` is not passed on")));
}

#[test]
fn a_pipeline_that_was_faster_than_the_abort_is_named() {
    let host = Script::new(|_, _| Ok(Answer::new(201, CREATED)));
    host.abort_at_request(1);
    assert_eq!(answered(&host).unwrap(), Verdict::HandedOver);
    let message = host.find("gl-trigger").unwrap().message;
    assert!(message.contains("can't cancel it") && message.contains("/pipelines/7"), "{message}");
}

#[test]
fn what_gitlab_refuses_is_told_in_words() {
    for (status, body, expected) in [
        (404, r#"{"message":"404 Not Found"}"#, "`projectId`"),
        (
            400,
            r#"{"message":{"base":["Identity verification is required in order to run CI jobs"]}}"#,
            "verify their identity",
        ),
        (400, r#"{"message":{"base":["Reference not found"]}}"#, "Reference not found"),
        (400, r#"{"error":"ref is missing"}"#, "ref is missing"),
        (403, r#"{"message":["a","b"]}"#, "a; b"),
        (403, "", "status 403"),
        (429, "", "too many requests"),
        (301, "", "`gitlabBaseUrl`"),
        (503, "<html>", "not known whether"),
        (200, "<html>Sign in</html>", "`gitlabBaseUrl`"),
    ] {
        let message = message(status, body);
        assert!(message.contains(expected), "{status} {body}: {message}");
    }
}

#[test]
fn what_was_sent_is_not_sent_again() {
    let host = Script::new(|_, _| Err(SendError::Timeout("30 s".to_owned())));
    let failure = answered(&host).unwrap_err();
    assert!(failure.message.contains("not known whether"), "{}", failure.message);
    assert_eq!(host.requests().len(), 1);
}

#[test]
fn a_denial_is_passed_on() {
    let host = Script::new(|_, _| Err(SendError::Denied("`http://x` is not granted".to_owned())));
    let failure = answered(&host).unwrap_err();
    assert!(failure.message.contains("`http://x` is not granted"), "{}", failure.message);
}

#[test]
fn a_run_that_is_being_stopped_triggers_nothing() {
    let host = Script::silent();
    host.abort_after(Duration::ZERO);
    assert!(host.aborted());
    assert!(answered(&host).is_err());
    assert!(host.requests().is_empty());
}
