//! State backends of others: what they are told, and what runs do when they lie.

use super::start;
use crate::{all_text, assert_ended};
use blockhouse_emulator::{Behavior, RunSpec, RunState};
use blockhouse_tests::terraform::{Module, Scene};
use blockhouse_tests::{ForeignBackend, GitFile, Memory};
use serde_json::json;
use uuid::Uuid;

const TOKEN: &str = "run-token-for-one-only-4711";

fn backend(body: &str) -> String {
    format!("terraform {{\n  backend \"http\" {{\n{body}\n  }}\n}}\n")
}

/// All that was sent, with what is in base64 in plain text as well.
fn sent(backend: &ForeignBackend) -> String {
    let requests = backend.requests();
    let texts = requests.iter().map(|request| {
        let basic = request.head.lines().filter_map(|line| line.split_once("Basic "));
        let decoded = basic.filter_map(|(_, text)| {
            let bytes = data_encoding::BASE64.decode(text.trim().as_bytes()).ok()?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        });
        let decoded: Vec<_> = decoded.collect();
        let body = String::from_utf8_lossy(&request.body);
        format!("{}{body}\n{}\n", request.head, decoded.join("\n"))
    });
    texts.collect()
}

#[tokio::test]
async fn the_run_token_is_sent_to_no_backend_but_meshstacks() {
    let foreign = ForeignBackend::start(Memory::Keeps).unwrap();
    let address = |name: &str| {
        let url = foreign.url(name);
        (
            format!("    address = \"{url}\""),
            format!("    lock_address = \"{url}\"\n    unlock_address = \"{url}\""),
        )
    };
    let both = |name: &str| {
        let (state, lock) = address(name);
        format!("{state}\n{lock}")
    };
    let base = || Module::new().resource("one");
    let host = foreign.url("");
    let host = host.trim_start_matches("http://").trim_end_matches('/');
    // The names of those that work; the others fail at `init`.
    let modules = [
        (Some("elsewhere"), base().hcl(&backend(&both("elsewhere")))),
        (Some("without-locks"), base().hcl(&backend(&address("without-locks").0))),
        (Some("override"), base().file("x_override.tf", backend(&both("override")))),
        (Some("json"), base().file("b.tf.json", json!({"terraform": {"backend": {"http": {"address": foreign.url("json"), "lock_address": foreign.url("json"), "unlock_address": foreign.url("json")}}}}).to_string())),
        (Some("named"), base().hcl(&backend(&format!("{}\n    username = \"theirs\"\n    password = \"own\"", both("named"))))),
        (Some("ours"), base().file("meshstack_backend_override.tf", backend(&both("ours")))),
        (None, base().hcl(&backend(&address("only-locks").1))),
        (None, base().hcl(&backend(""))),
        (None, base().file("override.tf.json", json!({"terraform": [{"backend": [{"http": {"lock_address": foreign.url("x")}}]}]}).to_string())),
        (None, base().hcl(&format!("terraform {{\n cloud {{\n hostname = \"{host}\"\n organization = \"x\"\n workspaces {{\n name = \"x\"\n }}\n }}\n}}"))),
    ];
    let mut scene = start(&Module::new()).await;
    let mut branches = Vec::new();
    for (number, (name, module)) in modules.into_iter().enumerate() {
        let branch = format!("backend-{number}");
        let files: Vec<_> =
            module.files().map(|(path, text)| (path, GitFile::Text(text))).collect();
        scene.repository.commit(&branch, &files).unwrap();
        branches.push((name, branch, Uuid::new_v4()));
    }
    for behavior in [Behavior::Detect, Behavior::Apply, Behavior::Destroy] {
        let runs: Vec<_> = branches
            .iter()
            .map(|(_, branch, block)| {
                let spec = RunSpec::terraform(scene.terraform().reference(branch.as_str()));
                let spec =
                    spec.behavior(behavior).block(*block).run_token(format!("{TOKEN}-{branch}"));
                scene.emulator.enqueue(spec)
            })
            .collect();
        for ((name, branch, _), id) in branches.iter().zip(runs) {
            let run = scene.end_of(&id).await.unwrap();
            assert_ended(&run, if name.is_some() { RunState::Succeeded } else { RunState::Failed });
            assert!(!all_text(&run).contains(TOKEN), "{branch}: {run:#?}");
        }
    }
    for name in branches.iter().filter_map(|(name, ..)| *name) {
        for method in ["GET", "POST"] {
            assert!(foreign.count(method, name) > 0, "{name} has seen no {method}");
        }
        let has_locks = foreign.count("LOCK", name) >= 3;
        assert_eq!(has_locks, name != "without-locks", "{name}");
    }
    assert_eq!(foreign.locks(), 0);
    let sent = sent(&foreign);
    assert!(sent.contains("theirs:own"), "{sent}");
    assert!(!sent.contains(TOKEN), "{sent}");
}

/// A backend that takes what Terraform writes and forgets it can't be told from one that keeps it; nothing is asked again.
#[tokio::test]
async fn a_backend_that_forgets_what_it_was_given_holds_up_no_run() {
    for (memory, has_locks) in [
        (Memory::Forgets, true),
        (Memory::Forgets, false),
        (Memory::ForgetsSilently, true),
        (Memory::ForgetsSilently, false),
    ] {
        let (foreign, mut scene) = forgetful(memory, has_locks).await;
        for behavior in [Behavior::Detect, Behavior::Apply, Behavior::Destroy] {
            let written = foreign.count("POST", "state");
            let run = scene.execute(scene.spec().behavior(behavior)).await.unwrap();
            assert_ended(&run, RunState::Succeeded);
            let writes = if behavior == Behavior::Detect { 0 } else { 1 };
            assert_eq!(foreign.count("POST", "state") - written, writes, "{memory:?} {behavior:?}");
            assert!(!all_text(&run).contains("NOT SAVED"), "{run:#?}");
            // Outputs are what the backend says.
            assert!(run.output("x").is_none(), "{run:#?}");
            assert_eq!(foreign.locks(), 0);
        }
    }
}

/// What we have pushed, we ask for: a state that is nowhere else is not given up for the word of such a backend, nor pushed for ever.
#[tokio::test]
async fn a_backend_that_forgets_what_was_pushed_is_not_believed_twice() {
    for (memory, has_locks) in [(Memory::Forgets, true), (Memory::ForgetsSilently, false)] {
        let (foreign, mut scene) = forgetful(memory, has_locks).await;
        foreign.refuse(1);
        let run = scene.execute(scene.spec().behavior(Behavior::Apply)).await.unwrap();
        assert_ended(&run, RunState::Failed);
        // Terraform's own write, which was refused, and two of ours.
        assert_eq!(foreign.count("POST", "state"), 3, "{memory:?}");
        let text = all_text(&run);
        assert!(text.contains("NOT SAVED") && text.contains("does not have it"), "{run:#?}");
        assert_eq!(foreign.locks(), 0);
    }
}

async fn forgetful(memory: Memory, has_locks: bool) -> (ForeignBackend, Scene) {
    let foreign = ForeignBackend::start(memory).unwrap();
    let url = foreign.url("state");
    let locks = format!("\n    lock_address = \"{url}\"\n    unlock_address = \"{url}\"");
    let body = format!("    address = \"{url}\"{}", if has_locks { &locks } else { "" });
    let module = Module::new().resource("one").output("x", "terraform_data.one.output");
    let scene = start(&module.hcl(&backend(&body))).await;
    (foreign, scene)
}
