//! Terraform's state backend over HTTP.

use blockhouse_emulator::{RunSpec, StateAddress, StateHappening};
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::client::{Claimed, Client, builder, read};

#[tokio::test]
async fn a_state_is_locked_written_read_and_unlocked() {
    let emulator = builder().start().await.unwrap();
    let block = Uuid::from_u128(5);
    let address = StateAddress { workspace: "tenant-a".into(), block };
    emulator.enqueue(RunSpec::manual().block(block).run_token("t"));
    let client = Client::of(&emulator).await;
    let path = format!("/api/terraform/state/workspace/tenant-a/buildingBlock/{block}");
    let send = |method: &str, query: &str, body: &str| {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = client.bare(method, &format!("{path}{query}")).body(body.to_owned());
        request.basic_auth("anybody", Some("t")).send()
    };
    assert_eq!(send("GET", "", "").await.unwrap().status(), 404);
    assert_eq!(send("LOCK", "", r#"{"ID":"one","Who":"ada"}"#).await.unwrap().status(), 200);
    let (status, holder) = read(send("LOCK", "", r#"{"ID":"two"}"#).await.unwrap()).await;
    assert_eq!((status, holder), (423, json!({"ID": "one", "Who": "ada"})));
    assert_eq!(send("POST", "?ID=two", r#"{"serial":1}"#).await.unwrap().status(), 423);
    for serial in 1..=2 {
        let body = json!({"serial": serial}).to_string();
        assert_eq!(send("POST", "?ID=one", &body).await.unwrap().status(), 200);
    }
    let (_, state) = read(send("GET", "", "").await.unwrap()).await;
    assert_eq!(state, json!({"serial": 2}));
    assert_eq!(send("UNLOCK", "", r#"{"ID":"one"}"#).await.unwrap().status(), 200);
    assert_eq!(send("DELETE", "", "").await.unwrap().status(), 200);
    let stored = emulator.terraform_state(&address).unwrap();
    assert_eq!((stored.versions.len(), stored.locks), (2, 1));
    assert!(stored.lock.is_none() && stored.current.is_none());
}

#[tokio::test]
async fn a_lock_left_behind_is_shown_to_whoever_comes() {
    let emulator = builder().start().await.unwrap();
    let block = Uuid::from_u128(5);
    let address = StateAddress { workspace: "tenant-a".into(), block };
    emulator.enqueue(RunSpec::manual().block(block).run_token("t"));
    emulator.set_terraform_state(&address, "{}");
    emulator.set_terraform_lock(&address, Some(json!({"ID": "dead", "Who": "crashed"})));
    let client = Client::of(&emulator).await;
    let path = format!("/api/terraform/state/workspace/tenant-a/buildingBlock/{block}");
    let lock = client.bare(Method::from_bytes(b"LOCK").unwrap(), &path).body(r#"{"ID":"two"}"#);
    let (status, holder) = read(lock.basic_auth("x", Some("t")).send().await.unwrap()).await;
    assert_eq!((status, &holder["Who"]), (423, &json!("crashed")));
}

#[tokio::test]
async fn a_state_is_for_runs_of_its_block_only() {
    let emulator = builder().start().await.unwrap();
    emulator.enqueue(RunSpec::manual().block(Uuid::from_u128(5)).run_token("t"));
    let client = Client::of(&emulator).await;
    let of = |workspace: &str, block| {
        let path = format!(
            "/api/terraform/state/workspace/{workspace}/buildingBlock/{}",
            Uuid::from_u128(block)
        );
        client.bare(Method::GET, &path)
    };
    let right = of("tenant-a", 5).basic_auth("x", Some("t")).send().await.unwrap();
    assert_eq!(right.status(), 404);
    assert_eq!(emulator.violations(), []);
    for (request, expected) in [
        (of("tenant-a", 6).basic_auth("x", Some("t")), 403),
        (of("tenant-b", 5).basic_auth("x", Some("t")), 403),
        (of("tenant-a", 5).basic_auth("x", Some("wrong")), 401),
        (of("tenant-a", 5).bearer_auth("t"), 401),
        (of("tenant-a", 5), 401),
    ] {
        assert_eq!(request.send().await.unwrap().status(), expected);
        assert_eq!(emulator.take_violations().len(), 1);
    }
}

/// Sends `LOCK`, `POST` and the like for block 5 of tenant-a with the run token `t`.
async fn send(client: &Client, method: &str, query: &str, body: &str) -> u16 {
    let block = Uuid::from_u128(5);
    let path = format!("/api/terraform/state/workspace/tenant-a/buildingBlock/{block}{query}");
    let request = client.bare(Method::from_bytes(method.as_bytes()).unwrap(), &path);
    let request = request.body(body.to_owned()).basic_auth("anybody", Some("t"));
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn what_happened_to_a_state_is_remembered_with_its_run() {
    let emulator = builder().start().await.unwrap();
    let run = emulator.enqueue(RunSpec::manual().block(Uuid::from_u128(5)).run_token("t"));
    let client = Client::of(&emulator).await;
    send(&client, "LOCK", "", r#"{"ID":"one"}"#).await;
    send(&client, "POST", "?ID=one", r#"{"serial":3}"#).await;
    send(&client, "UNLOCK", "", r#"{"ID":"one"}"#).await;
    let address = emulator.run(&run).unwrap().state_address.unwrap();
    let history = emulator.terraform_state(&address).unwrap().history;
    assert!(history.iter().all(|event| event.run == run));
    let what: Vec<_> = history.into_iter().map(|event| event.what).collect();
    let id = || "one".to_owned();
    let expected = [
        StateHappening::Locked(id()),
        StateHappening::Written(Some(3)),
        StateHappening::Unlocked(id(), false),
    ];
    assert_eq!(what, expected);
}

#[tokio::test]
async fn a_lock_is_orphaned_once_the_run_that_holds_it_has_ended() {
    let emulator = builder().start().await.unwrap();
    let run = emulator.enqueue(RunSpec::manual().block(Uuid::from_u128(5)).run_token("t"));
    let client = Client::of(&emulator).await;
    let claimed: Claimed = client.claim().await;
    client.register(&claimed).await;
    send(&client, "LOCK", "", r#"{"ID":"one"}"#).await;
    let held = emulator.locks_held();
    assert_eq!((held.len(), held[0].run, &held[0].info["ID"]), (1, Some(run), &json!("one")));
    assert!(emulator.locks_orphaned().is_empty());
    client.update(&claimed, json!({"status": "FAILED"})).await;
    assert_eq!(emulator.locks_orphaned().len(), 1);
    send(&client, "UNLOCK", "", r#"{"ID":"one"}"#).await;
    assert!(emulator.locks_held().is_empty());
}

#[tokio::test]
async fn a_backend_without_locking_refuses_locks_and_takes_states() {
    let emulator = builder().without_state_locking().start().await.unwrap();
    emulator.enqueue(RunSpec::manual().block(Uuid::from_u128(5)).run_token("t"));
    let client = Client::of(&emulator).await;
    assert_eq!(send(&client, "LOCK", "", r#"{"ID":"one"}"#).await, 405);
    assert_eq!(send(&client, "UNLOCK", "", r#"{"ID":"one"}"#).await, 405);
    assert_eq!(send(&client, "POST", "", "{}").await, 200);
}
