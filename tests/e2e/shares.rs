//! Tenants share the runner: runs that have to wait, for whom and for how long.

use crate::{all_text, assert_ended, emulator};
use blockhouse::daemon::Stopped;
use blockhouse_emulator::{Emulator, RunSpec, RunState, RunView, Status};
use blockhouse_policy::Limits;
use blockhouse_tests::{Component, Runner, RunnerBuilder, patience};
use serde_json::json;
use std::time::Duration;
use uuid::Uuid;

const MIB: usize = 1 << 20;

/// Executes until it is aborted, and then ends at once.
fn endless(tenant_runs: usize, memory_mib: usize) -> Component {
    let memory_bytes = memory_mib * MIB;
    let limits = Limits { tenant_runs: Some(tenant_runs), memory_bytes, ..Limits::default() };
    Component::new("ENDLESS", blockhouse_artifacts::SLEEP_BY_CLOCK).limits(limits)
}

/// Reports changes at once, and gives signs of life as often.
fn runner(component: Component, sign_of_life: Duration) -> RunnerBuilder {
    let interval = Duration::from_millis(20);
    Runner::builder().component(component).concurrency(4).report(interval, sign_of_life)
}

fn of_tenant(tenant: &str) -> RunSpec {
    RunSpec::manual().workspace(tenant)
}

fn endless_of(tenant: &str) -> RunSpec {
    of_tenant(tenant).implementation(json!({ "type": "ENDLESS" }))
}

/// The component has begun a step; the host's own is called `run`.
fn was_executed(run: &RunView) -> bool {
    run.steps.iter().any(|step| step.id != "run")
}

fn is_waiting(run: &RunView) -> bool {
    run.summary.as_ref().is_some_and(|text| text.starts_with("Waiting"))
}

fn executed(emulator: &Emulator, ids: &[Uuid]) -> Vec<RunView> {
    ids.iter().filter_map(|id| emulator.run(id)).filter(was_executed).collect()
}

async fn until(emulator: &Emulator, id: &Uuid, condition: impl Fn(&RunView) -> bool) -> RunView {
    let met = |run: RunView| condition(&run);
    emulator.wait_until(patience(), |view| view.run(id).is_some_and(met)).await.unwrap();
    emulator.run(id).unwrap()
}

#[tokio::test]
async fn a_tenant_that_queues_five_hundred_runs_holds_up_nobody() {
    let emulator = emulator().await;
    let greedy: Vec<_> = (0..500).map(|_| emulator.enqueue(endless_of("greedy"))).collect();
    let modest: Vec<_> = (0..20).map(|_| emulator.enqueue(of_tenant("modest"))).collect();
    let runner = runner(endless(2, 16), Duration::from_secs(2)).start(&emulator).unwrap();
    for id in &modest {
        let run = emulator.wait_for_end(id, patience()).await.unwrap();
        assert_ended(&run, RunState::Succeeded);
    }

    // All others have been claimed, since the last ones are over. None of them ends by itself.
    for id in &greedy {
        let run = until(&emulator, id, |run| was_executed(run) || is_waiting(run)).await;
        assert_eq!(run.state, RunState::InProgress, "{run:#?}");
        assert_eq!(run.reported_status, Some(Status::InProgress), "{run:#?}");
        if !was_executed(&run) {
            let expected = "Waiting: 2 of 2 runs of workspace `greedy` are executing.";
            assert_eq!(run.summary.as_deref(), Some(expected));
        }
    }
    let mut begun = executed(&emulator, &greedy);
    assert_eq!(begun.len(), 2);

    // For each that ends, one starts: whoever has begun and was not aborted is executing.
    for count in 3..=5 {
        let ended = begun.iter().find(|run| run.state == RunState::InProgress).unwrap().id;
        emulator.abort(&ended);
        assert_ended(&emulator.wait_for_end(&ended, patience()).await.unwrap(), RunState::Aborted);
        let enough = |view: &blockhouse_emulator::EmulatorView<'_>| {
            let runs = greedy.iter().filter_map(|id| view.run(id));
            runs.filter(was_executed).count() >= count
        };
        emulator.wait_until(patience(), enough).await.unwrap();
        begun = executed(&emulator, &greedy);
        assert_eq!(begun.len(), count);
        let executing = begun.iter().filter(|run| run.state == RunState::InProgress);
        assert_eq!(executing.count(), 2);
    }
    assert!(!begun.iter().any(is_waiting), "{begun:#?}");

    runner.shutdown().abort();
    assert_eq!(runner.drain().await.unwrap(), Stopped::Drained);
    assert_eq!(executed(&emulator, &greedy).len(), 5, "what waits is not executed any more");
    for id in &greedy {
        let run = emulator.run(id).unwrap();
        assert!(run.state.is_terminal() && run.terminal_updates == 1, "{run:#?}");
        assert!(!is_waiting(&run), "{run:#?}");
    }
}

#[tokio::test]
async fn a_run_that_is_aborted_while_it_waits_is_never_executed() {
    let emulator = emulator().await;
    let runner = runner(endless(1, 16), Duration::from_millis(50)).start(&emulator).unwrap();
    let first = emulator.enqueue(endless_of("a"));
    until(&emulator, &first, was_executed).await;
    let [second, third] = [0; 2].map(|_| emulator.enqueue(endless_of("a")));
    // It gives signs of life, too.
    until(&emulator, &second, |run| is_waiting(run) && run.updates >= 3).await;
    until(&emulator, &third, is_waiting).await;
    emulator.abort(&second);
    let run = emulator.wait_for_end(&second, patience()).await.unwrap();
    assert_ended(&run, RunState::Aborted);
    assert_eq!(run.summary.as_deref(), Some("The run was aborted."));
    // Nothing was kept for it: the next one starts in its stead.
    emulator.abort(&first);
    let run = until(&emulator, &third, was_executed).await;
    assert!(run.summary.unwrap().starts_with("Started after"));
    assert_eq!(executed(&emulator, &[second]).len(), 0);
    emulator.abort(&third);
    emulator.wait_for_end(&third, patience()).await.unwrap();
    assert_eq!(runner.drain().await.unwrap(), Stopped::Drained);
}

#[tokio::test]
async fn a_drain_still_executes_the_runs_that_wait() {
    let emulator = emulator().await;
    let runner = runner(endless(1, 16), Duration::from_millis(50)).start(&emulator).unwrap();
    let first = emulator.enqueue(endless_of("a"));
    until(&emulator, &first, was_executed).await;
    let second = emulator.enqueue(endless_of("a"));
    until(&emulator, &second, is_waiting).await;
    runner.shutdown().drain();
    emulator.abort(&first);
    until(&emulator, &second, was_executed).await;
    emulator.abort(&second);
    assert_eq!(runner.drain().await.unwrap(), Stopped::Drained);
    for id in [first, second] {
        let run = emulator.run(&id).unwrap();
        assert_ended(&run, RunState::Aborted);
        assert!(!all_text(&run).contains("shut down"), "{run:#?}");
    }
}

#[tokio::test]
async fn runs_wait_until_there_is_memory_for_them() {
    let emulator = emulator().await;
    let runner = runner(endless(4, 16), Duration::from_millis(50)).memory(40 << 20);
    let runner = runner.start(&emulator).unwrap();
    let [first, second] = ["a", "b"].map(|tenant| emulator.enqueue(endless_of(tenant)));
    until(&emulator, &first, was_executed).await;
    until(&emulator, &second, was_executed).await;
    let third = emulator.enqueue(endless_of("c"));
    let run = until(&emulator, &third, is_waiting).await;
    let expected = "Waiting for memory: this run may use 16 MiB, which other runs occupy.";
    assert_eq!(run.summary.as_deref(), Some(expected));
    emulator.abort(&first);
    until(&emulator, &third, was_executed).await;
    runner.shutdown().abort();
    assert_eq!(runner.drain().await.unwrap(), Stopped::Drained);
}
