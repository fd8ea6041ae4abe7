//! Azure DevOps: who may launch what, and how it is refused.

use blockhouse_remotes::azure::BadToken;
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{LAUNCH, Ops, read};

fn order() -> Value {
    json!({"templateParameters": {"MESHSTACK_BEHAVIOR": "APPLY"}})
}

/// What the refusal says.
async fn refused(ops: &Ops, path: &str, body: &Value) -> (u16, String, String) {
    let (status, answer) = ops.send(Method::POST, path, body).await;
    let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
    (status, text("typeKey"), text("message"))
}

#[tokio::test]
async fn a_launch_answers_the_run() {
    let ops = Ops::start();
    let body = json!({
        "templateParameters": {"name": "x \"y\"", "MESHSTACK_BEHAVIOR": "DETECT"},
        "resources": {"repositories": {"self": {"refName": "refs/heads/next"}}},
    });
    let (status, run) = ops.send(Method::POST, LAUNCH, &body).await;
    assert_eq!((status, &run["state"]), (200, &json!("inProgress")));
    assert!(run.get("result").is_none());
    let [known] = <[_; 1]>::try_from(ops.azure.runs()).unwrap();
    assert_eq!((&run["id"], known.pipeline), (&known.id.into(), 7));
    assert_eq!(
        (known.parameters["name"].as_str(), known.reference.as_str()),
        ("x \"y\"", "refs/heads/next")
    );
    let page = format!("{}/acme/infra/_build/results?buildId={}", ops.azure.url(), known.id);
    assert_eq!(run["_links"]["web"]["href"], page);
}

#[tokio::test]
async fn a_bad_token_leads_to_the_sign_in_page_in_one_of_three_ways() {
    let expected =
        [(BadToken::Redirect, 302), (BadToken::Page, 203), (BadToken::Unauthorized, 401)];
    for (bad_token, status) in expected {
        let mut ops = Ops::with_bad_token(bad_token);
        ops.token = "wrong".to_owned();
        let request = ops.bare(Method::POST, LAUNCH).basic_auth("", Some("wrong")).json(&order());
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status);
        let location = answer.headers().get("location").map(|value| value.to_str().unwrap());
        assert_eq!(location.is_some_and(|to| to.contains("/_signin?")), status == 302);
        let media = answer.headers()["content-type"].to_str().unwrap().to_owned();
        assert_eq!(media.starts_with("text/html"), status != 401, "{media}");
    }
}

#[tokio::test]
async fn a_revoked_token_is_a_bad_one() {
    let ops = Ops::start();
    ops.launch().await;
    ops.azure.revoke_tokens();
    assert_eq!(ops.send(Method::POST, LAUNCH, &order()).await.0, 302);
}

#[tokio::test]
async fn other_credentials_are_violations() {
    let ops = Ops::start();
    let none = ops.bare(Method::POST, LAUNCH).json(&order());
    assert_eq!(read(none.send().await.unwrap()).await.0, 401);
    let bearer = ops.bare(Method::POST, LAUNCH).bearer_auth(&ops.token).json(&order());
    assert_eq!(read(bearer.send().await.unwrap()).await.0, 401);
    let named = ops.bare(Method::POST, LAUNCH).basic_auth("me", Some(&ops.token)).json(&order());
    assert_eq!(read(named.send().await.unwrap()).await.0, 200);
    let expected = [
        "no Authorization",
        "Authorization is not Basic with user and token",
        "the user is not empty",
    ];
    assert_eq!(ops.violations(), expected);
}

#[tokio::test]
async fn the_version_of_the_api_is_checked() {
    let ops = Ops::start();
    let path = "/acme/infra/_apis/pipelines/7/runs";
    let (status, kind, message) = refused(&ops, path, &order()).await;
    assert_eq!((status, kind.as_str()), (400, "VssVersionNotSpecifiedException"));
    assert!(message.starts_with("No api-version was supplied for the \"POST\" request."));
    let (status, kind, _) = refused(&ops, &format!("{path}?api-version=9.0"), &order()).await;
    assert_eq!((status, kind.as_str()), (400, "VssVersionOutOfRangeException"));
    assert_eq!(ops.violations().len(), 2);
}

#[tokio::test]
async fn an_operators_mistakes_are_answered_as_azure_devops_does() {
    let ops = Ops::start();
    let with = |parameters: Value| json!({"templateParameters": parameters});
    let unknown = with(json!({"MESHSTACK_BEHAVIOR": "APPLY", "zone": "y"}));
    let branch = json!({
        "templateParameters": {"MESHSTACK_BEHAVIOR": "APPLY"},
        "resources": {"repositories": {"self": {"refName": "gone"}}},
    });
    let invalid = "PipelineValidationException";
    let expected = [
        (LAUNCH, &unknown, 400, invalid, "Unexpected parameter 'zone'"),
        (LAUNCH, &with(json!({})), 400, invalid, "'MESHSTACK_BEHAVIOR' parameter must be provided"),
        (LAUNCH, &branch, 400, invalid, "using ref refs/heads/gone."),
        (&LAUNCH.replace('7', "8"), &order(), 404, "DefinitionNotFoundException", "TF215016"),
        (
            &LAUNCH.replace("infra", "no"),
            &order(),
            404,
            "ProjectDoesNotExistWithNameException",
            "TF200016",
        ),
        (&LAUNCH.replace("acme", "no"), &order(), 404, "", ""),
    ];
    for (path, body, status, kind, part) in expected {
        let path = path.replace("api-version=8.1", "api-version=7.1");
        let seen = refused(&ops, &path, body).await;
        assert!(seen.0 == status && seen.1 == kind && seen.2.contains(part), "{seen:?}");
    }
    assert!(ops.azure.runs().is_empty() && ops.violations().is_empty());
}

#[tokio::test]
async fn errors_have_the_shape_of_azure_devops() {
    let ops = Ops::start();
    let body = json!({"templateParameters": {"x": "y"}});
    let (_, answer) = ops.send(Method::POST, LAUNCH, &body).await;
    let namespace = "Microsoft.Azure.Pipelines.WebApi";
    let expected = json!({
        "$id": "1",
        "innerException": null,
        "message": "Unexpected parameter 'x'",
        "typeName": format!("{namespace}.PipelineValidationException, {namespace}"),
        "typeKey": "PipelineValidationException",
        "errorCode": 0,
        "eventId": 3000,
    });
    assert_eq!(answer, expected);
}

#[tokio::test]
async fn a_body_of_another_shape_is_a_violation() {
    let ops = Ops::start();
    let wrong = [
        (json!([]), 400),
        (json!({"templateParameters": []}), 400),
        (json!({"templateParameters": {"MESHSTACK_BEHAVIOR": true}}), 400),
        (json!({"templateParameters": {"MESHSTACK_BEHAVIOR": "APPLY"}, "resources": {}}), 400),
        (json!({"templateParameters": {"MESHSTACK_BEHAVIOR": "APPLY"}, "parameters": {}}), 200),
    ];
    for (body, status) in wrong {
        assert_eq!(ops.send(Method::POST, LAUNCH, &body).await.0, status, "{body}");
        assert_eq!(ops.violations().len(), 1, "{body}");
    }
    let form = ops.bare(Method::POST, LAUNCH).basic_auth("", Some(&ops.token)).body("a=b");
    assert_eq!(form.send().await.unwrap().status(), 415);
    assert_eq!(ops.violations(), ["Content-Type is not `application/json`"]);
}
