//! GitLab: what may be triggered, and how it is refused.

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::client::{BOUNDARY, Lab, TRIGGER_TOKEN, form, read};

fn unmade(message: &str) -> (u16, Value) {
    (400, json!({"message": {"base": [message]}}))
}

#[tokio::test]
async fn variables_and_inputs_arrive_byte_for_byte() {
    let lab = Lab::start();
    let odd = "line\r\n--a-bound\r\n\u{1f980} \"quoted\" & more=\n";
    let fields = [("variables[RUN]", odd), ("inputs[name]", "x"), ("inputs[region]", " y ")];
    let (status, body) = lab.trigger("acme%2Fdeclared", &fields).await;
    assert_eq!(status, 201, "{body}");
    let [pipeline] = <[_; 1]>::try_from(lab.gitlab.pipelines()).unwrap();
    assert_eq!(pipeline.variables["RUN"], odd);
    assert_eq!(pipeline.inputs["region"], " y ");
    assert_eq!((pipeline.project, pipeline.reference.as_str()), (43, "main"));
    assert_eq!(body["id"], pipeline.id);
    assert_eq!((body["status"].as_str(), body["ref"].as_str()), (Some("created"), Some("main")));
    let page = format!("{}/acme/declared/-/pipelines/{}", lab.gitlab.url(), pipeline.id);
    assert_eq!(body["web_url"], page);
}

#[tokio::test]
async fn a_wrong_project_and_a_wrong_token_look_alike() {
    let lab = Lab::start();
    let expected = (404, json!({"message": "404 Not Found"}));
    assert_eq!(lab.trigger("1", &[]).await, expected);
    // A slash that is not encoded is another path altogether.
    let fields = form(&[("token", "wrong"), ("ref", "main")]);
    assert_eq!(read(lab.request("42", fields).send().await.unwrap()).await, expected);
    assert!(lab.violations().is_empty());
    assert_eq!(lab.trigger("acme/infra", &[]).await.0, 404);
    assert_eq!(lab.violations(), ["no such endpoint"]);
}

#[tokio::test]
async fn an_operators_mistakes_are_answered_as_gitlab_does() {
    let lab = Lab::start();
    let gone = form(&[("token", TRIGGER_TOKEN), ("ref", "gone")]);
    let answer = read(lab.request("42", gone).send().await.unwrap()).await;
    assert_eq!(answer, unmade("Reference not found"));
    let undeclared =
        "Given inputs not defined in the `spec` section of the included configuration file";
    assert_eq!(lab.trigger("42", &[("inputs[a]", "x")]).await, unmade(undeclared));
    let unknown = [("inputs[a]", "x"), ("inputs[name]", "y")];
    assert_eq!(lab.trigger("43", &unknown).await, unmade("unknown input arguments: a"));
    let missing = "`name` input: required value has not been provided";
    assert_eq!(lab.trigger("43", &[("inputs[region]", "x")]).await, unmade(missing));
    assert_eq!(lab.trigger("44", &[]).await.0, 400);
    lab.gitlab.require_verification(true);
    let verification = "Identity verification is required in order to run CI jobs";
    assert_eq!(lab.trigger("42", &[]).await, unmade(verification));
    assert!(lab.gitlab.pipelines().is_empty());
}

#[tokio::test]
async fn variables_are_bounded_in_number_and_length() {
    let lab = Lab::start();
    let names: Vec<_> = (0..201).map(|index| format!("variables[V{index}]")).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), "x")).collect();
    assert_eq!(lab.trigger("42", &many).await.0, 400);
    assert_eq!(lab.trigger("42", &many[..200]).await.0, 201);
    let long = "x".repeat(1024 * 1024 + 1);
    assert_eq!(lab.trigger("42", &[("variables[V]", &long)]).await.0, 400);
    assert_eq!(lab.trigger("42", &[("variables[V]", &long[1..])]).await.0, 201);
    assert_eq!(lab.trigger("42", &[("variables[A-B]", "x")]).await.0, 400);
}

#[tokio::test]
async fn a_form_of_another_shape_is_a_violation() {
    let lab = Lab::start();
    let (token, branch) = (("token", TRIGGER_TOKEN), ("ref", "main"));
    let whole = form(&[token, branch]);
    let cut = whole[..whole.len() - BOUNDARY.len()].to_owned();
    let file = whole.replace("name=\"ref\"", "name=\"ref\"; filename=\"x\"");
    let wrong = [
        (form(&[branch]), 400, "`token` or `ref` is missing"),
        (form(&[token, branch, branch]), 201, "the field `ref` is there twice"),
        (
            form(&[token, branch, ("variables[]", "x")]),
            400,
            "the field `variables[]` has no usable name",
        ),
        (form(&[token, branch, ("variable", "x")]), 201, "an unknown field `variable`"),
        (file, 201, "the field `ref` is a file"),
        (cut, 400, "a form that can't be read"),
    ];
    for (body, expected, part) in wrong {
        let (status, _) = read(lab.request("42", body).send().await.unwrap()).await;
        let violations = lab.violations();
        assert_eq!(status, expected, "{part}");
        assert!(violations.iter().any(|violation| violation.starts_with(part)), "{violations:?}");
    }
}

#[tokio::test]
async fn a_request_of_another_shape_is_a_violation() {
    let lab = Lab::start();
    let whole = || form(&[("token", TRIGGER_TOKEN), ("ref", "main")]);
    let json = lab.request("42", "{}".to_owned()).header(CONTENT_TYPE, "application/json");
    let mut json = json.build().unwrap();
    json.headers_mut().insert(CONTENT_TYPE, "application/json".parse().unwrap());
    let answer = reqwest::Client::builder().no_proxy().build().unwrap().execute(json);
    assert_eq!(answer.await.unwrap().status(), 415);
    assert_eq!(lab.violations(), ["not `multipart/form-data`"]);
    let with_header = lab.request("42", whole()).header(AUTHORIZATION, "Bearer x");
    assert_eq!(with_header.send().await.unwrap().status(), 201);
    assert_eq!(lab.violations(), ["a header with credentials: the token belongs into the form"]);
    let with_query = lab.request_with("42", "?ref=main", whole());
    assert_eq!(with_query.send().await.unwrap().status(), 201);
    assert_eq!(lab.violations(), ["a query: all parameters belong into the form"]);
}

#[tokio::test]
async fn a_repeated_trigger_is_a_violation() {
    let lab = Lab::start();
    let fields = [("variables[MESHSTACK_RUN]", "one")];
    lab.trigger("42", &fields).await;
    lab.trigger("42", &[("variables[MESHSTACK_RUN]", "two")]).await;
    assert!(lab.violations().is_empty());
    lab.trigger("42", &fields).await;
    assert_eq!(lab.violations(), ["triggered twice: it is pipeline 1001 already"]);
}
