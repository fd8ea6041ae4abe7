//! What a daemon gives away for a component: the run's document and tokens, to whom policy says, on record.

use crate::{all_text, assert_ended, emulator};
use blockhouse_emulator::{InputType, RunSpec, RunState};
use blockhouse_tests::{Process, patience};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const PROGRAM: &str = env!("CARGO_BIN_EXE_blockhouse-under-test");
const SECRET: &str = "hunter2-hunter2";

/// Answers requests for ever and hands each on.
async fn serve(listener: TcpListener, seen: tokio::sync::mpsc::UnboundedSender<String>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let request = whole(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        seen.send(request).unwrap();
    }
}

async fn whole(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if length.is_none_or(|length| length.parse() == Ok(body.len())) {
                return text.into_owned();
            }
        }
        assert!(stream.read_buf(&mut request).await.unwrap() > 0, "{request:?}");
    }
}

#[tokio::test]
async fn the_document_of_a_run_is_given_to_whom_policy_names_and_that_is_on_record() {
    let emulator = emulator().await;
    let directory = tempfile::tempdir().unwrap();
    let guests = [("GIVE", blockhouse_artifacts::GIVE_DOCUMENT_AWAY)];
    let more = "log: {format: json}\npoll: {interval: 100ms}\n";
    Process::configure(directory.path(), &emulator, &guests, more).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let policy = format!(
        "description = 'One server.'\n\
         [[http]]\nreason = 'r'\nhosts = ['127.0.0.1']\nschemes = ['http']\nports = [{}]\n\
         [[run_document]]\nreason = 'r'\nhosts = ['127.0.0.1']\n",
        address.port(),
    );
    fs::write(directory.path().join("policy.toml"), policy).unwrap();
    let mut process = Process::start(Path::new(PROGRAM), directory.path()).unwrap();
    let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let server = tokio::spawn(serve(listener, sender));
    let id = emulator.enqueue(
        RunSpec::manual()
            .implementation(json!({ "type": "GIVE", "pipeline": "p-1" }))
            .input("url", InputType::String, json!(format!("http://{address}/")))
            .sensitive_input("token", InputType::String, SECRET),
    );
    let ended = emulator.wait_until(patience(), |view| view.unfinished() == 0);
    process.until(ended).await.unwrap().unwrap();
    server.abort();
    let run = emulator.run(&id).unwrap();
    assert_ended(&run, RunState::Succeeded);

    let mut bodies = Vec::new();
    while let Some(request) = seen.recv().await {
        bodies.push(request.split_once("\r\n\r\n").unwrap().1.to_owned());
    }
    assert_eq!(bodies.len(), 5, "{bodies:?}");
    let all: Value = serde_json::from_str(&bodies[0]).unwrap();
    assert!(all["spec"]["runToken"].as_str().is_some_and(|token| !token.is_empty()), "{all:#}");
    let inputs = all["spec"]["buildingBlock"]["spec"]["inputs"].as_array().unwrap();
    assert!(inputs.iter().any(|input| input["value"] == SECRET), "{all:#}");
    let implementation = "/spec/buildingBlockDefinition/spec/implementation";
    assert_eq!(all.pointer(implementation).unwrap()["pipeline"], "p-1");
    let bare: Value = serde_json::from_str(&bodies[2]).unwrap();
    assert_eq!(bare.pointer(implementation), Some(&json!({ "type": "GIVE" })));

    // The component was told where its run is, and nothing of the document.
    let told = all_text(&run);
    assert!(told.contains("link: self http"), "{told}");
    let log = process.log();
    for text in [&told, &log] {
        assert!(!text.contains(SECRET), "{text}");
    }
    let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let events: Vec<_> = events.filter(|event| event["event"] == "document").collect();
    assert_eq!(events.len(), 1, "once for each host: {events:#?}");
    assert_eq!(events[0]["target_host"], format!("http://{address}"));
    assert_eq!((&events[0]["line"], &events[0]["policy"]), (&json!(7), &json!("policy")));
}

#[tokio::test]
async fn a_component_that_signs_is_refused_without_a_grant_for_any_key() {
    let emulator = emulator().await;
    let directory = tempfile::tempdir().unwrap();
    let guests = [("SIGN", blockhouse_artifacts::SIGN_FOR_EVER)];
    Process::configure(directory.path(), &emulator, &guests, "").unwrap();
    let mut process = Process::start(Path::new(PROGRAM), directory.path()).unwrap();
    assert_eq!(process.ended(patience()).await.unwrap().code(), Some(1));
    let text = process.log();
    for part in [
        "component `SIGN.wasm` needs to sign tokens",
        "policy `policy` grants no secret in tokens (`jwt`)",
    ] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

#[test]
fn who_is_given_documents_and_tokens_is_explained() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write(
        "runner-config.yml",
        "ceiling: ceiling.toml\nroutes:\n- match: {implementationType: GITHUB_WORKFLOW}\n  component: {embedded: manual}\n  \
         policy: {file: app.toml}\n",
    );
    let policy = |hosts: &str| {
        format!(
            "description = 'x'\n[[http]]\nreason = 'r'\nhosts = ['*.example.com', 'api.example.com']\n\
             [[secrets.use]]\nreason = 'r'\nkeys = ['appPem']\nin = ['jwt']\nhosts = [{hosts}]\n\
             [[run_document]]\nreason = 'r'\nhosts = [{hosts}]\n"
        )
    };
    write("app.toml", &policy("'api.example.com', 'ci.example.com'"));
    write("ceiling.toml", &policy("'api.example.com'"));
    write("run.json", include_str!("../fixtures/wire/claimed-run-github-workflow.json"));
    let explain = ["policy", "explain", "--run", "run.json"];
    let output =
        Process::command(Path::new(PROGRAM), directory.path()).args(explain).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for part in [
        "use the secrets appPem in tokens for api.example.com, ci.example.com, as far as the ceiling lets it",
        "have the run's document given to api.example.com, ci.example.com, as far as the ceiling lets it",
        "does not grant tokens signed with the secret `appPem` to `ci.example.com`",
        "does not give the run's document to `ci.example.com`",
        "    in requests    no: the policy grants it to no host  [app.toml]\n    signs tokens   yes  [app.toml:5]\n    \
         its tokens     yes: to https://api.example.com  [app.toml:5]\n    its tokens     no: the ceiling `ceiling`",
        "document of this run\n    in requests    yes: to https://api.example.com  [app.toml:10]\n    in requests    \
         no: the ceiling `ceiling` does not give the run's document to https://ci.example.com",
    ] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}
