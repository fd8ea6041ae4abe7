//! Many runs while the network misbehaves.

use crate::{assert_ended, emulator};
use blockhouse_emulator::{
    Emulator, FaultKind, InputType, RandomFaults, Recording, Route, RunSpec, RunState,
};
use blockhouse_tests::{API_KEY, CERTIFICATE, Process, Runner, patience};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

const PROGRAM: &str = env!("CARGO_BIN_EXE_blockhouse-under-test");
const RUNS: usize = 2_000;
const WARM_UP: usize = 200;

/// The server's own timeout of a run whose runner is silent.
const RUN_TIMEOUT: Duration = Duration::from_secs(3_600);

async fn faulty_emulator() -> Emulator {
    let (id, secret) = API_KEY;
    let builder = Emulator::builder().api_key(id, secret).runner_certificate(CERTIFICATE);
    let builder = builder.recording(Recording::Counts).run_timeout(RUN_TIMEOUT);
    let emulator = builder.start().await.unwrap();
    emulator.random_faults(RandomFaults {
        seed: 42,
        routes: vec![Route::Login, Route::Claim, Route::Register, Route::Update],
        unavailable: 0.05,
        retry_after: None,
        dropped_before: 0.0,
        dropped_after: 0.01,
        truncated: 0.0,
        ..RandomFaults::default()
    });
    emulator
}

/// 2,000 runs at concurrency 32 with 5 % of the calls answered 503 and 1 % dropped after processing.
///
/// A claim whose answer is dropped loses its run, since meshStack hands out each only once: the server's own timeout ends it.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn two_thousand_runs_with_faults_each_end_once_and_leave_nothing_behind() {
    let emulator = faulty_emulator().await;
    let directory = tempfile::tempdir().unwrap();
    let more = "runs: {concurrency: 32}\npoll: {interval: 100ms}\nlog: {level: warn}\n";
    Process::configure(directory.path(), &emulator, &[], more).unwrap();
    let runs: Vec<_> = (0..RUNS)
        .map(|index| {
            let spec = RunSpec::manual().input("index", InputType::Integer, json!(index));
            // Unsealing costs meshStack and us milliseconds of RSA: a share of the runs is enough.
            match index % 10 {
                0 => {
                    emulator.enqueue(spec.sensitive_input("password", InputType::String, "hunter2"))
                }
                _ => emulator.enqueue(spec),
            }
        })
        .collect();
    let mut process = Process::start(Path::new(PROGRAM), directory.path()).unwrap();

    let warm = emulator.wait_until(patience(), |view| view.runs(RunState::Succeeded) >= WARM_UP);
    process.until(warm).await.unwrap().unwrap();
    let warm = process.resident_bytes().unwrap();

    let claimed = emulator.wait_until(patience(), |view| view.runs(RunState::Pending) == 0);
    process.until(claimed).await.unwrap().unwrap();
    let end = process.resident_bytes().unwrap();
    assert!(end <= warm + warm / 5, "{warm} bytes resident after {WARM_UP} runs, {end} at the end");

    process.terminate().unwrap();
    let status = process.ended(patience()).await.unwrap();
    assert_eq!(status.code(), Some(0), "a task has not ended: {}", process.log());
    emulator.advance(RUN_TIMEOUT);

    let states: Vec<_> = runs.iter().map(|id| emulator.run(id).unwrap()).collect();
    let (succeeded, others): (Vec<_>, Vec<_>) =
        states.iter().partition(|run| run.state == RunState::Succeeded);
    assert!(succeeded.iter().all(|run| run.terminal_updates == 1));
    assert!(others.iter().all(|run| run.state == RunState::TimedOut), "{others:#?}");
    let dropped_claims = emulator.faults_injected();
    let dropped_claims = dropped_claims.get(&(Route::Claim, FaultKind::DropAfter)).copied();
    let dropped_claims = usize::try_from(dropped_claims.unwrap_or(0)).unwrap();
    assert!(
        others.len() <= dropped_claims,
        "{} lost by {dropped_claims} dropped claims",
        others.len()
    );
}

/// A run that is claimed while meshStack is away for a while is reported when it is back.
#[tokio::test]
async fn an_outage_in_mid_run_loses_nothing() {
    let emulator = emulator().await;
    let outage = blockhouse_emulator::Fault::status(503);
    emulator.script(Route::Register, outage.clone(), 20);
    emulator.script(Route::Update, outage, 20);
    let runner = Runner::builder().start(&emulator).unwrap();
    let runs: Vec<_> = (0..8).map(|_| emulator.enqueue(RunSpec::manual())).collect();
    for id in runs {
        let run = emulator.wait_for_end(&id, patience()).await.unwrap();
        assert_ended(&run, RunState::Succeeded);
    }
    runner.drain().await.unwrap();
}

#[tokio::test]
async fn two_daemons_of_one_runner_share_the_queue_and_do_nothing_twice() {
    let emulator = emulator().await;
    let runs: Vec<_> = (0..200).map(|_| emulator.enqueue(RunSpec::manual())).collect();
    // Each has a state directory of its own, as on two machines.
    let runners = [(); 2].map(|()| Runner::builder().concurrency(4).start(&emulator).unwrap());
    for run in &runs {
        let run = emulator.wait_for_end(run, patience()).await.unwrap();
        assert_ended(&run, RunState::Succeeded);
    }
    for runner in runners {
        runner.drain().await.unwrap();
    }
    assert_eq!(emulator.count(Route::Register), 200);
}
