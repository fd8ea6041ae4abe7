//! The emulator is pinned to the golden bodies in `fixtures/wire`, as the host is.

use aes_gcm::aead::consts::{U12, U13, U14, U15};
use aes_gcm::aead::{Aead, KeyInit};
use aes_gcm::{AesGcm, aes::Aes128};
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use blockhouse_emulator::{Behavior, Emulator, InputType, RunSpec};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::client::{Claimed, Client, RUNNER_MEDIA, builder};

const BASE: &str = "https://meshstack.example";

macro_rules! golden {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!(
            "../../../fixtures/wire/",
            $name,
            ".json"
        )))
        .unwrap()
    };
}

/// Replaces every text that opens with the runner's key by `sealed(plaintext)`.
fn open_sealed(value: &mut Value, key: &OaepPrivateDecryptingKey) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| open_sealed(item, key)),
        Value::Object(fields) => fields.values_mut().for_each(|field| open_sealed(field, key)),
        Value::String(text) => {
            if let Some(plain) = open(text, key) {
                *text = format!("sealed({plain})");
            }
        }
        _ => {}
    }
}

fn open(text: &str, key: &OaepPrivateDecryptingKey) -> Option<String> {
    let bytes = STANDARD.decode(text).ok()?;
    let (block, rest) = bytes.split_at_checked(key.key_size_bytes())?;
    let mut output = vec![0; key.min_output_size()];
    let aes = key.decrypt(&OAEP_SHA1_MGF1SHA1, block, &mut output, None).ok()?;
    let aes: [u8; 16] = (&*aes).try_into().ok()?;
    let (length, rest) = rest.split_at_checked(4)?;
    let length = u32::from_be_bytes(length.try_into().ok()?);
    let (iv, rest) = rest.split_at_checked(length as usize)?;
    let plain = match length {
        12 => AesGcm::<Aes128, U12>::new(&aes.into()).decrypt(&iv.try_into().ok()?, rest),
        13 => AesGcm::<Aes128, U13>::new(&aes.into()).decrypt(&iv.try_into().ok()?, rest),
        14 => AesGcm::<Aes128, U14>::new(&aes.into()).decrypt(&iv.try_into().ok()?, rest),
        _ => AesGcm::<Aes128, U15>::new(&aes.into()).decrypt(&iv.try_into().ok()?, rest),
    };
    String::from_utf8(plain.ok()?).ok()
}

fn spec(number: u64) -> RunSpec {
    RunSpec::manual()
        .id(format!("b3116611-0000-4000-8000-00000000000{number}").parse().unwrap())
        .number(number)
        .run_token(format!("eyJhbGciOiJub25lIn0.TEST-ONLY.{number}"))
        .block("68ce5455-0000-4000-8000-000000000001".parse().unwrap())
        .workspace("my-workspace")
        .definition("b23cfb9a-0000-4000-8000-000000000001".parse().unwrap())
        .parent(
            "11111111-0000-4000-8000-000000000001".parse().unwrap(),
            "22222222-0000-4000-8000-000000000001".parse().unwrap(),
        )
        .input("name", InputType::String, json!("x"))
        .input("count", InputType::Integer, json!(3))
        .input("enabled", InputType::Boolean, json!(true))
        .input("settings", InputType::Code, json!("{\"a\": [1, 2]}"))
        .input("upload", InputType::File, json!("data:text/plain;base64,aGVsbG8="))
        .input("size", InputType::SingleSelect, json!("small"))
        .input("zones", InputType::MultiSelect, json!(["a", "b"]))
        .input("legacy", InputType::List, json!("[\"a\", \"b\"]"))
        .environment_input("region", InputType::String, json!("eu-1"))
        .sensitive_input("password", InputType::String, "grün & geheim")
        .sensitive_input("secret_settings", InputType::Code, "{}")
        .sensitive_input("key_file", InputType::File, "data:application/x-pem-file;base64,a2V5")
        .sensitive_input("pin", InputType::Integer, 1234)
        .sensitive_environment_input("API_TOKEN", InputType::String, "token-1")
        .sensitive_input("empty_secret", InputType::String, "")
}

/// Enqueues, claims, and compares with secrets opened on both sides.
async fn assert_claims_as(spec: RunSpec, mut expected: Value) {
    let emulator = builder().public_url(BASE).start().await.unwrap();
    emulator.enqueue(spec);
    let mut claimed = Client::of(&emulator).await.claim().await.document;
    let pkcs8 = include_str!("../../../fixtures/sealed/TEST-ONLY-runner-pkcs8.pem");
    let key = PrivateDecryptingKey::from_pkcs8(pem::parse(pkcs8).unwrap().contents()).unwrap();
    let key = OaepPrivateDecryptingKey::new(key).unwrap();
    open_sealed(&mut claimed, &key);
    open_sealed(&mut expected, &key);
    assert!(expected.to_string().contains("sealed(grün & geheim)"));
    assert_eq!(claimed, expected);
}

#[tokio::test]
async fn a_claimed_manual_run_is_the_golden_one() {
    assert_claims_as(spec(1), golden!("claimed-run-manual")).await;
}

#[tokio::test]
async fn a_claimed_terraform_run_is_the_golden_one() {
    let implementation = json!({
        "type": "TERRAFORM", "terraformVersion": "1.9.0", "repositoryUrl": "git@github.com:org/repo.git",
        "repositoryPath": "modules/block", "refName": "main", "sshPrivateKey": "-----BEGIN KEY-----",
        "knownHost": {"host": "github.com", "keyType": "ssh-ed25519", "keyValue": "AAAA"}, "async": false,
        "useMeshHttpBackendFallback": true, "preRunScript": "#!/bin/bash\necho $1\n",
    });
    let spec = spec(2).implementation(implementation).plan("plan");
    assert_claims_as(spec, golden!("claimed-run-terraform")).await;
}

#[tokio::test]
async fn a_claimed_github_run_is_the_golden_one() {
    let implementation = json!({
        "type": "GITHUB_WORKFLOW", "githubBaseUrl": "https://api.github.com", "owner": "org", "appId": "12345",
        "appPem": "-----BEGIN RSA PRIVATE KEY-----", "repository": "repo", "branch": "main",
        "applyWorkflow": "apply.yml", "destroyWorkflow": "destroy.yml", "async": true, "omitRunObjectInput": true,
    });
    let spec = spec(3).implementation(implementation).behavior(Behavior::Destroy);
    assert_claims_as(spec, golden!("claimed-run-github-workflow")).await;
}

#[tokio::test]
async fn a_claimed_gitlab_run_is_the_golden_one() {
    let implementation = json!({
        "type": "GITLAB_CICD", "gitlabBaseUrl": "https://gitlab.com", "projectId": "group/project",
        "refName": "main", "pipelineTriggerToken": "glptt-1",
    });
    let spec = spec(4).implementation(implementation).behavior(Behavior::Detect);
    assert_claims_as(spec, golden!("claimed-run-gitlab-cicd")).await;
}

#[tokio::test]
async fn a_claimed_azure_run_without_optional_fields_is_the_golden_one() {
    let implementation = json!({
        "type": "AZURE_DEVOPS", "azureDevOpsBaseUrl": "https://dev.azure.com", "organization": "org",
        "project": "project", "pipelineId": "7", "personalAccessToken": "pat-1", "async": false,
        "refName": "refs/heads/main",
    });
    let spec = spec(5).implementation(implementation).without_run_token().trigger(None);
    let spec = spec.project(None).platform(None);
    assert_claims_as(spec, golden!("claimed-run-azure-devops")).await;
}

#[tokio::test]
async fn login_takes_and_gives_the_golden_bodies() {
    let emulator = builder().start().await.unwrap();
    let client = Client::of(&emulator).await;
    let request = client.bare(Method::POST, "/api/login").json(&golden!("login-request"));
    let mut body: Value = request.send().await.unwrap().json().await.unwrap();
    let mut expected = golden!("login-response");
    assert!(body["access_token"].as_str().unwrap().len() > 40);
    body["access_token"].take();
    expected["access_token"].take();
    assert_eq!(body, expected);
}

#[tokio::test]
async fn register_and_update_take_and_give_the_golden_bodies() {
    let emulator = builder().start().await.unwrap();
    let run = emulator.enqueue(RunSpec::manual().behavior(Behavior::Detect));
    let client = Client::of(&emulator).await;
    let claimed = client.claim().await;
    let register = client.register_request(&claimed, &golden!("register-request"));
    assert_eq!(register.send().await.unwrap().status(), 200);
    let (status, body) = client.update(&claimed, golden!("update-request")).await;
    assert_eq!((status, body), (200, golden!("update-response")));
    let view = emulator.run(&run).unwrap();
    assert_eq!(view.external.0.as_deref(), Some("node-1"));
    assert_eq!(view.steps.len(), 3);
    assert_eq!(view.output("number").unwrap().value, json!(42));
    assert!(view.output("code").unwrap().is_sensitive);
    assert_eq!(view.artifact.as_deref(), Some(b"plan".as_slice()));
    assert_eq!((view.changes_detected, view.summary.as_deref()), (Some(true), Some("half way")));
    emulator.abort(&run);
    let (_, body) = client.update(&claimed, json!({"status": "FAILED"})).await;
    assert_eq!(body, golden!("update-response-aborted"));
}

#[tokio::test]
async fn a_runner_registers_with_the_golden_body() {
    let emulator = builder().start().await.unwrap();
    let client = Client::of(&emulator).await;
    let body = golden!("runner-registration");
    let put = |runner: Uuid| {
        let path = format!("/api/meshobjects/meshbuildingblockrunners/{runner}");
        let request = client.mesh(Method::PUT, &path, RUNNER_MEDIA).bearer_auth(&client.token);
        request.body(body.to_string()).send()
    };
    assert_eq!(put(emulator.runner_uuid()).await.unwrap().status(), 200);
    assert_eq!(emulator.registration(), Some(body.clone()));
    assert_eq!(put(Uuid::from_u128(9)).await.unwrap().status(), 404);
}

#[tokio::test]
async fn a_raw_document_is_served_as_it_is() {
    let emulator = Emulator::builder().api_key("id", "secret").start().await.unwrap();
    let document = json!({"metadata": {"uuid": 7}, "spec": []});
    emulator.enqueue(RunSpec::raw(document.clone()));
    let Claimed { document: claimed } = Client::of(&emulator).await.claim().await;
    assert_eq!(claimed, document);
}

#[tokio::test]
async fn an_edited_document_and_link_keep_the_rest() {
    let emulator = builder().start().await.unwrap();
    let spec = RunSpec::manual()
        .edit(|document| document["spec"]["behavior"] = json!("DANCE"))
        .link("self", None)
        .link("updateSource", Some("http://elsewhere.example/{sourceId}"));
    emulator.enqueue(spec);
    let claimed = Client::of(&emulator).await.claim().await;
    assert_eq!(claimed.document["spec"]["behavior"], "DANCE");
    assert_eq!(claimed.document["_links"].get("self"), None);
    assert!(claimed.link("updateSource").starts_with("http://elsewhere.example/"));
    assert!(claimed.link("registerSource").starts_with(emulator.url()));
}
