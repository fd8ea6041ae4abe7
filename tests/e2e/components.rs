//! Components and the cache of their compiled forms, over restarts of the program.

use crate::{assert_ended, emulator};
use blockhouse_emulator::{Emulator, RunSpec, RunState};
use blockhouse_tests::{Process, patience, program};
use std::fs;
use std::path::{Path, PathBuf};

/// Starts the daemon, has it execute a run, and ends it.
async fn start_and_execute(emulator: &Emulator, directory: &Path) {
    let mut process = Process::start(&program(), directory).unwrap();
    let id = emulator.enqueue(RunSpec::manual());
    let ended = emulator.wait_for_end(&id, patience());
    assert_ended(&process.until(ended).await.unwrap().unwrap(), RunState::Succeeded);
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory.join("state/components")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn log(directory: &Path) -> String {
    fs::read_to_string(directory.join("daemon.log")).unwrap()
}

#[tokio::test]
async fn a_damaged_cache_costs_time_and_nothing_else() {
    let emulator = emulator().await;
    let directory = tempfile::tempdir().unwrap();
    Process::configure(directory.path(), &emulator, &[], "poll: {interval: 100ms}\n").unwrap();
    start_and_execute(&emulator, directory.path()).await;
    let kept = entries(directory.path());
    assert_eq!(kept.len(), 1, "{kept:?}");
    start_and_execute(&emulator, directory.path()).await;
    assert!(!log(directory.path()).contains("it is compiled again"));

    let mut code = fs::read(&kept[0]).unwrap();
    *code.last_mut().unwrap() ^= 1;
    fs::write(&kept[0], &code).unwrap();
    start_and_execute(&emulator, directory.path()).await;
    assert!(log(directory.path()).contains("it is compiled again"));
    assert_eq!(entries(directory.path()), kept);
    assert!(fs::read(&kept[0]).unwrap() != code, "the damaged code is still there");
}

#[tokio::test]
async fn without_a_cache_nothing_is_kept() {
    let emulator = emulator().await;
    let directory = tempfile::tempdir().unwrap();
    let more = "poll: {interval: 100ms}\ncomponents: {cacheMib: 0, compileMemoryMib: 256}\n";
    Process::configure(directory.path(), &emulator, &[], more).unwrap();
    start_and_execute(&emulator, directory.path()).await;
    assert!(directory.path().join("state").exists());
    assert!(!directory.path().join("state/components").exists());
}

#[tokio::test]
async fn a_file_that_is_no_component_keeps_the_daemon_from_starting_and_says_why() {
    let emulator = emulator().await;
    let directory = tempfile::tempdir().unwrap();
    Process::configure(directory.path(), &emulator, &[("BAD", b"\0asm\x01\0\0\0")], "").unwrap();
    let output = Process::command(&program(), directory.path()).arg("daemon").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("not a usable component: "), "{text}");
    assert!(text.contains("component"), "{text}");
}
