//! What Azure DevOps refuses, and what goes wrong when a pipeline is started.

use super::{STEP, Scene, TOKEN, address, builder, component};
use crate::{all_text, assert_ended, emulator};
use blockhouse_emulator::{AzureDevops, InputType, RunSpec, RunState, Status};
use blockhouse_remotes::Fault;
use blockhouse_remotes::azure::{BadToken, Pipeline, Route};
use blockhouse_tests::policy_trimming::ShippedPolicy;
use blockhouse_tests::{Leaks, Runner};
use serde_json::json;

const UNCLEAR: &str = "not known whether the pipeline was started";

fn of(scene: &Scene, field: &str, value: serde_json::Value) -> RunSpec {
    RunSpec::azure_devops(scene.implementation().field(field, value))
}

#[tokio::test]
async fn a_bad_token_is_told_however_azure_devops_says_it() {
    for bad_token in [BadToken::Page, BadToken::Redirect, BadToken::Unauthorized] {
        let scene = Scene::of(builder().bad_token(bad_token).start().unwrap()).await;
        let spec = of(&scene, "personalAccessToken", json!("pat-hunter2-of-another"));
        let text = scene.refuse(spec).await;
        assert!(text.contains("does not accept the personal access token"), "{text}");
        let leaks = Leaks::of([("token", "pat-hunter2-of-another")]).unwrap();
        assert_eq!(leaks.in_bytes("run", text.as_bytes()), []);
        assert_eq!(scene.azure.requests().len(), 1, "nobody goes to the page");
    }
}

#[tokio::test]
async fn a_token_that_expires_on_the_way_ends_the_run_and_names_the_pipeline() {
    let scene = Scene::start().await;
    scene.azure.plan_next(super::RunPlan::default().pace(super::Pace::ByHand));
    let id = scene.emulator.enqueue(scene.spec());
    scene.looked(1).await;
    scene.azure.revoke_tokens();
    let run = scene.end_of(&id).await;
    assert_ended(&run, RunState::Failed);
    let text = all_text(&run);
    assert!(text.contains("can't be followed any more"), "{text}");
    assert!(text.contains("does not accept the personal access token"), "{text}");
    assert!(text.contains(&format!("{}/acme/", scene.azure.url())), "{text}");
}

#[tokio::test]
async fn what_azure_devops_refuses_is_told_in_words() {
    let strict = Pipeline::new("My Project", 9, "strict")
        .parameter("MESHSTACK_BEHAVIOR")
        .required_parameter("region");
    let scene = Scene::of(builder().pipeline(strict).start().unwrap()).await;
    for (spec, says) in [
        (of(&scene, "organization", json!("other")), "`organization`"),
        (of(&scene, "project", json!("other")), "`project`"),
        (of(&scene, "pipelineId", json!(404)), "`pipelineId`"),
        (of(&scene, "pipelineId", json!(9)), "A value for the 'region' parameter must be provided"),
        (of(&scene, "refName", json!("refs/heads/gone")), "using ref refs/heads/gone"),
        (
            scene.spec().input("colour", InputType::String, json!("red")),
            "Unexpected parameter 'colour'",
        ),
        (of(&scene, "pipelineId", json!("../../x")), "`pipelineId`"),
    ] {
        let text = scene.refuse(spec).await;
        assert!(text.contains(says), "`{says}` is not in: {text}");
    }
    assert!(scene.azure.runs().is_empty());
    scene.azure.script(Route::Launch, Fault::status(403), 1);
    let text = scene.refuse(scene.spec()).await;
    assert!(text.contains("Read & execute"), "{text}");
}

#[tokio::test]
async fn a_pipeline_is_started_once_whatever_becomes_of_the_answer() {
    let scene = Scene::start().await;
    for (fault, says, is_started) in [
        (Fault::retry_after(429, "1"), "has not started the pipeline", false),
        (Fault::status(500), UNCLEAR, false),
        (Fault::retry_after(503, "1"), UNCLEAR, false),
        (Fault::DropBefore, UNCLEAR, false),
        (Fault::DropAfter, UNCLEAR, true),
        (Fault::TruncatedBody, UNCLEAR, true),
        (Fault::MalformedBody, UNCLEAR, true),
        (Fault::OversizedBody(5 << 20), UNCLEAR, true),
    ] {
        let (launches, runs) = (scene.azure.count(Route::Launch), scene.azure.runs().len());
        let what = format!("{fault:?}");
        scene.azure.script(Route::Launch, fault, 1);
        let text = scene.refuse(scene.spec()).await;
        assert!(text.contains(says), "{what}: {text}");
        assert_eq!(scene.azure.count(Route::Launch), launches + 1, "{what}");
        assert_eq!(scene.azure.runs().len(), runs + usize::from(is_started), "{what}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_the_token_stays_here() {
    let elsewhere = builder().start().unwrap();
    let scene = Scene::start().await;
    let to = format!("{}/acme/My%20Project/_apis/pipelines/7/runs", elsewhere.url());
    for status in [301, 307, 308] {
        scene.azure.script(Route::Launch, Fault::redirect(status, &to), 1);
        scene.refuse(scene.spec()).await;
    }
    assert_eq!((scene.azure.requests().len(), elsewhere.requests().len()), (3, 0));
}

#[tokio::test]
async fn a_definition_or_a_policy_that_is_wrong_starts_nothing() {
    let scene = Scene::start().await;
    for (field, value) in [
        ("azureDevOpsBaseUrl", json!("https://dev.azure.com?x=y")),
        ("organization", json!(" ")),
        ("async", json!("yes")),
        ("pipelineId", json!(null)),
    ] {
        let text = scene.refuse(of(&scene, field, value)).await;
        assert!(text.contains(&format!("`{field}`")), "{text}");
    }
    let azure = builder().start().unwrap();
    let policy = super::policy(&azure).configured("poll_minutes", "soon");
    let scene = Scene::under(azure, &policy).await;
    let text = scene.refuse(scene.spec()).await;
    assert!(text.contains("`poll_minutes`"), "{text}");
    assert_eq!(scene.azure.requests().len(), 0);
}

/// Loopback is no public network, and http is not https.
#[tokio::test]
async fn as_it_is_shipped_the_policy_reaches_neither_private_networks_nor_http() {
    let (azure, emulator) = (builder().start().unwrap(), emulator().await);
    let shipped = ShippedPolicy::named("azure-devops").unwrap();
    let runner = Runner::builder().component(component(&shipped)).start(&emulator).unwrap();
    let scene = Scene { runner, emulator, azure };
    let http = address(&scene.azure);
    for base in [&*http, "https://localhost"] {
        let implementation = AzureDevops::of(base, "acme", "My Project", json!(7), TOKEN);
        let run = scene.execute(RunSpec::azure_devops(implementation)).await;
        assert_eq!(run.timeline(), [(STEP, Status::Failed)]);
        let text = all_text(&run);
        assert!(text.contains("is not allowed to talk to Azure DevOps"), "{text}");
    }
    assert_eq!(scene.azure.connections(), 0);
}
