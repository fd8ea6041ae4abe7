//! Whole `MANUAL` runs through the daemon, against a bare loop that issues the same HTTP calls with the same client.
//!
//! Prints runs per second for both and their ratio, alternating several times so that a busy machine hits both alike.

use anyhow::{Context as _, Result};
use blockhouse::meshstack::wire::{RunStatus, Step, StepDeclaration, StepStatus, Update};
use blockhouse::meshstack::{Client, Config, Credentials, HttpConfig, RunnerIdentity};
use blockhouse_emulator::{Emulator, Recording, RunSpec, RunState};
use blockhouse_tests::{API_KEY, Runner, patience};
use secrecy::SecretString;
use std::time::{Duration, Instant};

const RUNS: usize = 10_000;
const ROUNDS: usize = 5;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for concurrency in [1, 32] {
        let mut ratios = Vec::new();
        for round in 0..ROUNDS {
            let bare = runtime.block_on(bare_loop(concurrency))?;
            let daemon = runtime.block_on(daemon(concurrency))?;
            let [bare, daemon] = [bare, daemon].map(|time| per_second(RUNS, time));
            let ratio = daemon / bare;
            report(&format!(
                "concurrency {concurrency}, round {round}: bare loop {bare:.0} runs/s, daemon {daemon:.0} runs/s, ratio {ratio:.2}"
            ));
            ratios.push(ratio);
        }
        ratios.sort_by(f64::total_cmp);
        let median = ratios.get(ROUNDS / 2).context("no rounds")?;
        report(&format!("concurrency {concurrency}: median ratio {median:.2} (target 0.80)"));
    }
    Ok(())
}

async fn emulator() -> Result<Emulator> {
    let (id, secret) = API_KEY;
    let builder = Emulator::builder().api_key(id, secret).recording(Recording::Counts);
    let emulator = builder.start().await?;
    (0..RUNS).for_each(|_| {
        emulator.enqueue(RunSpec::manual());
    });
    Ok(emulator)
}

/// Claims, registers and reports, and nothing else.
async fn bare_loop(concurrency: usize) -> Result<Duration> {
    let emulator = emulator().await?;
    let (id, secret) = API_KEY;
    let client = Client::new(Config {
        base_url: emulator.url().parse()?,
        credentials: Credentials::ApiKey {
            client_id: id.to_owned(),
            client_secret: SecretString::from(secret),
        },
        runner: RunnerIdentity { uuid: emulator.runner_uuid(), node: "bench".to_owned() },
        http: HttpConfig::default(),
    })?;
    let started = Instant::now();
    let workers: Vec<_> = (0..concurrency).map(|_| tokio::spawn(work(client.clone()))).collect();
    for worker in workers {
        worker.await??;
    }
    Ok(started.elapsed())
}

async fn work(client: Client) -> Result<()> {
    while let Some(claim) = client.claim().await? {
        let run = client.run_client(&claim)?;
        let (id, name) = ("manual".to_owned(), "Manual Block Run".to_owned());
        run.register(&[StepDeclaration { id: id.clone(), display_name: name.clone() }]).await?;
        let step = Step {
            id,
            display_name: Some(name),
            status: StepStatus::Succeeded,
            user_message: None,
            system_message: Some("used 0.012 of 10000 million instructions".to_owned()),
            outputs: std::collections::BTreeMap::new(),
        };
        run.update(&Update {
            status: RunStatus::Succeeded,
            summary: None,
            steps: vec![step],
            artifact: None,
            changes_detected: None,
        })
        .await?;
    }
    Ok(())
}

/// The same by the daemon, from its first claim to the last final status.
async fn daemon(concurrency: usize) -> Result<Duration> {
    let emulator = emulator().await?;
    let slots = u32::try_from(concurrency)?;
    let runner = Runner::builder()
        .concurrency(slots)
        .report(Duration::from_secs(1), Duration::from_secs(9))
        .start(&emulator)?;
    // Starting the daemon compiles the component, which is no part of a run.
    emulator.wait_until(patience(), |view| view.runs(RunState::Pending) < RUNS).await?;
    let started = Instant::now();
    emulator.wait_until(patience(), |view| view.unfinished() == 0).await?;
    let elapsed = started.elapsed();
    runner.drain().await?;
    Ok(elapsed)
}

#[expect(clippy::cast_precision_loss, reason = "a few thousand runs")]
fn per_second(runs: usize, time: Duration) -> f64 {
    runs as f64 / time.as_secs_f64()
}

#[expect(clippy::print_stdout, reason = "the result of a bench is printed")]
fn report(line: &str) {
    println!("{line}");
}
