//! Runs, tokens and time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use blockhouse_emulator::{Behavior, Event, Recording, Route, RunSpec, RunState, Status};
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::client::{Claimed, Client, PATIENCE, RUN_MEDIA, builder};

const OCTETS: &str = "application/octet-stream";

#[tokio::test]
async fn a_run_goes_from_claim_to_success() {
    let emulator = builder().start().await.unwrap();
    let run = emulator.enqueue(RunSpec::manual());
    let client = Client::of(&emulator).await;
    assert_eq!(emulator.run(&run).unwrap().state, RunState::Pending);
    let claimed = client.claim().await;
    assert_eq!(emulator.run(&run).unwrap().state, RunState::InProgress);
    assert_eq!(client.register(&claimed).await, 200);
    assert_eq!(client.register(&claimed).await, 409);
    let step = json!([{"id": "one", "status": "SUCCEEDED", "userMessage": "done"}]);
    client.update(&claimed, json!({"status": "IN_PROGRESS", "steps": step})).await;
    client.update(&claimed, json!({"status": "SUCCEEDED"})).await;
    client.update(&claimed, json!({"status": "SUCCEEDED"})).await;
    let view = emulator.wait_for_end(&run, PATIENCE).await.unwrap();
    assert_eq!((view.state, view.terminal_updates, view.updates), (RunState::Succeeded, 1, 3));
    let ids: Vec<_> = view.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids, ["one", "two"]);
    assert_eq!(view.step("one").unwrap().status, Status::Succeeded);
    assert_eq!(client.claim_request().send().await.unwrap().status(), 404);
    assert_eq!(emulator.count(Route::Claim), 2);
}

#[tokio::test]
async fn runs_are_claimed_in_order_and_once() {
    let emulator = builder().start().await.unwrap();
    let runs: Vec<Uuid> = (0..3).map(|_| emulator.enqueue(RunSpec::manual())).collect();
    emulator.abort(&runs[1]);
    let client = Client::of(&emulator).await;
    for expected in [runs[0], runs[2]] {
        assert_eq!(client.claim().await.document["metadata"]["uuid"], json!(expected));
    }
    assert_eq!(client.claim_request().send().await.unwrap().status(), 404);
    assert_eq!(emulator.run(&runs[1]).unwrap().state, RunState::Aborted);
}

#[tokio::test]
async fn an_abort_at_a_step_comes_with_the_answer_to_its_report() {
    let emulator = builder().start().await.unwrap();
    let run = emulator.enqueue(RunSpec::manual());
    emulator.abort_at_step(&run, "two");
    let client = Client::of(&emulator).await;
    let claimed = client.claim().await;
    client.register(&claimed).await;
    let report =
        |step| json!({"status": "IN_PROGRESS", "steps": [{"id": step, "status": "IN_PROGRESS"}]});
    assert_eq!(client.update(&claimed, report("one")).await.1["runAborted"], false);
    assert_eq!(client.update(&claimed, report("two")).await.1["runAborted"], true);
    assert_eq!(emulator.run(&run).unwrap().state, RunState::InProgress);
    assert_eq!(client.update(&claimed, json!({"status": "FAILED"})).await.0, 200);
    let view = emulator.run(&run).unwrap();
    assert_eq!((view.state, view.reported_status), (RunState::Aborted, Some(Status::Failed)));
}

#[tokio::test]
async fn an_api_token_expires_by_advance_and_not_by_itself() {
    let emulator = builder().token_lifetime(Duration::from_secs(60)).start().await.unwrap();
    let mut client = Client::of(&emulator).await;
    emulator.advance(Duration::from_secs(59));
    assert_eq!(client.claim_request().send().await.unwrap().status(), 404);
    emulator.advance(Duration::from_secs(1));
    assert_eq!(client.claim_request().send().await.unwrap().status(), 401);
    client.login().await;
    assert_eq!(client.claim_request().send().await.unwrap().status(), 404);
    emulator.revoke_tokens();
    assert_eq!(client.claim_request().send().await.unwrap().status(), 401);
    assert_eq!(emulator.violations(), []);
}

#[tokio::test]
async fn a_silent_run_times_out_and_its_late_update_is_no_violation() {
    let emulator = builder().run_timeout(Duration::from_secs(600)).start().await.unwrap();
    let run = emulator.enqueue(RunSpec::manual());
    let client = Client::of(&emulator).await;
    let claimed = client.claim().await;
    client.register(&claimed).await;
    emulator.advance(Duration::from_secs(599));
    client.update(&claimed, json!({"status": "IN_PROGRESS"})).await;
    emulator.advance(Duration::from_secs(599));
    assert_eq!(emulator.run(&run).unwrap().state, RunState::InProgress);
    emulator.advance(Duration::from_secs(1));
    let view = emulator.run(&run).unwrap();
    assert_eq!((view.state, view.ended_at), (RunState::TimedOut, Some(emulator.now())));
    assert_eq!(client.update(&claimed, json!({"status": "SUCCEEDED"})).await.0, 409);
    assert_eq!(emulator.run(&run).unwrap().terminal_updates, 0);
}

#[tokio::test]
async fn one_run_times_out_alone_once_it_is_claimed() {
    let emulator = builder().start().await.unwrap();
    let client = Client::of(&emulator).await;
    let runs = [RunSpec::manual(), RunSpec::manual(), RunSpec::manual()];
    let [claimed, other, waiting] = runs.map(|spec| emulator.enqueue(spec));
    client.claim().await;
    client.claim().await;
    [claimed, waiting].iter().for_each(|run| emulator.time_out(run));
    let states = [claimed, other, waiting].map(|run| emulator.run(&run).unwrap().state);
    assert_eq!(states, [RunState::TimedOut, RunState::InProgress, RunState::Pending]);
}

#[tokio::test]
async fn a_run_token_outlives_its_run_by_a_grace_only() {
    let emulator = builder().start().await.unwrap();
    emulator.enqueue(RunSpec::manual());
    let client = Client::of(&emulator).await;
    let claimed = client.claim().await;
    client.register(&claimed).await;
    let last = json!({"status": "SUCCEEDED"});
    assert_eq!(client.update(&claimed, last.clone()).await.0, 200);
    emulator.advance(Duration::from_secs(299));
    assert_eq!(client.update(&claimed, last.clone()).await.0, 200);
    emulator.advance(Duration::from_secs(1));
    assert_eq!(client.update(&claimed, last).await.0, 401);
}

#[tokio::test]
async fn an_outside_pipeline_ends_an_asynchronous_run() {
    let emulator = builder().start().await.unwrap();
    let run = emulator.enqueue(RunSpec::manual());
    let client = Client::of(&emulator).await;
    let claimed = client.claim().await;
    client.register(&claimed).await;
    emulator.finish_from_outside(&run, true);
    assert_eq!(emulator.run(&run).unwrap().state, RunState::Succeeded);
    assert_eq!(client.update(&claimed, json!({"status": "IN_PROGRESS"})).await.0, 409);
}

#[tokio::test]
async fn basic_authorization_and_a_run_without_token_work() {
    let emulator = builder().start().await.unwrap();
    emulator.enqueue(RunSpec::manual().without_run_token());
    let client = Client::of(&emulator).await;
    let path = client.claim_request().build().unwrap().url().to_string();
    let request = client.mesh(Method::POST, &client.path(&path), RUN_MEDIA);
    let answer = request.basic_auth("user", Some("pw")).send().await.unwrap();
    assert!(answer.status().is_success());
    let claimed = Claimed { document: answer.json().await.unwrap() };
    assert_eq!(claimed.token(), None);
    assert_eq!(client.register(&claimed).await, 200);
}

#[tokio::test]
async fn an_apply_run_downloads_the_plan_of_its_detect_run() {
    let emulator = builder().start().await.unwrap();
    let detect = emulator.enqueue(RunSpec::manual().behavior(Behavior::Detect));
    let apply = emulator.enqueue(RunSpec::manual().plan_of(detect));
    let client = Client::of(&emulator).await;
    let (first, second) = (client.claim().await, client.claim().await);
    assert_eq!(second.document["metadata"]["uuid"], json!(apply));
    let download = || {
        client
            .mesh(Method::GET, &client.path(second.link("planArtifact")), OCTETS)
            .bearer_auth(second.token().unwrap())
            .send()
    };
    assert_eq!(download().await.unwrap().status(), 404);
    client.register(&first).await;
    client
        .update(
            &first,
            json!({"status": "SUCCEEDED", "artifact": "cGxhbg==", "changesDetected": true}),
        )
        .await;
    assert_eq!(download().await.unwrap().bytes().await.unwrap(), "plan");
}

#[tokio::test]
async fn a_keep_alive_connection_serves_many_requests() {
    let emulator = builder().start().await.unwrap();
    let client = Client::of(&emulator).await;
    for _ in 0..20 {
        let answer = client.claim_request().send().await.unwrap();
        assert_eq!(answer.status(), 404);
        let _ = answer.bytes().await.unwrap();
    }
    assert_eq!(emulator.connections(), 1);
}

#[tokio::test]
async fn an_onlooker_sees_every_change_in_order() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let observer = move |event: &Event| match event {
        Event::Run { state, .. } => sink.lock().unwrap().push(state.to_string()),
        Event::Step { step, status, .. } => sink.lock().unwrap().push(format!("{step} {status}")),
        _ => {}
    };
    let emulator = builder().observer(observer).start().await.unwrap();
    emulator.enqueue(RunSpec::manual());
    let client = Client::of(&emulator).await;
    let claimed = client.claim().await;
    client.register(&claimed).await;
    let steps = json!([{"id": "one", "status": "SUCCEEDED"}]);
    client.update(&claimed, json!({"status": "SUCCEEDED", "steps": steps})).await;
    let expected =
        ["pending", "in progress", "one PENDING", "two PENDING", "one SUCCEEDED", "succeeded"];
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[tokio::test]
async fn counts_keep_neither_requests_nor_steps_of_ended_runs() {
    let emulator = builder().recording(Recording::Counts).start().await.unwrap();
    let run = emulator.enqueue(RunSpec::manual());
    let client = Client::of(&emulator).await;
    let claimed = client.claim().await;
    client.register(&claimed).await;
    client.update(&claimed, json!({"status": "SUCCEEDED"})).await;
    assert!(emulator.requests().is_empty());
    let view = emulator.run(&run).unwrap();
    assert_eq!((view.state, view.terminal_updates), (RunState::Succeeded, 1));
    assert!(view.steps.is_empty());
    assert_eq!(emulator.count(Route::Update), 1);
}

#[tokio::test]
async fn a_wait_that_fails_tells_what_the_server_saw() {
    let emulator = builder().start().await.unwrap();
    let run = emulator.enqueue(RunSpec::manual());
    let _ = Client::of(&emulator).await.claim().await;
    let err = emulator.wait_until(Duration::ZERO, |view| view.unfinished() == 0).await.unwrap_err();
    let text = format!("{err:?}");
    assert!(text.contains(&run.to_string()) && text.contains("in progress: 1"), "{text}");
    assert!(!text.contains("secret"), "{text}");
}

#[tokio::test]
async fn an_emulator_is_shared_among_tasks() {
    let emulator = Arc::new(builder().start().await.unwrap());
    let run = emulator.enqueue(RunSpec::manual());
    let waiting = Arc::clone(&emulator);
    let wait = tokio::spawn(async move { waiting.wait_for_end(&run, PATIENCE).await });
    emulator.abort(&run);
    assert_eq!(wait.await.unwrap().unwrap().state, RunState::Aborted);
}
