//! How pipelines are started, and with what.

use super::{STEP, Scene, builder};
use crate::assert_ended;
use blockhouse_emulator::{Behavior, InputType, RunSpec, RunState, Status};
use blockhouse_remotes::azure::{Pipeline, Route};
use blockhouse_tests::patience;
use blockhouse_tests::terraform::HOSTILE_TEXTS;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[tokio::test]
async fn an_asynchronous_run_is_handed_over_once_its_pipeline_has_started() {
    let mut scene = Scene::start().await;
    let spec = RunSpec::azure_devops(scene.implementation().asynchronous());
    let id = scene.emulator.enqueue(spec);
    let over = scene
        .emulator
        .wait_until(patience(), |view| view.run(&id).is_some_and(|run| run.summary.is_some()));
    over.await.unwrap();
    scene.runner.shutdown().drain();
    scene.runner.ended().await.unwrap();
    let run = scene.emulator.run(&id).unwrap();
    assert_eq!(run.timeline(), [(STEP, Status::Succeeded)]);
    assert_eq!(run.steps[0].display_name, "Trigger Azure DevOps Pipeline");
    assert_eq!(run.reported_status, Some(Status::InProgress));
    assert_eq!((run.state, run.terminal_updates), (RunState::InProgress, 0));
    let link = format!("{}/acme/My%20Project/_build/results?buildId=501", scene.azure.url());
    assert_eq!(run.told(STEP), format!("The pipeline was started: {link}"));
    assert_eq!(scene.azure.requests().len(), 1, "nobody looks");
}

#[tokio::test]
async fn every_behaviour_is_told_and_the_branch_only_if_there_is_one() {
    let scene = Scene::start().await;
    for (behavior, word) in
        [(Behavior::Apply, "APPLY"), (Behavior::Destroy, "DESTROY"), (Behavior::Detect, "DETECT")]
    {
        let run = scene.execute(scene.spec().behavior(behavior)).await;
        assert_ended(&run, RunState::Succeeded);
        let body = scene.azure.requests_of(Route::Launch).pop().unwrap().json();
        assert_eq!(body, json!({"templateParameters": {"MESHSTACK_BEHAVIOR": word}}));
    }
    let next = scene.implementation().reference("refs/heads/next");
    scene.execute(RunSpec::azure_devops(next)).await;
    let launch = scene.azure.requests_of(Route::Launch).pop().unwrap();
    assert_eq!(
        launch.json()["resources"],
        json!({"repositories": {"self": {"refName": "refs/heads/next"}}})
    );
    assert_eq!(scene.azure.runs().pop().unwrap().reference, "refs/heads/next");
    assert_eq!(launch.path, "/acme/My%20Project/_apis/pipelines/7/runs?api-version=7.1");
}

#[tokio::test]
async fn inputs_are_strings_byte_for_byte_but_for_those_of_the_environment() {
    let large = "0123456789 \"${x}\" ü\n".repeat(10_000);
    let declare = |pipeline: Pipeline, index| {
        pipeline.parameter(format!("plain {index}")).parameter(format!("secret-{index}"))
    };
    let pipeline = Pipeline::new("other", 8, "all").parameter("MESHSTACK_BEHAVIOR");
    let others = ["number", "yes", "many", "large"];
    let pipeline = others.into_iter().fold(pipeline, Pipeline::parameter);
    let pipeline = (0..HOSTILE_TEXTS.len()).fold(pipeline, declare);
    let scene = Scene::of(builder().pipeline(pipeline).start().unwrap()).await;

    let other =
        scene.implementation().field("project", json!("other")).field("pipelineId", json!(8));
    let mut expected = BTreeMap::from([
        ("MESHSTACK_BEHAVIOR".to_owned(), "APPLY".to_owned()),
        ("large".to_owned(), large.clone()),
        ("many".to_owned(), "[\"a\",\"c\\\"d\"]".to_owned()),
        ("number".to_owned(), "9007199254740993".to_owned()),
        ("yes".to_owned(), "true".to_owned()),
    ]);
    let number = serde_json::from_str::<Value>("9007199254740993").unwrap();
    let mut spec = RunSpec::azure_devops(other)
        .input("number", InputType::Integer, number)
        .input("yes", InputType::Boolean, json!(true))
        .input("many", InputType::MultiSelect, json!(["a", "c\"d"]))
        .input("nothing", InputType::String, Value::Null)
        .input("MESHSTACK_BEHAVIOR", InputType::String, json!("DESTROY"))
        .sensitive_input("large", InputType::Code, large)
        .environment_input("ENVIRONMENT", InputType::String, json!("not for pipelines"))
        .sensitive_environment_input("SECRET", InputType::String, "not for pipelines either");
    for (index, text) in HOSTILE_TEXTS.iter().enumerate() {
        let (plain, secret) = (format!("plain {index}"), format!("secret-{index}"));
        spec = spec.input(&plain, InputType::String, json!(text)).sensitive_input(
            &secret,
            InputType::String,
            *text,
        );
        expected.extend([(plain, (*text).to_owned()), (secret, (*text).to_owned())]);
    }
    let run = scene.execute(spec).await;
    assert_ended(&run, RunState::Succeeded);
    let launched = scene.azure.runs().pop().unwrap();
    assert_eq!(launched.pipeline, 8);
    for (name, text) in &expected {
        assert_eq!(launched.parameters.get(name), Some(text), "{name}");
    }
    assert_eq!(launched.parameters.len(), expected.len());
    assert!(run.log(STEP).contains("`MESHSTACK_BEHAVIOR` is not passed on"), "{run:#?}");
}
