//! Disks that fill up or turn read-only under the daemon's state.

use crate::{assert_ended, emulator, until_decided};
use blockhouse_emulator::{Emulator, Fault, Gate, Route, RunSpec, RunState};
use blockhouse_tests::{FailingDisk, Process, SmallDisk, patience};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use uuid::Uuid;

const PROGRAM: &str = env!("CARGO_BIN_EXE_blockhouse-under-test");

/// Where a daemon is configured, with an empty place for its state; and a place for scripts, which it does not see.
struct Given {
    emulator: Emulator,
    directory: TempDir,
    scripts: TempDir,
}

impl Given {
    async fn new() -> Self {
        let emulator = emulator().await;
        let [directory, scripts] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let watch = [("WATCH", blockhouse_artifacts::WATCH_ABORT)];
        let more = "poll: {interval: 100ms}\njournal: {minFreeMib: 16}\n";
        Process::configure(directory.path(), &emulator, &watch, more).unwrap();
        std::fs::create_dir(directory.path().join("state")).unwrap();
        Self { emulator, directory, scripts }
    }

    fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    fn start(&self, program: &Path) -> Process {
        Process::start(program, self.directory.path()).unwrap()
    }

    async fn succeeds(&self, run: &Uuid) {
        assert_ended(
            &self.emulator.wait_for_end(run, patience()).await.unwrap(),
            RunState::Succeeded,
        );
    }

    fn is_pending(&self, run: &Uuid) -> bool {
        self.emulator.run(run).unwrap().state == RunState::Pending
    }
}

/// What `/ready` of the daemon that was started last says.
async fn ready(daemon: &Process) -> (u16, String) {
    let log = daemon.log();
    let (_, after) = log.rsplit_once("\"admin\":\"").unwrap();
    let (address, _) = after.split_once('"').unwrap();
    let answer = reqwest::get(format!("http://{address}/ready")).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn until_ready_says(daemon: &Process, status: u16, word: &str) {
    let waited = async {
        loop {
            let (told, text) = ready(daemon).await;
            if told == status && text.contains(word) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(patience(), waited).await.is_err() {
        panic!("never {status} with `{word}`, but {:?}:\n{}", ready(daemon).await, daemon.log());
    }
}

/// Waits until it was tried again to claim, in vain.
async fn until_refused_again(daemon: &Process) {
    let refusals = || daemon.log().matches("no run is claimed").count();
    let before = refusals();
    let waited = async {
        while refusals() < before + 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(patience(), waited).await.unwrap();
}

#[tokio::test]
async fn with_little_room_nothing_is_claimed_until_there_is_more() {
    let given = Given::new().await;
    let program = Path::new(PROGRAM);
    let disk = SmallDisk::new(&given.state(), 32 << 20, program, given.scripts.path()).unwrap();
    let daemon = given.start(disk.program());
    given.succeeds(&given.emulator.enqueue(RunSpec::manual())).await;
    until_ready_says(&daemon, 200, "OK").await;
    disk.occupy(24 << 20).unwrap();
    until_ready_says(&daemon, 503, "`journal.minFreeMib`").await;
    let waiting = given.emulator.enqueue(RunSpec::manual());
    until_refused_again(&daemon).await;
    assert!(given.is_pending(&waiting), "it is left to other daemons");
    disk.relieve().unwrap();
    given.succeeds(&waiting).await;
    until_ready_says(&daemon, 200, "OK").await;
}

#[tokio::test]
async fn a_full_disk_costs_no_run_and_damages_nothing() {
    let given = Given::new().await;
    let program = Path::new(PROGRAM);
    let disk = SmallDisk::new(&given.state(), 32 << 20, program, given.scripts.path()).unwrap();
    let mut daemon = given.start(disk.program());
    // One that is decided, and one that executes.
    let gate = Gate::new();
    let decided = given.emulator.enqueue(RunSpec::manual());
    given.emulator.script_for_run(Route::Update, &decided, Fault::Hold(gate.clone()), 1);
    let watch = RunSpec::manual().implementation(json!({ "type": "WATCH" }));
    let executing = given.emulator.enqueue(watch);
    daemon.until(gate.reached(1)).await.unwrap();
    let begun = given
        .emulator
        .wait_until(patience(), |view| view.run(&executing).is_some_and(|run| run.updates > 0));
    daemon.until(begun).await.unwrap().unwrap();
    disk.fill().unwrap();
    given.emulator.abort(&executing);
    let run = given.emulator.wait_for_end(&executing, patience()).await.unwrap();
    assert_ended(&run, RunState::Aborted);
    until_ready_says(&daemon, 503, "`journal.minFreeMib`").await;
    daemon.kill().unwrap();
    gate.open();
    disk.relieve().unwrap();
    let next = given.start(disk.program());
    given.succeeds(&decided).await;
    given.succeeds(&given.emulator.enqueue(RunSpec::manual())).await;
    assert!(!next.log().contains("unreadable"), "{}", next.log());
}

#[tokio::test]
async fn a_disk_that_turns_read_only_stops_claims_and_loses_nothing() {
    let given = Given::new().await;
    let program = Path::new(PROGRAM);
    let disk = FailingDisk::new(&given.state(), program, given.scripts.path()).unwrap();
    let mut daemon = given.start(disk.program());
    let gate = Gate::new();
    let decided = given.emulator.enqueue(RunSpec::manual());
    given.emulator.script_for_run(Route::Update, &decided, Fault::Hold(gate.clone()), 1);
    daemon.until(gate.reached(1)).await.unwrap();
    until_decided(&disk.seen_from_here(), &decided).await;
    disk.sync().unwrap();
    disk.fail().unwrap();
    until_ready_says(&daemon, 503, "the journal can't be written").await;
    let waiting = given.emulator.enqueue(RunSpec::manual());
    until_refused_again(&daemon).await;
    assert!(given.is_pending(&waiting));
    daemon.kill().unwrap();
    gate.open();
    let disk = disk.repaired(program, given.scripts.path()).unwrap();
    let next = given.start(disk.program());
    given.succeeds(&decided).await;
    given.succeeds(&waiting).await;
    assert!(!next.log().contains("unreadable"), "{}", next.log());
    drop(next);
}

#[tokio::test]
async fn a_daemon_does_not_start_on_a_disk_that_is_read_only() {
    let given = Given::new().await;
    let program = Path::new(PROGRAM);
    let disk = FailingDisk::new(&given.state(), program, given.scripts.path()).unwrap();
    disk.fail().unwrap();
    let mut daemon = given.start(disk.program());
    assert_eq!(daemon.ended(patience()).await.unwrap().code(), Some(1));
    assert!(daemon.log().contains("failed to create"), "{}", daemon.log());
}
