//! What a workflow is told of the run.

use super::{INPUTS, Scene, base, document, github, implementation};
use blockhouse_emulator::{GithubWorkflow, InputType, RunSpec};
use blockhouse_remotes::GitHub;
use serde_json::{Map, Value, json};

/// The inputs with which the run was dispatched.
async fn told(scene: &Scene, github: &GitHub, spec: RunSpec) -> Map<String, Value> {
    let before = github.runs().len();
    let id = scene.enqueue(spec);
    scene.dispatched(&id).await;
    github.runs().remove(before).inputs
}

#[tokio::test]
async fn the_document_arrives_decrypted_and_without_the_implementation() {
    let github = github();
    let scene = Scene::of(&[&github]).await;
    let id = uuid::Uuid::new_v4();
    let code = "{\"a\": \"h\u{fc}nter2\", \"n\": 1.10}";
    let spec = RunSpec::github_workflow(implementation(&github).asynchronous())
        .id(id)
        .run_token("eyJ.run-token.4711")
        .input("name", InputType::String, json!("Ada"))
        .input("count", InputType::Integer, json!(3))
        .input("zones", InputType::MultiSelect, json!(["a", "b"]))
        .environment_input("REGION", InputType::String, json!("eu-1"))
        .sensitive_input("password", InputType::String, "hunter2-hunter2\n\"'\u{1f511}")
        .sensitive_input("settings", InputType::Code, code)
        .sensitive_input("pin", InputType::Integer, 471_147)
        .sensitive_environment_input("API_TOKEN", InputType::String, "api-token-4711")
        .sensitive_file_input("key_file", b"file-content-4711")
        .edit(|document| document["spec"]["unheardOf"] = json!({"nested": [1.0, null, "two"]}));
    let inputs = told(&scene, &github, spec).await;
    assert_eq!(inputs.keys().collect::<Vec<_>>(), ["buildingBlockRun"]);
    let document = document(&inputs);
    assert_eq!(document["metadata"]["uuid"], json!(id));
    assert_eq!(document["spec"]["runToken"], "eyJ.run-token.4711");
    assert_eq!(document["spec"]["behavior"], "APPLY");
    assert_eq!(document["spec"]["unheardOf"], json!({"nested": [1.0, null, "two"]}));
    assert_eq!(document["kind"], "meshBuildingBlockRun");
    assert!(document["_links"]["self"]["href"].as_str().unwrap().ends_with(&id.to_string()));
    let definition = &document["spec"]["buildingBlockDefinition"]["spec"];
    assert_eq!(definition["implementation"], json!({"type": "GITHUB_WORKFLOW"}));
    assert_eq!(definition["workspaceIdentifier"], "platform-team");
    let inputs = document["spec"]["buildingBlock"]["spec"]["inputs"].as_array().unwrap();
    let value = |key: &str| {
        let input = inputs.iter().find(|input| input["key"] == key).unwrap();
        assert_eq!(input["unheardOf"], json!([]), "{key}");
        input["value"].clone()
    };
    let file = blockhouse_emulator::data_url("application/octet-stream", b"file-content-4711");
    for (key, expected) in [
        ("name", json!("Ada")),
        ("count", json!(3)),
        ("zones", json!(["a", "b"])),
        ("REGION", json!("eu-1")),
        ("password", json!("hunter2-hunter2\n\"'\u{1f511}")),
        ("settings", json!(code)),
        ("pin", json!(471_147)),
        ("API_TOKEN", json!("api-token-4711")),
        ("key_file", json!(file)),
    ] {
        assert_eq!(value(key), expected, "{key}");
    }
    let password = inputs.iter().find(|input| input["key"] == "password").unwrap();
    assert_eq!((&password["type"], &password["isSensitive"]), (&json!("STRING"), &json!(true)));
    assert_eq!(inputs.len(), 9);
}

#[tokio::test]
async fn without_the_document_only_what_the_run_has_is_told() {
    let github = github();
    let scene = Scene::of(&[&github]).await;
    let order = || {
        let fields: GithubWorkflow = implementation(&github).omitting_document();
        RunSpec::github_workflow(fields.asynchronous())
    };
    let [document, address, api_token, endpoint, run_token] = INPUTS;
    let inputs = told(&scene, &github, order()).await;
    assert_eq!(inputs.keys().collect::<Vec<_>>(), [address]);
    let path = "/api/meshobjects/meshbuildingblockruns/";
    assert!(inputs[address].as_str().unwrap().contains(path), "{inputs:?}");

    let run_token_only = order().sensitive_input(run_token, InputType::String, "run \"4711\"\n");
    let inputs = told(&scene, &github, run_token_only).await;
    assert_eq!(inputs.keys().collect::<Vec<_>>(), [run_token, address]);
    assert_eq!(inputs[run_token], "run \"4711\"\n");

    let both = order()
        .sensitive_input(api_token, InputType::String, "api-4711")
        .sensitive_input(run_token, InputType::String, "run-4711")
        .sensitive_input("password", InputType::String, "hunter2-hunter2")
        .input("name", InputType::String, json!("Ada"));
    let inputs = told(&scene, &github, both).await;
    assert_eq!(inputs.keys().collect::<Vec<_>>(), [api_token, endpoint, run_token, address]);
    assert_eq!((&inputs[api_token], &inputs[run_token]), (&json!("api-4711"), &json!("run-4711")));
    assert_eq!(inputs[endpoint], json!(scene.emulator.url()));
    assert!(!inputs.contains_key(document));

    // Nobody has to mark them as sensitive.
    let plain = order().input(api_token, InputType::String, json!("plain-4711"));
    let inputs = told(&scene, &github, plain).await;
    assert_eq!(inputs[api_token], "plain-4711");
    assert!(base(&github).starts_with("http://localhost:"));
}
