//! What becomes of states that can't be written.

use super::RESOURCE;
use super::world::{Push, World, key};
use blockhouse::terraform::{OperationError, StateFate, ToolFailure, Workspace, open_sealed};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

async fn failed_apply(workspace: &mut Workspace, world: &World) -> ToolFailure {
    match workspace.apply().await {
        Err(OperationError::Failed(failure)) => failure,
        other => panic!("{other:?}\n{}", world.log()),
    }
}

fn quarantined(world: &World) -> Vec<PathBuf> {
    let entries = fs::read_dir(world.place.path().join("quarantine")).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// An apply that can't write its state, and pushes that go as they go.
async fn pushed(world: &World, pushes: &[Push]) -> ToolFailure {
    let mut workspace = world.ready("run-1", false, &world.configuration(RESOURCE)).await;
    world.backend.with(|kept| {
        kept.refuse_writes = 2;
        kept.pushes.extend(pushes);
    });
    failed_apply(&mut workspace, world).await
}

#[tokio::test]
async fn a_backend_that_forgets_what_it_took_is_not_believed() {
    let world = World::new();
    let failure = pushed(&world, &[Push::Forget]).await;
    assert!(world.log().contains("the backend took it, and does not have it"), "{}", world.log());
    assert_eq!(failure.state, StateFate::Saved, "{}", world.log());
    let state = world.backend.with(|kept| kept.state.clone().unwrap());
    assert!(String::from_utf8_lossy(&state).contains("terraform_data"));
    assert_eq!(quarantined(&world), Vec::<PathBuf>::new());

    let world = World::new();
    let failure = pushed(&world, &[Push::Forget; 100]).await;
    assert!(matches!(failure.state, StateFate::NotSaved(_)), "{:?}", failure.state);
    assert_eq!(quarantined(&world).len(), 1);
}

#[tokio::test]
async fn pushes_without_an_answer_come_to_an_end() {
    // What is measured is that it ends; with its usual patience it would take minutes.
    let world = World::with(|config| config.pushing.timeout = Duration::from_secs(2));
    let failure = pushed(&world, &[Push::Ignore; 100]).await;
    assert!(matches!(failure.state, StateFate::NotSaved(_)), "{:?}", failure.state);
    let kept = quarantined(&world);
    let [kept] = kept.as_slice() else { panic!("{kept:?}") };
    let state = open_sealed(kept, &key()).unwrap();
    assert!(String::from_utf8_lossy(&state).contains("terraform_data"));

    let world = World::with(|config| {
        config.pushing.timeout = Duration::from_secs(2);
        config.pushing.total = Duration::ZERO;
    });
    let failure = pushed(&world, &[Push::Ignore; 100]).await;
    assert!(matches!(failure.state, StateFate::NotSaved(_)), "{:?}", failure.state);
    assert!(!world.log().contains("trying again"), "{}", world.log());
}

#[tokio::test]
async fn a_state_that_came_with_the_sources_is_not_taken_for_the_runs_own() {
    let world = World::new();
    let mut workspace = world.ready("run-1", false, &world.configuration(RESOURCE)).await;
    let work = world.root("run-1").join("work");
    let committed = r#"{"version":4,"serial":99,"lineage":"committed"}"#;
    fs::write(work.join("errored.tfstate"), committed).unwrap();
    world.backend.with(|kept| kept.refuse_writes = 1000);
    let failure = failed_apply(&mut workspace, &world).await;
    assert!(matches!(failure.state, StateFate::NotSaved(_)), "{:?}", failure.state);
    let kept = quarantined(&world);
    let [kept] = kept.as_slice() else { panic!("{kept:?}") };
    let state = open_sealed(kept, &key()).unwrap();
    let state = String::from_utf8_lossy(&state);
    assert!(state.contains("terraform_data") && !state.contains("committed"), "{state}");
    assert_eq!(fs::read_to_string(work.join("errored.tfstate.found")).unwrap(), committed);
}

#[tokio::test]
async fn a_state_that_a_script_has_left_is_kept() {
    let world = World::new();
    let mut workspace = world.ready("run-1", false, &world.configuration(RESOURCE)).await;
    workspace.run_script("echo '{\"lineage\":\"of-a-script\"}' > errored.tfstate").await.unwrap();
    workspace.apply().await.unwrap();
    let kept = quarantined(&world);
    let [kept] = kept.as_slice() else { panic!("{kept:?}") };
    let state = open_sealed(kept, &key()).unwrap();
    assert!(String::from_utf8_lossy(&state).contains("of-a-script"));
    assert!(world.log().contains("was there before"), "{}", world.log());
}

#[tokio::test]
async fn an_apply_whose_provisioner_talks_of_locks_is_not_repeated() {
    let world = World::with(|config| config.lock_wait = Duration::from_secs(600));
    let main = "resource \"terraform_data\" \"x\" {\n provisioner \"local-exec\" {\n  command = \"echo once >> tries; echo Error: Error acquiring the state lock >&2; echo Lock Info: >&2; echo '  ID: 1' >&2; exit 1\"\n }\n}\n";
    let mut workspace = world.ready("run-1", false, &world.configuration(main)).await;
    let failure = failed_apply(&mut workspace, &world).await;
    assert_eq!(failure.state, StateFate::Saved, "{}", world.log());
    let tries = fs::read_to_string(world.root("run-1").join("work/tries")).unwrap();
    assert_eq!(tries, "once\n", "{}", world.log());
}
