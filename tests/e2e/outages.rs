//! meshStack is away for long: runs go on, nothing is claimed, and all is delivered when it is back.

use crate::assert_ended;
use blockhouse_emulator::Fault;
use blockhouse_emulator::{Emulator, Gate, RandomFaults, Route, RunSpec, RunState};
use blockhouse_tests::{API_KEY, CERTIFICATE, Runner, patience};
use std::time::Duration;

const RUNS: u32 = 32;
const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn thirty_two_runs_outlive_an_hour_without_meshstack() {
    let (id, secret) = API_KEY;
    let emulator = Emulator::builder()
        .api_key(id, secret)
        .runner_certificate(CERTIFICATE)
        .token_lifetime(Duration::from_secs(300))
        .run_timeout(3 * HOUR)
        .start()
        .await
        .unwrap();
    // All runs are under way when it begins: their registrations hang.
    let gate = Gate::new();
    emulator.script(Route::Register, Fault::Hold(gate.clone()), u64::from(RUNS));
    let runner = Runner::builder().concurrency(RUNS).start(&emulator).unwrap();
    let runs: Vec<_> = (0..RUNS).map(|_| emulator.enqueue(RunSpec::manual())).collect();
    gate.reached(RUNS as usize).await;
    emulator.random_faults(RandomFaults { unavailable: 1.0, ..RandomFaults::default() });
    emulator.advance(HOUR);
    let waiting = emulator.enqueue(RunSpec::manual());
    gate.open();
    // Each run has tried to tell its end more than once.
    let tried =
        emulator.wait_until(patience(), |view| view.requests(Route::Update) >= 2 * u64::from(RUNS));
    tried.await.unwrap();
    assert_eq!(emulator.run(&waiting).unwrap().state, RunState::Pending);
    assert!(runs.iter().all(|run| emulator.run(run).unwrap().terminal_updates == 0));

    let before = [Route::Login, Route::Update].map(|route| emulator.count(route));
    emulator.clear_faults();
    for run in runs.iter().chain([&waiting]) {
        let run = emulator.wait_for_end(run, patience()).await.unwrap();
        assert_ended(&run, RunState::Succeeded);
    }
    // Nobody hammers it: one login for all, and each run tells its end once.
    let [logins, updates] = [Route::Login, Route::Update].map(|route| emulator.count(route));
    assert!(logins - before[0] <= 2, "{}", logins - before[0]);
    assert!(updates - before[1] <= 2 * (u64::from(RUNS) + 1), "{}", updates - before[1]);
    runner.drain().await.unwrap();
}
