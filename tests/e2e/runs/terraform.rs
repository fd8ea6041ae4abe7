//! Runs whose programs go on without their daemon.

use super::{PROGRAM, Said, runs};
use crate::terraform::wait_for;
use blockhouse_emulator::{Fault, InputType, Route, RunState};
use blockhouse_tests::terraform::{LoopbackGate, Module, Scene};
use blockhouse_tests::{Processes, patience};
use serde_json::Value;
use std::path::Path;
use uuid::Uuid;

const SECRET: &str = "correct-horse-battery-staple";

/// An apply that stands at its second resource, whose daemon was killed.
async fn orphaned(gate: &LoopbackGate) -> (Scene, Uuid) {
    let module = Module::new()
        .echo_sensitive("password", Some("string"))
        .resource_made_by("first", &format!("echo the password is {SECRET}"), &[])
        .resource_at("held", gate, &["first"]);
    let mut scene = Scene::start(Path::new(PROGRAM), &module).await.unwrap();
    let spec = scene.spec().sensitive_input("password", InputType::String, SECRET);
    let id = scene.emulator.enqueue(spec);
    let reached = gate.reached(1, patience());
    scene.daemon().unwrap().until(reached).await.unwrap().unwrap();
    scene.daemon().unwrap().kill().unwrap();
    (scene, id)
}

fn shown(scene: &Scene, id: &Uuid) -> Value {
    let said = runs(scene.directory(), &["show", &id.to_string(), "--json"]);
    serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{said:?}"))
}

fn operation<'a>(shown: &'a Value, name: &str) -> &'a Value {
    let operations = shown["operations"].as_array().unwrap().iter();
    let mut found = operations.filter(|it| it["name"].as_str().unwrap().ends_with(name));
    found.next().unwrap_or_else(|| panic!("no {name}: {shown:#}"))
}

#[tokio::test]
async fn programs_that_run_are_shown_with_what_they_print_and_are_never_killed_silently() {
    let gate = LoopbackGate::new().await.unwrap();
    let (mut scene, id) = orphaned(&gate).await;
    let name = id.to_string();
    let report = shown(&scene, &id);
    assert_eq!(report["phase"], "executing");
    assert_eq!(operation(&report, "-init")["state"], "ended");
    assert!(operation(&report, "-init")["details"].as_str().unwrap().contains("exit code 0"));
    let apply = operation(&report, "-apply");
    assert_eq!(apply["state"], "running", "{report:#}");
    assert!(apply["details"].as_str().unwrap().contains("process "), "{report:#}");
    let files = report["files"].as_array().unwrap().iter().map(|file| file["name"].clone());
    assert!(files.collect::<Vec<_>>().contains(&"work".into()), "{report:#}");

    let apply = apply["name"].as_str().unwrap().to_owned();
    let Said { out, .. } = runs(scene.directory(), &["logs", &name, "--step", &apply]);
    assert!(out.contains("the password is [secret password]"), "{out}");
    assert!(!out.contains(SECRET) && !out.contains('\u{1b}'), "{out}");

    let refused = runs(scene.directory(), &["discard", &name]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let reason = format!("a program of it is running: {apply}");
    for part in [&*reason, "has not ended"] {
        assert!(refused.errors.contains(part), "{refused:?}");
    }
    // It was left alone, and the next daemon goes on with it.
    assert_eq!(operation(&shown(&scene, &id), "-apply")["state"], "running");
    gate.open();
    scene.begin().unwrap();
    let run = scene.end_of(&id).await.unwrap();
    crate::assert_ended(&run, RunState::Succeeded);
}

#[tokio::test]
async fn force_interrupts_what_runs_waits_for_it_and_keeps_its_state() {
    let gate = LoopbackGate::new().await.unwrap();
    let (mut scene, id) = orphaned(&gate).await;
    let name = id.to_string();
    let daemon = scene.daemon().unwrap().id();
    scene.emulator.fail(&[Route::StateWrite], &Fault::status(403));
    let (directory, forced) = (scene.directory().to_owned(), name.clone());
    let discarding =
        tokio::task::spawn_blocking(move || runs(&directory, &["discard", &forced, "--force"]));
    // The gate lets the resource go once Terraform knows that it is to stop.
    let stdouts = scene.state().join("runs").join(&name).join("operations");
    let apply = operation(&shown(&scene, &id), "-apply")["name"].as_str().unwrap().to_owned();
    wait_for(|| {
        let printed = std::fs::read_to_string(stdouts.join(&apply).join("stdout"));
        printed.is_ok_and(|text| text.contains("Interrupt received"))
    })
    .await;
    gate.open();
    let said = discarding.await.unwrap();
    assert_eq!(said.code, Some(0), "{said:?}");
    for part in ["interrupted once", "a copy of its Terraform state is kept in", "discarded run"] {
        assert!(said.errors.contains(part), "`{part}` is not in {said:?}");
    }
    assert!(!scene.state().join("runs").join(&name).exists());
    let seen = Processes::now().unwrap();
    assert!(seen.of(daemon, &scene.state()).is_empty(), "{:?}", seen.of(daemon, &scene.state()));
    let copies: Vec<_> = std::fs::read_dir(scene.state().join("quarantine")).unwrap().collect();
    assert_eq!(copies.len(), 1);
    // Only the copy is left, and it is not dropped without a word.
    assert_eq!(shown(&scene, &id)["phase"], "kept");
    let refused = runs(scene.directory(), &["discard", &name]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
}
