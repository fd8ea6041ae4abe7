//! Policies as their owner meets them: checked, explained, and enforced within the ceiling.

use crate::{all_text, assert_ended, emulator};
use blockhouse_emulator::{InputType, RunSpec, RunState};
use blockhouse_tests::{Process, patience};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

const PROGRAM: &str = env!("CARGO_BIN_EXE_blockhouse-under-test");

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn run(directory: &Path, arguments: &[&str]) -> Output {
    Process::command(Path::new(PROGRAM), directory).args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What `policy explain` says of the example, compared with what a person has read and found readable.
#[track_caller]
fn assert_explained(more: &[&str], expected: &str) {
    let config = "policies/multi-tenant/runner-config.yml";
    let output =
        run(&repository(), &[&["policy", "explain", "--config", config][..], more].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), expected, "\n{}", stdout(&output));
    assert_eq!(stderr(&output), "");
}

#[test]
fn the_example_for_many_tenants_says_who_may_do_what() {
    assert_explained(&[], include_str!("../fixtures/explain/routes.txt"));
}

#[test]
fn a_run_is_explained_with_its_route_and_each_of_its_secrets() {
    let run = ["--run", "policies/multi-tenant/runs/repository.json"];
    assert_explained(&run, include_str!("../fixtures/explain/repository.txt"));
}

#[test]
fn a_run_of_terraform_is_explained_with_its_repository_its_version_and_its_environment() {
    let run = ["--run", "policies/multi-tenant/runs/terraform.json"];
    assert_explained(&run, include_str!("../fixtures/explain/terraform.txt"));
}

#[test]
fn a_run_that_no_route_takes_is_explained_as_well() {
    let run = ["--run", "tests/fixtures/wire/claimed-run-terraform.json"];
    let config = "policies/multi-tenant/runner-config.yml";
    let output =
        self::run(&repository(), &[&["policy", "explain", "--config", config][..], &run].concat());
    let text = stdout(&output);
    assert!(text.contains("no route is for it"), "{text}");
    for route in ["cost-centre", "platform", "team-components", "team-terraform", "manual"] {
        assert!(text.contains(&format!("route `{route}` is not for it: ")), "{text}");
    }
}

/// A policy that asks for much under a ceiling that grants little, and a run of someone hostile.
#[test]
fn what_the_ceiling_takes_away_is_not_explained_as_granted() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write(
        "runner-config.yml",
        "ceiling: ceiling.toml\nroutes:\n- match: {implementationType: MANUAL}\n  component: {embedded: manual}\n  \
         policy: {file: wide.toml}\n",
    );
    write(
        "wide.toml",
        "description = 'Wide.'\n[limits]\nreason = 'r'\nfuel = 500\n\
         [[http]]\nreason = 'r'\nhosts = ['api.example.com']\n\
         [[secrets.reveal]]\nreason = 'r'\nkeys = ['token']\n\
         [[secrets.use]]\nreason = 'r'\nkeys = ['token']\nin = ['http']\nhosts = ['api.example.com']\n",
    );
    write("ceiling.toml", "description = 'Tight.'\n[limits]\nreason = 'r'\nfuel = 1\n");
    write("run.json", &run_of("team-a", "token"));
    let output = run(directory.path(), &["policy", "explain", "--run", "run.json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    for part in [
        "reach api.example.com by https, as far as the ceiling lets it",
        "see the secrets token in clear, as far as the ceiling lets it",
        "fuel               1 million instructions  [ceiling.toml:4]",
        "seen in clear  no: the ceiling `ceiling` does not reveal the secret `token`  [ceiling.toml]",
        "in requests    no: the ceiling `ceiling` grants no outbound HTTP  [ceiling.toml]",
    ] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    assert!(!text.contains("yes"), "{text}");
    assert!(stderr(&output).contains("wide.toml:4:"), "{}", stderr(&output));
}

#[test]
fn a_run_can_not_write_lines_of_its_own_into_an_explanation() {
    let directory = tempfile::tempdir().unwrap();
    let config = "routes:\n- match: {tenant: team-a}\n  component: {embedded: manual}\n";
    fs::write(directory.path().join("runner-config.yml"), config).unwrap();
    let (tenant, key) =
        ("team-a\u{202e}\u{1b}[31m\n\nroute `x` takes it", "k\n    in outputs     yes");
    fs::write(directory.path().join("run.json"), run_of(tenant, key)).unwrap();
    let output = run(directory.path(), &["policy", "explain", "--run", "run.json"]);
    let text = stdout(&output);
    assert!(text.contains("no route is for it"), "{text}");
    assert!(!text.lines().any(|line| line.starts_with("route `x`")), "{text}");
    assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
}

#[test]
fn a_route_that_the_daemon_would_not_take_is_not_explained_as_taken() {
    let directory = tempfile::tempdir().unwrap();
    let config = "routes:\n- match: {tenant: team-a}\n  component: {embedded: manual}\n";
    fs::write(directory.path().join("runner-config.yml"), config).unwrap();
    fs::write(directory.path().join("run.json"), run_of("Team-A", "token")).unwrap();
    let text = stdout(&run(directory.path(), &["policy", "explain", "--run", "run.json"]));
    assert!(text.contains("is not for it: tenant `Team-A` is not team-a"), "{text}");
    assert!(text.contains("no route is for it"), "{text}");
}

/// The document of a MANUAL run with one sealed input.
fn run_of(tenant: &str, secret: &str) -> String {
    let text = include_str!("../fixtures/wire/claimed-run-manual.json");
    let mut document: Value = serde_json::from_str(text).unwrap();
    let block = document.pointer_mut("/spec/buildingBlock/spec").unwrap();
    block["workspaceIdentifier"] = json!(tenant);
    block["inputs"] = json!([{
        "key": secret, "value": "(sealed)", "type": "STRING", "isSensitive": true, "isEnvironment": false
    }]);
    document.to_string()
}

#[test]
fn all_mistakes_of_all_policy_files_are_told_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let bad = "description = 'x'\n[limits]\nfule = 1\n[[http]]\nreason = 'r'\nhosts = ['a b']\n";
    fs::write(directory.path().join("bad.toml"), bad).unwrap();
    fs::write(directory.path().join("good.toml"), "description = 'fine'\n").unwrap();
    let output =
        run(directory.path(), &["policy", "check", "bad.toml", "good.toml", "missing.toml"]);
    assert_eq!(output.status.code(), Some(64));
    let text = stderr(&output);
    for part in [
        "bad.toml:2:",
        "bad.toml:3:1: ",
        "`fuel`",
        "bad.toml:6:",
        "^",
        "missing.toml: can't be read",
    ] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    assert!(stdout(&output).contains("good.toml: fine"));
    assert_eq!(run(directory.path(), &["policy", "check", "good.toml"]).status.code(), Some(0));
}

/// A policy of these rules, each for its host and with these lines.
fn policy_with(rules: &[&str]) -> String {
    let rules = rules.iter().enumerate().map(|(number, more)| {
        format!("[[http]]\nreason = 'r'\nhosts = ['h{number}.example']\n{more}\n")
    });
    format!("description = 'x'\n{}", rules.collect::<String>())
}

/// Lines 2, 6 and 10 have mistakes, line 10 two of them; line 14 has none.
fn policy_with_bad_files(directory: &Path) -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["runner".to_owned()]).unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    let other = rcgen::KeyPair::generate().unwrap();
    for (name, text) in [
        ("good.pem", pem.as_str()),
        ("good-key.pem", &key.serialize_pem()),
        ("other-key.pem", &other.serialize_pem()),
        ("broken.pem", "no certificate"),
    ] {
        fs::write(directory.join(name), text).unwrap();
    }
    policy_with(&[
        "ca_file = 'missing-ca.pem'",
        "client_certificate = { certificate_file = 'good.pem', key_file = 'other-key.pem' }",
        "client_certificate = { certificate_file = 'broken.pem', key_file = 'missing-key.pem' }",
        "ca_file = 'good.pem'\n\
         client_certificate = { certificate_file = 'good.pem', key_file = 'good-key.pem' }",
    ])
}

/// All that is wrong with [`policy_with_bad_files`] is told once, at its place.
#[track_caller]
fn assert_bad_files_are_told(output: &Output, file: &str) {
    assert_eq!(output.status.code(), Some(64));
    let text = stderr(output);
    let lines: Vec<_> = text.lines().filter(|line| line.contains("policy.toml:")).collect();
    let expected = [
        (2, "missing-ca.pem"),
        (6, "the client certificate can't be used"),
        (10, "broken.pem` holds no certificate"),
        (10, "missing-key.pem"),
    ];
    assert_eq!(lines.len(), expected.len(), "{text}");
    for (line, (number, words)) in lines.into_iter().zip(expected) {
        assert!(line.contains(&format!("{file}:{number}: ")) && line.contains(words), "{line}");
    }
}

#[test]
fn certificates_and_keys_that_a_policy_names_are_checked_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let below = directory.path().join("below");
    fs::create_dir(&below).unwrap();
    fs::write(below.join("policy.toml"), policy_with_bad_files(&below)).unwrap();
    // Paths start at the policy, not where the command runs, however long they are.
    let output = run(directory.path(), &["policy", "check", "below/policy.toml"]);
    assert_bad_files_are_told(&output, "below/policy.toml");
    assert!(!stdout(&output).contains("below"), "{}", stdout(&output));
    let good = policy_with(&["ca_file = 'good.pem'"]);
    let long = below.join("x".repeat(200));
    fs::create_dir(&long).unwrap();
    fs::copy(below.join("good.pem"), long.join("good.pem")).unwrap();
    fs::write(long.join("policy.toml"), good).unwrap();
    let output =
        run(directory.path(), &["policy", "check", long.join("policy.toml").to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[tokio::test]
async fn certificates_and_keys_that_policies_name_are_checked_with_the_configuration() {
    let emulator = emulator().await;
    let directory = tempfile::tempdir().unwrap();
    let below = directory.path().join("below");
    fs::create_dir(&below).unwrap();
    // Two routes share the policy; its mistakes are told once.
    let guests = [("ONE", blockhouse_artifacts::HELLO), ("TWO", blockhouse_artifacts::HELLO)];
    Process::configure(&below, &emulator, &guests, "").unwrap();
    let check =
        || run(directory.path(), &["config", "check", "--config", "below/runner-config.yml"]);
    assert_eq!(check().status.code(), Some(0), "{}", stderr(&check()));
    fs::write(below.join("policy.toml"), policy_with_bad_files(&below)).unwrap();
    assert_bad_files_are_told(&check(), "below/policy.toml");
}

#[test]
fn tokens_and_certificates_for_git_are_checked_with_the_policy() {
    let directory = tempfile::tempdir().unwrap();
    policy_with_bad_files(directory.path());
    fs::write(directory.path().join("token"), "hunter2\n").unwrap();
    fs::write(directory.path().join("page.html"), "<html>\nnot a token\n").unwrap();
    let rule =
        |more: &str| format!("[[terraform.git]]\nreason = 'r'\nhosts = ['git.example']\n{more}\n");
    let section =
        "description = 'x'\n[terraform]\nreason = 'r'\nverbs = ['plan']\nrepositories = ['*']\n";
    let policy = [
        section,
        &rule("token_file = 'token'\nca_file = 'good.pem'"),
        &rule("token_file = 'page.html'"),
        &rule("token_file = 'missing'\nca_file = 'broken.pem'"),
        &rule("client_certificate = { certificate_file = 'good.pem', key_file = 'other-key.pem' }"),
    ];
    fs::write(directory.path().join("policy.toml"), policy.concat()).unwrap();
    let output = run(directory.path(), &["policy", "check", "policy.toml"]);
    assert_eq!(output.status.code(), Some(64));
    let text = stderr(&output);
    let lines: Vec<_> = text.lines().filter(|line| line.contains("policy.toml:")).collect();
    let expected = [
        (11, "page.html` holds no token"),
        (15, "broken.pem` holds no certificate"),
        (15, "missing"),
        (20, "the client certificate can't be used"),
    ];
    assert_eq!(lines.len(), expected.len(), "{text}");
    for (line, (number, words)) in lines.into_iter().zip(expected) {
        assert!(
            line.contains(&format!("policy.toml:{number}: ")) && line.contains(words),
            "{line}"
        );
    }
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn a_component_is_inspected_without_being_run() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("hello.wasm"), blockhouse_artifacts::HELLO).unwrap();
    fs::write(directory.path().join("sockets.wasm"), blockhouse_artifacts::IMPORT_SOCKETS).unwrap();
    let tight = "description = 'x'\n[limits]\nreason = 'r'\nmemory_mib = 1\n";
    fs::write(directory.path().join("tight.toml"), tight).unwrap();
    fs::copy(repository().join("policies/hello.toml"), directory.path().join("hello.toml"))
        .unwrap();

    let output = run(directory.path(), &["inspect", "hello.wasm"]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    let digest = blockhouse::digest::Digest::of(blockhouse_artifacts::HELLO).to_string();
    for part in [digest.as_str(), "core modules", "execute", "[limits]", "more interfaces"] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    // What it suggests is a policy.
    let suggestion = text.split("a policy to start from:\n\n").nth(1).unwrap();
    fs::write(directory.path().join("suggested.toml"), suggestion).unwrap();
    assert_eq!(
        run(directory.path(), &["policy", "check", "suggested.toml"]).status.code(),
        Some(0)
    );

    for (component, policy, code, words) in [
        ("hello.wasm", "hello.toml", 0, "the policy `hello` lets it run"),
        ("hello.wasm", "tight.toml", 1, "exceed `memory_mib` of the policy"),
        (
            "sockets.wasm",
            "hello.toml",
            1,
            "`wasi:sockets/tcp-create-socket@0.2.0`, which is not offered",
        ),
    ] {
        let output = run(directory.path(), &["inspect", component, "--policy", policy]);
        assert_eq!(output.status.code(), Some(code), "{component} {policy}: {}", stderr(&output));
        assert!(stdout(&output).contains(words), "{component} {policy}: {}", stdout(&output));
    }
}

#[tokio::test]
async fn a_ceiling_bounds_a_generous_policy_and_what_it_stops_is_on_record() {
    let emulator = emulator().await;
    let directory = tempfile::tempdir().unwrap();
    let guests = [
        ("LOOP", blockhouse_artifacts::LOOP_FOREVER),
        ("REVEAL", blockhouse_artifacts::REVEAL_SECRET),
    ];
    let more = "ceiling: ceiling.toml\nlog: {format: json}\npoll: {interval: 100ms}\n";
    Process::configure(directory.path(), &emulator, &guests, more).unwrap();
    let policy = "description = 'Generous.'\n[limits]\nreason = 'r'\nfuel = 1_000\n\
                  [[secrets.reveal]]\nreason = 'r'\nkeys = ['token']\n";
    fs::write(directory.path().join("policy.toml"), policy).unwrap();
    let ceiling = "description = 'Tight.'\n[limits]\nreason = 'r'\nfuel = 7\n";
    fs::write(directory.path().join("ceiling.toml"), ceiling).unwrap();

    let mut process = Process::start(Path::new(PROGRAM), directory.path()).unwrap();
    let order = |kind: &str| RunSpec::manual().implementation(json!({ "type": kind }));
    let looping = emulator.enqueue(order("LOOP"));
    let reveal = order("REVEAL").sensitive_input("token", InputType::String, "hunter2-hunter2");
    let revealing = emulator.enqueue(reveal);
    let ended = emulator.wait_until(patience(), |view| view.unfinished() == 0);
    process.until(ended).await.unwrap().unwrap();

    let run = emulator.run(&looping).unwrap();
    assert_ended(&run, RunState::Failed);
    assert!(all_text(&run).contains("7.000 of 7.000 million instructions"), "{}", all_text(&run));
    let log = process.log();
    assert!(!log.contains("hunter2"), "{log}");
    // What the policy asks for beyond the ceiling is told at the start, with its line.
    assert!(log.contains("policy.toml:4:"), "{log}");
    let events: Vec<Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|line: &Value| line["target"] == "audit")
        .collect();
    let event = |name: &str, run: &str| {
        let event = events.iter().find(|event| event["event"] == name && event["run"] == run);
        event.unwrap_or_else(|| panic!("no `{name}` of {run} in {events:#?}")).clone()
    };
    let limit = event("limit", &looping.to_string());
    assert_eq!((&limit["code"], &limit["allowed"]), (&json!("limit.cpu"), &json!(7_000_000)));
    let denied = event("denied", &revealing.to_string());
    assert_eq!(denied["subject"], "token");
    for field in ["tenant", "owner", "component", "policy", "rule", "file"] {
        assert!(denied[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {denied:#}");
    }
    assert!(denied["rule"].as_str().unwrap().contains("ceiling"), "{denied:#}");
}

#[tokio::test]
async fn a_component_whose_policy_lacks_what_it_needs_is_refused_in_the_policys_words() {
    let emulator = emulator().await;
    let directory = tempfile::tempdir().unwrap();
    let guests = [("FETCH", blockhouse_artifacts::HTTP_REQUEST)];
    Process::configure(directory.path(), &emulator, &guests, "").unwrap();
    let mut process = Process::start(Path::new(PROGRAM), directory.path()).unwrap();
    assert_eq!(process.ended(patience()).await.unwrap().code(), Some(1));
    let text = process.log();
    for part in
        ["component `FETCH.wasm` needs outbound HTTP", "policy `policy` grants no outbound HTTP"]
    {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}
