//! `cargo demo`: emulator, daemon and every shipped component, for real, in half a minute. That for Terraform needs `terraform` and
//! `git` on PATH; without them everything else is shown, and said that it was not.
//!
//! The daemon runs as a process of its own: this very program, called with the daemon's arguments.

mod cases;
mod configuration;
mod pipelines;
mod table;

use anyhow::{Context as _, Result};
use blockhouse_emulator::{Emulator, Event, RunState};
use blockhouse_tests::{API_KEY, Process, patience};
use cases::{Case, cases};
use configuration::Configuration;
use pipelines::Pipelines;
use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// When each run was claimed and ended.
type Times = Arc<Mutex<HashMap<Uuid, (Instant, Option<Instant>)>>>;

fn main() -> ExitCode {
    if std::env::args_os().len() > 1 {
        return blockhouse::cli::main();
    }
    match demo() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("the demo failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// What the components that are not embedded may do.
const POLICY: &str = "\
description = \"For the demo.\"
[limits]
reason = \"The hostile components should not take long.\"
fuel = 2_000
memory_mib = 32
";

#[tokio::main(flavor = "current_thread")]
async fn demo() -> Result<bool> {
    let program = std::env::current_exe().context("failed to find this program")?;
    let directory = tempfile::tempdir()?;
    say("1  making the runner's key pair (blockhouse keygen)");
    let keys = Process::command(&program, directory.path()).arg("keygen").output()?;
    anyhow::ensure!(keys.status.success(), "{}", String::from_utf8_lossy(&keys.stderr));
    let certificate = std::fs::read_to_string(directory.path().join("runner-certificate.pem"))?;

    let names = Arc::new(Mutex::new(HashMap::new()));
    let times = Times::default();
    let emulator = start_emulator(certificate, &names, &times).await?;
    say(&format!("2  an emulated meshStack listens on {}", emulator.url()));

    let terraform = Configuration::new().await?;
    let configuration = terraform.as_ref().ok();
    let pipelines = Pipelines::start()?;
    say("   and so do a GitHub, a GitLab and an Azure DevOps, emulated as well");
    let cases = cases(
        pipelines.cases()?,
        configuration.map(|configuration| configuration.implementation.clone()),
    );
    let components: Vec<_> = cases.iter().filter_map(|case| case.component).collect();
    let routes = pipelines.daemon();
    let more = configuration.map_or("", |configuration| configuration.daemon.as_str());
    let more = format!("{routes}{more}poll: {{interval: 500ms}}\n");
    Process::configure(directory.path(), &emulator, &components, &more)?;
    std::fs::write(directory.path().join("policy.toml"), POLICY)?;
    pipelines.write_policies(directory.path())?;
    match &terraform {
        Ok(configuration) => configuration.write_policy(directory.path()).map(drop)?,
        Err(why) => say(&format!("   {why}")),
    }
    std::fs::rename(
        directory.path().join("runner-private.pem"),
        directory.path().join("TEST-ONLY-key.pem"),
    )?;
    let mut daemon = Process::start(&program, directory.path())?;
    say(&format!("3  the daemon runs as process {}", daemon.id()));

    say(&format!("4  {} runs are ordered", cases.len()));
    let runs: Vec<_> = cases.iter().map(|case| order(&emulator, case, &names)).collect();
    let handed_over = cases.iter().zip(&runs).find(|(case, _)| pipelines::is_handed_over(case));
    let (_, handed_over) = handed_over.context("no run is handed over")?;
    let ended = async {
        pipelines.report(&emulator, handed_over).await?;
        emulator.wait_until(patience(), |view| view.unfinished() == 0).await?;
        anyhow::Ok(())
    };
    daemon.until(ended).await??;

    say("5  the daemon is told to stop");
    let is_stopped = stop(&mut daemon).await?;
    let rows: Vec<_> = cases
        .iter()
        .zip(&runs)
        .map(|(case, id)| table::Row::new(case, emulator.run(id), duration(&times, id)))
        .collect();
    let mut violations = pipelines.violations();
    violations.extend(emulator.take_violations().iter().map(|violation| format!("{violation:?}")));
    for violation in &violations {
        say(&format!("protocol violation: {violation}"));
    }
    say("");
    say(&table::render(&rows));
    if terraform.is_ok() {
        say("What the run of Terraform has left:");
        let run = runs.last().and_then(|id| emulator.run(id)).context("the run is gone")?;
        say(&configuration::results(&emulator, &run)?);
        say("");
    }
    let as_expected = rows.iter().all(table::Row::is_as_expected);
    let fine = as_expected && violations.is_empty() && is_stopped;
    if fine {
        say("All went as expected.");
        if let Err(why) = &terraform {
            say(&format!("But {why}."));
        }
    } else {
        say(&format!("Not all went as expected. The daemon's log:\n{}", daemon.log()));
    }
    Ok(fine)
}

async fn start_emulator(
    certificate: String,
    names: &Arc<Mutex<HashMap<Uuid, &'static str>>>,
    times: &Times,
) -> Result<Emulator> {
    let (id, secret) = API_KEY;
    let (names, times) = (Arc::clone(names), Arc::clone(times));
    let emulator = Emulator::builder()
        .api_key(id, secret)
        .runner_certificate(certificate)
        .observer(move |event| {
            let names = names.lock().unwrap_or_else(PoisonError::into_inner);
            observe(event, &names, &times);
        })
        .start()
        .await?;
    Ok(emulator)
}

/// Shows what happens to a run, as it happens.
fn observe(event: &Event, names: &HashMap<Uuid, &'static str>, times: &Times) {
    let name = |id| names.get(id).copied().unwrap_or("?");
    match event {
        Event::Run { id, state } => {
            let mut times = times.lock().unwrap_or_else(PoisonError::into_inner);
            match state {
                RunState::Pending => return,
                RunState::InProgress => {
                    times.insert(*id, (Instant::now(), None));
                }
                _ => {
                    times.entry(*id).and_modify(|(_, end)| *end = Some(Instant::now()));
                }
            }
            say(&format!("     {:<22} {state:?}", name(id)));
        }
        Event::Step { run, step, status, user_message } => {
            let message = user_message.as_deref().unwrap_or_default();
            let line = format!("     {:<22}   step {step}: {status:?} {message}", name(run));
            say(line.trim_end());
        }
        _ => {}
    }
}

fn order(
    emulator: &Emulator,
    case: &Case,
    names: &Arc<Mutex<HashMap<Uuid, &'static str>>>,
) -> Uuid {
    let id = Uuid::new_v4();
    names.lock().unwrap_or_else(PoisonError::into_inner).insert(id, case.name);
    emulator.enqueue(case.spec.clone().id(id));
    if let Some(step) = case.aborted_at {
        emulator.abort_at_step(&id, step);
    }
    id
}

fn duration(times: &Times, id: &Uuid) -> Duration {
    let times = times.lock().unwrap_or_else(PoisonError::into_inner);
    match times.get(id) {
        Some((start, Some(end))) => end.duration_since(*start),
        _ => Duration::ZERO,
    }
}

/// Whether the daemon has drained as it should.
#[cfg(unix)]
async fn stop(daemon: &mut Process) -> Result<bool> {
    daemon.terminate()?;
    Ok(daemon.ended(patience()).await?.success())
}

/// Windows has no signal that one process could send to another one without sharing a console.
#[cfg(not(unix))]
async fn stop(daemon: &mut Process) -> Result<bool> {
    daemon.kill()?;
    Ok(true)
}

#[expect(clippy::print_stdout, reason = "the demo is for people to watch")]
fn say(line: &str) {
    println!("{line}");
}
