//! Hostile components among good ones: each ends with its limit named, and nobody else notices.

use crate::{all_text, assert_ended, emulator};
use blockhouse_emulator::{InputType, RunSpec, RunState};
use blockhouse_tests::{Component, Process, Runner, patience};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// What orchestrators allow a liveness probe, and a bit for a slow machine.
const PROBE_PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn hostile_runs_fail_by_name_while_good_runs_and_probes_go_on() {
    let hostile: [(&str, &[u8], &str); 5] = [
        ("LOOP", blockhouse_artifacts::LOOP_FOREVER, "limit.cpu"),
        ("ALLOCATE", blockhouse_artifacts::ALLOCATE_FOREVER, "limit.memory"),
        ("RECURSE", blockhouse_artifacts::RECURSE_FOREVER, "limit."),
        ("FLOOD", blockhouse_artifacts::FLOOD_LOG, "limit.log"),
        ("TRAP", blockhouse_artifacts::TRAP, "component.trap"),
    ];
    let emulator = emulator().await;
    let builder =
        hostile.iter().fold(Runner::builder().concurrency(16), |builder, (name, bytes, _)| {
            builder.component(Component::new(name, bytes))
        });
    let runner = builder.start(&emulator).unwrap();
    let bad: Vec<_> = hostile
        .iter()
        .map(|(name, _, _)| {
            emulator.enqueue(RunSpec::manual().implementation(json!({ "type": name })))
        })
        .collect();
    let good: Vec<_> = (0..32).map(|_| emulator.enqueue(RunSpec::manual())).collect();

    let live = runner.admin("/live");
    let probe = async {
        loop {
            let answer = tokio::time::timeout(PROBE_PATIENCE, reqwest::get(&live)).await;
            assert_eq!(answer.expect("the probe answers in time").unwrap().status(), 200);
        }
    };
    let ended = emulator.wait_until(patience(), |view| view.unfinished() == 0);
    tokio::select! {
        ended = ended => ended.unwrap(),
        () = probe => unreachable!(),
    }

    for ((name, _, code), id) in hostile.iter().zip(&bad) {
        let run = emulator.run(id).unwrap();
        assert_ended(&run, RunState::Failed);
        let text = all_text(&run);
        assert!(text.contains(code), "{name}: {text}");
        assert!(text.contains("million instructions"), "{name}: no usage in {text}");
    }
    for id in &good {
        assert_ended(&emulator.run(id).unwrap(), RunState::Succeeded);
    }
    runner.drain().await.unwrap();
}

#[tokio::test]
async fn asking_for_a_secret_for_ever_is_logged_once() {
    let emulator = emulator().await;
    let directory = tempfile::tempdir().unwrap();
    let ask = [("ASK", blockhouse_artifacts::ASK_FOR_EVER)];
    Process::configure(directory.path(), &emulator, &ask, "poll: {interval: 100ms}\n").unwrap();
    let policy =
        "description = \"x\"\n[limits]\nreason = \"asking for ever ends soon\"\nfuel = 100\n";
    std::fs::write(directory.path().join("policy.toml"), policy).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_blockhouse-under-test"));
    let mut process = Process::start(program, directory.path()).unwrap();
    let spec = RunSpec::manual().implementation(json!({ "type": "ASK" }));
    let id = emulator.enqueue(spec.sensitive_input("token", InputType::String, "hunter2"));
    let ended = emulator.wait_for_end(&id, patience());
    let run = process.until(ended).await.unwrap().unwrap();
    assert_ended(&run, RunState::Failed);
    let log = process.log();
    assert_eq!(log.matches("secret denied").count(), 1, "{log}");
    assert!(!log.contains("hunter2"));
}
