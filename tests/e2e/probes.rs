//! The admin server.

use crate::emulator;
use blockhouse_emulator::{Fault, Gate, Route};
use blockhouse_tests::{Runner, patience};

async fn get(url: String) -> (u16, String) {
    let answer = reqwest::get(url).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn ready_means_that_meshstack_has_answered_and_no_drain_has_begun() {
    let emulator = emulator().await;
    let gate = Gate::new();
    emulator.script(Route::Login, Fault::Hold(gate.clone()), 1);
    let runner = Runner::builder().start(&emulator).unwrap();
    gate.reached(1).await;
    assert_eq!(get(runner.admin("/ready")).await.0, 503, "no contact yet");
    assert_eq!(get(runner.admin("/live")).await, (200, "OK".to_owned()));
    assert_eq!(get(runner.admin("/healthz")).await, (200, "OK".to_owned()));
    gate.open();
    emulator.wait_until(patience(), |view| view.requests(Route::Claim) >= 2).await.unwrap();
    assert_eq!(get(runner.admin("/ready")).await.0, 200);
    assert_eq!(get(runner.admin("/metrics-of-mine")).await.0, 404);
    runner.drain().await.unwrap();
}

#[tokio::test]
async fn idle_connections_do_not_shut_probes_out() {
    let emulator = emulator().await;
    let runner = Runner::builder().start(&emulator).unwrap();
    let address = runner.admin("").replace("http://", "");
    // More than are served at a time. Those that send nothing are closed after some seconds, and the probe gets its turn.
    let mut idle = Vec::new();
    for _ in 0..100 {
        idle.push(tokio::net::TcpStream::connect(&address).await.unwrap());
    }
    assert_eq!(get(runner.admin("/live")).await.0, 200);
    drop(idle);
    runner.drain().await.unwrap();
}
