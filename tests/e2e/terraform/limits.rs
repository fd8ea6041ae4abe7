//! What a run may take: the limits of the policy, each of them hit.

use super::stops::{
    assert_saved, assert_stopped, gated, reaches_the_provider, staged, standing, with_provider,
};
use blockhouse::confine::{self, Mechanism};
use blockhouse_emulator::{Behavior, Fault, Gate, Route, RunSpec, RunState, RunView, Status};
use blockhouse_tests::terraform::{LoopbackGate, Module, Scene, Stage};
use blockhouse_tests::{GitHttpMode, ProviderMirror, patience};

/// `[terraform.limits]` of the policy.
fn limited(limits: &str) -> Stage {
    Stage {
        policy: format!("[terraform.limits]\nreason = \"A test.\"\n{limits}\n"),
        ..Stage::default()
    }
}

/// One resource after which this command, then the gate is met.
fn greedy(command: &str, gate: &LoopbackGate) -> Module {
    let command = format!("{command}; {}", gate.command("two"));
    Module::new().resource("one").resource_made_by("two", &command, &["one"])
}

/// What a limit of the policy brings about during apply.
async fn exceeds(limits: &str, module: &Module, says: &str) {
    let mut scene = staged(module, limited(limits)).await;
    let daemon = scene.daemon().unwrap().id();
    let run = scene.execute(scene.spec()).await.unwrap();
    assert_stopped(&scene, &run, RunState::Failed, daemon).await;
    assert_saved(&scene, &run);
    let told = run.told("execute_tf");
    assert!(told.contains(says), "{told}");
}

#[tokio::test]
async fn an_apply_that_takes_longer_than_the_policy_allows_is_interrupted() {
    let gate = LoopbackGate::new().await.unwrap();
    exceeds("apply_time = \"3s\"", &gated(&gate), "it took too long").await;
    gate.deserted(1, patience()).await.unwrap();
}

#[tokio::test]
async fn an_apply_that_needs_too_much_memory_is_interrupted_while_it_can_still_save_its_state() {
    let gate = LoopbackGate::new().await.unwrap();
    let command = "x=$(head -c 400000000 /dev/zero | tr '\\0' x)";
    exceeds("memory_mib = 512", &greedy(command, &gate), "it used too much memory").await;
}

#[tokio::test]
async fn an_apply_that_prints_too_much_is_interrupted() {
    let gate = LoopbackGate::new().await.unwrap();
    let module = greedy("yes 'a line of a flood' | head -c 4000000", &gate);
    exceeds("output_mib = 1", &module, "it wrote too much output").await;
}

#[tokio::test]
async fn an_apply_that_fills_its_disk_space_is_interrupted() {
    let gate = LoopbackGate::new().await.unwrap();
    let module = greedy("head -c 100000000 /dev/zero > filler", &gate);
    exceeds("disk_mib = 64", &module, "the disk space it may use was full").await;
}

#[tokio::test]
async fn an_apply_that_computes_too_long_is_interrupted_and_its_state_is_saved() {
    let gate = LoopbackGate::new().await.unwrap();
    let module = greedy("while :; do :; done", &gate);
    exceeds("cpu_time = \"6s\"", &module, "it used too much time on a core").await;
}

#[tokio::test]
async fn an_apply_that_starts_too_many_processes_is_interrupted_and_its_state_is_saved() {
    if confine::missing(&[Mechanism::Cgroup]).is_empty() {
        // There, more can't be started at all.
        return;
    }
    let gate = LoopbackGate::new().await.unwrap();
    let module = greedy("for n in {1..150}; do sleep 1000 & done", &gate);
    exceeds("processes = 100", &module, "it had too many processes and threads").await;
}

/// The run has failed in this step, since its time was over.
async fn assert_late(scene: &mut Scene, run: &RunView, step: &str) {
    let daemon = scene.daemon().unwrap().id();
    assert_stopped(scene, run, RunState::Failed, daemon).await;
    assert_eq!(run.step(step).unwrap().status, Status::Failed, "{run:#?}");
    assert!(run.told(step).contains("took too long"), "{step}: {}", run.told(step));
}

#[tokio::test]
async fn sources_that_take_longer_than_the_policy_allows_end_the_run() {
    let mut scene = staged(&Module::new().resource("one"), limited("sources_time = \"1s\"")).await;
    scene.git.set(GitHttpMode::StallFetch);
    let run = scene.execute(scene.spec()).await.unwrap();
    assert_late(&mut scene, &run, "sources").await;
}

#[tokio::test]
async fn an_init_that_takes_longer_than_the_policy_allows_ends_the_run() {
    let mut scene = staged(&Module::new().resource("one"), limited("init_time = \"5s\"")).await;
    let answers = Gate::new();
    scene.emulator.fail(&[Route::StateRead], &Fault::Hold(answers.clone()));
    let run = scene.execute(scene.spec()).await.unwrap();
    answers.reached(1).await;
    assert_late(&mut scene, &run, "init_tf").await;
}

#[tokio::test]
async fn a_plan_that_takes_longer_than_the_policy_allows_ends_the_run() {
    let (mirror, gate) = (ProviderMirror::new().unwrap(), LoopbackGate::new().await.unwrap());
    let (module, configuration) = with_provider(Module::new(), &mirror, &gate);
    let stage = Stage { configuration, ..limited("plan_time = \"5s\"") };
    let mut scene = staged(&module, stage).await;
    let spec = scene.spec().behavior(Behavior::Detect);
    let id = standing(&mut scene, spec, &gate).await;
    // Nobody else interrupts it.
    reaches_the_provider(&mut scene, &gate).await;
    gate.open();
    let run = scene.end_of(&id).await.unwrap();
    assert_late(&mut scene, &run, "execute_tf").await;
}

#[tokio::test]
async fn a_script_that_takes_longer_than_the_policy_allows_ends_the_run() {
    let gate = LoopbackGate::new().await.unwrap();
    let mut scene = staged(&Module::new().resource("one"), limited("script_time = \"3s\"")).await;
    let terraform = scene.terraform().pre_run_script(gate.command("script"));
    let id = standing(&mut scene, RunSpec::terraform(terraform), &gate).await;
    let run = scene.end_of(&id).await.unwrap();
    assert_late(&mut scene, &run, "pre_run_script").await;
    gate.deserted(1, patience()).await.unwrap();
    assert!(gate.passed().is_empty());
}
