//! GitHub: what may be dispatched, and how it is refused.

use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::client::{DISPATCHES, Hub, RUNS, hub_builder};

fn path(workflow: &str) -> String {
    format!("/repos/acme/infra/actions/workflows/{workflow}/dispatches")
}

/// What the refusal says.
async fn refused(hub: &Hub, workflow: &str, body: &Value) -> (u16, String) {
    let (status, answer) = hub.post(&path(workflow), body).await;
    (status, answer["message"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_dispatch_answers_nothing_or_the_runs_details() {
    let hub = Hub::start().await;
    let (status, body) =
        hub.post(DISPATCHES, &json!({"ref": "main", "inputs": {"name": "a"}})).await;
    assert_eq!((status, body), (204, Value::Null));
    let order =
        json!({"ref": "refs/heads/main", "inputs": {"name": "b"}, "return_run_details": true});
    let (status, body) = hub.post(DISPATCHES, &order).await;
    assert_eq!(status, 200);
    let runs = hub.github.runs();
    let (url, id) = (hub.github.url(), runs[1].id);
    assert_eq!(body["workflow_run_id"], id);
    assert_eq!(body["run_url"], format!("{url}/repos/acme/infra/actions/runs/{id}"));
    assert_eq!(body["html_url"], format!("{url}/acme/infra/actions/runs/{id}"));
    assert_eq!((runs[0].title.as_str(), runs[1].branch.as_str()), ("run a", "main"));
    assert_eq!(runs[1].inputs["name"], "b");
}

#[tokio::test]
async fn an_old_server_refuses_the_unknown_field_and_dispatches_nothing() {
    let hub = Hub::of(hub_builder().without_run_details()).await;
    let order = json!({"ref": "main", "inputs": {"name": "a"}, "return_run_details": true});
    let (status, message) = refused(&hub, "apply.yml", &order).await;
    assert_eq!(status, 422);
    assert!(message.contains("\"return_run_details\" is not a permitted key."), "{message}");
    assert!(hub.github.runs().is_empty());
    let order = json!({"ref": "main", "inputs": {"name": "a"}});
    assert_eq!(hub.post(DISPATCHES, &order).await.0, 204);
}

#[tokio::test]
async fn an_operators_mistakes_are_answered_as_github_does() {
    let hub = Hub::start().await;
    let plain = json!({"ref": "main"});
    let unexpected = json!({"ref": "main", "inputs": {"buildingBlockRun": "x", "zone": "y"}});
    let expected = [
        ("none.yml", &plain, 404, "Not Found"),
        ("push.yml", &plain, 422, "Workflow does not have 'workflow_dispatch' trigger"),
        ("off.yml", &plain, 422, "Cannot trigger a 'workflow_dispatch' on a disabled workflow"),
        ("apply.yml", &json!({"ref": "gone"}), 422, "No ref found for: gone"),
        ("apply.yml", &unexpected, 422, "Unexpected inputs provided: [\"zone\"]"),
        ("strict.yml", &plain, 422, "Required input 'region' not provided"),
    ];
    for (workflow, body, status, message) in expected {
        assert_eq!(refused(&hub, workflow, body).await, (status, message.to_owned()));
    }
    assert!(hub.github.runs().is_empty());
}

#[tokio::test]
async fn inputs_are_bounded_in_number_and_length() {
    let many = |count: usize| -> Map<String, Value> {
        (0..count).map(|index| (format!("i{index}"), json!("x"))).collect()
    };
    let hub = Hub::start().await;
    let too_many = json!({"ref": "main", "inputs": many(26)});
    let (status, message) = refused(&hub, "apply.yml", &too_many).await;
    assert_eq!(status, 422);
    assert!(message.ends_with("No more than 25 properties are allowed; 26 were supplied."));
    let long = json!({"ref": "main", "inputs": {"name": "x".repeat(65_535)}});
    let expected = (422, "inputs are too large.".to_owned());
    assert_eq!(refused(&hub, "apply.yml", &long).await, expected);
    let fits = json!({"ref": "main", "inputs": {"name": "x".repeat(65_500)}});
    assert_eq!(hub.post(DISPATCHES, &fits).await.0, 204);
    let old = Hub::of(hub_builder().without_run_details()).await;
    let (_, message) =
        refused(&old, "apply.yml", &json!({"ref": "main", "inputs": many(11)})).await;
    assert!(message.ends_with("No more than 10 properties are allowed; 11 were supplied."));
}

#[tokio::test]
async fn a_body_of_another_shape_is_a_violation() {
    let hub = Hub::start().await;
    let wrong = [
        json!({"inputs": {}}),
        json!({"ref": "main", "payload": {}}),
        json!({"ref": "main", "inputs": []}),
        json!({"ref": "main", "return_run_details": "yes"}),
    ];
    for body in wrong {
        assert_eq!(hub.post(DISPATCHES, &body).await.0, 422, "{body}");
        assert_eq!(hub.violations().len(), 1, "{body}");
    }
    let broken = hub.with(Method::POST, DISPATCHES, &hub.token).body("{");
    let broken = broken.header("content-type", "application/json");
    assert_eq!(broken.send().await.unwrap().status(), 400);
    assert_eq!(hub.violations(), ["the body is no JSON object"]);
}

#[tokio::test]
async fn a_repeated_dispatch_is_a_violation() {
    let hub = Hub::start().await;
    let id = hub.dispatch("same").await;
    hub.dispatch("other").await;
    assert!(hub.violations().is_empty());
    hub.dispatch("same").await;
    assert_eq!(hub.violations(), [format!("dispatched twice: it is run {id} already")]);
}

#[tokio::test]
async fn dispatches_at_the_same_time_may_look_reversed() {
    let hub = Hub::start().await;
    hub.github.reverse_next(2);
    let (first, second) = (hub.dispatch("first").await, hub.dispatch("second").await);
    assert!(first > second);
    let third = hub.dispatch("third").await;
    assert!(third != first && third != second);
    let (_, list) = hub.find(RUNS).await;
    let listed: Vec<_> =
        list["workflow_runs"].as_array().unwrap().iter().map(|r| &r["id"]).collect();
    assert!(
        listed.iter().position(|id| **id == first) < listed.iter().position(|id| **id == second)
    );
}
