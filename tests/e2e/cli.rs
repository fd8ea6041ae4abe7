//! The command line, as its users see it.

use crate::{all_text, assert_ended, emulator};
use blockhouse_emulator::{Emulator, InputType, RunSpec, RunState};
use blockhouse_tests::{API_KEY, Process, patience};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Output;

const PROGRAM: &str = env!("CARGO_BIN_EXE_blockhouse-under-test");

fn run(directory: &Path, arguments: &[&str]) -> Output {
    run_with(directory, arguments, &[])
}

fn run_with(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Process::command(Path::new(PROGRAM), directory);
    command.args(arguments).envs(variables.iter().copied()).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn help_names_the_commands_and_the_exit_codes() {
    let directory = tempfile::tempdir().unwrap();
    let output = run(directory.path(), &["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8_lossy(&output.stdout);
    for word in ["daemon", "config", "keygen", "64", "75"] {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
    assert!(!text.contains("compile"), "that is between the daemon and itself: {text}");
}

#[test]
fn a_wrong_command_line_ends_with_64() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in [&["dance"][..], &["daemon", "--fast"], &[]] {
        assert_eq!(run(directory.path(), arguments).status.code(), Some(64), "{arguments:?}");
    }
}

#[test]
fn every_mistake_in_a_configuration_is_reported_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let config = "runnerUuid: nonsense\napi:\n  url: ftp://x\nruns:\n  drianTimeout: 1m\n  concurrency: -5\n";
    fs::write(directory.path().join("runner-config.yml"), config).unwrap();
    for command in [&["config", "check"][..], &["config", "show"], &["daemon"]] {
        let output = run(directory.path(), command);
        assert_eq!(output.status.code(), Some(64), "{command:?}");
        let text = stderr(&output);
        for part in [
            "runner-config.yml:1:",
            "runner-config.yml:3:",
            "runner-config.yml:5:",
            "`drainTimeout`",
            "runner-config.yml:6:",
            "runs.concurrency",
        ] {
            assert!(text.contains(part), "`{part}` is not in: {text}");
        }
    }
}

#[tokio::test]
async fn the_effective_configuration_is_shown_without_secrets() {
    let emulator = emulator().await;
    let directory = tempfile::tempdir().unwrap();
    Process::configure(directory.path(), &emulator, &[], "").unwrap();
    assert_eq!(run(directory.path(), &["config", "check"]).status.code(), Some(0));
    let output = run(directory.path(), &["config", "show"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("concurrency: 16"), "{text}");
    assert!(text.contains("# default") && text.contains("# runner-config.yml:"), "{text}");
    let (_, secret) = API_KEY;
    assert!(!text.contains(secret) && !text.contains("PRIVATE KEY"), "{text}");
}

#[test]
fn a_new_key_pair_never_replaces_an_old_one_by_accident() {
    let directory = tempfile::tempdir().unwrap();
    let output = run(directory.path(), &["keygen"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let key = fs::read_to_string(directory.path().join("runner-private.pem")).unwrap();
    assert!(key.starts_with("-----BEGIN PRIVATE KEY-----"));
    assert!(!stderr(&output).contains("PRIVATE KEY-----"), "the key is written, not printed");
    let again = run(directory.path(), &["keygen"]);
    assert_eq!(again.status.code(), Some(64), "{}", stderr(&again));
    assert_eq!(fs::read_to_string(directory.path().join("runner-private.pem")).unwrap(), key);
}

#[tokio::test]
async fn a_component_file_of_another_digest_is_refused() {
    let emulator = emulator().await;
    let directory = tempfile::tempdir().unwrap();
    let hello = [("HELLO", blockhouse_artifacts::HELLO)];
    Process::configure(directory.path(), &emulator, &hello, "").unwrap();
    fs::write(directory.path().join("HELLO.wasm"), blockhouse_artifacts::MANUAL).unwrap();
    let output = run(directory.path(), &["daemon"]);
    assert_eq!(output.status.code(), Some(1));
    let digest = blockhouse::digest::Digest::of(blockhouse_artifacts::MANUAL).to_string();
    let text = stderr(&output);
    assert!(text.contains(&digest) && text.contains("HELLO.wasm"), "{text}");
}

#[tokio::test]
async fn a_route_whose_runs_could_never_have_their_memory_is_an_error_at_start() {
    let emulator = emulator().await;
    let directory = tempfile::tempdir().unwrap();
    Process::configure(directory.path(), &emulator, &[], "runs: {memoryMib: 50}\n").unwrap();
    let output = run(directory.path(), &["daemon"]);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    for part in ["route `routes[0]`", "memory_mib", "64 MiB", "runs.memoryMib", "50 MiB"] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

/// The address space for all runs is reserved at start; a process that may not have it says so before it claims anything.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn too_little_address_space_is_a_start_error_with_advice() {
    let emulator = emulator().await;
    let directory = tempfile::tempdir().unwrap();
    Process::configure(directory.path(), &emulator, &[], "").unwrap();
    let mut shell = Process::command(Path::new("/bin/sh"), directory.path());
    let script = format!("ulimit -v 8000000; exec '{PROGRAM}' daemon");
    let output = shell.args(["-c", &script]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let text = stderr(&output);
    for part in ["address space", "runs.concurrency", "ulimit -v"] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    assert_eq!(emulator.count(blockhouse_emulator::Route::Claim), 0);
}

#[tokio::test]
async fn registering_at_start_tells_meshstack_the_certificate() {
    let emulator = emulator().await;
    let directory = tempfile::tempdir().unwrap();
    let certificate = blockhouse_tests::CERTIFICATE.replace('\n', "\n    ");
    let more = format!(
        "register: true\nownedByWorkspace: platform-team\ndisplayName: my runner\n\
         crypto:\n  publicKey: |\n    {certificate}\n"
    );
    Process::configure(directory.path(), &emulator, &[], &more).unwrap();
    let mut process = Process::start(Path::new(PROGRAM), directory.path()).unwrap();
    let claimed = emulator
        .wait_until(patience(), |view| view.requests(blockhouse_emulator::Route::Claim) > 0);
    process.until(claimed).await.unwrap().unwrap();
    let registration = emulator.registration().unwrap();
    assert_eq!(registration.pointer("/spec/displayName"), Some(&json!("my runner")));
    let key = registration.pointer("/spec/publicKey").and_then(Value::as_str).unwrap();
    assert_eq!(key.trim(), blockhouse_tests::CERTIFICATE.trim());
}

/// Executes the run in a file, as Kubernetes jobs do, and returns the process's result.
async fn single_run(emulator: &Emulator, document: &Value) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.json");
    fs::write(&path, document.to_string()).unwrap();
    let uuid = emulator.runner_uuid().to_string();
    let path = path.to_string_lossy().into_owned();
    let finished = tokio::task::spawn_blocking(move || {
        let variables = [
            ("EXECUTION_MODE", "single-run"),
            ("RUN_JSON_FILE_PATH", path.as_str()),
            ("RUNNER_UUID", uuid.as_str()),
        ];
        run_with(directory.path(), &["daemon"], &variables)
    });
    finished.await.unwrap()
}

/// Claims a run as the controller of such jobs does, and decrypts nothing since nothing is sealed.
async fn claimed(emulator: &Emulator, spec: RunSpec) -> (uuid::Uuid, Value) {
    let id = emulator.enqueue(spec);
    let login = json!({ "clientId": API_KEY.0, "clientSecret": API_KEY.1 });
    let client = reqwest::Client::new();
    let post = |path: String| client.post(format!("{}{path}", emulator.url()));
    let answer = post("/api/login".to_owned())
        .header("Content-Type", "application/json")
        .body(login.to_string());
    let answer = answer.send().await.unwrap().text().await.unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let token = answer.get("access_token").and_then(Value::as_str).unwrap();
    let media_type = "application/vnd.meshcloud.api.meshbuildingblockrun.v1.hal+json";
    let runner = emulator.runner_uuid();
    let claim =
        post(format!("/api/meshobjects/meshbuildingblockruns/create?forRunnerUuid={runner}"))
            .bearer_auth(token)
            .header("Accept", media_type)
            .header("Content-Type", media_type)
            .header("User-Agent", "controller")
            .header("X-Block-Runner-Node-Id", format!("{runner}-controller"))
            .header("X-Meshcloud-Runner-Name", "controller")
            .header("X-Meshcloud-Runner-Version", "1");
    let claim = claim.send().await.unwrap().text().await.unwrap();
    (id, serde_json::from_str(&claim).unwrap())
}

#[tokio::test]
async fn a_single_run_from_a_file_is_executed_and_reported_with_its_own_token() {
    let emulator = emulator().await;
    let spec = RunSpec::manual().input("name", InputType::String, json!("x"));
    let (id, document) = claimed(&emulator, spec).await;
    let output = single_run(&emulator, &document).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let run = emulator.run(&id).unwrap();
    assert_ended(&run, RunState::Succeeded);
    assert_eq!(run.output("name").unwrap().value, json!("x"));
}

#[tokio::test]
async fn sensitive_values_of_a_single_run_are_in_clear_and_stay_sensitive() {
    let emulator = emulator().await;
    let (id, mut document) = claimed(&emulator, RunSpec::manual()).await;
    let inputs = document.pointer_mut("/spec/buildingBlock/spec/inputs").unwrap();
    *inputs = json!([{
        "key": "password", "value": "hunter2", "type": "STRING",
        "isSensitive": true, "isEnvironment": false,
    }]);
    let output = single_run(&emulator, &document).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(!stderr(&output).contains("hunter2"));
    let run = emulator.run(&id).unwrap();
    assert_ended(&run, RunState::Succeeded);
    assert!(run.output("password").unwrap().is_sensitive);
    assert!(!all_text(&run).contains("hunter2"));
}

#[tokio::test]
async fn a_single_run_without_a_token_is_refused() {
    let emulator = emulator().await;
    let (_, mut document) = claimed(&emulator, RunSpec::manual()).await;
    document.pointer_mut("/spec").and_then(Value::as_object_mut).unwrap().remove("runToken");
    let output = single_run(&emulator, &document).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("runToken"), "{}", stderr(&output));
}
