//! Final statuses that meshStack rejects for good.

use super::{SECRET, Scene, TOKEN};
use crate::{assert_ended, emulator, until_settled};
use blockhouse::daemon::Stopped;
use blockhouse_emulator::{Fault, InputType, Route, RunSpec, RunState};
use blockhouse_tests::{Leaks, Runner, patience};
use data_encoding::BASE64URL_NOPAD;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How many runs a state directory keeps that were rejected.
fn kept(state: &Path) -> usize {
    let entries = std::fs::read_dir(state.join("rejected")).into_iter().flatten().flatten();
    // Not those that are being written.
    entries.filter(|entry| !entry.file_name().to_string_lossy().contains('.')).count()
}

/// Waits until the daemon says that it keeps a run that was rejected: that goes on after the slot is free again.
async fn until_ready_tells(runner: &Runner) {
    let waited = async {
        loop {
            let text = reqwest::get(runner.admin("/ready")).await.unwrap().text().await.unwrap();
            if text.starts_with("OK\n1 runs are kept") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(patience(), waited).await.unwrap();
}

#[tokio::test]
async fn what_is_rejected_for_good_is_kept_and_tried_again_by_nobody() {
    for status in [401, 403, 404, 410, 418] {
        let emulator = emulator().await;
        let state = tempfile::tempdir().unwrap();
        let start = || Runner::builder().concurrency(1).state_directory(state.path());
        let runner = start().start(&emulator).unwrap();
        let rejected = emulator.enqueue(RunSpec::manual());
        emulator.script_for_run(Route::Update, &rejected, Fault::status(status), 1_000);
        let next = emulator.enqueue(RunSpec::manual());
        let run = emulator.wait_for_end(&next, patience()).await.unwrap();
        assert_ended(&run, RunState::Succeeded);
        until_ready_tells(&runner).await;
        assert_eq!(runner.drain().await.unwrap(), Stopped::Drained, "{status}");
        assert_eq!(kept(state.path()), 1, "{status}");

        let tried = emulator.faults_injected();
        let runner = start().start(&emulator).unwrap();
        let next = emulator.enqueue(RunSpec::manual());
        emulator.wait_for_end(&next, patience()).await.unwrap();
        assert_eq!(runner.drain().await.unwrap(), Stopped::Drained);
        assert_eq!(emulator.faults_injected(), tried, "{status}: it was tried again");
        assert_eq!(emulator.run(&rejected).unwrap().state, RunState::InProgress);
        emulator.clear_faults();
    }
}

#[tokio::test]
async fn what_is_rejected_for_a_moment_is_delivered() {
    for status in [401, 403, 404] {
        let emulator = emulator().await;
        let state = tempfile::tempdir().unwrap();
        let runner = Runner::builder().state_directory(state.path()).start(&emulator).unwrap();
        let id = emulator.enqueue(RunSpec::manual());
        emulator.script_for_run(Route::Update, &id, Fault::status(status), 6);
        let run = emulator.wait_for_end(&id, patience()).await.unwrap();
        assert_ended(&run, RunState::Succeeded);
        runner.drain().await.unwrap();
        assert_eq!(kept(state.path()), 0);
    }
}

/// A token that says until when it is good.
fn token(until: SystemTime) -> String {
    let seconds = until.duration_since(UNIX_EPOCH).unwrap().as_secs();
    let encode = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
    format!("{}.{}.c2ln", encode("{\"alg\":\"none\"}"), encode(&format!("{{\"exp\":{seconds}}}")))
}

#[tokio::test]
async fn a_refused_token_is_tried_again_until_it_has_expired_by_its_own_word() {
    let hour = Duration::from_secs(60 * 60);
    let now = SystemTime::now();
    for (until, stopped, ended) in [
        (now + hour, Stopped::Unreported, RunState::Succeeded),
        (now - hour, Stopped::Drained, RunState::InProgress),
    ] {
        let emulator = emulator().await;
        let state = tempfile::tempdir().unwrap();
        let start = || Runner::builder().concurrency(1).state_directory(state.path());
        let runner = start().start(&emulator).unwrap();
        let id = emulator.enqueue(RunSpec::manual().run_token(token(until)));
        emulator.script_for_run(Route::Update, &id, Fault::status(401), 1_000);
        let next = emulator.enqueue(RunSpec::manual());
        emulator.wait_for_end(&next, patience()).await.unwrap();
        assert_eq!(runner.drain().await.unwrap(), stopped);
        emulator.clear_faults();
        let runner = start().start(&emulator).unwrap();
        let next = emulator.enqueue(RunSpec::manual());
        emulator.wait_for_end(&next, patience()).await.unwrap();
        assert_eq!(runner.drain().await.unwrap(), Stopped::Drained);
        assert_eq!(emulator.run(&id).unwrap().state, ended);
    }
}

/// A run that was rejected by a daemon of its own, which has ended.
async fn rejected() -> (Scene, uuid::Uuid) {
    let mut scene = Scene::start().await;
    let spec =
        RunSpec::manual().sensitive_input("password", InputType::String, SECRET).run_token(TOKEN);
    let id = scene.emulator.enqueue(spec);
    scene.emulator.script_for_run(Route::Update, &id, Fault::status(410), 1);
    let next = scene.emulator.enqueue(RunSpec::manual());
    scene.ends(&next, RunState::Succeeded).await;
    let state = scene.directory.path().join("state");
    let waited = async {
        while kept(&state) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(patience(), waited).await.unwrap();
    until_settled(&state, &next).await;
    scene.daemon.kill().unwrap();
    (scene, id)
}

#[tokio::test]
async fn a_rejected_run_is_shown_and_delivered_when_an_operator_says_so() {
    let (scene, id) = rejected().await;
    let log = scene.daemon.log();
    assert!(log.contains("\"level\":\"ERROR\"") && log.contains("rejected the run's final status"));
    assert_eq!(scene.listed(), [(id.to_string(), "rejected".to_owned())]);
    let shown = scene.runs(&["show", &id.to_string()]);
    assert!(shown.out.contains("meshStack answered 410"), "{shown:?}");
    let leaks = Leaks::of([("the input", SECRET), ("the token", TOKEN)]).unwrap();
    assert_eq!(leaks.in_directory(&scene.directory.path().join("state"), |_| false).unwrap(), []);

    scene.emulator.script_for_run(Route::Update, &id, Fault::status(410), 1);
    let said = scene.runs(&["recover"]);
    assert_eq!(said.code, Some(75), "{said:?}");
    assert!(said.out.contains("rejected: "), "{said:?}");
    assert_eq!(scene.listed(), [(id.to_string(), "rejected".to_owned())]);

    let said = scene.runs(&["recover", &id.to_string()]);
    assert_eq!((said.code, said.out.trim()), (Some(0), &*format!("{id}  delivered")), "{said:?}");
    scene.ends(&id, RunState::Succeeded).await;
    assert!(scene.listed().is_empty());
}

#[tokio::test]
async fn a_rejected_run_is_discarded_without_force() {
    let (scene, id) = rejected().await;
    let said = scene.runs(&["discard", &id.to_string()]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(scene.listed().is_empty());
    assert_eq!(kept(&scene.directory.path().join("state")), 0);
}
