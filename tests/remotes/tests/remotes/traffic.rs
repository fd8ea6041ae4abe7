//! What is recorded, and how secrets are found in it.

use blockhouse_remotes::{Place, azure, github, gitlab};
use reqwest::Method;
use serde_json::json;

use crate::client::{ACCESS_TOKEN, DISPATCHES, Hub, Lab, Ops, TRIGGER_TOKEN};

#[tokio::test]
async fn a_request_is_recorded_as_it_was_sent() {
    let hub = Hub::start().await;
    let before = hub.github.now();
    let body = json!({"ref": "main", "inputs": {"name": "x"}});
    hub.post(&format!("{DISPATCHES}?a=%20"), &body).await;
    let [request] = <[_; 1]>::try_from(hub.github.requests_of(github::Route::Dispatch)).unwrap();
    assert_eq!(request.method, "POST");
    assert_eq!(request.path, format!("{DISPATCHES}?a=%20"));
    assert_eq!(request.header("user-agent"), Some("test/1"));
    assert_eq!((request.json(), request.status), (body, Some(204)));
    assert!(request.at >= before);
    assert_eq!(hub.github.count(github::Route::AccessToken), 1);
}

#[tokio::test]
async fn a_secret_is_found_where_it_was_sent_and_nowhere_else() {
    let lab = Lab::start();
    lab.trigger("42", &[("variables[RUN]", "{\"password\": \"hunter-2\\n\"}")]).await;
    let body = [(gitlab::Route::Trigger, Place::Body)];
    assert_eq!(lab.gitlab.places_of(TRIGGER_TOKEN), body);
    assert_eq!(lab.gitlab.places_of("hunter-2"), body);
    assert!(lab.gitlab.places_of("hunter-3").is_empty());

    let ops = Ops::start();
    let id = ops.launch().await;
    ops.find(&format!("/acme/infra/_apis/pipelines/7/runs/{id}?api-version=7.1")).await;
    let header = || Place::Header("authorization".to_owned());
    let everywhere = [(azure::Route::Launch, header()), (azure::Route::Run, header())];
    assert_eq!(ops.azure.places_of(ACCESS_TOKEN), everywhere);

    let hub = Hub::start().await;
    let run = json!({"spec": {"inputs": [{"value": "hunter-2"}]}}).to_string();
    let run = data_encoding::BASE64.encode(run.as_bytes());
    hub.post(DISPATCHES, &json!({"ref": "main", "inputs": {"buildingBlockRun": run}})).await;
    assert_eq!(hub.github.places_of("hunter-2"), [(github::Route::Dispatch, Place::Body)]);
    let [token] = <[_; 1]>::try_from(hub.github.tokens()).unwrap();
    assert_eq!(hub.github.places_of(&token), [(github::Route::Dispatch, header())]);
}

#[tokio::test]
async fn recorded_requests_print_without_what_they_hold() {
    let ops = Ops::start();
    ops.send(
        Method::POST,
        "/acme/infra/_apis/pipelines/7/runs?api-version=7.1&x=s3cret",
        &json!({}),
    )
    .await;
    let printed = format!("{:?} {:?}", ops.azure.requests(), ops.azure);
    assert!(
        printed.contains("POST /acme/infra/_apis/pipelines/7/runs (2 bytes) -> 400"),
        "{printed}"
    );
    assert!(!printed.contains("s3cret"), "{printed}");
}
