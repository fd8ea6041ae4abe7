//! Each secret is where it belongs and nowhere else: neither in what people read nor in other requests.

use super::{implementation, pem, policy};
use crate::{assert_ended, emulator};
use blockhouse_emulator::{Fault, InputType, RunSpec, RunState};
use blockhouse_remotes::github::{Route, RunPlan};
use blockhouse_remotes::{GitHub, Pace, Place};
use blockhouse_tests::{Leaks, Process, patience};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

const PROGRAM: &str = env!("CARGO_BIN_EXE_blockhouse-under-test");

const RUN_TOKEN: &str = "eyJhbGciOiJub25lIn0.run-token.4711";
const API_TOKEN: &str = "meshstack-api-token-4711";
const PASSWORD: &str = "Zwiebel\"kuchen\"-42 & mehr\u{fc}";
const CODE: &str = "{\"nested\": \"Apfel/strudel=17\"}";

/// All of it, at the most talkative.
const CONFIG: &str = "log: {format: json, level: trace}\npoll: {interval: 100ms}\n";

fn header() -> Place {
    Place::Header("authorization".to_owned())
}

/// Where in all traffic to GitHub a secret was, in a fixed order.
fn places(github: &GitHub, secret: &str) -> Vec<(Route, Place)> {
    let mut places = github.places_of(secret);
    places.sort_by_key(|(route, place)| format!("{route:?} {place}"));
    places
}

/// The tokens that the app has signed.
fn signed(github: &GitHub) -> Vec<String> {
    let requests = github.requests_of(Route::Installation);
    let tokens = requests.iter().map(|request| request.header("authorization").unwrap());
    tokens.map(|token| token.strip_prefix("Bearer ").unwrap().to_owned()).collect()
}

fn order(github: &GitHub) -> RunSpec {
    RunSpec::github_workflow(implementation(github))
        .run_token(RUN_TOKEN)
        .sensitive_input("password", InputType::String, PASSWORD)
        .sensitive_input("settings", InputType::Code, CODE)
        .sensitive_file_input("file", b"file-content-4711-4711")
}

fn write(directory: &Path, name: &str, text: &str) {
    fs::write(directory.join(name), text).unwrap();
}

#[tokio::test]
async fn secrets_are_where_they_belong_and_nowhere_else() {
    let github = super::github();
    let emulator = emulator().await;
    let directory = tempfile::tempdir().unwrap();
    let mut config = String::new();
    let route = "  - match: {implementationType: GITHUB_WORKFLOW}\n    component: {embedded: github-workflow}\n    policy: {file: github.toml}\n";
    write!(config, "{route}{CONFIG}").unwrap();
    Process::configure(directory.path(), &emulator, &[], &config).unwrap();
    write(directory.path(), "github.toml", &policy(&[&github]).text());
    let mut process = Process::start(Path::new(PROGRAM), directory.path()).unwrap();

    // One to its end, with a token that is renewed; one that is aborted; one that GitHub refuses, repeating what it was told.
    github.plan_next(RunPlan::default().pace(Pace::ByHand));
    let followed = emulator.enqueue(order(&github));
    let polled = github.wait_until(|github| github.count(Route::Jobs) >= 1);
    process.until(polled).await.unwrap().unwrap();
    github.expire_tokens();
    let renewed = github.wait_until(|github| github.count(Route::AccessToken) >= 2);
    process.until(renewed).await.unwrap().unwrap();
    github.finish_run(github.runs()[0].id);
    let run = process.until(emulator.wait_for_end(&followed, patience())).await.unwrap().unwrap();
    assert_ended(&run, RunState::Succeeded);

    github.plan_next(RunPlan::default().pace(Pace::ByHand));
    let omitting = RunSpec::github_workflow(implementation(&github).omitting_document())
        .run_token(RUN_TOKEN)
        .sensitive_input("password", InputType::String, PASSWORD)
        .sensitive_input("MESHSTACK_API_TOKEN", InputType::String, API_TOKEN);
    let before = github.count(Route::Jobs);
    let aborted = emulator.enqueue(omitting);
    let polled = github.wait_until(|github| github.count(Route::Jobs) > before);
    process.until(polled).await.unwrap().unwrap();
    emulator.abort(&aborted);
    let run = process.until(emulator.wait_for_end(&aborted, patience())).await.unwrap().unwrap();
    assert_ended(&run, RunState::Aborted);
    assert_eq!(github.count(Route::Cancel), 1);

    let echo = serde_json::json!({"message": format!("no: {PASSWORD} {CODE} {}", pem())});
    let echo = Fault::Answer { status: 422, headers: Vec::new(), body: echo.to_string().into() };
    github.script(Route::Dispatch, echo, 1);
    let refused = emulator.enqueue(order(&github));
    let run = process.until(emulator.wait_for_end(&refused, patience())).await.unwrap().unwrap();
    assert_ended(&run, RunState::Failed);
    assert!(crate::all_text(&run).contains("[secret password]"), "{run:#?}");

    // What GitHub was sent.
    let (dispatch, pem) = ((Route::Dispatch, Place::Body), pem());
    for secret in [PASSWORD, "Apfel/strudel=17", RUN_TOKEN, API_TOKEN] {
        assert_eq!(places(&github, secret), std::slice::from_ref(&dispatch), "{secret}");
    }
    let lines: Vec<_> = pem.lines().filter(|line| line.len() > 20).collect();
    for secret in lines.iter().copied().chain([&*pem]) {
        assert_eq!(places(&github, secret), [], "the key itself goes nowhere");
    }
    let (signed, tokens) = (signed(&github), github.tokens());
    assert_eq!((signed.len(), tokens.len()), (4, 4));
    for token in &signed {
        assert_eq!(
            places(&github, token),
            [Route::AccessToken, Route::Installation].map(|route| (route, header()))
        );
    }
    for token in &tokens {
        for (route, place) in places(&github, token) {
            assert_eq!(place, header(), "{route:?}");
            assert!(!matches!(route, Route::AccessToken | Route::Installation), "{route:?}");
        }
    }

    // What meshStack and the operator were told.
    process.terminate().unwrap();
    process.ended(patience()).await.unwrap();
    let log = process.log();
    assert!(
        log.contains("\"event\":\"signed\"") || log.contains("signed"),
        "the audit log is in it"
    );
    let named = [
        ("password", PASSWORD),
        ("settings", CODE),
        ("run token", RUN_TOKEN),
        ("api token", API_TOKEN),
        ("file", "file-content-4711-4711"),
        ("key", pem.as_str()),
    ];
    let tokens = signed.iter().chain(&tokens).map(|token| ("token", token.as_str()));
    let leaks = Leaks::of(named.into_iter().chain(tokens)).unwrap();
    assert_eq!(leaks.in_bytes("log", log.as_bytes()), []);
    assert_eq!(leaks.in_traffic(&emulator), []);
    for id in [followed, aborted, refused] {
        assert_eq!(leaks.in_run(&emulator.run(&id).unwrap()), []);
    }
    assert_eq!(leaks.in_directory(&directory.path().join("state"), |_| false).unwrap(), []);
}
