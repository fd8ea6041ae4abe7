//! Aborts and drains: how runs are stopped, and what becomes of their state.

use super::{PROGRAM, scene};
use crate::{all_text, assert_ended};
use blockhouse_emulator::{Behavior, Fault, Gate, Route, RunSpec, RunState, RunView, Status};
use blockhouse_tests::terraform::{LoopbackGate, Module, Scene, Stage};
use blockhouse_tests::{GitHttpMode, Processes, ProviderMirror, ProviderProgram, patience};
use std::path::Path;
use std::time::Duration;
use uuid::Uuid;

const SOURCE: &str = "example.com/blockhouse/blockhousetest";

pub(super) async fn staged(module: &Module, stage: Stage) -> Scene {
    Scene::with(Path::new(PROGRAM), module, stage).await.unwrap()
}

/// A resource, and after it one whose making waits at the gate in a grandchild of Terraform.
pub(super) fn gated(gate: &LoopbackGate) -> Module {
    Module::new().resource("one").resource_at("two", gate, &["one"])
}

/// The token of runs whose configuration names meshStack as its own backend, with locks; ours has none.
const TOKEN: &str = "TEST-ONLY-run-token";

/// A scene whose module keeps its state with locks; the daemon is not started yet. And a run of it.
pub(super) async fn locking(module: Module, stage: Stage) -> (Scene, RunSpec) {
    let scene = Scene::set(Path::new(PROGRAM), &Module::new(), stage).await.unwrap();
    let (block, url) = (Uuid::new_v4(), scene.emulator.url());
    let address = format!("{url}/api/terraform/state/workspace/tenant-a/buildingBlock/{block}");
    scene.commit(&module.own_http_backend(&address, "run", TOKEN)).unwrap();
    let spec = scene.spec().block(block).run_token(TOKEN);
    (scene, spec)
}

/// Orders a run and waits until somebody stands at the gate.
pub(super) async fn standing(scene: &mut Scene, spec: RunSpec, gate: &LoopbackGate) -> Uuid {
    let id = scene.emulator.enqueue(spec);
    let reached = gate.reached(1, patience());
    scene.daemon().unwrap().until(reached).await.unwrap().unwrap();
    id
}

/// The run has ended once in this state; nothing works for it any more, and no lock is left.
pub(super) async fn assert_stopped(scene: &Scene, run: &RunView, state: RunState, daemon: u32) {
    assert_ended(run, state);
    assert_eq!(scene.emulator.final_statuses(&run.id), [Status::Failed]);
    assert!(scene.emulator.locks_held().is_empty(), "{:?}", scene.emulator.locks_held());
    assert!(scene.emulator.violations().is_empty(), "{:?}", scene.emulator.violations());
    let directory = scene.state();
    assert_eq!(Processes::now().unwrap().of(daemon, &directory).len(), 0);
}

/// What was made before the stop is in the state.
pub(super) fn assert_saved(scene: &Scene, run: &RunView) {
    let state = scene.emulator.terraform_state(run.state_address.as_ref().unwrap()).unwrap();
    assert!(state.resources().contains("terraform_data.one"), "{state:?}");
    let text = all_text(run);
    assert!(text.contains("interrupted once") && text.contains("state was saved."), "{text}");
    let log = run.log("execute_tf");
    assert!(log.contains("terraform_data.one: Creation complete"), "the log is kept: {log}");
    assert_eq!(log.matches("Interrupt received").count(), 1, "{log}");
}

#[tokio::test]
async fn an_abort_during_apply_interrupts_once_saves_the_state_and_gives_the_lock_back() {
    let gate = LoopbackGate::new().await.unwrap();
    let (mut scene, spec) = locking(gated(&gate), Stage::default()).await;
    scene.begin().unwrap();
    let id = standing(&mut scene, spec, &gate).await;
    let daemon = scene.daemon().unwrap().id();
    assert_eq!(scene.emulator.locks_held().len(), 1);
    scene.emulator.abort(&id);
    let run = scene.end_of(&id).await.unwrap();
    assert_stopped(&scene, &run, RunState::Aborted, daemon).await;
    assert_saved(&scene, &run);
    let told = run.told("execute_tf");
    assert!(told.contains("since its run was aborted"), "{told}");
    gate.deserted(1, patience()).await.unwrap();
    assert!(gate.passed().is_empty());
    assert_eq!(run.step("output").unwrap().status, Status::Failed);
}

#[tokio::test]
async fn an_abort_during_destroy_keeps_what_is_not_destroyed_in_the_state() {
    let gate = LoopbackGate::new().await.unwrap();
    let module = Module::new().resource("one").resource_destroyed_at("two", &gate, &["one"]);
    let mut scene = scene(&module).await;
    let block = Uuid::new_v4();
    let applied = scene.execute(scene.spec().block(block)).await.unwrap();
    assert_ended(&applied, RunState::Succeeded);
    let spec = scene.spec().block(block).behavior(Behavior::Destroy);
    let id = standing(&mut scene, spec, &gate).await;
    let daemon = scene.daemon().unwrap().id();
    scene.emulator.abort(&id);
    let run = scene.end_of(&id).await.unwrap();
    assert_stopped(&scene, &run, RunState::Aborted, daemon).await;
    let state = scene.emulator.terraform_state(run.state_address.as_ref().unwrap()).unwrap();
    assert!(state.resources().contains("terraform_data.one"), "{state:?}");
    assert!(run.told("execute_tf").contains("state was saved."), "{run:#?}");
}

#[tokio::test]
async fn an_abort_during_a_script_ends_it_and_terraform_is_not_started() {
    let gate = LoopbackGate::new().await.unwrap();
    let mut scene = scene(&Module::new().resource("one")).await;
    let script = format!("echo begun; {}", gate.command("script"));
    let spec = RunSpec::terraform(scene.terraform().pre_run_script(script));
    let id = standing(&mut scene, spec, &gate).await;
    let daemon = scene.daemon().unwrap().id();
    scene.emulator.abort(&id);
    let run = scene.end_of(&id).await.unwrap();
    assert_stopped(&scene, &run, RunState::Aborted, daemon).await;
    assert!(run.log("pre_run_script").contains("begun"), "{run:#?}");
    assert!(run.told("pre_run_script").contains("since its run was aborted"), "{run:#?}");
    assert_eq!(run.step("execute_tf").unwrap().status, Status::Failed);
    let state = scene.emulator.terraform_state(run.state_address.as_ref().unwrap());
    assert!(state.is_none_or(|state| state.lock_ids().is_empty()));
    gate.deserted(1, patience()).await.unwrap();
}

#[tokio::test]
async fn an_abort_during_the_fetch_of_the_sources_ends_it() {
    let mut scene = scene(&Module::new().resource("one")).await;
    scene.git.set(GitHttpMode::StallFetch);
    let id = scene.emulator.enqueue(scene.spec());
    let daemon = scene.daemon().unwrap().id();
    wait_for(|| scene.git.fetches() > 0).await;
    scene.emulator.abort(&id);
    let run = scene.end_of(&id).await.unwrap();
    assert_stopped(&scene, &run, RunState::Aborted, daemon).await;
    assert_eq!(run.step("sources").unwrap().status, Status::Failed);
}

/// The kit's provider in a directory of the operator, and a gate that configuring it waits at.
pub(super) fn with_provider(
    module: Module,
    mirror: &ProviderMirror,
    gate: &LoopbackGate,
) -> (Module, String) {
    mirror.add(SOURCE, "1.0.0", &ProviderProgram::Real).unwrap();
    let module = module.provider(SOURCE, ">= 1.0.0");
    let module = module.provider_configured(&[("gate", &gate.address())]);
    let module = module.note("note", &[("text", "x")]);
    let directories = format!(
        "  providers: {{directories: ['{}'], registries: false}}\n",
        mirror.path().display()
    );
    (module, directories)
}

/// Waits until an interrupt has gone through Terraform to its provider, which waits at the gate. Before, whatever it comes back with is taken.
pub(super) async fn reaches_the_provider(scene: &mut Scene, gate: &LoopbackGate) {
    let stopped = gate.reached(2, patience());
    scene.daemon().unwrap().until(stopped).await.unwrap().unwrap();
    assert_eq!(gate.arrived(), ["provider", "stop"]);
}

#[tokio::test]
async fn an_abort_during_plan_ends_it_and_gives_the_lock_back() {
    let (mirror, gate) = (ProviderMirror::new().unwrap(), LoopbackGate::new().await.unwrap());
    let (module, configuration) = with_provider(Module::new(), &mirror, &gate);
    let (mut scene, spec) = locking(module, Stage { configuration, ..Stage::default() }).await;
    scene.begin().unwrap();
    let spec = spec.behavior(Behavior::Detect);
    let id = standing(&mut scene, spec, &gate).await;
    let daemon = scene.daemon().unwrap().id();
    scene.emulator.abort(&id);
    reaches_the_provider(&mut scene, &gate).await;
    gate.open();
    let run = scene.end_of(&id).await.unwrap();
    assert_stopped(&scene, &run, RunState::Aborted, daemon).await;
    let told = run.told("execute_tf");
    assert!(told.contains("interrupted once, since its run was aborted"), "{told}");
    assert!(!told.contains("state was"), "{told}");
}

#[tokio::test]
async fn an_abort_during_init_waits_for_nobody() {
    let mut scene = scene(&Module::new().resource("one")).await;
    let answers = Gate::new();
    scene.emulator.fail(&[Route::StateRead], &Fault::Hold(answers.clone()));
    let id = scene.emulator.enqueue(scene.spec());
    scene.daemon().unwrap().until(answers.reached(1)).await.unwrap();
    let daemon = scene.daemon().unwrap().id();
    let aborted = std::time::Instant::now();
    scene.emulator.abort(&id);
    let run = scene.end_of(&id).await.unwrap();
    assert_stopped(&scene, &run, RunState::Aborted, daemon).await;
    assert!(run.told("init_tf").contains("since its run was aborted"), "{run:#?}");
    // What has something to lose is left alone for half a minute at least.
    assert!(aborted.elapsed() < Duration::from_secs(25), "{:?}", aborted.elapsed());
}

#[tokio::test]
async fn a_run_that_outlives_its_wall_time_is_interrupted_and_its_state_is_saved() {
    let gate = LoopbackGate::new().await.unwrap();
    let mut scene = Scene::set(Path::new(PROGRAM), &gated(&gate), Stage::default()).await.unwrap();
    scene.change_policy("wall_time = \"1h\"", "wall_time = \"4s\"").unwrap();
    scene.begin().unwrap();
    let spec = scene.spec();
    let id = standing(&mut scene, spec, &gate).await;
    let daemon = scene.daemon().unwrap().id();
    let run = scene.end_of(&id).await.unwrap();
    assert_stopped(&scene, &run, RunState::Failed, daemon).await;
    assert_saved(&scene, &run);
    assert!(all_text(&run).contains("limit.time"), "{run:#?}");
}

/// SIGTERM so many times; the daemon must end well, and the run with it.
#[cfg(unix)]
async fn drained(top: &str, signals: usize) {
    let gate = LoopbackGate::new().await.unwrap();
    let mut scene = staged(&gated(&gate), Stage { top: top.to_owned(), ..Stage::default() }).await;
    let spec = scene.spec();
    let id = standing(&mut scene, spec, &gate).await;
    let mut daemon = scene.daemon.take().unwrap();
    daemon.terminate().unwrap();
    if signals > 1 {
        // Only then can the second one be told apart from the first.
        wait_for(|| daemon.log().contains("draining: no more runs are claimed")).await;
        daemon.terminate().unwrap();
    }
    let status = daemon.ended(patience()).await.unwrap();
    assert_eq!(status.code(), Some(0), "{}", daemon.log());
    let run = scene.emulator.run(&id).unwrap();
    assert_stopped(&scene, &run, RunState::Failed, daemon.id()).await;
    assert_saved(&scene, &run);
    let told = run.told("execute_tf");
    assert!(told.contains("the runner is being stopped"), "{told}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_drain_deadline_interrupts_once_and_the_state_is_saved() {
    drained("runs: {drainTimeout: 1s}\n", 1).await;
}

#[cfg(unix)]
#[tokio::test]
async fn the_second_signal_interrupts_terraform_only_once() {
    drained("runs: {drainTimeout: 1h}\n", 2).await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_drain_waits_for_a_run_that_ends_in_time() {
    let gate = LoopbackGate::new().await.unwrap();
    let mut scene = scene(&gated(&gate)).await;
    let spec = scene.spec();
    let id = standing(&mut scene, spec, &gate).await;
    let mut daemon = scene.daemon.take().unwrap();
    daemon.terminate().unwrap();
    wait_for(|| daemon.log().contains("draining: no more runs are claimed")).await;
    gate.open();
    assert_eq!(daemon.ended(patience()).await.unwrap().code(), Some(0), "{}", daemon.log());
    assert_ended(&scene.emulator.run(&id).unwrap(), RunState::Succeeded);
}

/// An apply that can't end when it is interrupted, since its backend does not answer. It has its lock then.
async fn deaf(release_locks: bool) -> (Scene, RunView) {
    let gate = LoopbackGate::new().await.unwrap();
    let configuration = "  interruptGrace: 1s\n  interruptLimit: 2s\n".to_owned();
    let (mut scene, spec) =
        locking(gated(&gate), Stage { configuration, ..Stage::default() }).await;
    if !release_locks {
        scene.change_policy("release_locks = true", "release_locks = false").unwrap();
    }
    scene.begin().unwrap();
    let id = standing(&mut scene, spec, &gate).await;
    scene.emulator.fail(&[Route::StateWrite], &Fault::Hold(Gate::new()));
    scene.emulator.abort(&id);
    let run = scene.end_of(&id).await.unwrap();
    assert_ended(&run, RunState::Aborted);
    let told = run.told("execute_tf").to_owned();
    assert!(told.contains("interrupted twice, since its run was aborted"), "{told}");
    assert!(told.contains("may be missing in the state"), "{told}");
    let daemon = scene.daemon().unwrap().id();
    assert_eq!(Processes::now().unwrap().of(daemon, &scene.state()).len(), 0);
    (scene, run)
}

#[tokio::test]
async fn an_interrupt_that_is_ignored_is_followed_by_the_ladder_and_the_lock_is_named() {
    let (scene, run) = deaf(false).await;
    let held = scene.emulator.locks_held();
    let id = held.first().and_then(|lock| lock.info.get("ID")?.as_str()).unwrap();
    let told = run.told("execute_tf");
    assert!(told.contains(&format!("A lock of the state may remain: {id}.")), "{told}");
    let log = run.log("execute_tf");
    assert!(log.contains("Policy does not let the runner release it"), "{log}");
}

#[tokio::test]
async fn a_lock_that_a_forced_end_leaves_is_released_if_policy_allows() {
    let (scene, run) = deaf(true).await;
    assert!(scene.emulator.locks_held().is_empty());
    assert!(run.log("execute_tf").contains("It was released."), "{run:#?}");
    assert!(!run.told("execute_tf").contains("lock"), "{run:#?}");
}

/// A provider that does not heed interrupts, as one that waits for a cloud.
#[tokio::test]
async fn a_provider_that_ignores_the_interrupt_is_left_behind_after_the_limit() {
    let (mirror, gate) = (ProviderMirror::new().unwrap(), LoopbackGate::new().await.unwrap());
    mirror.add(SOURCE, "1.0.0", &ProviderProgram::Real).unwrap();
    let module = Module::new().resource("one").provider(SOURCE, ">= 1.0.0").hcl(&format!(
        "resource \"blockhousetest_note\" \"two\" {{\n  depends_on = [terraform_data.one]\n  \
         text = \"x\"\n  gate = \"{}\"\n}}",
        gate.address()
    ));
    let configuration = format!(
        "  interruptGrace: 1s\n  interruptLimit: 2s\n  \
         providers: {{directories: ['{}'], registries: false}}\n",
        mirror.path().display()
    );
    let (mut scene, spec) = locking(module, Stage { configuration, ..Stage::default() }).await;
    scene.begin().unwrap();
    let id = standing(&mut scene, spec, &gate).await;
    let daemon = scene.daemon().unwrap().id();
    scene.emulator.abort(&id);
    let run = scene.end_of(&id).await.unwrap();
    assert_stopped(&scene, &run, RunState::Aborted, daemon).await;
    let told = run.told("execute_tf");
    assert!(told.contains("interrupted twice, since its run was aborted"), "{told}");
    gate.deserted(1, patience()).await.unwrap();
}

/// Whether a process of a run has printed this.
pub(super) fn printed(directory: &Path, text: &str) -> bool {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| {
        if path.is_symlink() {
            false
        } else if path.is_dir() {
            printed(&path, text)
        } else {
            path.ends_with("stdout")
                && std::fs::read_to_string(&path).is_ok_and(|printed| printed.contains(text))
        }
    })
}

/// Waits for something that only a file or a server tells.
pub(crate) async fn wait_for(condition: impl Fn() -> bool) {
    let waited = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(patience(), waited).await.expect("the condition holds in the end");
}
