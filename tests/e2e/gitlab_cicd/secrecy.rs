//! A daemon as a process of its own, all that it says and sends, and every secret of its runs.

use super::{STEP, TOKEN, address, gitlab, policy};
use crate::{assert_ended, emulator};
use blockhouse_emulator::{GitlabCicd, InputType, RunSpec, RunState, Status};
use blockhouse_remotes::Fault;
use blockhouse_remotes::Place;
use blockhouse_remotes::gitlab::Route;
use blockhouse_tests::{Leaks, Process, patience, program};
use serde_json::{Value, json};
use std::fs;

const RUN_TOKEN: &str = "run-token-hunter2";
const PASSWORD: &str = "pass \"word\"\r\n--x ${hunter2} ü";
const KEY: &str = "hunter2/key+of=the cloud";

#[tokio::test]
async fn secrets_are_in_the_forms_for_gitlab_and_nowhere_else() {
    let (emulator, gitlab) = (emulator().await, gitlab());
    let directory = tempfile::tempdir().unwrap();
    let more = "  - match: {implementationType: GITLAB_CICD}\n    component: {embedded: gitlab-cicd}\n    \
                policy: {file: gitlab-cicd.toml}\nlog: {format: json, level: debug}\npoll: {interval: 100ms}\n";
    Process::configure(directory.path(), &emulator, &[], more).unwrap();
    fs::write(directory.path().join("gitlab-cicd.toml"), policy(&gitlab).text()).unwrap();
    let mut process = Process::start(&program(), directory.path()).unwrap();

    let spec = || {
        RunSpec::gitlab_cicd(GitlabCicd::of(address(&gitlab), json!(42), TOKEN))
            .run_token(RUN_TOKEN)
            .sensitive_environment_input("PASSWORD", InputType::String, PASSWORD)
            .sensitive_environment_input("KEY", InputType::Code, KEY)
    };
    // A server that repeats what it was sent, where people will read it.
    let repeating = json!({"message": {"base": [format!("bad token {TOKEN}, {KEY}")]}});
    let location = format!("https://gitlab.example/?token={TOKEN}");
    let faults = [
        Fault::Answer { status: 400, headers: Vec::new(), body: repeating.to_string().into() },
        Fault::redirect(307, location),
        Fault::status(500),
        Fault::DropAfter,
    ];
    let mut failing = Vec::new();
    for fault in faults {
        gitlab.script(Route::Trigger, fault, 1);
        let id = emulator.enqueue(spec());
        let ended = emulator.wait_for_end(&id, patience());
        let run = process.until(ended).await.unwrap().unwrap();
        assert_ended(&run, RunState::Failed);
        failing.push(run);
    }
    assert!(failing[0].told(STEP).contains("bad token [secret"), "{:#?}", failing[0]);
    // The document of one run is that of one pipeline.
    let id = emulator.enqueue(spec());
    let handed_over = emulator.wait_until(patience(), |view| {
        let run = view.run(&id);
        run.is_some_and(|run| run.step(STEP).is_some_and(|step| step.status == Status::Succeeded))
    });
    process.until(handed_over).await.unwrap().unwrap();

    let secrets =
        [("token", TOKEN), ("run token", RUN_TOKEN), ("password", PASSWORD), ("key", KEY)];
    for (name, secret) in secrets {
        assert_eq!(gitlab.places_of(secret), [(Route::Trigger, Place::Body)], "{name}");
    }
    let log = process.log();
    let leaks = Leaks::of(secrets).unwrap();
    assert_eq!(leaks.in_bytes("log", log.as_bytes()), []);
    assert_eq!(leaks.in_traffic(&emulator), []);
    assert_eq!(leaks.in_directory(directory.path(), |_| false).unwrap(), []);
    for run in failing.iter().chain(&emulator.run(&id)) {
        assert_eq!(leaks.in_run(run), []);
    }

    // Who got what is on record.
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let audit: Vec<_> = lines.filter(|line| line["target"] == "audit").collect();
    let of = |name: &str| {
        let id = id.to_string();
        let found = audit.iter().filter(|event| event["event"] == name && event["run"] == *id);
        found.map(|event| event["target_host"].clone()).collect::<Vec<_>>()
    };
    for name in ["document", "egress"] {
        assert_eq!(of(name), [json!(address(&gitlab))], "{name}: {audit:#?}");
    }
}
