//! What pipelines are given.

use super::{STEP, Scene, TOKEN, document, serving};
use blockhouse_emulator::{Behavior, GitlabCicd, InputType, RunState, Status};
use blockhouse_remotes::gitlab::Project;
use blockhouse_tests::patience;
use blockhouse_tests::terraform::HOSTILE_TEXTS;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What a form could end at, or be continued by.
const HOSTILE_TO_FORMS: &[&str] = &[
    "\r\n--blockhouse-0123456789abcdef0123456789abcdef\r\n\
     Content-Disposition: form-data; name=\"variables[FORGED]\"\r\n\r\nx",
    "\r\n--blockhouse-0123456789abcdef0123456789abcdef--\r\n",
    "--",
    "a=b&c=d%20e+f",
];

/// No pipeline has more inputs.
const INPUTS_MAX: usize = 20;

#[tokio::test]
async fn every_behaviour_is_handed_over_in_one_step() {
    let mut scene = Scene::start().await;
    let ordered =
        [(Behavior::Apply, "APPLY"), (Behavior::Destroy, "DESTROY"), (Behavior::Detect, "DETECT")]
            .map(|(behavior, word)| {
                (scene.emulator.enqueue(scene.spec().behavior(behavior)), word)
            });
    for (id, word) in &ordered {
        let run = scene.handed_over(id).await;
        assert_eq!(run.timeline(), [(STEP, Status::Succeeded)]);
        assert_eq!(run.steps[0].display_name, "Trigger GitLab CI/CD");
        assert_eq!(run.reported_status, Some(Status::InProgress));
        let pipeline = scene.pipeline_of(id);
        assert_eq!(pipeline.variables["MESHSTACK_BEHAVIOR"], *word);
        assert_eq!((pipeline.project, pipeline.reference.as_str()), (42, "main"));
        let link = format!("{}/acme/infra/-/pipelines/{}", scene.gitlab.url(), pipeline.id);
        assert!(run.told(STEP).contains(&link), "{run:#?}");
        assert!(run.summary.as_ref().unwrap().contains(&link), "{run:#?}");
    }
    assert_eq!(scene.triggers(), 3);
    scene.runner.shutdown().drain();
    scene.runner.ended().await.unwrap();
    for (id, _) in ordered {
        let run = scene.emulator.run(&id).unwrap();
        assert_eq!((run.state, run.terminal_updates), (RunState::InProgress, 0), "{run:#?}");
    }
}

#[tokio::test]
async fn variables_and_inputs_arrive_byte_for_byte() {
    let texts: Vec<_> = HOSTILE_TEXTS.iter().chain(HOSTILE_TO_FORMS).copied().collect();
    let large = "0123456789 \"${x}\" ü\n".repeat(10_000);
    let project = Project::new(42, "acme/infra", TOKEN).reference("main");
    let names = (0..INPUTS_MAX).map(|index| format!("input-{index}"));
    let scene = Scene::of(serving(names.fold(project, Project::input))).await;
    let (mut variables, mut inputs) = (BTreeMap::new(), BTreeMap::new());
    let mut spec = scene.spec();
    for (index, text) in texts.iter().enumerate() {
        let (plain, secret) = (format!("PLAIN_{index}"), format!("SECRET_{index}"));
        spec = spec
            .environment_input(&plain, InputType::String, json!(text))
            .sensitive_environment_input(&secret, InputType::String, *text);
        variables.extend([(plain, (*text).to_owned()), (secret, (*text).to_owned())]);
    }
    // The ones that are hostile to forms are at the end.
    for (index, text) in texts.iter().rev().take(INPUTS_MAX).enumerate() {
        let name = format!("input-{index}");
        spec = match index % 2 {
            0 => spec.input(&name, InputType::String, json!(text)),
            _ => spec.sensitive_input(&name, InputType::String, *text),
        };
        inputs.insert(name, (*text).to_owned());
    }
    spec = spec.sensitive_environment_input("LARGE", InputType::Code, large.clone());
    variables.insert("LARGE".to_owned(), large);

    let (_, pipeline) = scene.trigger(spec).await;
    assert_eq!(pipeline.inputs, inputs);
    let is_of_ours = |name: &String, _: &mut String| !name.starts_with("MESHSTACK_");
    let mut found = pipeline.variables;
    found.retain(is_of_ours);
    for (name, value) in &variables {
        assert_eq!(found.get(name), Some(value), "{name}");
    }
    assert_eq!(found.len(), variables.len());
}

#[tokio::test]
async fn each_type_has_its_text() {
    let scene = Scene::start().await;
    let number = serde_json::from_str::<Value>("9007199254740993").unwrap();
    let spec = scene
        .spec()
        .environment_input("NUMBER", InputType::Integer, number)
        .environment_input("YES", InputType::Boolean, json!(true))
        .environment_input("CODE", InputType::Code, json!("{\"a\": [1.50]}"))
        .environment_input("FILE", InputType::File, json!("data:text/plain;base64,aGVsbG8="))
        .environment_input("ONE", InputType::SingleSelect, json!("b"))
        .environment_input("MANY", InputType::MultiSelect, json!(["a", "c\"d"]))
        .environment_input("NOTHING", InputType::String, Value::Null);
    let (run, pipeline) = scene.trigger(spec).await;
    for (name, text) in [
        ("NUMBER", "9007199254740993"),
        ("YES", "true"),
        ("CODE", "{\"a\": [1.50]}"),
        ("FILE", "data:text/plain;base64,aGVsbG8="),
        ("ONE", "b"),
        ("MANY", "[\"a\",\"c\\\"d\"]"),
    ] {
        assert_eq!(pipeline.variables.get(name).map(String::as_str), Some(text), "{run:#?}");
    }
    assert!(!pipeline.variables.contains_key("NOTHING"));
}

#[tokio::test]
async fn the_document_is_that_of_the_run_but_for_the_definitions_secret() {
    let scene = Scene::start().await;
    let spec = scene
        .spec()
        .run_token("run-token-hunter2")
        .sensitive_environment_input("PASSWORD", InputType::String, "hunter2 \"password\"")
        .environment_input("REGION", InputType::String, json!("eu"));
    let (run, pipeline) = scene.trigger(spec).await;
    let found = document(&pipeline);
    assert_eq!(found["metadata"]["uuid"], json!(run.id));
    assert_eq!(found["spec"]["runToken"], "run-token-hunter2");
    let inputs = found["spec"]["buildingBlock"]["spec"]["inputs"].as_array().unwrap();
    let [password, region] = inputs.as_slice() else { panic!("{inputs:?}") };
    assert_eq!(password["value"], "hunter2 \"password\"");
    assert_eq!((&password["isSensitive"], &region["value"]), (&json!(true), &json!("eu")));
    let definition = &found["spec"]["buildingBlockDefinition"]["spec"];
    let implementation = json!({
        "type": "GITLAB_CICD",
        "gitlabBaseUrl": super::address(&scene.gitlab),
        "projectId": "acme/infra",
        "refName": "main",
    });
    assert_eq!(definition["implementation"], implementation);
    // Fields of a newer meshStack.
    assert_eq!(found["spec"]["unheardOf"], json!({"nested": [1, null, "two"]}));
    assert_eq!(password["unheardOf"], json!([]));
    assert_eq!(definition["unheardOf"], json!(true));
    assert!(!pipeline.variables.values().any(|value| value.contains(TOKEN)));
}

#[tokio::test]
async fn the_addresses_and_the_token_are_enough_to_finish_the_run() {
    let scene = Scene::start().await;
    let (run, pipeline) = scene.trigger(scene.spec()).await;
    let base = scene.emulator.url();
    let own = format!("{base}/api/meshobjects/meshbuildingblockruns/{}", run.id);
    for (name, address) in [
        ("MESHSTACK_BASE_URL", base.to_owned()),
        ("MESHSTACK_SELF_URL", own.clone()),
        ("MESHSTACK_REGISTER_SOURCE_URL", format!("{own}/status/source")),
        ("MESHSTACK_UPDATE_SOURCE_URL", format!("{own}/status/source/{{sourceId}}")),
    ] {
        assert_eq!(pipeline.variables[name], address);
    }
    let media = "application/vnd.meshcloud.api.meshbuildingblockrun.v1.hal+json";
    let source = scene.emulator.runner_uuid().to_string();
    let url = pipeline.variables["MESHSTACK_UPDATE_SOURCE_URL"].replace("{sourceId}", &source);
    let token = document(&pipeline)["spec"]["runToken"].as_str().unwrap().to_owned();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let update = client
        .patch(url)
        .bearer_auth(token)
        .header("accept", media)
        .header("content-type", media)
        .header("user-agent", "pipeline")
        .header("x-meshcloud-runner-name", "pipeline")
        .header("x-meshcloud-runner-version", "1")
        .header("x-block-runner-node-id", format!("{source}-pipeline"))
        .body(json!({"status": "SUCCEEDED"}).to_string());
    assert_eq!(update.send().await.unwrap().status(), 200);
    let run = scene.emulator.wait_for_end(&run.id, patience()).await.unwrap();
    assert_eq!(run.state, RunState::Succeeded);
}

#[tokio::test]
async fn a_link_that_meshstack_did_not_give_is_left_out() {
    let scene = Scene::start().await;
    let (_, pipeline) = scene.trigger(scene.spec().link("registerSource", None)).await;
    assert!(!pipeline.variables.contains_key("MESHSTACK_REGISTER_SOURCE_URL"));
    assert!(pipeline.variables.contains_key("MESHSTACK_SELF_URL"));
}

#[tokio::test]
async fn what_the_runner_sets_is_not_an_inputs_to_choose() {
    let scene = Scene::start().await;
    let spec = scene
        .spec()
        .environment_input("MESHSTACK_BEHAVIOR", InputType::String, json!("DESTROY"))
        .sensitive_environment_input("MESHSTACK_RUN", InputType::String, "forged document");
    let (run, pipeline) = scene.trigger(spec).await;
    assert_eq!(pipeline.variables["MESHSTACK_BEHAVIOR"], "APPLY");
    for name in ["MESHSTACK_BEHAVIOR", "MESHSTACK_RUN"] {
        assert!(run.log(STEP).contains(&format!("`{name}` is not passed on")), "{run:#?}");
    }
}

#[tokio::test]
async fn a_project_is_found_by_its_number_and_by_its_path() {
    let scene = Scene::start().await;
    let base = super::address(&scene.gitlab);
    for (project, segment) in
        [(json!(42), "42"), (json!("42"), "42"), (json!(" acme/infra "), "acme%2Finfra")]
    {
        // A slash at the end, as people copy it.
        let implementation = GitlabCicd::of(format!("{base}/"), project, TOKEN);
        let spec = blockhouse_emulator::RunSpec::gitlab_cicd(implementation);
        let (_, pipeline) = scene.trigger(spec).await;
        assert_eq!(pipeline.project, 42);
        let path = scene.gitlab.requests().pop().unwrap().path;
        assert_eq!(path, format!("/api/v4/projects/{segment}/trigger/pipeline"));
    }
}
