//! TERRAFORM runs: a component, a supervised Terraform, a git server and meshStack's state.

mod caches;
mod inputs;
#[cfg(target_os = "linux")]
mod kills;
mod limits;
mod providers;
mod running;
mod states;
mod stops;

pub(crate) use stops::wait_for;

use crate::{all_text, assert_ended};
use blockhouse_emulator::{InputType, RunSpec, RunState, RunView, Status};
use blockhouse_tests::patience;
use blockhouse_tests::terraform::{Module, Scene, Stage};
use serde_json::json;
use std::path::Path;

const PROGRAM: &str = env!("CARGO_BIN_EXE_blockhouse-under-test");

async fn scene(module: &Module) -> Scene {
    Scene::start(Path::new(PROGRAM), module).await.unwrap()
}

#[tokio::test]
async fn an_apply_has_its_steps_its_outputs_and_its_state() {
    let module = Module::new().resource("one").echo("name", Some("string"));
    let mut scene = scene(&module).await;
    let spec = scene.spec().input("name", InputType::String, json!("Ada"));
    let run = scene.execute(spec).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    let steps: Vec<_> = run.steps.iter().map(|step| (step.id.as_str(), step.status)).collect();
    let expected = ["sources", "input", "init_tf", "pre_run_script", "execute_tf", "output"];
    assert_eq!(steps, expected.map(|id| (id, Status::Succeeded)));
    assert_eq!(run.output("name_again").unwrap().value, json!("Ada"));
}

#[cfg(unix)]
#[tokio::test]
async fn each_tenant_has_a_user_of_its_own() {
    use blockhouse_tests::terraform::Stage;
    // `id` knows who executes it, and what it leaves is the user's.
    let module =
        Module::new().resource_made_by("who", "echo user $(id -u)-$(id -G) > who; cat who", &[]);
    let stage =
        Stage { configuration: "  users: {first: 300000}\n".to_owned(), ..Stage::default() };
    let mut scene = Scene::with(Path::new(PROGRAM), &module, stage).await.unwrap();
    let mut users = Vec::new();
    for tenant in ["one", "other", "one"] {
        let run = scene.execute(scene.spec().workspace(tenant)).await.unwrap();
        assert_ended(&run, RunState::Succeeded);
        let text = all_text(&run);
        let user = text
            .lines()
            .find_map(|line| line.split("(local-exec): user ").nth(1))
            .unwrap()
            .to_owned();
        users.push(user);
    }
    assert_eq!(users, ["300000-300000", "300001-300001", "300000-300000"]);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_resumed_run_that_ends_early_ends_what_was_running() {
    use blockhouse_tests::Processes;
    use blockhouse_tests::terraform::LoopbackGate;
    let gate = LoopbackGate::new().await.unwrap();
    let module = Module::new().resource("first").resource_at("held", &gate, &["first"]);
    let mut scene = scene(&module).await;
    let id = scene.emulator.enqueue(scene.spec());
    gate.reached(1, patience()).await.unwrap();
    scene.daemon().unwrap().kill().unwrap();
    // The policy that the next daemon finds does not let the run apply any more.
    let path = scene.directory().join("terraform.toml");
    let policy = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, policy.replace("\"plan\", \"apply\", \"destroy\"", "\"plan\"")).unwrap();
    scene.begin().unwrap();
    let run = scene.emulator.wait_for_end(&id, patience()).await.unwrap();
    assert_ended(&run, RunState::Failed);
    let text = all_text(&run);
    assert!(text.contains("does not grant"), "{text}\n{}", scene.log());
    let (daemon, state) = (scene.daemon().unwrap().id(), scene.state());
    let seen = Processes::now().unwrap();
    assert!(seen.of(daemon, &state).is_empty(), "{:?}", seen.of(daemon, &state));
    assert!(scene.emulator.locks_held().is_empty());
    let state = scene.emulator.terraform_state(run.state_address.as_ref().unwrap()).unwrap();
    assert!(state.resources().iter().any(|name| name.contains("first")), "{state:?}");
}

/// Lets the daemon execute runs at once, and waits for the end of each.
async fn all(scene: &mut Scene, specs: impl IntoIterator<Item = RunSpec>) -> Vec<RunView> {
    let ids: Vec<_> = specs.into_iter().map(|spec| scene.emulator.enqueue(spec)).collect();
    let mut runs = Vec::new();
    for id in ids {
        let Scene { emulator, daemon, .. } = &mut *scene;
        let ended = emulator.wait_for_end(&id, patience());
        runs.push(daemon.as_mut().unwrap().until(ended).await.unwrap().unwrap());
    }
    runs
}

#[tokio::test]
async fn a_policy_that_requires_what_the_machine_lacks_is_an_error_at_start() {
    use blockhouse::confine::Mechanism::{Cgroup, Landlock, NoNewPrivileges};
    let all = [Cgroup, Landlock, NoNewPrivileges];
    let lacking = blockhouse::confine::missing(&all);
    for mechanism in all {
        let why = lacking.iter().find(|(what, _)| *what == mechanism).map(|(_, why)| why);
        let stage = Stage { terraform: format!("require = [\"{mechanism}\"]"), ..Stage::default() };
        let mut scene = Scene::set(Path::new(PROGRAM), &Module::new(), stage).await.unwrap();
        scene.begin().unwrap();
        let Some(why) = why else {
            let spec = scene.spec();
            assert_ended(&scene.execute(spec).await.unwrap(), RunState::Succeeded);
            continue;
        };
        let status = scene.daemon().unwrap().ended(patience()).await.unwrap();
        assert!(!status.success());
        let log = scene.log();
        let text = format!("requires `{mechanism}`, which this machine can't enforce");
        assert!(log.contains(&text) && log.contains(why.as_str()), "{log}");
    }
}
