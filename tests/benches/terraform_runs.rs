//! Whole `TERRAFORM` runs on warm caches (sources, `init`, `apply`, outputs) against the bare commands on the same configuration:
//! `git clone --depth 1`, `init`, `apply`, `output`.
//!
//! Prints the time of both, what the runner adds, and their ratio, alternating several times so that a busy machine hits both alike. What is added
//! does not depend on how long Terraform takes, and this configuration takes it a fraction of a second: the ratio of real runs is nearer to one.

use anyhow::{Context as _, Result, ensure};
use blockhouse_emulator::RunState;
use blockhouse_tests::terraform::{Module, Scene, Stage};
use blockhouse_tests::{Process, ProviderMirror, ProviderProgram, on_path, program};
use std::path::Path;
use std::time::{Duration, Instant};

const ROUNDS: usize = 10;
const SOURCE: &str = "example.com/blockhouse/blockhousetest";

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(bench())
}

async fn bench() -> Result<()> {
    let mirror = ProviderMirror::new()?;
    mirror.add(SOURCE, "1.0.0", &ProviderProgram::Real)?;
    let module = Module::new().provider(SOURCE, ">= 1.0.0").note("note", &[("text", "x")]);
    let module = module.resource("one").output("told", "terraform_data.one.output");
    let place = mirror.path().display();
    let configuration = format!("  providers: {{directories: ['{place}'], registries: false}}\n");
    let stage = Stage { configuration, ..Stage::default() };
    let mut scene = Scene::with(&program(), &module, stage).await?;
    whole_run(&mut scene).await?;
    let (mut ratios, mut added) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let bare = bare(&scene, mirror.path())?;
        let whole = whole_run(&mut scene).await?;
        let ratio = whole.as_secs_f64() / bare.as_secs_f64();
        report(&format!(
            "round {round}: bare commands {:.0} ms, whole run {:.0} ms, ratio {ratio:.2}",
            millis(bare),
            millis(whole)
        ));
        ratios.push(ratio);
        added.push(millis(whole) - millis(bare));
    }
    let (ratio, added) = (median(ratios)?, median(added)?);
    report(&format!("median ratio {ratio:.2}, {added:.0} ms added"));
    Ok(())
}

fn median(mut figures: Vec<f64>) -> Result<f64> {
    figures.sort_by(f64::total_cmp);
    figures.get(ROUNDS / 2).copied().context("no rounds")
}

/// From its claim to its final status, as meshStack sees them: the time to the next claim is no part of a run.
async fn whole_run(scene: &mut Scene) -> Result<Duration> {
    let spec = scene.spec();
    let id = scene.emulator.enqueue(spec);
    let patience = blockhouse_tests::patience();
    let claimed = |view: &blockhouse_emulator::EmulatorView<'_>| {
        view.state(&id).is_some_and(|state| state != RunState::Pending)
    };
    let waits = scene.emulator.wait_until(patience, claimed);
    let daemon = scene.daemon.as_mut().context("no daemon is running")?;
    daemon.until(waits).await??;
    let started = Instant::now();
    let run = scene.end_of(&id).await?;
    ensure!(run.state == RunState::Succeeded, "{run:#?}");
    Ok(started.elapsed())
}

/// The commands as a user would type them, in a new directory.
fn bare(scene: &Scene, mirror: &Path) -> Result<Duration> {
    let directory = tempfile::tempdir()?;
    let settings = directory.path().join("cli.tfrc");
    let text = format!(
        "provider_installation {{\n  filesystem_mirror {{ path = \"{}\" }}\n}}\n",
        mirror.display()
    );
    std::fs::write(&settings, text)?;
    let (git, terraform) = (on_path("git"), on_path("terraform"));
    let url = scene.git.url(&scene.repository_name());
    let started = Instant::now();
    let work = directory.path().join("work");
    let name = work.to_string_lossy();
    command(
        &git,
        directory.path(),
        &settings,
        &["clone", "-q", "--depth", "1", "-b", "main", &url, &name],
    )?;
    command(&terraform, &work, &settings, &["init", "-input=false", "-no-color"])?;
    command(
        &terraform,
        &work,
        &settings,
        &["apply", "-input=false", "-no-color", "-auto-approve"],
    )?;
    command(&terraform, &work, &settings, &["output", "-json"])?;
    Ok(started.elapsed())
}

fn command(program: &Path, directory: &Path, settings: &Path, arguments: &[&str]) -> Result<()> {
    let mut command = Process::command(program, directory);
    command.env("TF_CLI_CONFIG_FILE", settings).env("CHECKPOINT_DISABLE", "1");
    let output = command.args(arguments).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[expect(clippy::print_stdout, reason = "the result of a bench is printed")]
fn report(line: &str) {
    println!("{line}");
}
