//! Outbound HTTP of a daemon as its operator sees it: by the audit log.

use crate::{assert_ended, emulator};
use blockhouse_emulator::{InputType, RunSpec, RunState};
use blockhouse_tests::{Process, patience};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const PROGRAM: &str = env!("CARGO_BIN_EXE_blockhouse-under-test");
const SECRET: &str = "hunter2-hunter2";

/// Answers one request, and says what it was.
async fn answer(listener: TcpListener) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        assert!(stream.read_buf(&mut request).await.unwrap() > 0, "{request:?}");
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    String::from_utf8(request).unwrap()
}

#[tokio::test]
async fn what_a_component_reaches_and_what_it_is_denied_is_on_record_without_secrets() {
    let emulator = emulator().await;
    let directory = tempfile::tempdir().unwrap();
    let guests = [("FETCH", blockhouse_artifacts::HTTP_REQUEST)];
    let more = "log: {format: json}\npoll: {interval: 100ms}\n";
    Process::configure(directory.path(), &emulator, &guests, more).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let policy = format!(
        "description = 'One server.'\n\
         [[http]]\nreason = 'r'\nhosts = ['127.0.0.1']\nschemes = ['http']\nports = [{port}]\n\
         [[secrets.use]]\nreason = 'r'\nkeys = ['token']\nin = ['http']\nhosts = ['127.0.0.1']\n",
        port = address.port(),
    );
    fs::write(directory.path().join("policy.toml"), policy).unwrap();

    let mut process = Process::start(Path::new(PROGRAM), directory.path()).unwrap();
    let server = tokio::spawn(answer(listener));
    let order = |url: String| {
        RunSpec::manual()
            .implementation(json!({ "type": "FETCH" }))
            .input("url", InputType::String, json!(url))
            .input("secret header x-token", InputType::String, json!("token "))
            .sensitive_input("token", InputType::String, SECRET)
    };
    let granted = emulator.enqueue(order(format!("http://{address}/path")));
    let denied = emulator.enqueue(order("http://elsewhere.test/path".to_owned()));
    let ended = emulator.wait_until(patience(), |view| view.unfinished() == 0);
    process.until(ended).await.unwrap().unwrap();
    for run in [&granted, &denied] {
        assert_ended(&emulator.run(run).unwrap(), RunState::Succeeded);
    }
    let request = process.until(server).await.unwrap().unwrap();
    assert!(request.contains(&format!("x-token: token {SECRET}\r\n")), "it was used: {request}");

    let log = process.log();
    assert!(!log.contains(SECRET), "{log}");
    let events: Vec<Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|line: &Value| line["target"] == "audit")
        .collect();
    let of = |run: &str| {
        let of_run: Vec<_> = events.iter().filter(|event| event["run"] == run).collect();
        assert_eq!(of_run.len(), 1, "{events:#?}");
        (*of_run.first().unwrap()).clone()
    };
    let digest = blockhouse::digest::Digest::of(blockhouse_artifacts::HTTP_REQUEST).to_string();
    let common = |event: &Value, name: &str| {
        assert_eq!(event["event"], name, "{event:#}");
        assert_eq!(event["component"], digest, "{event:#}");
        assert_eq!(event["policy"], "policy", "{event:#}");
        for field in ["tenant", "owner"] {
            let text = event[field].as_str();
            assert!(text.is_some_and(|text| !text.is_empty()), "{field}: {event:#}");
        }
        assert!(event["file"].as_str().unwrap().ends_with("policy.toml"), "{event:#}");
    };
    let event = of(&granted.to_string());
    common(&event, "egress");
    assert_eq!(event["line"], 2, "where the rule begins: {event:#}");
    assert_eq!(event["target_host"], format!("http://{address}"));
    assert_eq!(event["address"], address.to_string());
    assert_eq!(event["result"], "connected");
    let event = of(&denied.to_string());
    common(&event, "denied");
    assert_eq!(event["what"], "http");
    assert!(event["subject"].as_str().unwrap().contains("elsewhere.test"), "{event:#}");
    assert!(event["rule"].as_str().unwrap().contains("elsewhere.test"), "{event:#}");
}
