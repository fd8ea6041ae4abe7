//! Whether each grant of the shipped policy is needed.

use super::{STEP, Scene, TOKEN, TYPE, address, component, gitlab, policy};
use crate::{Used, assert_ended, emulator};
use blockhouse_emulator::{GitlabCicd, InputType, RunSpec, RunState, RunView, Status};
use blockhouse_tests::policy_trimming::ShippedPolicy;
use blockhouse_tests::{Runner, patience};
use serde_json::json;

/// An input in clear with which the run's document is nearly as long as GitLab lets a variable be (1 MiB).
const LARGE: usize = 1_000_000;

/// How often a request is sent if GitLab can't be reached.
const TRIES: f64 = 4.0;

/// Each may take 30 seconds, and the waits between them 1, 2 and 4.
const SECONDS: f64 = TRIES * 30.0 + 7.0;

/// What is read of an answer.
const ANSWER_MIB: f64 = 4.0;

fn spec(scene: &Scene) -> RunSpec {
    scene.spec().sensitive_environment_input("PASSWORD", InputType::String, "hunter2-hunter2")
}

#[tokio::test]
async fn without_any_of_its_grants_a_run_is_not_handed_over() {
    let gitlab = gitlab();
    let whole = policy(&gitlab);
    let grants = whole.grants();
    assert!(grants.len() >= 3, "{grants:?}");
    let mut scene = Scene::under(gitlab, &whole).await;
    scene.trigger(spec(&scene)).await;
    for grant in grants {
        let emulator = emulator().await;
        let trimmed = component(&whole.without(&grant));
        let runner = match Runner::builder().component(trimmed).start(&emulator) {
            Ok(runner) => runner,
            // The component is not even loaded.
            Err(refusal) => {
                assert!(format!("{refusal:#}").contains(TYPE), "{grant}: {refusal:#}");
                continue;
            }
        };
        (scene.runner, scene.emulator) = (runner, emulator);
        let id = scene.emulator.enqueue(spec(&scene));
        let run = scene.emulator.wait_for_end(&id, patience()).await.unwrap();
        assert_eq!(run.state, RunState::Failed, "{grant} is not needed: {run:#?}");
        assert_eq!(run.timeline(), [(STEP, Status::Failed)], "{grant}: {run:#?}");
    }
    assert_eq!(scene.triggers(), 1);
}

/// A run whose form is as large as may be. `scheme`: what is spoken to GitLab, which knows `http` alone.
async fn largest(scheme: &str) -> RunView {
    let gitlab = gitlab();
    let address = address(&gitlab).replace("http", scheme);
    let url: url::Url = address.parse().unwrap();
    let policy = ShippedPolicy::named("gitlab-cicd").unwrap();
    let policy = policy.at_localhost(scheme, &[url.port().unwrap()]);
    let scene = Scene::under(gitlab, &policy).await;
    let large = json!("0123456789abcdef".repeat(LARGE / 16));
    let spec = RunSpec::gitlab_cicd(GitlabCicd::of(address, json!(42), TOKEN));
    let id = scene.emulator.enqueue(spec.environment_input("LARGE", InputType::Code, large));
    let says = |run: RunView| run.log(STEP).contains("used ");
    let said = scene.emulator.wait_until(patience(), |view| view.run(&id).is_some_and(says));
    said.await.unwrap();
    scene.emulator.run(&id).unwrap()
}

#[tokio::test]
async fn the_limits_are_what_the_largest_form_takes_if_gitlab_is_hard_to_reach() {
    let triggered = largest("http").await;
    assert_eq!(triggered.state, RunState::InProgress, "{triggered:#?}");
    // Nothing is sent before TLS, so that it is tried again.
    let unreached = largest("https").await;
    assert_ended(&unreached, RunState::Failed);
    assert!(unreached.told(STEP).contains("can't be reached"), "{unreached:#?}");
    let Used { million_instructions, memory_mib } = Used::by(&unreached);
    let needed = [
        ("fuel", million_instructions),
        ("memory_mib", memory_mib.max(Used::by(&triggered).memory_mib) + ANSWER_MIB),
        ("wall_time", SECONDS),
        ("steps", unreached.steps.len() as f64),
        ("http_requests", TRIES),
        ("http_received_mib", ANSWER_MIB),
        ("http_connections", 1.0),
    ];
    let shipped = ShippedPolicy::named("gitlab-cicd").unwrap();
    assert_eq!(shipped.ill_fitting(&needed), [""; 0], "{needed:?}");
}
