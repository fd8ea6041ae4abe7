//! What fails until the test says otherwise.

use blockhouse_emulator::{Fault, Gate, Reach, Route, RunSpec, Status};
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use uuid::Uuid;

use crate::client::{Client, PATIENCE, builder};

fn state_of(block: u128) -> String {
    let block = Uuid::from_u128(block);
    format!("/api/terraform/state/workspace/tenant-a/buildingBlock/{block}")
}

#[tokio::test]
async fn writes_of_states_fail_until_they_recover_and_reads_go_on() {
    let emulator = builder().start().await.unwrap();
    emulator.enqueue(RunSpec::manual().block(Uuid::from_u128(5)).run_token("t"));
    let client = Client::of(&emulator).await;
    let send = async |method: Method| {
        let request = client.bare(method, &state_of(5)).basic_auth("x", Some("t")).body("{}");
        request.send().await.map(|answer| answer.status().as_u16()).ok()
    };
    emulator.fail(&[Route::StateWrite], &Fault::status(500));
    for _ in 0..3 {
        assert_eq!(send(Method::POST).await, Some(500));
    }
    assert_eq!(send(Method::GET).await, Some(404), "nothing was written");
    emulator.fail(&[Route::StateWrite], &Fault::DropBefore);
    assert_eq!(send(Method::POST).await, None);
    emulator.recover(&[Route::StateWrite]);
    assert_eq!(send(Method::POST).await, Some(200));
    assert_eq!(send(Method::GET).await, Some(200));
    emulator.wait_until(PATIENCE, |view| view.faults(Route::StateWrite) == 4).await.unwrap();
}

#[tokio::test]
async fn the_states_of_one_run_fail_alone() {
    let emulator = builder().start().await.unwrap();
    let one = emulator.enqueue(RunSpec::manual().block(Uuid::from_u128(5)).run_token("one"));
    emulator.enqueue(RunSpec::manual().block(Uuid::from_u128(6)).run_token("two"));
    let client = Client::of(&emulator).await;
    let write = async |block, token| {
        let request = client.bare(Method::POST, &state_of(block)).basic_auth("x", Some(token));
        request.body("{}").send().await.unwrap().status().as_u16()
    };
    emulator.fail_for_run(&[Route::StateWrite], &one, &Fault::status(500));
    assert_eq!((write(5, "one").await, write(6, "two").await), (500, 200));
    emulator.recover(&[Route::StateWrite]);
    assert_eq!(write(5, "one").await, 200);
}

#[tokio::test]
async fn an_unreachable_server_cuts_connections_and_takes_none_until_it_is_back() {
    let emulator = builder().start().await.unwrap();
    let client = Client::of(&emulator).await;
    let gate = Gate::new();
    emulator.enqueue(RunSpec::manual());
    emulator.script(Route::Claim, Fault::Hold(gate.clone()), 1);
    let (cut, ()) = tokio::join!(client.claim_request().send(), async {
        gate.reached(1).await;
        emulator.set_reach(Reach::Closed);
    });
    assert!(cut.is_err(), "a request under way is cut");
    assert!(client.claim_request().send().await.is_err());
    assert!(emulator.turned_away() > 0);
    emulator.set_reach(Reach::Reachable);
    client.claim().await;
    assert_eq!(emulator.count(Route::Claim), 2, "what was turned away never arrived");
}

#[tokio::test]
async fn a_silent_server_lets_clients_wait_until_it_is_back() {
    let emulator = builder().start().await.unwrap();
    emulator.set_reach(Reach::Silent);
    let address = emulator.url().strip_prefix("http://").unwrap().to_owned();
    let mut silent = tokio::net::TcpStream::connect(address).await.unwrap();
    silent.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    emulator.wait_until(PATIENCE, |view| view.turned_away() == 1).await.unwrap();
    let mut byte = [0; 1];
    let read = silent.read(&mut byte);
    let (ended, ()) = tokio::join!(read, async { emulator.set_reach(Reach::Reachable) });
    assert!(ended.is_err() || ended.is_ok_and(|bytes| bytes == 0), "ends without an answer");
    Client::of(&emulator).await;
}

#[tokio::test]
async fn every_final_status_that_was_sent_is_counted() {
    let emulator = builder().start().await.unwrap();
    let id = emulator.enqueue(RunSpec::manual());
    let client = Client::of(&emulator).await;
    let run = client.claim().await;
    client.register(&run).await;
    emulator.script(Route::Update, Fault::status(503), 1);
    for _ in 0..2 {
        client.update(&run, json!({"status": "FAILED"})).await;
    }
    client.update(&run, json!({"status": "SUCCEEDED"})).await;
    let (failed, succeeded) = (Status::Failed, Status::Succeeded);
    assert_eq!(emulator.final_statuses(&id), [failed, failed, succeeded]);
    assert_eq!(emulator.run(&id).unwrap().terminal_updates, 1);
    assert_eq!(emulator.take_violations().len(), 1, "the second final status is a breach");
}
