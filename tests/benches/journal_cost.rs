//! What it costs that no run is lost: whole `MANUAL` runs with the journal on a disk, and with nothing kept, side by side.
//!
//! Prints runs per second and the median time of a run for both, and what keeping takes of the one and adds to the other. `TMPDIR` says on
//! which disk the journal is.

use anyhow::{Context as _, Result};
use blockhouse_emulator::{Emulator, Event, Recording, RunSpec, RunState};
use blockhouse_tests::{API_KEY, Runner, patience};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use uuid::Uuid;

const RUNS: usize = 10_000;
const ROUNDS: usize = 7;

/// When each run was claimed, and how long it took from then to its end.
#[derive(Debug, Default)]
struct Times {
    claimed: HashMap<Uuid, Instant>,
    took: Vec<Duration>,
}

struct Measured {
    per_second: f64,
    median: Duration,
}

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for concurrency in [1, 32] {
        let (mut lost, mut added) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            // In turns, so that a disk or a machine that is busy for a while hits both.
            let (kept, nothing) = if round % 2 == 0 {
                let kept = runtime.block_on(measure(concurrency, true))?;
                (kept, runtime.block_on(measure(concurrency, false))?)
            } else {
                let nothing = runtime.block_on(measure(concurrency, false))?;
                (runtime.block_on(measure(concurrency, true))?, nothing)
            };
            let share = 100.0 * (1.0 - kept.per_second / nothing.per_second);
            let more = milliseconds(kept.median) - milliseconds(nothing.median);
            report(&format!(
                "concurrency {concurrency}, round {round}: kept {:.0} runs/s, p50 {:.2} ms; nothing kept {:.0} runs/s, p50 {:.2} ms; \
                 {share:.1} % of the throughput, {more:+.2} ms",
                kept.per_second,
                milliseconds(kept.median),
                nothing.per_second,
                milliseconds(nothing.median),
            ));
            lost.push(share);
            added.push(more);
        }
        let (lost, added) = (middle(lost)?, middle(added)?);
        report(&format!(
            "concurrency {concurrency}: median {lost:.1} % of the throughput (target 10), {added:+.2} ms added to a run (target 2)"
        ));
    }
    Ok(())
}

async fn measure(concurrency: u32, is_kept: bool) -> Result<Measured> {
    let (id, secret) = API_KEY;
    let times = Arc::new(Mutex::new(Times::default()));
    let seen = Arc::clone(&times);
    let emulator = Emulator::builder()
        .api_key(id, secret)
        .recording(Recording::Counts)
        .observer(move |event| seen.lock().unwrap_or_else(PoisonError::into_inner).see(event))
        .start()
        .await?;
    (0..RUNS).for_each(|_| {
        emulator.enqueue(RunSpec::manual());
    });
    let runner = Runner::builder()
        .concurrency(concurrency)
        .report(Duration::from_secs(1), Duration::from_secs(9));
    let runner = if is_kept { runner } else { runner.without_state() };
    let runner = runner.start(&emulator)?;
    emulator.wait_until(patience(), |view| view.runs(RunState::Pending) < RUNS).await?;
    let started = Instant::now();
    emulator.wait_until(patience(), |view| view.unfinished() == 0).await?;
    let elapsed = started.elapsed();
    runner.drain().await?;
    let took = std::mem::take(&mut times.lock().unwrap_or_else(PoisonError::into_inner).took);
    Ok(Measured { per_second: per_second(elapsed), median: middle(took)? })
}

impl Times {
    fn see(&mut self, event: &Event) {
        let Event::Run { id, state } = event else { return };
        match state {
            RunState::InProgress => drop(self.claimed.insert(*id, Instant::now())),
            RunState::Pending => {}
            _ => self.took.extend(self.claimed.remove(id).map(|claimed| claimed.elapsed())),
        }
    }
}

fn middle<T: PartialOrd + Copy>(mut values: Vec<T>) -> Result<T> {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    values.get(values.len() / 2).copied().context("nothing was measured")
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[expect(clippy::cast_precision_loss, reason = "a few thousand runs")]
fn per_second(time: Duration) -> f64 {
    RUNS as f64 / time.as_secs_f64()
}

#[expect(clippy::print_stdout, reason = "the result of a bench is printed")]
fn report(line: &str) {
    println!("{line}");
}
