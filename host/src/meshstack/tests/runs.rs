use std::collections::BTreeMap;

use bytes::Bytes;

use super::*;
use crate::meshstack::CallErrorKind;
use crate::meshstack::wire::*;
use crate::run::Json;

pub(super) fn update() -> Update {
    let output = Output {
        value: Json::from_text("1180591620717411303424".to_owned()).unwrap(),
        kind: OutputKind::Integer,
        sensitive: true,
    };
    Update {
        status: RunStatus::InProgress,
        summary: Some("half done".to_owned()),
        steps: vec![Step {
            id: "step1".to_owned(),
            display_name: Some("Step 1".to_owned()),
            status: StepStatus::Succeeded,
            user_message: Some("done".to_owned()),
            system_message: Some("line 1\nline 2".to_owned()),
            outputs: BTreeMap::from([("size".to_owned(), output)]),
        }],
        artifact: Some(Artifact(Bytes::from_static(b"\0plan\xff"))),
        changes_detected: Some(true),
    }
}

#[tokio::test]
async fn an_update_says_everything_exactly() {
    let server = Server::replies([Reply::json(200, r#"{"runAborted":true}"#)]).await;
    assert!(run_client(&server).update(&update()).await.unwrap().run_aborted);
    let seen = &server.seen()[0];
    assert_eq!(seen.method, "PATCH");
    assert_eq!(seen.target, format!("{SOURCE_PATH}/{RUNNER}"));
    assert_eq!(
        String::from_utf8_lossy(&seen.body),
        r#"{"status":"IN_PROGRESS","summary":"half done","steps":[{"id":"step1","displayName":"Step 1","status":"SUCCEEDED","userMessage":"done","systemMessage":"line 1\nline 2","outputs":{"size":{"value":1180591620717411303424,"type":"INTEGER","isSensitive":true}}}],"artifact":"AHBsYW7/","changesDetected":true}"#
    );
}

#[tokio::test]
async fn a_rejected_sensitive_output_is_not_repeated() {
    let quoting = r#"{"message":"1180591620717411303424 is too large"}"#;
    let server = Server::replies([Reply::json(422, quoting)]).await;
    let error = run_client(&server).update(&update()).await.unwrap_err();
    assert_eq!(error.status().map(|status| status.as_u16()), Some(422));
    assert!(!format!("{error:?} {}", crate::telemetry::chain(&error)).contains("118059"));
}

#[tokio::test]
async fn registering_declares_the_steps() {
    let server = Server::replies([Reply::status(200)]).await;
    let steps = [StepDeclaration { id: "a".to_owned(), display_name: "A".to_owned() }];
    run_client(&server).register(&steps).await.unwrap();
    let seen = &server.seen()[0];
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", SOURCE_PATH));
    assert_eq!(
        seen.json(),
        serde_json::json!({ "source": { "id": RUNNER }, "steps": [{ "id": "a", "displayName": "A" }] })
    );
}

#[tokio::test]
async fn being_registered_already_is_fine() {
    let server = Server::replies([Reply::json(409, r#"{"message":"exists"}"#)]).await;
    run_client(&server).register(&[]).await.unwrap();
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn the_run_token_is_used_and_not_the_runners_credentials() {
    let server = Server::start(|_| Reply::json(200, "{}")).await;
    for credentials in [api_key(), basic()] {
        let run = client(&server, credentials)
            .run_client(&claim(Some(RUN_TOKEN), &serde_json::json!({})))
            .unwrap();
        run.register(&[]).await.unwrap();
        run.update(&update()).await.unwrap();
    }
    assert_eq!(server.count("/login"), 0);
    assert_eq!(server.seen().len(), 4);
    for seen in server.seen() {
        assert_eq!(seen.header("authorization"), Some("Bearer eyJ-run-token"));
        assert_eq!(
            seen.header("x-block-runner-node-id"),
            Some(format!("{RUNNER}-node-1").as_str())
        );
    }
}

#[tokio::test]
async fn without_a_run_token_the_runners_session_is_shared() {
    let server = Server::start(|seen| match seen.target.as_str() {
        "/api/login" => login("token-1", 300),
        _ => Reply::json(200, "{}"),
    })
    .await;
    let client = client(&server, api_key());
    for token in [None, Some("")] {
        let run = client.run_client(&claim(token, &serde_json::json!({}))).unwrap();
        run.register(&[]).await.unwrap();
    }
    assert_eq!(server.count("/login"), 1);
    assert_eq!(server.seen()[2].header("authorization"), Some("Bearer token-1"));
}

#[test]
fn a_run_token_that_is_no_token_is_an_error() {
    let base = Url::parse("http://127.0.0.1").unwrap();
    let client = Client::new(config(&base, basic())).unwrap();
    for token in ["a b", "a\r\nX-Evil: 1", "ä"] {
        let claim = claim(Some(token), &serde_json::json!({}));
        assert!(client.run_client(&claim).is_err(), "{token:?}");
    }
}

#[tokio::test]
async fn a_plan_is_asked_for_as_bytes() {
    let body = vec![0, 1, 2, 255];
    let plan = Reply::Answer { status: 200, headers: Vec::new(), body: body.clone() };
    let server = Server::replies([Reply::Drop, plan]).await;
    let links =
        serde_json::json!({ "planArtifact": { "href": server.url.join("/plan/7").unwrap() } });
    let run = client(&server, basic()).run_client(&claim(Some(RUN_TOKEN), &links)).unwrap();
    assert_eq!(run.download_plan(PLAN).await.unwrap(), body);
    let seen = server.seen().pop().unwrap();
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", "/plan/7"));
    assert_eq!(seen.header("accept"), Some("application/octet-stream"));
    assert_eq!(seen.header("authorization"), Some("Bearer eyJ-run-token"));
}

const PLAN: usize = crate::meshstack::PLAN_MAX;

fn registration() -> RunnerRegistration {
    RunnerRegistration {
        owned_by_workspace: "platform-team".to_owned(),
        display_name: "Blockhouse".to_owned(),
        public_key: "-----BEGIN CERTIFICATE-----".to_owned(),
        implementation_type: RunnerType::All,
        workload_identity_federation: Some(WorkloadIdentityFederation {
            issuer: "https://issuer".to_owned(),
            subject: "system:x".to_owned(),
            gcp: Some(TokenFile { audience: "gcp".to_owned(), token_path: "/t".to_owned() }),
            aws: None,
            azure: None,
        }),
    }
}

#[tokio::test]
async fn the_runner_registers_itself() {
    let server = Server::replies([Reply::status(503), Reply::json(200, "{}")]).await;
    client(&server, basic()).register_runner(&registration()).await.unwrap();
    let seen = server.seen().pop().unwrap();
    assert_eq!(seen.method, "PUT");
    assert_eq!(seen.target, format!("/api/meshobjects/meshbuildingblockrunners/{RUNNER}"));
    let media = "application/vnd.meshcloud.api.meshbuildingblockrunner.v1-preview.hal+json";
    assert_eq!(seen.header("content-type"), Some(media));
    assert_eq!(
        seen.json(),
        serde_json::json!({
            "apiVersion": "v1-preview", "kind": "meshBuildingBlockRunner",
            "metadata": { "uuid": RUNNER, "ownedByWorkspace": "platform-team" },
            "spec": { "displayName": "Blockhouse", "publicKey": "-----BEGIN CERTIFICATE-----",
                "implementationType": "ALL", "workloadIdentityFederation": { "issuer": "https://issuer",
                    "subject": "system:x", "gcp": { "audience": "gcp", "tokenPath": "/t" } } }
        })
    );
}

#[tokio::test]
async fn an_unknown_runner_is_told_to_be_created_first() {
    let server = Server::replies([Reply::status(404)]).await;
    let error = client(&server, basic()).register_runner(&registration()).await.unwrap_err();
    assert!(matches!(error.kind, CallErrorKind::UnknownRunner), "{error:?}");
    assert!(shown(&error).contains("must first be created in meshStack"));
}

#[test]
fn runner_types_have_their_own_spelling() {
    let all = [
        RunnerType::All,
        RunnerType::AzureDevOpsPipeline,
        RunnerType::GitHubWorkflow,
        RunnerType::GitLabPipeline,
        RunnerType::Manual,
        RunnerType::Terraform,
    ];
    assert_eq!(
        serde_json::to_value(all).unwrap(),
        serde_json::json!([
            "ALL",
            "AZURE_DEVOPS_PIPELINE",
            "GITHUB_WORKFLOW",
            "GITLAB_PIPELINE",
            "MANUAL",
            "TERRAFORM"
        ])
    );
}

#[test]
fn updates_hide_values_and_plans_in_debug() {
    let text = format!("{:?}", update());
    assert!(
        !text.contains("1180591620717411303424") && text.contains("Artifact(6 bytes)"),
        "{text}"
    );
}
