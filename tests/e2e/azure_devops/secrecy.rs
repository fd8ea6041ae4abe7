//! A daemon as a process of its own, all that it says and sends, and every secret of its runs.

use super::{STEP, TOKEN, address, builder, policy};
use crate::{assert_ended, emulator};
use blockhouse_emulator::{AzureDevops, InputType, RunSpec, RunState};
use blockhouse_remotes::azure::{Route, RunPlan};
use blockhouse_remotes::{Fault, Pace, Place};
use blockhouse_tests::{Leaks, Process, patience, program};
use serde_json::{Value, json};
use std::fs;

const RUN_TOKEN: &str = "run-token-hunter2";
const PASSWORD: &str = "pass \"word\"\r\n--x ${hunter2} ü";
const UNUSED: &str = "hunter2 of the environment";

#[tokio::test]
async fn secrets_are_in_the_requests_to_azure_devops_and_nowhere_else() {
    let (emulator, azure) = (emulator().await, builder().start().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let more = "  - match: {implementationType: AZURE_DEVOPS}\n    component: {embedded: azure-devops}\n    \
                policy: {file: azure-devops.toml}\nlog: {format: json, level: debug}\npoll: {interval: 100ms}\n";
    Process::configure(directory.path(), &emulator, &[], more).unwrap();
    fs::write(directory.path().join("azure-devops.toml"), policy(&azure).text()).unwrap();
    let mut process = Process::start(&program(), directory.path()).unwrap();

    let spec = || {
        let address = address(&azure);
        RunSpec::azure_devops(AzureDevops::of(address, "acme", "My Project", json!(7), TOKEN))
            .run_token(RUN_TOKEN)
            .sensitive_input("password", InputType::String, PASSWORD)
            .sensitive_environment_input("UNUSED", InputType::String, UNUSED)
    };
    let mut runs = Vec::new();
    // A server that repeats what it was sent, where people will read it.
    let repeating = json!({"message": format!("bad token {TOKEN}, {PASSWORD}")}).to_string();
    let repeating = Fault::Answer { status: 400, headers: Vec::new(), body: repeating.into() };
    for fault in [repeating, Fault::DropAfter, Fault::Pass] {
        let state =
            if matches!(fault, Fault::Pass) { RunState::Succeeded } else { RunState::Failed };
        azure.script(Route::Launch, fault, 1);
        let id = emulator.enqueue(spec());
        let ended = emulator.wait_for_end(&id, patience());
        let run = process.until(ended).await.unwrap().unwrap();
        assert_ended(&run, state);
        runs.push(run);
    }
    assert!(runs[0].told(STEP).contains("bad token [secret"), "{:#?}", runs[0]);
    // One whose pipeline is cancelled.
    azure.plan_next(RunPlan::default().pace(Pace::ByHand));
    let id = emulator.enqueue(spec());
    let started = azure.wait_until(|azure| azure.runs().len() == 3);
    process.until(started).await.unwrap().unwrap();
    emulator.abort(&id);
    let ended = emulator.wait_for_end(&id, patience());
    runs.push(process.until(ended).await.unwrap().unwrap());
    assert_ended(&runs[3], RunState::Aborted);

    let mut places = azure.places_of(TOKEN);
    places.sort_by_key(|(route, _)| format!("{route:?}"));
    let header = || Place::Header("authorization".to_owned());
    let routes = [Route::Cancel, Route::Launch, Route::Run, Route::Timeline];
    assert_eq!(places, routes.map(|route| (route, header())));
    assert_eq!(azure.places_of(PASSWORD), [(Route::Launch, Place::Body)]);
    for secret in [RUN_TOKEN, UNUSED] {
        assert_eq!(azure.places_of(secret), []);
    }
    let secrets =
        [("token", TOKEN), ("run token", RUN_TOKEN), ("password", PASSWORD), ("unused", UNUSED)];
    let leaks = Leaks::of(secrets).unwrap();
    let log = process.log();
    assert_eq!(leaks.in_bytes("log", log.as_bytes()), []);
    assert_eq!(leaks.in_traffic(&emulator), []);
    assert_eq!(leaks.in_directory(directory.path(), |_| false).unwrap(), []);
    for run in &runs {
        assert_eq!(leaks.in_run(run), []);
    }

    // Each connection is on record.
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let audit: Vec<_> = lines.filter(|line| line["target"] == "audit").collect();
    for run in &runs {
        let id = run.id.to_string();
        let found = audit.iter().find(|event| event["event"] == "egress" && event["run"] == *id);
        assert_eq!(found.unwrap()["target_host"], json!(address(&azure)), "{audit:#?}");
    }
}
