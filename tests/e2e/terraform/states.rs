//! No state is lost, and no lock is left.

use super::scene;
use super::stops::{locking, wait_for};
use crate::{all_text, assert_ended};
use blockhouse::terraform::open_sealed;
use blockhouse::unseal::PrivateKey;
use blockhouse_emulator::{Fault, InputType, Route, RunSpec, RunState};
use blockhouse_tests::terraform::{LoopbackGate, Module, Scene, Stage};
use blockhouse_tests::{PRIVATE_KEY, Processes, Role, patience};
use secrecy::SecretString;
use serde_json::json;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Not one that the backend's client repeats.
fn refused() -> Fault {
    Fault::status(403)
}

/// What is in a directory of the daemon's state, if it exists.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// An apply, up to where its state can't be written and was secured.
async fn refusing(module: &Module) -> (Scene, Uuid) {
    let mut scene = scene(module).await;
    scene.emulator.fail(&[Route::StateWrite], &refused());
    let id = scene.emulator.enqueue(scene.spec());
    let quarantine = scene.state().join("quarantine");
    let kept = wait_for(|| !files(&quarantine).is_empty());
    scene.daemon().unwrap().until(kept).await.unwrap();
    (scene, id)
}

#[tokio::test]
async fn a_state_that_is_refused_is_pushed_again_once_its_backend_recovers() {
    let (mut scene, id) = refusing(&Module::new().resource("one")).await;
    scene.emulator.recover(&[Route::StateWrite]);
    let run = scene.end_of(&id).await.unwrap();
    // What Terraform says of its own end is not hidden.
    assert_ended(&run, RunState::Failed);
    let state = scene.emulator.terraform_state(run.state_address.as_ref().unwrap()).unwrap();
    assert!(state.resources().contains("terraform_data.one"), "{state:?}");
    assert!(run.log("execute_tf").contains("The state has been written at last."), "{run:#?}");
    assert!(!all_text(&run).contains("NOT SAVED"), "{run:#?}");
    assert_eq!(files(&scene.state().join("quarantine")), Vec::<PathBuf>::new());
    assert_eq!(files(&scene.state().join("kept")), Vec::<PathBuf>::new());
}

#[cfg(unix)]
#[tokio::test]
async fn a_state_that_can_not_be_written_is_kept_sealed_and_its_users_are_told() {
    let secret = "a-value-that-only-the-state-has";
    let module = Module::new().resource("one").resource(secret);
    let (mut scene, id) = refusing(&module).await;
    // Nobody waits for the last try: the runner is going away.
    let mut daemon = scene.daemon.take().unwrap();
    daemon.terminate().unwrap();
    wait_for(|| daemon.log().contains("draining: no more runs are claimed")).await;
    daemon.terminate().unwrap();
    assert_eq!(daemon.ended(patience()).await.unwrap().code(), Some(0), "{}", daemon.log());
    let run = scene.emulator.run(&id).unwrap();
    assert_ended(&run, RunState::Failed);
    let kept = files(&scene.state().join("quarantine"));
    let [kept] = kept.as_slice() else { panic!("{kept:?}") };
    let text = all_text(&run);
    for told in ["The state could not be written", &kept.display().to_string(), "state push"] {
        assert!(text.contains(told), "{text}");
    }
    let sealed = std::fs::read(kept).unwrap();
    assert!(!String::from_utf8_lossy(&sealed).contains(secret));
    let key = PrivateKey::from_pem(&SecretString::from(PRIVATE_KEY)).unwrap();
    let opened = open_sealed(kept, &key).unwrap();
    assert!(String::from_utf8_lossy(&opened).contains(secret));
}

#[cfg(unix)]
#[tokio::test]
async fn a_directory_with_the_only_copy_of_a_state_is_kept() {
    let gate = LoopbackGate::new().await.unwrap();
    let module = Module::new().resource("one").resource_at("two", &gate, &["one"]);
    let mut scene = scene(&module).await;
    let id = scene.emulator.enqueue(scene.spec());
    gate.reached(1, patience()).await.unwrap();
    // Where copies belong there is something else.
    std::fs::write(scene.state().join("quarantine"), "").unwrap();
    scene.emulator.fail(&[Route::StateWrite], &refused());
    gate.open();
    let mut daemon = scene.daemon.take().unwrap();
    wait_for(|| daemon.log().contains("a state can't be kept")).await;
    daemon.terminate().unwrap();
    wait_for(|| daemon.log().contains("draining: no more runs are claimed")).await;
    daemon.terminate().unwrap();
    assert_eq!(daemon.ended(patience()).await.unwrap().code(), Some(0), "{}", daemon.log());
    let run = scene.emulator.run(&id).unwrap();
    assert_ended(&run, RunState::Failed);
    assert!(all_text(&run).contains("No copy could be made of it"), "{run:#?}");
    let kept = scene.state().join("kept").join(id.to_string());
    let state = walk(&kept).into_iter().find(|path| path.ends_with("errored.tfstate")).unwrap();
    assert!(std::fs::read_to_string(&state).unwrap().contains("terraform_data"));
    // The next start has no reason to remove it either.
    scene.begin().unwrap();
    let next = scene.daemon().unwrap();
    wait_for(|| next.log().matches("the daemon is up").count() == 2).await;
    assert!(state.exists());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_state_of_a_verb_that_nobody_goes_on_with_is_kept() {
    let gate = LoopbackGate::new().await.unwrap();
    let module = Module::new().resource("one").resource_at("two", &gate, &["one"]);
    let mut scene = scene(&module).await;
    let id = scene.emulator.enqueue(scene.spec());
    gate.reached(1, patience()).await.unwrap();
    scene.daemon().unwrap().kill().unwrap();
    scene.emulator.fail(&[Route::StateWrite], &refused());
    // The policy that the next daemon finds does not let the run apply any more, so that it ends before it comes to what runs.
    scene.change_policy("\"plan\", \"apply\", \"destroy\"", "\"plan\"").unwrap();
    scene.begin().unwrap();
    let run = scene.end_of(&id).await.unwrap();
    assert_ended(&run, RunState::Failed);
    let kept = files(&scene.state().join("quarantine"));
    let [kept] = kept.as_slice() else { panic!("{kept:?}\n{}", scene.log()) };
    let text = all_text(&run);
    for told in ["does not grant", "The state could not be written", &kept.display().to_string()] {
        assert!(text.contains(told), "{told}: {text}");
    }
    let key = PrivateKey::from_pem(&SecretString::from(PRIVATE_KEY)).unwrap();
    let opened = open_sealed(kept, &key).unwrap();
    assert!(String::from_utf8_lossy(&opened).contains("terraform_data"));
}

fn walk(directory: &Path) -> Vec<PathBuf> {
    files(directory)
        .into_iter()
        .flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] })
        .collect()
}

#[tokio::test]
async fn a_run_directory_outlives_the_writing_of_the_final_status() {
    let gate = LoopbackGate::new().await.unwrap();
    let module = Module::new().hcl("variable \"large\" {}").resource_at("one", &gate, &[]);
    let mut scene = scene(&module).await;
    let (block, large) = (Uuid::new_v4(), json!("x".repeat(5 << 20)));
    let spec = scene.spec().block(block).input("large", InputType::String, large);
    let id = scene.emulator.enqueue(spec.clone());
    gate.reached(1, patience()).await.unwrap();
    let directory = scene.state().join("runs").join(id.to_string());
    let [journal, away] = ["journal", "away"].map(|name| scene.state().join(name));
    // The claim of a run that waits for the same block fills the journal's segment, and the next one has no place.
    scene.emulator.enqueue(spec);
    wait_for(|| {
        let lengths =
            files(&journal).into_iter().map(|path| std::fs::metadata(path).unwrap().len());
        lengths.sum::<u64>() > 10 << 20
    })
    .await;
    std::fs::rename(&journal, &away).unwrap();
    scene.emulator.fail(&[Route::Update], &Fault::status(503));
    gate.open();
    wait_for(|| scene.log().contains("the final status is not in the journal")).await;
    wait_for(|| !scene.emulator.final_statuses(&id).is_empty()).await;
    // A daemon that dies here has nothing else to go by.
    assert!(directory.exists());
    std::fs::rename(&away, &journal).unwrap();
    scene.daemon().unwrap().kill().unwrap();
    scene.emulator.recover(&[Route::Update]);
    scene.begin().unwrap();
    let run = scene.end_of(&id).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    wait_for(|| !directory.exists()).await;
}

#[tokio::test]
async fn two_runs_of_one_block_never_overlap() {
    let gate = LoopbackGate::new().await.unwrap();
    let mut scene = scene(&Module::new().resource_at("one", &gate, &[])).await;
    let block = Uuid::new_v4();
    let spec = || -> RunSpec { scene.spec().block(block) };
    let first = scene.emulator.enqueue(spec());
    gate.reached(1, patience()).await.unwrap();
    let second = scene.emulator.enqueue(spec());
    let other = scene.emulator.enqueue(scene.spec());
    // A run of another block is not held up, so that the second had its time as well.
    gate.reached(2, patience()).await.unwrap();
    assert_eq!(gate.arrived().len(), 2);
    let working = |run: &Uuid| {
        let directory = scene.state().join("runs").join(run.to_string());
        let processes = Processes::now().unwrap();
        processes.all().iter().filter(|seen| seen.role() == Some(Role::Tool)).any(|seen| {
            seen.directory.as_deref().is_some_and(|place| place.starts_with(&directory))
        })
    };
    assert!(working(&first) && working(&other) && !working(&second));
    gate.open();
    for run in [first, second, other] {
        let run = scene.end_of(&run).await.unwrap();
        assert_ended(&run, RunState::Succeeded);
    }
    // The second found what the first had made.
    assert_eq!(gate.arrived().len(), 2);
}

/// An apply whose Terraform is killed while it holds the lock. Returns what the run has told.
async fn killed(release_locks: bool) -> (Scene, String, RunSpec) {
    let gate = LoopbackGate::new().await.unwrap();
    let module = Module::new().resource("one").resource_at("two", &gate, &["one"]);
    let (mut scene, spec) = locking(module, Stage::default()).await;
    if !release_locks {
        scene.change_policy("release_locks = true", "release_locks = false").unwrap();
    }
    scene.begin().unwrap();
    let id = scene.emulator.enqueue(spec.clone());
    gate.reached(1, patience()).await.unwrap();
    assert_eq!(scene.emulator.locks_held().len(), 1);
    let daemon = scene.daemon().unwrap().id();
    let processes = Processes::now().unwrap();
    let tools = processes.with_role(Role::Tool, daemon, &scene.state());
    assert_eq!(tools.len(), 1, "{tools:?}");
    tools.iter().for_each(|tool| tool.kill().unwrap());
    let run = scene.end_of(&id).await.unwrap();
    assert_ended(&run, RunState::Failed);
    gate.deserted(1, patience()).await.unwrap();
    let text = all_text(&run);
    assert!(text.contains("It is not known whether the state was saved"), "{text}");
    (scene, text, spec)
}

#[tokio::test]
async fn a_lock_that_our_dead_terraform_has_left_is_released_if_policy_allows() {
    let (scene, text, _) = killed(true).await;
    assert!(scene.emulator.locks_held().is_empty());
    assert!(
        text.contains("has left the state lock") && text.contains("It was released."),
        "{text}"
    );
}

#[tokio::test]
async fn without_leave_the_lock_of_our_dead_terraform_is_reported_with_the_evidence() {
    let (scene, text, _) = killed(false).await;
    let held = scene.emulator.locks_held();
    let id = held.first().and_then(|lock| lock.info.get("ID")?.as_str()).unwrap();
    assert!(text.contains(&format!("has left the state lock {id}: ")), "{text}");
    assert!(text.contains("Policy does not let the runner release it."), "{text}");
}

#[tokio::test]
async fn a_lock_of_another_one_is_not_released_and_its_holder_is_shown() {
    let (mut scene, spec) = locking(Module::new().resource("one"), Stage::default()).await;
    let id = scene.emulator.enqueue(spec);
    let address = scene.emulator.run(&id).unwrap().state_address.unwrap();
    let lock = json!({
        "ID": "5d5e30c8-82bd-b9a0-0835-a687c4c2d502",
        "Operation": "OperationTypeApply",
        "Who": "ada@laptop",
        "Version": "1.11.4",
        "Created": "2026-11-21T06:56:26.994560315Z",
        "Info": "",
        "Path": "",
    });
    scene.emulator.set_terraform_lock(&address, Some(lock));
    scene.begin().unwrap();
    let told =
        "another one has the state lock 5d5e30c8-82bd-b9a0-0835-a687c4c2d502; trying again in 5s.";
    let waits = scene.emulator.wait_until(patience(), |view| {
        view.run(&id).is_some_and(|run| run.log("execute_tf").contains(told))
    });
    scene.daemon.as_mut().unwrap().until(waits).await.unwrap().unwrap();
    scene.emulator.abort(&id);
    let run = scene.end_of(&id).await.unwrap();
    assert_ended(&run, RunState::Aborted);
    let held = scene.emulator.locks_held();
    assert_eq!(held.first().unwrap().info.get("Who").unwrap(), "ada@laptop");
    assert!(!run.log("execute_tf").contains("was released"), "{run:#?}");
}
