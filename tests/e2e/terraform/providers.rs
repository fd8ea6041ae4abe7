//! Which providers and which tools a run may use, and in which version.

use super::PROGRAM;
use crate::{all_text, assert_ended};
use blockhouse_emulator::{RunSpec, RunState};
use blockhouse_tests::terraform::{Module, Scene, Stage};
use blockhouse_tests::{ProviderMirror, ProviderProgram};
use std::path::Path;

const SOURCE: &str = "example.com/blockhouse/blockhousetest";

fn module() -> Module {
    Module::new().provider(SOURCE, ">= 1.0.0").note("note", &[("text", "x")])
}

/// Lets a scene use a mirror on this machine.
fn stage(mirror: &ProviderMirror) -> Stage {
    let directory = mirror.path().display();
    let configuration =
        format!("  providers: {{directories: ['{directory}'], registries: false}}\n");
    Stage { configuration, ..Stage::default() }
}

#[tokio::test]
async fn a_committed_lock_file_decides_the_version_and_what_it_must_be() {
    let mirror = ProviderMirror::new().unwrap();
    let old = mirror.add(SOURCE, "1.0.0", &ProviderProgram::Real).unwrap();
    mirror.add(SOURCE, "1.1.0", &ProviderProgram::Real).unwrap();
    let mut scene = Scene::with(Path::new(PROGRAM), &module(), stage(&mirror)).await.unwrap();
    let script = "grep -A1 '^provider' .terraform.lock.hcl";
    let spec = |scene: &Scene| RunSpec::terraform(scene.terraform().pre_run_script(script));
    let run = scene.execute(spec(&scene)).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    assert!(run.log("pre_run_script").contains("1.1.0"), "the newest: {run:#?}");

    let locked = module().file(".terraform.lock.hcl", old.lock());
    scene.commit(&locked).unwrap();
    let run = scene.execute(spec(&scene)).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    let log = run.log("pre_run_script");
    assert!(log.contains("1.0.0") && !log.contains("1.1.0"), "the locked one: {run:#?}");

    // One that has another program than the mirror is not given in to.
    let other = old.lock().replace("h1:", "h1:AAAA").replace("zh:", "zh:0000");
    scene.commit(&module().file(".terraform.lock.hcl", other)).unwrap();
    let run = scene.execute(spec(&scene)).await.unwrap();
    assert_ended(&run, RunState::Failed);
    assert!(all_text(&run).contains("checksum"), "{run:#?}");
}

#[tokio::test]
async fn providers_that_policy_does_not_grant_are_not_installed() {
    let mirror = ProviderMirror::new().unwrap();
    mirror.add(SOURCE, "1.0.0", &ProviderProgram::Real).unwrap();
    for (granted, state) in [
        ("example.com/blockhouse/blockhousetest", RunState::Succeeded),
        ("example.com/blockhouse/*", RunState::Succeeded),
        ("example.com/others/*", RunState::Failed),
        ("registry.terraform.io/hashicorp/*", RunState::Failed),
    ] {
        let terraform = format!("providers = [\"{granted}\"]");
        let stage = Stage { terraform, ..stage(&mirror) };
        let mut scene = Scene::with(Path::new(PROGRAM), &module(), stage).await.unwrap();
        let run = scene.execute(scene.spec()).await.unwrap();
        assert_ended(&run, state);
        if state == RunState::Failed {
            let told = run.told("init_tf");
            assert!(told.contains("Terraform init failed"), "{granted}: {told}");
            assert!(run.log("init_tf").contains(SOURCE), "{run:#?}");
        }
    }
}

#[tokio::test]
async fn versions_and_tools_that_policy_does_not_grant_are_refused_by_its_name() {
    let module = Module::new().resource("one");
    for (grant, state) in [
        ("versions = [\">=1.6\"]", RunState::Succeeded),
        ("versions = [\"=1.5.5\", \">=99\"]", RunState::Failed),
        ("tools = [\"terraform\"]", RunState::Succeeded),
        ("tools = [\"tofu\"]", RunState::Failed),
    ] {
        let stage = Stage { terraform: grant.to_owned(), ..Stage::default() };
        let mut scene = Scene::with(Path::new(PROGRAM), &module, stage).await.unwrap();
        let run = scene.execute(scene.spec()).await.unwrap();
        assert_ended(&run, state);
        if state == RunState::Failed {
            let told = run.told("sources");
            assert!(told.contains("policy `terraform`"), "{grant}: {told}");
        }
    }
}
