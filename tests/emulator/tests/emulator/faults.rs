//! Every kind of fault over real TCP.

use std::time::Duration;

use blockhouse_emulator::{
    DEFAULT_RUNNER_UUID, Emulator, Fault, FaultKind, Gate, RandomFaults, Route, RunSpec, RunState,
};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{Client, PATIENCE, RUN_MEDIA, builder};

/// A claim as bytes, and everything that comes back until the server closes the connection.
async fn raw_claim(emulator: &Emulator, client: &Client) -> String {
    let request = format!(
        "POST /api/meshobjects/meshbuildingblockruns/create?forRunnerUuid={DEFAULT_RUNNER_UUID} HTTP/1.1\r\n\
         host: x\r\naccept: {RUN_MEDIA}\r\ncontent-type: {RUN_MEDIA}\r\ncontent-length: 0\r\nuser-agent: x\r\n\
         x-block-runner-node-id: {DEFAULT_RUNNER_UUID}-n\r\nx-meshcloud-runner-name: x\r\n\
         x-meshcloud-runner-version: 1\r\nauthorization: Bearer {}\r\n\r\n",
        client.token
    );
    let address = emulator.url().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

async fn one_run() -> (Emulator, uuid::Uuid, Client) {
    let emulator = builder().start().await.unwrap();
    let run = emulator.enqueue(RunSpec::manual());
    let client = Client::of(&emulator).await;
    (emulator, run, client)
}

#[tokio::test]
async fn a_status_is_answered_without_processing_and_then_all_is_well() {
    let (emulator, run, client) = one_run().await;
    emulator.script(Route::Claim, Fault::retry_after(503, "7"), 2);
    for _ in 0..2 {
        let answer = client.claim_request().send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["retry-after"]),
            (503, &"7".parse().unwrap())
        );
    }
    assert_eq!(emulator.run(&run).unwrap().state, RunState::Pending);
    let _ = client.claim().await;
    assert_eq!(emulator.faults_injected()[&(Route::Claim, FaultKind::Answer)], 2);
}

#[tokio::test]
async fn dropped_before_leaves_the_run_and_sends_nothing() {
    let (emulator, run, client) = one_run().await;
    emulator.script(Route::Claim, Fault::DropBefore, 1);
    assert_eq!(raw_claim(&emulator, &client).await, "");
    assert_eq!(emulator.run(&run).unwrap().state, RunState::Pending);
    assert_eq!(emulator.requests_of(Route::Claim)[0].status, None);
}

#[tokio::test]
async fn dropped_after_takes_the_run_and_sends_nothing() {
    let (emulator, run, client) = one_run().await;
    emulator.script(Route::Claim, Fault::DropAfter, 1);
    assert_eq!(raw_claim(&emulator, &client).await, "");
    assert_eq!(emulator.run(&run).unwrap().state, RunState::InProgress);
}

#[tokio::test]
async fn a_final_status_whose_answer_was_lost_can_be_sent_again() {
    let (emulator, run, client) = one_run().await;
    let claimed = client.claim().await;
    client.register(&claimed).await;
    emulator.script_for_run(Route::Update, &run, Fault::DropAfter, 1);
    let last = json!({"status": "SUCCEEDED"});
    assert!(client.update_request(&claimed, &last).send().await.is_err());
    assert_eq!(client.update(&claimed, last).await.0, 200);
    let view = emulator.run(&run).unwrap();
    assert_eq!((view.state, view.terminal_updates, view.updates), (RunState::Succeeded, 1, 2));
}

#[tokio::test]
async fn a_truncated_body_promises_more_than_it_sends() {
    let (emulator, _, client) = one_run().await;
    emulator.script(Route::Claim, Fault::TruncatedBody, 1);
    let answer = raw_claim(&emulator, &client).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let promised = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    assert!(!body.is_empty());
    assert_eq!(body.len(), promised.parse::<usize>().unwrap() / 2);
}

#[tokio::test]
async fn a_malformed_body_is_no_json_and_a_wrong_content_type_is_one() {
    let (emulator, _, client) = one_run().await;
    emulator.script(Route::Claim, Fault::MalformedBody, 1);
    emulator.script(Route::Claim, Fault::ContentType("text/html".into()), 1);
    let answer = client.claim_request().send().await.unwrap();
    assert!(answer.status().is_success());
    assert!(answer.json::<serde_json::Value>().await.is_err());
    let answer = client.claim_request().send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/html");
}

#[tokio::test]
async fn an_oversized_body_has_that_many_bytes_and_no_declared_length() {
    let (emulator, _, client) = one_run().await;
    emulator.script(Route::Claim, Fault::OversizedBody(1_000_001), 1);
    let answer = client.claim_request().send().await.unwrap();
    assert_eq!(answer.content_length(), None);
    assert_eq!(answer.bytes().await.unwrap().len(), 1_000_001);
}

#[tokio::test]
async fn a_slow_body_comes_in_pieces_and_whole() {
    let (emulator, run, client) = one_run().await;
    let pause = Duration::from_millis(1);
    emulator.script(Route::Claim, Fault::SlowBody { piece: 100, pause }, 1);
    let begun = std::time::Instant::now();
    let body = client.claim_request().send().await.unwrap().bytes().await.unwrap();
    let document: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(document["metadata"]["uuid"], json!(run));
    // Pieces may arrive together, but not before the pauses between them.
    assert!(begun.elapsed() >= pause * u32::try_from(body.len() / 100).unwrap());
}

#[tokio::test]
async fn a_held_request_waits_for_its_gate() {
    let (emulator, run, client) = one_run().await;
    let gate = Gate::new();
    emulator.script(Route::Claim, Fault::Hold(gate.clone()), 1);
    let claim = tokio::spawn(client.claim_request().send());
    gate.reached(1).await;
    assert_eq!(emulator.run(&run).unwrap().state, RunState::Pending);
    gate.open();
    assert!(claim.await.unwrap().unwrap().status().is_success());
    assert_eq!(emulator.run(&run).unwrap().state, RunState::InProgress);
}

#[tokio::test]
async fn a_delayed_request_is_processed_after_all() {
    let (emulator, _, client) = one_run().await;
    let delay = Duration::from_millis(30);
    emulator.script(Route::Claim, Fault::Delay(delay), 1);
    let begun = std::time::Instant::now();
    let _ = client.claim().await;
    assert!(begun.elapsed() >= delay);
}

#[tokio::test]
async fn a_refused_request_is_not_checked() {
    let (emulator, _, client) = one_run().await;
    emulator.script(Route::Claim, Fault::status(503), 1);
    emulator.script(Route::Claim, Fault::DropBefore, 1);
    for _ in 0..2 {
        let _ = client.claim_request().header("accept", "x/y").body("x").send().await;
    }
    assert_eq!(emulator.violations(), []);
    assert_eq!(emulator.count(Route::Claim), 2);
}

#[tokio::test]
async fn any_answer_can_be_scripted() {
    let (emulator, _, client) = one_run().await;
    let headers = vec![("location".to_owned(), "http://elsewhere.example/".to_owned())];
    let body = b"moved".to_vec();
    emulator.script(Route::Claim, Fault::Answer { status: 307, headers, body }, 1);
    let request = client.claim_request().build().unwrap();
    let stay = reqwest::redirect::Policy::none();
    let http = reqwest::Client::builder().no_proxy().redirect(stay).build().unwrap();
    let answer = http.execute(request).await.unwrap();
    assert_eq!(answer.status(), 307);
    assert_eq!(answer.headers()["location"], "http://elsewhere.example/");
    assert_eq!(answer.text().await.unwrap(), "moved");
}

/// Repeats the request until a whole answer says that it was taken, now or the last time.
async fn until_accepted(request: impl Fn() -> reqwest::RequestBuilder) {
    loop {
        if let Ok(answer) = request().send().await {
            let accepted = matches!(answer.status().as_u16(), 200 | 409);
            if accepted && answer.bytes().await.is_ok() {
                return;
            }
        }
    }
}

#[tokio::test]
async fn a_load_with_random_faults_ends_every_run_exactly_once() {
    let emulator = builder().start().await.unwrap();
    let routes = vec![Route::Register, Route::Update];
    emulator.random_faults(RandomFaults {
        seed: 3,
        routes,
        unavailable: 0.05,
        dropped_after: 0.05,
        dropped_before: 0.02,
        truncated: 0.02,
        ..RandomFaults::default()
    });
    let runs: Vec<_> = (0..100).map(|_| emulator.enqueue(RunSpec::manual())).collect();
    let client = Client::of(&emulator).await;
    for _ in &runs {
        let claimed = client.claim().await;
        let source = json!({"id": DEFAULT_RUNNER_UUID});
        let body = json!({"source": source, "steps": [{"id": "one", "displayName": "One"}]});
        until_accepted(|| client.register_request(&claimed, &body)).await;
        for body in [json!({"status": "IN_PROGRESS"}), json!({"status": "SUCCEEDED"})] {
            until_accepted(|| client.update_request(&claimed, &body)).await;
        }
    }
    emulator.wait_until(PATIENCE, |view| view.runs(RunState::Succeeded) == 100).await.unwrap();
    assert!(runs.iter().all(|run| emulator.run(run).unwrap().terminal_updates == 1));
    let kinds = emulator.faults_injected().len();
    assert!(kinds >= 4, "{:?}", emulator.faults_injected());
}
