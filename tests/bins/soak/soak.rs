//! The soak itself: orders, kills and watches until the time is over, then lets everything end: [`run`].

use crate::blocks::Blocks;
use crate::judge::{judge, text};
use crate::killer::{Hit, Killer, PATIENCE, faults};
use crate::options::Options;
use crate::orders::Orders;
use crate::report::{Memory, Report};
use crate::say;
use anyhow::{Context as _, Result};
use blockhouse_emulator::{Behavior, Route, RunState, RunView};
use blockhouse_tests::{AllTypes, Kind, Process};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How often everything is looked at.
const TICK: Duration = Duration::from_millis(20);

/// How often what happens is told, and secrets are looked for.
const TOLD: Duration = Duration::from_secs(10);

/// After how long meshStack ends a claimed run of which it has heard nothing: its daemon was killed before it could write it down, or never
/// got the answer. Long enough for the slowest start of a daemon that knows of it.
const SILENT: Duration = Duration::from_secs(120);

/// How often memory is looked at.
const SAMPLED: Duration = Duration::from_millis(500);

/// How long the last runs may take once nothing goes wrong any more.
const LAST: Duration = Duration::from_secs(5 * 60);

/// Longer than meshStack waits for a run that nobody speaks of.
const TIMEOUT: Duration = Duration::from_secs(2 * 60 * 60);

struct Soak<'a> {
    options: &'a Options,
    all: AllTypes,
    blocks: Blocks,
    orders: Orders,
    killer: Killer,
    daemon: Process,
    /// Since when it lives, its memory, and how many claims there were when the one before it was killed.
    since: Instant,
    memory: Memory,
    claims: Option<u64>,
    memories: Vec<Memory>,
    recoveries: Vec<Duration>,
    failed: BTreeMap<String, u32>,
    breaches: Vec<String>,
    kills: usize,
    sampled: Instant,
}

/// Whether nothing was lost.
#[tokio::main]
pub(crate) async fn run(options: &Options) -> Result<bool> {
    let program = std::env::current_exe().context("failed to find this program")?;
    let (concurrent, patience) = (options.concurrent, PATIENCE.as_secs());
    let more = format!(
        "runs: {{concurrency: {concurrent}, memoryMib: 262144}}\nhttp: {{readTimeout: {patience}s}}\n"
    );
    let all = AllTypes::new(&program, &Kind::ALL, "", &more).await?;
    say(&format!("state, configuration and log are in {}", all.directory().display()));
    let blocks = Blocks::new(&all, options.concurrent)?;
    let daemon = all.begin(&[])?;
    let mut soak = Soak {
        options,
        blocks,
        orders: Orders::default(),
        killer: Killer::new(options.kill_every, options.seed),
        daemon,
        since: Instant::now(),
        memory: Memory::new(),
        claims: None,
        memories: Vec::new(),
        recoveries: Vec::new(),
        failed: BTreeMap::new(),
        breaches: Vec::new(),
        kills: 0,
        sampled: Instant::now(),
        all,
    };
    // The first daemon compiles everything; that is not what is tried here.
    let up = soak.all.emulator.wait_until(LAST, |view| view.requests(Route::Claim) > 0);
    soak.daemon.until(up).await??;
    soak.disturb().await?;
    soak.settle().await?;
    Ok(soak.end().await)
}

impl Soak<'_> {
    /// Orders runs and lets things go wrong.
    async fn disturb(&mut self) -> Result<()> {
        let Options { minutes, seed, concurrent, only, faults: percent, .. } = self.options;
        self.all.emulator.random_faults(faults(*percent, *seed));
        let mut chance = fastrand::Rng::with_seed(*seed);
        let lasting = Duration::try_from_secs_f64(minutes * 60.0)?;
        let begun = Instant::now();
        let mut told = begun;
        while begun.elapsed() < lasting {
            while self.orders.open.len() < usize::try_from(*concurrent)?
                && self.orders.order(&self.all, &self.blocks, *only, &mut chance, self.kills)?
            {
            }
            match self.killer.strike(&self.all, &mut self.daemon)? {
                Hit::Nothing => {}
                Hit::Daemon => self.begin_again()?,
                Hit::Run(id) => {
                    if let Some(run) = self.orders.open.get_mut(&id) {
                        run.was_hit = true;
                    }
                }
            }
            self.look()?;
            if told.elapsed() >= TOLD {
                told = Instant::now();
                self.tell(begun.elapsed());
                self.seek_secrets()?;
            }
            tokio::time::sleep(TICK).await;
        }
        Ok(())
    }

    fn begin_again(&mut self) -> Result<()> {
        self.kills += 1;
        self.memories.push(self.memory);
        self.memory = Memory::new();
        self.claims = Some(self.all.emulator.count(Route::Claim));
        self.since = Instant::now();
        self.daemon = self.all.begin(&[])?;
        Ok(())
    }

    /// Looks at what has changed.
    fn look(&mut self) -> Result<()> {
        if let Some(claims) = self.claims
            && self.all.emulator.count(Route::Claim) > claims
        {
            self.claims = None;
            self.recoveries.push(self.since.elapsed());
        }
        if self.sampled.elapsed() >= SAMPLED {
            self.sampled = Instant::now();
            let bytes = self.daemon.resident_bytes().context("the daemon has ended by itself")?;
            self.memory.sample(self.since.elapsed(), bytes);
        }
        let open: Vec<Uuid> = self.orders.open.keys().copied().collect();
        for id in open {
            let Some(run) = self.all.emulator.run(&id) else { continue };
            let waited = self.orders.open.get(&id).map(|ordered| ordered.since.elapsed());
            let is_silent = !run.registered && run.updates == 0;
            if run.state.is_terminal() {
                self.close(&run);
            } else if run.state == RunState::InProgress && is_silent && waited > Some(SILENT) {
                self.all.emulator.time_out(&id);
            } else if run.log("gl-trigger").contains("used ") {
                // What its pipeline does in the end.
                self.all.emulator.finish_from_outside(&id, true);
            }
        }
        Ok(())
    }

    fn close(&mut self, run: &RunView) {
        let Some(ordered) = self.orders.open.remove(&run.id) else { return };
        *self.orders.ended.entry((ordered.kind, run.state)).or_default() += 1;
        if run.state == RunState::Failed {
            let summary = run.summary.clone().unwrap_or_default();
            let what =
                format!("{}: {}", ordered.kind, summary.chars().take(160).collect::<String>());
            *self.failed.entry(what).or_default() += 1;
        }
        let wrong = judge(run, &ordered, &self.all, self.kills);
        if !wrong.is_empty() {
            let (kind, id, took) = (ordered.kind, run.id, ordered.since.elapsed());
            self.note(format!(
                "{kind} {id}, {} after {took:?}: {}\n{}",
                run.state,
                wrong.join("; "),
                indented(&text(run))
            ));
        }
        if let Some((plot, _)) = ordered.block {
            plot.release();
        }
    }

    /// Told at once, and again at the end.
    fn note(&mut self, breach: String) {
        say(&format!("BREACH {breach}"));
        self.breaches.push(breach);
    }

    fn tell(&self, elapsed: Duration) {
        let ended: u32 = self.orders.ended.values().sum();
        let killed: u32 = self.killer.killed.values().sum();
        let faults: u64 = self.all.emulator.faults_injected().values().sum();
        say(&format!(
            "{:>5} s: {ended} runs have ended, {} are in flight, {killed} kills, {faults} faults, {} MiB, {} breaches",
            elapsed.as_secs(),
            self.orders.open.len(),
            self.memory.last >> 20,
            self.breaches.len()
        ));
    }

    fn seek_secrets(&mut self) -> Result<()> {
        for leak in self.all.leaks()? {
            let breach = format!("a secret in clear: {leak}");
            if !self.breaches.contains(&breach) {
                self.note(breach);
            }
        }
        Ok(())
    }

    /// Lets all runs end; then applies every block once more, which meets whatever was left.
    async fn settle(&mut self) -> Result<()> {
        say("nothing goes wrong any more; the runs that are in flight end");
        self.all.emulator.clear_faults();
        self.wait_for_ends().await?;
        // Those that a daemon was killed with before it could write them down.
        self.all.emulator.advance(TIMEOUT);
        self.look()?;
        let touched = self.orders.ended.keys().any(|(kind, _)| *kind == Kind::Terraform);
        let mut last = Vec::new();
        for plot in self.blocks.all().iter().filter(|_| touched) {
            let apply = Some((Arc::clone(plot), Behavior::Apply));
            let id = self.orders.place(&self.all, Kind::Terraform, apply, self.kills)?;
            last.push((plot.block.number, id));
        }
        self.wait_for_ends().await?;
        for (block, id) in last {
            let run = self.all.emulator.run(&id).context("the run is gone")?;
            if run.state != RunState::Succeeded {
                let told = indented(&text(&run));
                self.breaches.push(format!("the last apply of block {block}: {told}"));
            }
        }
        Ok(())
    }

    /// Waits until all have ended, but for those that nobody knows of.
    async fn wait_for_ends(&mut self) -> Result<()> {
        let begun = Instant::now();
        let mut told = begun;
        while begun.elapsed() < LAST {
            self.look()?;
            let is_known = |id: &Uuid| {
                let run = self.all.emulator.run(id);
                run.is_some_and(|run| run.registered || run.state == RunState::Pending)
            };
            let left = self.orders.open.keys().filter(|id| is_known(id)).count();
            // One that was just claimed is known within a moment.
            if left == 0 && (self.orders.open.is_empty() || begun.elapsed() > TOLD) {
                return Ok(());
            }
            if told.elapsed() >= TOLD {
                told = Instant::now();
                self.tell(begun.elapsed());
            }
            tokio::time::sleep(TICK).await;
        }
        Ok(())
    }

    /// Stops the daemon and looks at what is left.
    async fn end(mut self) -> bool {
        for id in self.orders.open.keys() {
            let state = self.all.emulator.run(id).map(|run| run.state);
            self.breaches.push(format!("{id} never ended: {state:?}"));
        }
        if let Err(error) = self.stop().await {
            self.breaches.push(format!("{error:#}"));
        }
        match self.all.remains(0) {
            Ok(remains) if remains.is_nothing() => {}
            remains => self.breaches.push(format!("there remains {remains:?}")),
        }
        let services = [
            self.all.azure.take_violations(),
            self.all.github.take_violations(),
            self.all.gitlab.take_violations(),
        ];
        let violations = services.concat().into_iter().map(|violation| violation.to_string());
        self.breaches.extend(violations);
        let violations = self.all.emulator.take_violations().into_iter();
        self.breaches.extend(violations.map(|violation| violation.to_string()));
        self.memories.push(self.memory);
        let grown = self.memories.iter().filter(|memory| memory.has_grown());
        self.breaches.extend(grown.map(|memory| format!("a daemon has grown: {memory:?}")));
        let report = Report {
            options: self.options,
            killed: &self.killer.killed,
            orders: &self.orders,
            failed: &self.failed,
            recoveries: self.recoveries,
            memories: &self.memories,
            breaches: &self.breaches,
        };
        report.print(&self.all.emulator);
        if !self.breaches.is_empty() {
            let kept = std::env::temp_dir().join(format!("soak-{}.log", std::process::id()));
            if std::fs::write(&kept, self.all.log()).is_ok() {
                say(&format!("the daemons' log: {}", kept.display()));
            }
        }
        self.breaches.is_empty()
    }

    async fn stop(&mut self) -> Result<()> {
        self.daemon.terminate()?;
        let status = self.daemon.ended(LAST).await?;
        anyhow::ensure!(status.success(), "the daemon ended as {status}");
        Ok(())
    }
}

fn indented(text: &str) -> String {
    let lines = text.lines().rev().take(25).collect::<Vec<_>>();
    lines.into_iter().rev().map(|line| format!("      {line}\n")).collect()
}
