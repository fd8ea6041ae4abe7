//! Whether each grant of the shipped policy is needed.

use super::{STEP, Scene, TYPE, builder, component, policy};
use crate::{assert_ended, emulator};
use blockhouse_emulator::{InputType, RunSpec, RunState, RunView, Status};
use blockhouse_policy::{Limits, Policy};
use blockhouse_remotes::Fault;
use blockhouse_remotes::azure::Route;
use blockhouse_tests::policy_trimming::ShippedPolicy;
use blockhouse_tests::{Runner, patience};
use serde_json::json;
use std::time::Duration;

/// How often the component looks as it is shipped: for half an hour, every ten seconds and at the end.
const LOOKS: u64 = 30 * 60 / 10 + 1;

/// How often it sends a request that only asks.
const TRIES: u64 = 4;

/// What it takes of a timeline.
const TIMELINE_MAX: usize = 7 << 20;

fn spec(scene: &Scene) -> RunSpec {
    scene.spec().sensitive_input("password", InputType::String, "hunter2-hunter2")
}

#[tokio::test]
async fn without_any_of_its_rules_no_pipeline_is_started() {
    let azure = builder().start().unwrap();
    let whole = policy(&azure);
    let mut rules = whole.grants();
    rules.retain(|grant| !grant.to_string().starts_with("limits."));
    assert!(rules.len() >= 2, "{rules:?}");
    let mut scene = Scene::under(azure, &whole).await;
    assert_ended(&scene.execute(spec(&scene)).await, RunState::Succeeded);
    for rule in rules {
        let emulator = emulator().await;
        let trimmed = component(&whole.without(&rule));
        let runner = match Runner::builder().component(trimmed).start(&emulator) {
            Ok(runner) => runner,
            // The component is not even loaded.
            Err(refusal) => {
                assert!(format!("{refusal:#}").contains(TYPE), "{rule}: {refusal:#}");
                continue;
            }
        };
        (scene.runner, scene.emulator) = (runner, emulator);
        let id = scene.emulator.enqueue(spec(&scene));
        let run = scene.emulator.wait_for_end(&id, patience()).await.unwrap();
        assert_eq!(run.timeline(), [(STEP, Status::Failed)], "{rule} is not needed: {run:#?}");
    }
    assert_eq!(scene.azure.runs().len(), 1);
}

/// Nearly as large as it may be: many tasks of one stage.
fn large_timeline() -> Vec<u8> {
    let id = |number: usize| uuid::Uuid::from_u128(number as u128).to_string();
    let record = |number: usize| {
        json!({
            "previousAttempts": [], "id": id(number), "parentId": id(number / 20), "type": "Task",
            "name": format!("Task {number}"), "startTime": "2026-11-02T10:00:00Z", "finishTime": null,
            "currentOperation": null, "percentComplete": null, "state": "inProgress", "result": null,
            "changeId": number, "lastModified": "0001-01-01T00:00:00", "workerName": "Azure Pipelines 3",
            "order": number, "details": null, "errorCount": 0, "warningCount": 0, "url": null,
            "log": {"id": number, "type": "Container", "url": "https://dev.azure.example/_apis/build/builds/1/logs/1"},
            "task": {"id": id(number), "name": "Bash", "version": "3.0"}, "attempt": 1, "identifier": "Deploy.Job.Task",
        })
        .to_string()
    };
    let mut body = "{\"records\":[".to_owned();
    let mut number = 0;
    while body.len() < TIMELINE_MAX - 1_024 {
        body.push_str(&record(number));
        body.push(',');
        number += 1;
    }
    body.pop();
    body.push_str("]}");
    body.into_bytes()
}

/// Million instructions that a run has used.
fn used(run: &RunView) -> f64 {
    let text = crate::all_text(run);
    let used = text.lines().find_map(|line| line.strip_prefix("used "));
    used.and_then(|line| line.split(' ').next()).unwrap().parse().unwrap()
}

/// What the reason in the policy claims: large timelines at every look, and each request sent as often as it may be.
#[tokio::test]
async fn half_an_hour_of_looking_takes_more_than_the_defaults_and_less_than_the_limits() {
    let policy = ShippedPolicy::named("azure-devops").unwrap();
    let mut limits = policy.grants();
    limits.retain(|grant| grant.to_string().starts_with("limits."));
    let names: Vec<_> = limits.iter().map(ToString::to_string).collect();
    let wider = ["fuel", "http_received_mib", "http_requests", "wall_time"];
    assert_eq!(names, wider.map(|name| format!("limits.{name}")));
    let shipped = Policy::parse("azure-devops.toml", &policy.text()).unwrap();
    let shipped =
        blockhouse_policy::Grants::new(std::sync::Arc::new(shipped), None, &Limits::default());
    let (shipped, default) = (shipped.limits(), Limits::default());

    let scene = Scene::start().await;
    let body = large_timeline();
    let answer = Fault::Answer { status: 200, headers: Vec::new(), body };
    scene.azure.fail(&[Route::Timeline], &answer);
    let run = scene.execute(scene.spec()).await;
    assert_ended(&run, RunState::Succeeded);
    let looks = scene.azure.count(Route::Timeline);
    let fuel = used(&run) / looks as f64 * LOOKS as f64;
    assert!(fuel > default.fuel as f64 / 1e6, "{fuel} million instructions");
    assert!(fuel < shipped.fuel as f64 / 1e6, "{fuel} million instructions");

    let received = LOOKS * TIMELINE_MAX as u64;
    assert!(received > default.http_received_bytes && received < shipped.http_received_bytes);
    let requests = LOOKS * 2 * TRIES;
    assert!(requests > default.http_requests && requests < shipped.http_requests);
    let time = Duration::from_secs(30 * 60);
    assert!(time >= default.wall_time && time < shipped.wall_time);
}
