use crate::carry_out;
use blockhouse_sdk::scripted::{Answer, Script, Sent, Status};
use blockhouse_sdk::{Behavior, Entered, Failure, Fields, Input, Run, SendError, Verdict};
use std::time::Duration;

const STARTED: &str =
    r#"{"id":9,"state":"inProgress","_links":{"web":{"href":"https://dev.azure.example/b/9"}}}"#;

const STAGES: &str = r#"{"records":[
    {"id":"96ac2280-8cb4-5df5-99de-dd2da759617d","type":"Stage","name":"Deploy","order":2,"state":"pending","result":null},
    {"id":"26ac2280-8cb4-5df5-99de-dd2da759617d","type":"Stage","name":"Build","order":1,"state":"completed","result":"succeededWithIssues","startTime":"2026-11-02T10:00:00Z"},
    {"id":"36ac2280-8cb4-5df5-99de-dd2da759617d","type":"Job","name":"J","order":1,"state":"completed","result":"failed"},
    {"id":"../../x","type":"Stage","name":"Odd","state":"inProgress"}]}"#;

fn carried_out(
    host: &Script<'_>,
    more: &[(&'static str, Entered<'static, String>)],
) -> Result<Verdict, Failure> {
    let (token, secret) = ("token".to_owned(), "password".to_owned());
    let mut fields = vec![
        ("azureDevOpsBaseUrl", Entered::Text("https://dev.azure.example")),
        ("organization", Entered::Text("acme")),
        ("personalAccessToken", Entered::Secret(&token)),
        ("pipelineId", Entered::Json("5")),
        ("project", Entered::Text("My Project")),
    ];
    fields.extend_from_slice(more);
    let input = |key, value, is_environment| Input { is_environment, key, value };
    let run = Run {
        behavior: Behavior::Apply,
        fields: Fields(fields),
        id: "run",
        inputs: vec![
            input("n", Entered::Json("1.50"), false),
            input("flag", Entered::Json("true"), false),
            input("password", Entered::Secret(&secret), false),
            input("env", Entered::Text("x"), true),
            input("absent", Entered::Json("null"), false),
        ],
        links: &[],
    };
    carry_out(host, &run)
}

fn ended(result: &str) -> String {
    format!(r#"{{"id":9,"state":"completed","result":"{result}"}}"#)
}

/// Starts the pipeline, and ends it with this result when it is asked for the third time.
fn ending<'a>(result: &'a str) -> Script<'a> {
    let mut looks = 0;
    Script::new(move |sent: &Sent, _| {
        let body = match sent.method {
            "POST" => STARTED.to_owned(),
            "GET" if sent.url.contains("/timeline") => STAGES.to_owned(),
            "GET" => {
                looks += 1;
                if looks == 3 { ended(result) } else { STARTED.to_owned() }
            }
            _ => "{}".to_owned(),
        };
        Ok(Answer::new(200, &body))
    })
}

#[test]
fn the_pipeline_gets_the_inputs_as_strings() {
    let host = Script::new(|_, _| Ok(Answer::new(200, STARTED)));
    let more = [("async", Entered::Json("true")), ("refName", Entered::Text("refs/heads/main"))];
    assert_eq!(carried_out(&host, &more).unwrap(), Verdict::HandedOver);
    let requests = host.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(
        requests[0].url,
        "https://dev.azure.example/acme/My%20Project/_apis/pipelines/5/runs?api-version=7.1"
    );
    assert_eq!(requests[0].header("authorization"), Some("Basic :<secret token>"));
    assert_eq!(
        requests[0].body,
        r#"{"templateParameters":{"n":"1.50","flag":"true","password":"<secret password>","MESHSTACK_BEHAVIOR":"APPLY"},"resources":{"repositories":{"self":{"refName":"refs/heads/main"}}}}"#
    );
    assert_eq!(host.find("azure-devops-trigger").unwrap().status, Status::Succeeded);
}

#[test]
fn stages_are_steps_in_their_order() {
    let host = ending("succeeded");
    assert_eq!(carried_out(&host, &[]).unwrap(), Verdict::Succeeded);
    let names: Vec<_> = host.steps().into_iter().map(|step| step.display_name).collect();
    // One with an odd id has no step of its own.
    assert_eq!(
        names,
        ["Trigger Azure DevOps Pipeline", "Stage: Build", "Stage: Deploy", "Other Stages"]
    );
    let build = host.find("ado-stage-26ac2280-8cb4-5df5-99de-dd2da759617d").unwrap();
    assert_eq!(build.status, Status::Succeeded);
    assert_eq!(
        build.message,
        "succeeded with issues, from 2026-11-02T10:00:00Z: https://dev.azure.example/b/9"
    );
    assert_eq!(host.requests().last().unwrap().method, "GET");
}

#[test]
fn only_succeeded_is_success() {
    for result in ["failed", "canceled", "unknown", "new"] {
        let host = ending(result);
        let message = carried_out(&host, &[]).unwrap_err().message;
        assert!(message.contains(&format!("`{result}`")), "{message}");
        assert_eq!(host.summary(), message);
    }
}

#[test]
fn an_abort_cancels_the_pipeline() {
    let host = ending("never");
    host.abort_after(Duration::from_secs(4));
    let message = carried_out(&host, &[]).unwrap_err().message;
    assert!(message.contains("was told to cancel"), "{message}");
    let last = host.requests().pop().unwrap();
    assert_eq!(last.method, "PATCH");
    assert_eq!(
        last.url,
        "https://dev.azure.example/acme/My%20Project/_apis/build/builds/9?api-version=7.1"
    );
    assert_eq!(last.body, r#"{"status":"cancelling"}"#);
}

#[test]
fn an_abort_while_the_pipeline_starts_cancels_it_whoever_would_follow_it() {
    for is_async in ["true", "false"] {
        let host = ending("never");
        host.abort_at_request(1);
        let failure = carried_out(&host, &[("async", Entered::Json(is_async))]).unwrap_err();
        assert!(failure.message.contains("was told to cancel"), "{}", failure.message);
        let methods: Vec<_> = host.requests().iter().map(|sent| sent.method).collect();
        assert_eq!(methods, ["POST", "PATCH"]);
    }
}

#[test]
fn a_pipeline_that_can_not_be_cancelled_is_named() {
    let host = Script::new(|sent: &Sent, _| {
        Ok(Answer::new(if sent.method == "PATCH" { 403 } else { 200 }, STARTED))
    });
    host.abort_after(Duration::from_secs(4));
    let message = carried_out(&host, &[]).unwrap_err().message;
    assert!(message.contains("cancel it yourself: https://dev.azure.example/b/9"), "{message}");
}

#[test]
fn waiting_has_an_end() {
    let host = Script::new(|_, _| Ok(Answer::new(200, STARTED))).configure("poll_minutes", "2");
    let message = carried_out(&host, &[]).unwrap_err().message;
    assert!(message.contains("within 2 minutes"), "{message}");
    assert!(message.contains("https://dev.azure.example/b/9"), "{message}");
}

#[test]
fn a_page_to_sign_in_means_a_bad_token() {
    for (status, kind) in
        [(302, ""), (203, "text/html"), (200, "Text/HTML; charset=utf-8"), (401, "")]
    {
        let answer = Answer::new(status, "<html>Sign in</html>").header("content-type", kind);
        let host = Script::new(move |_, _| Ok(answer.clone()));
        let message = carried_out(&host, &[]).unwrap_err().message;
        assert!(message.contains("does not accept the personal access token"), "{message}");
    }
}

#[test]
fn what_was_sent_is_not_sent_again() {
    for answer in [Err(SendError::Network("reset".to_owned())), Ok(Answer::new(503, ""))] {
        let host = Script::new(move |_, _| match &answer {
            Ok(answer) => Ok(answer.clone()),
            Err(_) => Err(SendError::Network("reset".to_owned())),
        });
        let message = carried_out(&host, &[]).unwrap_err().message;
        assert!(message.contains("not known whether"), "{message}");
        assert_eq!(host.requests().len(), 1);
    }
}

#[test]
fn refusals_are_told_in_words() {
    for (status, body, expected) in [
        (400, r#"{"message":"Unexpected parameter 'x'"}"#, "Unexpected parameter 'x'"),
        (400, "", "status 400"),
        (403, "", "Read & execute"),
        (404, "", "`pipelineId`"),
        (429, "", "has not started the pipeline"),
    ] {
        let host = Script::new(move |_, _| Ok(Answer::new(status, body)));
        let message = carried_out(&host, &[]).unwrap_err().message;
        assert!(message.contains(expected), "{message}");
    }
}
