//! The bodies that host and emulator are both pinned to.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use secrecy::ExposeSecret;
use serde_json::Value;

use super::*;
use crate::meshstack::wire::*;
use crate::run::{Behavior, InputKind, Json};

const WIRE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/wire");

fn text(name: &str) -> String {
    std::fs::read_to_string(Path::new(WIRE).join(name)).unwrap()
}

fn json(name: &str) -> Value {
    serde_json::from_str(&text(name)).unwrap()
}

#[test]
fn every_golden_run_is_read() {
    for (name, kind) in [
        ("claimed-run-azure-devops.json", "AZURE_DEVOPS"),
        ("claimed-run-github-workflow.json", "GITHUB_WORKFLOW"),
        ("claimed-run-gitlab-cicd.json", "GITLAB_CICD"),
        ("claimed-run-manual.json", "MANUAL"),
        ("claimed-run-terraform.json", "TERRAFORM"),
    ] {
        let claim = Claim::parse(text(name).as_bytes()).unwrap();
        assert_eq!(claim.document().expose_secret(), text(name), "{name}");
        let token = claim.run_token().map(|token| token.expose_secret().to_owned());
        assert_eq!(token.as_deref(), json(name)["spec"]["runToken"].as_str(), "{name}");
        assert_eq!(claim.has_plan(), json(name)["_links"]["planArtifact"].is_object(), "{name}");
        let run = claim.run().unwrap_or_else(|error| panic!("{name}: {error}"));
        let implementation = &run.definition.implementation;
        assert_eq!(implementation.kind, kind);
        for sealed in implementation.sealed_fields() {
            assert!(implementation.settings[*sealed].as_string().is_some(), "{name}: {sealed}");
        }
    }
}

#[test]
fn the_golden_manual_run_has_every_input_type() {
    let run = Claim::parse(text("claimed-run-manual.json").as_bytes()).unwrap().run().unwrap();
    assert_eq!(run.behavior, Behavior::Apply);
    let input = |key: &str| run.block.inputs.iter().find(|input| input.key == key).unwrap();
    assert_eq!(input("zones").kind, InputKind::MultiSelect);
    assert_eq!(
        serde_json::from_str::<Vec<String>>(input("zones").value.text()).unwrap(),
        ["a", "b"]
    );
    assert_eq!(input("legacy").kind, InputKind::List);
    assert!(input("password").is_sealed() && input("key_file").is_sealed());
    assert!(input("pin").sensitive && !input("pin").is_sealed());
    assert_eq!(input("pin").value.text(), "1234");
    assert!(input("API_TOKEN").environment);
}

#[tokio::test]
async fn the_golden_login_is_spoken() {
    let server =
        Server::replies([Reply::json(200, &text("login-response.json")), Reply::status(404)]).await;
    let credentials = Credentials::ApiKey {
        client_id: "id".to_owned(),
        client_secret: SecretString::from("secret"),
    };
    client(&server, credentials).claim().await.unwrap();
    assert_eq!(server.seen()[0].json(), json("login-request.json"));
    let token = json("login-response.json")["access_token"].as_str().unwrap().to_owned();
    assert_eq!(server.seen()[1].header("authorization"), Some(&*format!("Bearer {token}")));
}

#[tokio::test]
async fn the_golden_registration_is_ours_but_for_its_optional_fields() {
    let server = Server::replies([Reply::status(200)]).await;
    let step =
        |id: &str, name: &str| StepDeclaration { id: id.to_owned(), display_name: name.to_owned() };
    run_client(&server)
        .register(&[step("step1", "Step one"), step("step2", "Step two")])
        .await
        .unwrap();
    let mut golden = json("register-request.json");
    let source = golden["source"].as_object_mut().unwrap();
    source.remove("externalId");
    source.remove("externalUrl");
    source.insert("id".to_owned(), Value::from(RUNNER));
    for step in golden["steps"].as_array_mut().unwrap() {
        step.as_object_mut().unwrap().remove("status");
    }
    assert_eq!(server.seen()[0].json(), golden);
}

#[test]
fn the_golden_runner_registration_is_ours() {
    let golden = json("runner-registration.json");
    let field = |pointer: &str| golden.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    let file = |cloud: &str| {
        let at = format!("/spec/workloadIdentityFederation/{cloud}");
        let audience = field(&format!("{at}/audience"));
        Some(TokenFile { audience, token_path: field(&format!("{at}/tokenPath")) })
    };
    let registration = RunnerRegistration {
        owned_by_workspace: field("/metadata/ownedByWorkspace"),
        display_name: field("/spec/displayName"),
        public_key: field("/spec/publicKey"),
        implementation_type: RunnerType::All,
        workload_identity_federation: Some(WorkloadIdentityFederation {
            issuer: field("/spec/workloadIdentityFederation/issuer"),
            subject: field("/spec/workloadIdentityFederation/subject"),
            gcp: file("gcp"),
            aws: file("aws"),
            azure: file("azure"),
        }),
    };
    let uuid = Uuid::parse_str(&field("/metadata/uuid")).unwrap();
    assert_eq!(serde_json::to_value(RunnerObject::new(uuid, &registration)).unwrap(), golden);
}

#[test]
fn the_golden_update_is_ours() {
    let output = |kind, value: &str, sensitive| Output {
        value: Json::from_text(value.to_owned()).unwrap(),
        kind,
        sensitive,
    };
    let step = |id: &str, name: Option<&str>, status| Step {
        id: id.to_owned(),
        display_name: name.map(str::to_owned),
        status,
        user_message: None,
        system_message: None,
        outputs: BTreeMap::new(),
    };
    let mut first = step("step1", Some("Step one"), StepStatus::Succeeded);
    first.user_message = Some("done".to_owned());
    first.system_message = Some("line 1\nline 2".to_owned());
    first.outputs = BTreeMap::from([
        ("text".to_owned(), output(OutputKind::String, r#""hello""#, false)),
        ("number".to_owned(), output(OutputKind::Integer, "42", false)),
        ("flag".to_owned(), output(OutputKind::Boolean, "true", false)),
        ("code".to_owned(), output(OutputKind::Code, r#""{\n  \"a\": 1\n}""#, true)),
    ]);
    let update = Update {
        status: RunStatus::InProgress,
        summary: Some("half way".to_owned()),
        steps: vec![
            first,
            step("step2", None, StepStatus::InProgress),
            step("step3", Some("Step three, introduced late"), StepStatus::Pending),
        ],
        artifact: Some(Artifact(Bytes::from_static(b"plan"))),
        changes_detected: Some(true),
    };
    assert_eq!(serde_json::to_value(update).unwrap(), json("update-request.json"));
}

#[test]
fn the_golden_update_answers_are_read() {
    for (name, aborted) in [("update-response.json", false), ("update-response-aborted.json", true)]
    {
        let answer = UpdateAnswer::parse(text(name).as_bytes()).unwrap();
        assert_eq!(answer.run_aborted, aborted, "{name}");
    }
}
