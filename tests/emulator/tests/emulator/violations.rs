//! Each breach of the protocol is recorded and answered with a fitting error.

use blockhouse_emulator::{DEFAULT_RUNNER_UUID, Emulator, Route, RunSpec, Violation};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::client::{Claimed, Client, RUN_MEDIA, RUNNER_MEDIA, builder};

/// The answer's status and the only violation.
async fn breach(emulator: &Emulator, request: RequestBuilder) -> (u16, Violation) {
    let status = request.send().await.unwrap().status().as_u16();
    let mut violations = emulator.take_violations();
    assert_eq!(violations.len(), 1, "{violations:?}");
    (status, violations.remove(0))
}

async fn assert_breach(emulator: &Emulator, request: RequestBuilder, status: u16, message: &str) {
    let (answered, violation) = breach(emulator, request).await;
    assert!(violation.message.contains(message), "{violation}");
    assert_eq!(answered, status, "{violation}");
}

async fn registered() -> (Emulator, Client, Claimed) {
    let emulator = builder().start().await.unwrap();
    emulator.enqueue(RunSpec::manual());
    let client = Client::of(&emulator).await;
    let claimed = client.claim().await;
    assert_eq!(client.register(&claimed).await, 200);
    (emulator, client, claimed)
}

/// The same request with a header replaced, or without it.
fn with_header(request: RequestBuilder, name: &str, value: Option<&str>) -> RequestBuilder {
    let (client, request) = request.build_split();
    let mut request = request.unwrap();
    let name: reqwest::header::HeaderName = name.parse().unwrap();
    match value {
        Some(value) => drop(request.headers_mut().insert(name, value.parse().unwrap())),
        None => drop(request.headers_mut().remove(name)),
    }
    RequestBuilder::from_parts(client, request)
}

#[tokio::test]
async fn each_missing_or_wrong_header_is_named() {
    let emulator = builder().start().await.unwrap();
    let client = Client::of(&emulator).await;
    let other_runner = format!("{}-node", Uuid::from_u128(1));
    let no_node = format!("{DEFAULT_RUNNER_UUID}-");
    for (header, value, status, message) in [
        (ACCEPT.as_str(), Some("application/json"), 406, "Accept"),
        (CONTENT_TYPE.as_str(), Some("application/json"), 415, "Content-Type"),
        (CONTENT_TYPE.as_str(), None, 415, "Content-Type"),
        (USER_AGENT.as_str(), None, 400, "user-agent"),
        ("x-meshcloud-runner-name", None, 400, "x-meshcloud-runner-name"),
        ("x-meshcloud-runner-version", Some(""), 400, "x-meshcloud-runner-version"),
        ("x-block-runner-node-id", None, 400, "X-Block-Runner-Node-Id"),
        ("x-block-runner-node-id", Some(other_runner.as_str()), 400, "X-Block-Runner-Node-Id"),
        ("x-block-runner-node-id", Some(no_node.as_str()), 400, "X-Block-Runner-Node-Id"),
        (AUTHORIZATION.as_str(), None, 401, "no Authorization"),
        (AUTHORIZATION.as_str(), Some("Bearer invented"), 401, "unknown bearer"),
        (AUTHORIZATION.as_str(), Some("Basic !"), 401, "unreadable"),
        (AUTHORIZATION.as_str(), Some("Basic dXNlcjp3cm9uZw=="), 401, "wrong user or password"),
    ] {
        let request = with_header(client.claim_request(), header, value);
        assert_breach(&emulator, request, status, message).await;
    }
}

#[tokio::test]
async fn all_mistakes_of_one_request_are_recorded() {
    let emulator = builder().start().await.unwrap();
    let client = Client::of(&emulator).await;
    let request = with_header(client.claim_request(), "accept", None);
    let request = with_header(request, "user-agent", None);
    assert_eq!(request.send().await.unwrap().status(), 400);
    assert_eq!(emulator.take_violations().len(), 2);
}

#[tokio::test]
async fn a_claim_has_no_body_and_names_its_runner() {
    let emulator = builder().start().await.unwrap();
    let client = Client::of(&emulator).await;
    let request = client.claim_request().body("{}");
    assert_breach(&emulator, request, 400, "no body").await;
    for query in ["", "?forRunnerUuid=x", "?forRunnerUuid=00000000-0000-0000-0000-000000000001"] {
        let path = format!("/api/meshobjects/meshbuildingblockruns/create{query}");
        let request = client.mesh(Method::POST, &path, RUN_MEDIA).bearer_auth(&client.token);
        assert_breach(&emulator, request, 400, "forRunnerUuid").await;
    }
}

#[tokio::test]
async fn each_token_is_good_for_its_own_calls_only() {
    let (emulator, client, claimed) = registered().await;
    emulator.enqueue(RunSpec::manual().run_token("another"));
    let body = json!({"status": "IN_PROGRESS"});
    let update = |authorization: &str| {
        let request = client.update_request(&claimed, &body);
        with_header(request, "authorization", Some(authorization))
    };
    let own = format!("Bearer {}", client.token);
    assert_breach(&emulator, update(&own), 403, "the runner's own token").await;
    assert_breach(&emulator, update("Basic dXNlcjpwdw=="), 403, "own password").await;
    assert_breach(&emulator, update("Bearer another"), 403, "another run's").await;
    assert_breach(&emulator, update("Bearer invented"), 401, "unknown bearer").await;
    let run_token = format!("Bearer {}", claimed.token().unwrap());
    let claim = with_header(client.claim_request(), "authorization", Some(&run_token));
    assert_breach(&emulator, claim, 403, "a run token on a call").await;
}

#[tokio::test]
async fn an_update_needs_a_claimed_and_registered_run() {
    let emulator = builder().start().await.unwrap();
    emulator.enqueue(RunSpec::manual());
    let client = Client::of(&emulator).await;
    let claimed = client.claim().await;
    let request = client.update_request(&claimed, &json!({"status": "IN_PROGRESS"}));
    assert_breach(&emulator, request, 404, "without registering").await;
    let waiting = emulator.enqueue(RunSpec::manual().without_run_token());
    let unclaimed = |run: Uuid| {
        let path = format!("/api/meshobjects/meshbuildingblockruns/{run}/status/source");
        let body = json!({"source": {"id": DEFAULT_RUNNER_UUID}, "steps": []}).to_string();
        client.mesh(Method::POST, &path, RUN_MEDIA).bearer_auth(&client.token).body(body)
    };
    assert_breach(&emulator, unclaimed(waiting), 409, "never claimed").await;
    assert_breach(&emulator, unclaimed(Uuid::from_u128(1)), 404, "there is no run").await;
}

#[tokio::test]
async fn each_bad_update_is_refused() {
    let (emulator, client, claimed) = registered().await;
    let done = json!([{"id": "one", "status": "SUCCEEDED"}]);
    assert_eq!(client.update(&claimed, json!({"steps": done})).await.0, 200);
    let output = |output: Value| json!({"steps": [{"id": "one", "outputs": {"x": output}}]});
    for (body, status, message) in [
        (json!({"status": "PENDING"}), 500, "PENDING"),
        (json!({"status": "ABORTED"}), 400, "ABORTED"),
        (json!({"state": "FAILED"}), 400, "unknown field"),
        (json!({"steps": [{"id": "three", "status": "IN_PROGRESS"}]}), 400, "undeclared step"),
        (json!({"steps": [{"id": "one", "status": "IN_PROGRESS"}]}), 409, "step `one`"),
        (json!({"steps": [{"id": "one", "status": "FAILED"}]}), 409, "step `one`"),
        (json!({"steps": [{"id": "one"}, {"id": "one"}]}), 400, "twice"),
        (output(json!({"type": "FILE", "value": "x"})), 400, "unknown variant"),
        (output(json!({"type": "INTEGER", "value": 1.5})), 400, "output `x`"),
        (output(json!({"type": "STRING", "value": null})), 400, "output `x`"),
        (json!({"artifact": "cGxhbg=="}), 400, "no DETECT"),
    ] {
        let request = client.update_request(&claimed, &body);
        assert_breach(&emulator, request, status, message).await;
    }
    let request = client.update_request(&claimed, &Value::Null).body("{");
    assert_breach(&emulator, request, 400, "does not fit").await;
}

#[tokio::test]
async fn a_terminal_status_stays() {
    let (emulator, client, claimed) = registered().await;
    assert_eq!(client.update(&claimed, json!({"status": "FAILED"})).await.0, 200);
    for body in [json!({"status": "SUCCEEDED"}), json!({"status": "IN_PROGRESS"})] {
        let request = client.update_request(&claimed, &body);
        assert_breach(&emulator, request, 409, "after FAILED").await;
    }
}

#[tokio::test]
async fn a_source_is_the_runner() {
    let (emulator, client, claimed) = registered().await;
    let body = json!({"source": {"id": "somebody"}, "steps": []});
    let request = client.register_request(&claimed, &body);
    assert_breach(&emulator, request, 400, "is not the runner").await;
    let body = json!({"source": {"id": DEFAULT_RUNNER_UUID}, "steps": [{"id": "one"}]});
    let request = client.register_request(&claimed, &body);
    assert_breach(&emulator, request, 400, "displayName").await;
}

#[tokio::test]
async fn a_bad_login_or_runner_registration_is_refused() {
    let emulator = builder().start().await.unwrap();
    let client = Client::of(&emulator).await;
    let login = || client.bare(Method::POST, "/api/login");
    let request = login().json(&json!({"client_id": "id"}));
    assert_breach(&emulator, request, 400, "does not fit").await;
    assert_breach(&emulator, login().body("{}"), 415, "application/json").await;
    let wrong = login().json(&json!({"clientId": "id", "clientSecret": "wrong"}));
    assert_eq!(wrong.send().await.unwrap().status(), 401);
    assert_eq!(emulator.violations(), []);
    let golden = include_str!("../../../fixtures/wire/runner-registration.json");
    let put = |edit: &dyn Fn(&mut Value)| {
        let mut body: Value = serde_json::from_str(golden).unwrap();
        edit(&mut body);
        let path = format!("/api/meshobjects/meshbuildingblockrunners/{DEFAULT_RUNNER_UUID}");
        let request = client.mesh(Method::PUT, &path, RUNNER_MEDIA).bearer_auth(&client.token);
        request.body(body.to_string())
    };
    let request = put(&|body| body["spec"]["publicKey"] = json!("x"));
    assert_breach(&emulator, request, 400, "publicKey").await;
    let request = put(&|body| body["spec"]["implementationType"] = json!("GITLAB_CICD"));
    assert_breach(&emulator, request, 400, "unknown variant").await;
    let request = put(&|body| body["metadata"]["uuid"] = json!(Uuid::from_u128(3)));
    assert_breach(&emulator, request, 400, "metadata.uuid").await;
}

#[tokio::test]
async fn an_unknown_path_is_a_violation_of_its_own_route() {
    let emulator = builder().start().await.unwrap();
    let client = Client::of(&emulator).await;
    let (status, violation) = breach(&emulator, client.bare(Method::GET, "/api/nothing")).await;
    assert_eq!((status, violation.route), (404, Route::Unknown));
}

#[tokio::test]
async fn dropping_an_emulator_with_violations_panics_with_their_list() {
    let emulator = builder().start().await.unwrap();
    let client = Client::of(&emulator).await;
    client.bare(Method::GET, "/api/nothing").send().await.unwrap();
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(emulator)));
    let message = panic.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("no such endpoint"), "{message}");
}
