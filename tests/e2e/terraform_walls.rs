//! What repositories, scripts and providers of an attacker reach: their own run, and nothing around it.

mod backends;

use crate::terraform::wait_for;
use crate::{all_text, assert_ended};
use blockhouse::confine;
use blockhouse_emulator::{InputType, RunSpec, RunState, RunView};
use blockhouse_tests::terraform::{
    Bomb, HOSTILE_FILE_NAMES, LoopbackGate, Module, Scene, Stage, bombs,
};
use blockhouse_tests::{GitFile, Processes, ProviderMirror, ProviderProgram, Role, patience};
use serde_json::json;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use uuid::Uuid;

const PROGRAM: &str = env!("CARGO_BIN_EXE_blockhouse-under-test");

async fn set(module: &Module, stage: Stage) -> Scene {
    Scene::set(Path::new(PROGRAM), module, stage).await.unwrap()
}

async fn start(module: &Module) -> Scene {
    Scene::start(Path::new(PROGRAM), module).await.unwrap()
}

/// The pipe in its working directory by which an attacker is told the number of its shim: it can't see `/proc`.
const PIPE: &str = "number-of-the-shim";

/// A script for bash that tries everything and prints `REACHED <what>` for what worked: first of all, writing where it may. It waits
/// for [`tell_of_the_shim`].
fn attacks(scene: &mut Scene) -> String {
    let other = scene.state().join("runs/11111111-0000-0000-0000-000000000000");
    fs::create_dir_all(other.join("work")).unwrap();
    fs::write(other.join("work/secret"), "the secret of another run").unwrap();
    let daemon = scene.daemon().unwrap().id();
    let (directory, state) = (scene.directory().display(), scene.state());
    let (state, other) = (state.display(), other.display());
    // The command itself is printed, too: it must not hold the word.
    let mut script = String::from(
        "R=REACH; try() { name=$1; shift; if ( \"$@\" ) >/dev/null 2>&1; then echo \"${R}ED $name\"; fi; }
r() { head -c 1 \"$1\" | grep -q . ; }; w() { echo x > \"$1\"; }; to() { exec 3<>\"/dev/tcp/$1/$2\"; }
try own w ./own
",
    );
    for path in [
        format!("{directory}/TEST-ONLY-key.pem"),
        format!("{directory}/runner-config.yml"),
        format!("{directory}/daemon.log"),
        format!("{other}/work/secret"),
        format!("/proc/{daemon}/environ"),
        format!("/proc/{daemon}/mem"),
        format!("/proc/{daemon}/root/etc/passwd"),
        format!("/proc/{daemon}/cwd/runner-config.yml"),
        "/etc/shadow".to_owned(),
    ] {
        writeln!(script, "try 'read {path}' r {path}").unwrap();
    }
    for path in [
        format!("{other}/work/new"),
        format!("{state}/new"),
        format!("{state}/providers/new"),
        format!("{state}/tools/new"),
        format!("{state}/git/new"),
        format!("{state}/journal/new"),
        format!("{directory}/terraform.toml"),
        "/etc/blockhouse-pwned".to_owned(),
        "/tmp/blockhouse-pwned".to_owned(),
        "/usr/local/bin/blockhouse-pwned".to_owned(),
    ] {
        writeln!(script, "try 'write {path}' w {path}").unwrap();
    }
    for path in [format!("{directory}"), format!("{state}"), format!("{state}/runs")] {
        writeln!(script, "try 'list {path}' ls {path}").unwrap();
    }
    script.push_str(&format!(
        "try 'link' ln {directory}/TEST-ONLY-key.pem ./linked
try 'kill the daemon' kill -9 {daemon}
mkfifo {PIPE}; read -r shim < {PIPE}
for signal in KILL TERM INT STOP; do
  echo \"$signal: $(kill -$signal $shim 2>&1 && echo \"${{R}}ED the shim\")\"
done
"
    ));
    script
}

/// Tells the attackers of a run, as soon as they wait for it, the number of their shim.
async fn tell_of_the_shim(scene: &mut Scene, run: Uuid) {
    let (daemon, state) = (scene.daemon().unwrap().id(), scene.state());
    let pipe = state.join(format!("runs/{run}/work/{PIPE}"));
    wait_for(|| pipe.exists()).await;
    let processes = Processes::now().unwrap();
    let shims = processes.with_role(Role::Shim, daemon, &state);
    let [shim] = &*shims else { panic!("{shims:?}") };
    let number = format!("{}\n", shim.id);
    let told = tokio::task::spawn_blocking(move || fs::write(pipe, number));
    tokio::time::timeout(patience(), told).await.unwrap().unwrap().unwrap();
}

/// Orders a run of attackers, and sees to it that they know what they attack.
async fn attacked(scene: &mut Scene, spec: RunSpec) -> RunView {
    let id = scene.emulator.enqueue(spec);
    tell_of_the_shim(scene, id).await;
    scene.end_of(&id).await.unwrap()
}

/// Whether this machine says that programs can't signal what is not theirs.
fn confines_signals() -> bool {
    confine::facts().iter().any(|fact| fact.name == "signals" && fact.is_active)
}

/// What the attackers did to their shim: nothing, where that is what this machine says; else they have ended their own run.
fn assert_shim(run: &RunView) {
    if !confines_signals() {
        assert_ended(run, RunState::Failed);
        return;
    }
    assert_ended(run, RunState::Succeeded);
    let text = all_text(run);
    assert!(text.contains("all tried"), "{run:#?}");
    for signal in ["KILL", "TERM", "INT", "STOP"] {
        let refused = text.lines().find(|line| line.contains(&format!("{signal}: "))).unwrap();
        assert!(refused.contains("Operation not permitted"), "{refused}");
    }
}

fn reached(run: &RunView) -> Vec<String> {
    let text = all_text(run);
    let lines = text.lines().filter_map(|line| Some(line.split_once("REACHED ")?.1.to_owned()));
    lines.collect()
}

#[tokio::test]
async fn what_a_configuration_starts_reaches_nothing_but_its_own_run() {
    let mut scene = start(&Module::new()).await;
    let script = format!("{}echo all tried", attacks(&mut scene));
    let module = Module::new().resource_made_by("attack", &script, &[]);
    scene.commit(&module).unwrap();
    let spec = scene.spec();
    let run = attacked(&mut scene, spec).await;
    assert_shim(&run);
    if confines_signals() {
        assert_eq!(reached(&run), ["own"], "{run:#?}");
    }
}

#[tokio::test]
async fn a_script_without_network_reaches_neither_the_daemon_nor_anybody_else() {
    for has_network in [true, false] {
        let mut scene = set(&Module::new(), Stage::default()).await;
        let policy = scene.directory().join("terraform.toml");
        let text = fs::read_to_string(&policy).unwrap();
        let network = format!("scripts = {{ network = {has_network} }}");
        fs::write(&policy, text.replace("scripts = { network = true }", &network)).unwrap();
        scene.begin().unwrap();
        let mut script = attacks(&mut scene);
        let url = scene.emulator.url().to_string();
        let port = url.trim_end_matches('/').rsplit_once(':').unwrap().1;
        write!(script, "try 'connect' to 127.0.0.1 {port}\necho all tried").unwrap();
        let terraform = scene.terraform().pre_run_script(script);
        let run = attacked(&mut scene, RunSpec::terraform(terraform)).await;
        assert_shim(&run);
        let expected: &[&str] = if has_network { &["own", "connect"] } else { &["own"] };
        if confines_signals() {
            assert_eq!(reached(&run), expected, "{run:#?}");
        }
    }
}

#[tokio::test]
async fn a_script_is_not_executed_without_a_grant() {
    let mut scene = set(&Module::new(), Stage::default()).await;
    let policy = scene.directory().join("terraform.toml");
    let text = fs::read_to_string(&policy).unwrap();
    fs::write(&policy, text.replace("scripts = { network = true }\n", "")).unwrap();
    scene.begin().unwrap();
    let terraform = scene.terraform().pre_run_script("R=REACH; echo \"${R}ED it\"");
    let run = scene.execute(RunSpec::terraform(terraform)).await.unwrap();
    assert_ended(&run, RunState::Failed);
    assert!(reached(&run).is_empty(), "{run:#?}");
    assert!(all_text(&run).contains("script"), "{run:#?}");
}

#[tokio::test]
async fn a_provider_that_writes_outside_of_its_run_is_stopped() {
    let mirror = ProviderMirror::new().unwrap();
    let source = "example.com/blockhouse/blockhousetest";
    mirror.add(source, "1.0.0", &ProviderProgram::Real).unwrap();
    let stage = Stage {
        configuration: format!(
            "  providers: {{directories: ['{}'], registries: false}}\n",
            mirror.path().display()
        ),
        ..Stage::default()
    };
    let mut scene = set(&Module::new(), stage).await;
    scene.begin().unwrap();
    let outside = scene.directory().join("written-outside");
    for (path, state) in [("inside", RunState::Succeeded), ("", RunState::Failed)] {
        let path = if path.is_empty() { outside.to_str().unwrap() } else { path };
        let module = Module::new()
            .provider(source, "1.0.0")
            .provider_configured(&[])
            .note("one", &[("text", "x"), ("write", path)]);
        scene.commit(&module).unwrap();
        let spec = scene.spec();
        let run = scene.execute(spec).await.unwrap();
        assert_ended(&run, state);
        assert_eq!(all_text(&run).contains("could not write"), state == RunState::Failed);
    }
    assert!(!outside.exists());
}

/// Resident memory of a process, in KiB.
#[cfg(target_os = "linux")]
fn memory(process: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_configuration_that_is_a_bomb_fails_its_own_run_only_and_for_a_reason() {
    let limits =
        "[terraform.limits]\nreason = \"So that the machine has enough.\"\nmemory_mib = 512\n";
    let stage = Stage { policy: limits.to_owned(), ..Stage::default() };
    let mut scene = set(&Module::new().output("fine", "true"), stage).await;
    scene.begin().unwrap();
    let run = scene.execute(scene.spec()).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    // Somebody else's run is at work all the time.
    let gate = LoopbackGate::new().await.unwrap();
    scene.commit(&Module::new().resource_at("held", &gate, &[])).unwrap();
    let other = scene.emulator.enqueue(scene.spec());
    gate.reached(1, patience()).await.unwrap();
    let daemon = scene.daemon().unwrap().id();
    let before = memory(daemon);
    let mut runs = Vec::new();
    for (number, bomb) in bombs().into_iter().enumerate() {
        let branch = format!("bomb-{number}");
        let files = [(bomb.file, GitFile::Text(bomb.text.as_bytes()))];
        scene.repository.commit(&branch, &files).unwrap();
        let terraform = scene.terraform().reference(branch);
        runs.push((bomb, scene.emulator.enqueue(RunSpec::terraform(terraform))));
    }
    let mut wrong = Vec::new();
    for (Bomb { name, says, .. }, id) in runs {
        let run = scene.end_of(&id).await.unwrap();
        assert_ended(&run, RunState::Failed);
        let told = run.steps.iter().find_map(|step| step.user_message.clone()).unwrap_or_default();
        if !told.contains(says) || told.len() > 1000 {
            wrong.push(format!("{name}: no `{says}` in: {told:.1000}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let after = memory(daemon);
    assert!(after < before + (64 << 10), "the daemon grew from {before} to {after} KiB");
    gate.open();
    assert_ended(&scene.end_of(&other).await.unwrap(), RunState::Succeeded);
}

#[tokio::test]
async fn a_file_whose_name_leads_elsewhere_is_not_written() {
    let mut scene = start(&Module::new()).await;
    let mut runs = Vec::new();
    for name in HOSTILE_FILE_NAMES {
        let spec = scene.spec().file_input(*name, b"pwned");
        runs.push((*name, scene.emulator.enqueue(spec)));
    }
    for (name, id) in runs {
        let run = scene.emulator.wait_for_end(&id, patience()).await.unwrap();
        assert_ended(&run, RunState::Failed);
        assert!(!all_text(&run).contains("pwned\n"), "{name:?}: {run:#?}");
    }
    assert!(!Path::new("/tmp/pwned").exists());
    let spec = scene.spec();
    assert_ended(&scene.execute(spec).await.unwrap(), RunState::Succeeded);
}

#[tokio::test]
async fn what_a_repository_plants_is_not_taken_for_ours() {
    let planted = r#"{"version":4,"terraform_version":"1.5.5","serial":99,"lineage":"planted","outputs":{"planted":{"value":"x","type":"string"}},"resources":[]}"#;
    let module = Module::new()
        .echo("name", Some("string"))
        .file("errored.tfstate", planted)
        .file(".terraform/terraform.tfstate", r#"{"version":3,"backend":{"type":"local","config":{"path":"/tmp/planted"}}}"#)
        .file(".terraform/providers/example.com/a/b/1.0.0/linux_amd64/terraform-provider-b", "#!/bin/sh\n")
        .file(".terraform/modules/modules.json", "{\"Modules\":[{\"Key\":\"\",\"Source\":\"\",\"Dir\":\"/etc\"}]}")
        .file(".terraform/environment", "planted")
        .file("terraform.d/plugins/example.com/a/b/1.0.0/linux_amd64/terraform-provider-b", "#!/bin/sh\n")
        .file(".terraformrc", "disable_checkpoint = true\nprovider_installation { direct {} }\nplugin_cache_dir = \"/tmp\"\n")
        .file("terraform.rc", "nonsense")
        .file("tfplan", "planted")
        // The names that are loaded before ours, and so lose to it.
        .file("terraform.tfvars", "name = \"of terraform.tfvars\"\n")
        .file("terraform.tfvars.json", r#"{"name": "of terraform.tfvars.json"}"#)
        .file("AAAAAA.auto.tfvars", "name = \"of AAAAAA\"\n");
    let mut scene = start(&module).await;
    let ours = scene.spec().input("name", InputType::String, json!("of the order"));
    let run = scene.execute(ours).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    assert_eq!(run.output("name_again").unwrap().value, json!("of the order"));
    assert!(run.output("planted").is_none());
    // It is kept, as anything of that name, and never pushed.
    assert!(all_text(&run).contains("`errored.tfstate` was there before"), "{run:#?}");

    // A repository may set what its own variables are: those that are loaded after ours win.
    scene.commit(&module.clone().file("main.auto.tfvars", "name = \"of main\"\n")).unwrap();
    let ours = scene.spec().input("name", InputType::String, json!("of the order"));
    let run = scene.execute(ours).await.unwrap();
    assert_ended(&run, RunState::Succeeded);
    assert_eq!(run.output("name_again").unwrap().value, json!("of main"));

    // What has our file's name is replaced.
    let posing = "aaaaaa_meshstack-inputs.auto.tfvars.json";
    scene.commit(&module.file(posing, r#"{"name": "of a pretender"}"#)).unwrap();
    let ours = scene.spec().input("name", InputType::String, json!("of the order"));
    let run = scene.execute(ours).await.unwrap();
    assert_ne!(
        run.output("name_again").map(|output| output.value.clone()),
        Some(json!("of a pretender"))
    );
}
