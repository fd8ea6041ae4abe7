//! Hostile components among good ones: each ends with its limit named, and nobody else notices.

use crate::{all_text, assert_ended, emulator};
use blockhouse_emulator::{RunSpec, RunState};
use blockhouse_tests::{Component, Runner, patience};
use serde_json::json;

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
            let answer = reqwest::get(&live).await.expect("the probe answers");
            assert_eq!(answer.status(), 200);
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
