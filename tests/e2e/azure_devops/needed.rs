//! Whether each grant of the shipped policy is needed.

use super::{STEP, Scene, TYPE, builder, component, policy};
use crate::{Used, assert_ended, emulator};
use blockhouse_emulator::{InputType, RunSpec, RunState, Status};
use blockhouse_remotes::Fault;
use blockhouse_remotes::azure::{Outcome, Route, RunPlan};
use blockhouse_tests::policy_trimming::ShippedPolicy;
use blockhouse_tests::{Runner, patience};
use serde_json::json;

/// How often the component looks as it is shipped: for half an hour, every ten seconds and at the end.
const LOOKS: f64 = 30.0 * 60.0 / 10.0 + 1.0;

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

/// Starting the pipeline, cancelling it, and what may be asked before; an answer may take 30 seconds.
const OTHERS: f64 = 4.0;

#[tokio::test]
async fn the_limits_are_what_half_an_hour_of_looking_at_the_largest_timeline_takes() {
    let scene = Scene::start().await;
    let body = large_timeline();
    let received = body.len() as f64;
    let answer = Fault::Answer { status: 200, headers: Vec::new(), body };
    scene.azure.fail(&[Route::Timeline], &answer);
    let run = scene.execute(scene.spec()).await;
    assert_ended(&run, RunState::Succeeded);
    let looks = scene.azure.count(Route::Timeline) as f64;
    let Used { million_instructions, memory_mib } = Used::by(&run);
    let needed = [
        ("fuel", million_instructions / looks * LOOKS),
        ("memory_mib", memory_mib),
        ("wall_time", 30.0 * 60.0 + OTHERS * 30.0),
        ("steps", steps().await),
        ("http_requests", LOOKS * 2.0 + OTHERS),
        ("http_received_mib", LOOKS * received / f64::from(1 << 20)),
        ("http_connections", 1.0),
    ];
    let shipped = ShippedPolicy::named("azure-devops").unwrap();
    assert_eq!(shipped.ill_fitting(&needed), [""; 0], "{needed:?}");
}

/// How many steps a pipeline with more stages than are shown has.
async fn steps() -> f64 {
    let scene = Scene::start().await;
    let names: Vec<_> = (0..60).map(|stage| format!("stage {stage}")).collect();
    let stages = names.iter().map(|name| (name.as_str(), Outcome::Succeeded));
    scene.azure.plan_next(RunPlan::of_stages(stages));
    let run = scene.execute(scene.spec()).await;
    assert_ended(&run, RunState::Succeeded);
    run.steps.len() as f64
}
