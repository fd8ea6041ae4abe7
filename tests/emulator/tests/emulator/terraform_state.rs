//! Terraform's state backend over HTTP.

use blockhouse_emulator::{RunSpec, StateAddress};
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::client::{Client, builder, read};

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
