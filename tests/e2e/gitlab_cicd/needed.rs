//! Whether each grant of the shipped policy is needed.

use super::{STEP, Scene, TYPE, component, gitlab, policy};
use crate::emulator;
use blockhouse_emulator::{InputType, RunSpec, RunState, Status};
use blockhouse_tests::{Runner, patience};

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
