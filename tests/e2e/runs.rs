//! `blockhouse runs`, beside a daemon and after one that was killed.

mod rejected;
#[cfg(target_os = "linux")]
mod terraform;

use crate::{assert_ended, emulator, until_decided};
use blockhouse_emulator::{Emulator, Fault, Gate, InputType, Reach, Route, RunSpec, RunState};
use blockhouse_tests::{Leaks, Process, patience};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Output;
use tempfile::TempDir;
use uuid::Uuid;

const PROGRAM: &str = env!("CARGO_BIN_EXE_blockhouse-under-test");

const SECRET: &str = "correct-horse-battery-staple";
const TOKEN: &str = "the-token-of-the-run-that-is-looked-at";

/// A daemon of its own, and what can be asked beside it and after it.
struct Scene {
    emulator: Emulator,
    directory: TempDir,
    daemon: Process,
}

/// What a command has said.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    errors: String,
}

impl Scene {
    async fn start() -> Self {
        let emulator = emulator().await;
        let directory = tempfile::tempdir().unwrap();
        let watch = [("WATCH", blockhouse_artifacts::WATCH_ABORT)];
        Process::configure(directory.path(), &emulator, &watch, "poll: {interval: 100ms}\n")
            .unwrap();
        let daemon = Process::start(Path::new(PROGRAM), directory.path()).unwrap();
        Self { emulator, directory, daemon }
    }

    fn begin(&mut self) {
        self.daemon = Process::start(Path::new(PROGRAM), self.directory.path()).unwrap();
    }

    fn runs(&self, arguments: &[&str]) -> Said {
        runs(self.directory.path(), arguments)
    }

    /// The runs that are listed, with their phases.
    fn listed(&self) -> Vec<(String, String)> {
        let said = self.runs(&["ls", "--json"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        let listed: Vec<Value> = serde_json::from_str(&said.out).unwrap();
        let text = |run: &Value, key: &str| run[key].as_str().unwrap().to_owned();
        listed.iter().map(|run| (text(run, "run"), text(run, "phase"))).collect()
    }

    /// Kills the daemon when a run's final status is decided, and meshStack has not got it.
    async fn decided(&mut self) -> Uuid {
        let gate = Gate::new();
        let spec = RunSpec::manual()
            .input("name", InputType::String, json!("a name"))
            .sensitive_input("password", InputType::String, SECRET)
            .run_token(TOKEN);
        let id = self.emulator.enqueue(spec);
        self.emulator.script_for_run(Route::Update, &id, Fault::Hold(gate.clone()), 1);
        self.daemon.until(gate.reached(1)).await.unwrap();
        until_decided(&self.directory.path().join("state"), &id).await;
        self.daemon.kill().unwrap();
        id
    }

    /// A run that executes until it is told to stop, and has reported.
    async fn executing(&mut self) -> Uuid {
        let id =
            self.emulator.enqueue(RunSpec::manual().implementation(json!({ "type": "WATCH" })));
        let reported = self
            .emulator
            .wait_until(patience(), |view| view.run(&id).is_some_and(|run| run.updates > 0));
        self.daemon.until(reported).await.unwrap().unwrap();
        id
    }

    async fn ends(&self, id: &Uuid, state: RunState) {
        assert_ended(&self.emulator.wait_for_end(id, patience()).await.unwrap(), state);
    }
}

fn runs(directory: &Path, arguments: &[&str]) -> Said {
    let mut command = Process::command(Path::new(PROGRAM), directory);
    let Output { status, stdout, stderr } = command.arg("runs").args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: status.code(), out: text(stdout), errors: text(stderr) }
}

#[tokio::test]
async fn runs_are_seen_beside_the_daemon_that_executes_them_and_it_is_named() {
    let mut scene = Scene::start().await;
    let id = scene.executing().await.to_string();
    assert_eq!(scene.listed(), [(id.clone(), "executing".to_owned())]);
    let owner = format!("process {} on ", scene.daemon.id());
    let table = scene.runs(&["ls"]);
    assert!(table.errors.contains(&owner), "{table:?}");
    assert!(table.out.contains(&id) && table.out.contains("WATCH"), "{table:?}");
    let shown = scene.runs(&["show", &id[..13]]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    for part in [&id, "executing", "APPLY by WATCH", "IN_PROGRESS"] {
        assert!(shown.out.contains(part), "`{part}` is not in {shown:?}");
    }
    assert!(scene.runs(&["logs", &id]).errors.contains("nothing of what it has told"));
    for command in [&["recover"][..], &["discard", &id, "--force"]] {
        let said = scene.runs(command);
        assert_eq!(said.code, Some(1), "{said:?}");
        for part in ["in use by another daemon", &owner] {
            assert!(said.errors.contains(part), "{said:?}");
        }
    }
    let unknown = scene.runs(&["show", "nonsense"]);
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.errors.contains("no run is known"), "{unknown:?}");
    scene.emulator.abort(&Uuid::parse_str(&id).unwrap());
    scene.ends(&Uuid::parse_str(&id).unwrap(), RunState::Aborted).await;
}

#[tokio::test]
async fn a_decided_final_status_is_delivered_without_a_daemon_and_nothing_is_claimed() {
    let mut scene = Scene::start().await;
    let id = scene.decided().await;
    let pending = scene.emulator.enqueue(RunSpec::manual());
    assert_eq!(scene.listed(), [(id.to_string(), "ended".to_owned())]);
    assert!(scene.runs(&["ls"]).errors.contains("no daemon is known"));
    let claims = scene.emulator.count(Route::Claim);
    let said = scene.runs(&["recover"]);
    assert_eq!((said.code, said.out.trim()), (Some(0), &*format!("{id}  delivered")), "{said:?}");
    scene.ends(&id, RunState::Succeeded).await;
    assert!(scene.listed().is_empty());
    assert_eq!(scene.runs(&["ls"]).out, "every run is settled\n");
    assert_eq!(scene.runs(&["recover"]).code, Some(0), "again is as good");
    assert_eq!(scene.emulator.count(Route::Claim), claims);
    assert_eq!(scene.emulator.run(&pending).unwrap().state, RunState::Pending);
}

#[tokio::test]
async fn what_can_not_be_delivered_yet_is_kept_and_said_so() {
    let mut scene = Scene::start().await;
    let id = scene.decided().await;
    scene.emulator.set_reach(Reach::Closed);
    let said = scene.runs(&["recover", "--patience", "300ms"]);
    assert_eq!(said.code, Some(75), "{said:?}");
    assert!(said.out.contains("not accepted yet"), "{said:?}");
    assert_eq!(scene.listed(), [(id.to_string(), "ended".to_owned())]);
    scene.emulator.set_reach(Reach::Reachable);
    scene.begin();
    scene.ends(&id, RunState::Succeeded).await;
}

#[tokio::test]
async fn a_run_that_was_executing_is_left_to_the_next_daemon() {
    let mut scene = Scene::start().await;
    let id = scene.executing().await;
    scene.daemon.kill().unwrap();
    let said = scene.runs(&["recover", &id.to_string()]);
    assert_eq!(said.code, Some(75), "{said:?}");
    assert!(said.out.contains("has not ended"), "{said:?}");
    assert_eq!(scene.listed(), [(id.to_string(), "executing".to_owned())]);
    assert_eq!(scene.emulator.run(&id).unwrap().state, RunState::InProgress);
}

#[tokio::test]
async fn what_is_shown_of_a_run_holds_no_secret() {
    let mut scene = Scene::start().await;
    let id = scene.decided().await.to_string();
    let leaks = Leaks::of([("the input", SECRET), ("the token", TOKEN)]).unwrap();
    let mut all = Vec::new();
    for command in
        [&["ls"][..], &["ls", "--json"], &["show", &id], &["show", &id, "--json"], &["logs", &id]]
    {
        let Said { code, out, errors } = scene.runs(command);
        assert_eq!(code, Some(0), "{command:?}: {errors}");
        assert_eq!(leaks.in_bytes("what is shown", format!("{out}{errors}").as_bytes()), []);
        all.push(out);
    }
    let shown: Value = serde_json::from_str(&all[3]).unwrap();
    assert_eq!(shown["outcome"], "SUCCEEDED");
    let inputs: Vec<_> =
        shown["order"]["inputs"].as_array().unwrap().iter().map(|input| &input["value"]).collect();
    assert_eq!(inputs, [&json!("\"a name\""), &json!("<sensitive>")]);
    assert!(shown["steps"].to_string().contains("<sensitive>"), "{shown:#}");
    assert!(all[2].contains("password = <sensitive>"), "{}", all[2]);
    let on_disk = leaks.in_directory(&scene.directory.path().join("state"), |_| false).unwrap();
    assert_eq!(on_disk, []);
}

#[tokio::test]
async fn what_somebody_may_miss_is_only_discarded_by_force() {
    for is_decided in [true, false] {
        let mut scene = Scene::start().await;
        let id = if is_decided {
            scene.decided().await
        } else {
            let id = scene.executing().await;
            scene.daemon.kill().unwrap();
            id
        };
        let name = id.to_string();
        let refused = scene.runs(&["discard", &name]);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        let reason = if is_decided { "has not been delivered" } else { "has not ended" };
        for part in [reason, "--force"] {
            assert!(refused.errors.contains(part), "{refused:?}");
        }
        assert_eq!(scene.listed().len(), 1);
        let done = scene.runs(&["discard", &name, "--force"]);
        assert_eq!(done.code, Some(0), "{done:?}");
        assert!(scene.listed().is_empty());
        // The next daemon has no reason to speak of it.
        let updates = scene.emulator.run(&id).unwrap().updates;
        scene.begin();
        let next = scene.emulator.enqueue(RunSpec::manual());
        scene.ends(&next, RunState::Succeeded).await;
        let run = scene.emulator.run(&id).unwrap();
        assert_eq!((run.state, run.updates), (RunState::InProgress, updates));
    }
}

#[test]
fn the_help_says_what_needs_the_daemon_to_be_stopped() {
    let directory = tempfile::tempdir().unwrap();
    for command in ["recover", "discard"] {
        let said = runs(directory.path(), &[command, "--help"]);
        assert_eq!(said.code, Some(0));
        assert!(said.out.contains("No daemon must be running"), "{said:?}");
    }
}
