//! A thousand `GITHUB_WORKFLOW` runs that wait for their workflows: what they take of memory and threads above an idle daemon.
//!
//! All are runs of one definition, each with a password of its own. The workflows never end; each run has looked at its own at least
//! twice when it is measured.

use anyhow::{Context as _, Result, ensure};
use blockhouse_emulator::Route::Claim;
use blockhouse_emulator::{
    Emulator, EmulatorView, GithubWorkflow, InputType, Recording, RunSpec, RunState,
};
use blockhouse_remotes::github::{AppKey, Conclusion, Repository, Route, RunPlan, Workflow};
use blockhouse_remotes::{GitHub, Pace};
use blockhouse_tests::policy_trimming::ShippedPolicy;
use blockhouse_tests::{API_KEY, CERTIFICATE, Process, patience, program};
use std::cell::Cell;
use std::fs;
use std::time::Duration;

const RUNS: usize = 1_000;

/// Over half a minute, in which each looks at its workflow three times.
const SAMPLES: usize = 120;
const PAUSE: Duration = Duration::from_millis(250);

/// Unsealing, signing and starting a thousand takes longer than one.
const PATIENCE: u32 = 10;

/// Nobody is silent for long; the emulator must not end runs for it meanwhile.
const RUN_TIMEOUT: Duration = Duration::from_secs(3_600);

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(bench())
}

async fn bench() -> Result<()> {
    let key = AppKey::generate()?;
    let plan = RunPlan::of_jobs([("build", Conclusion::Success), ("deploy", Conclusion::Success)]);
    let workflow =
        Workflow::new("apply.yml").input("buildingBlockRun").plan(plan.pace(Pace::ByHand));
    let repository = Repository::new("acme", "infra").branch("main").workflow(workflow);
    let github = GitHub::builder().app("12345", &key).repository(repository).start()?;
    let port = github.url().rsplit(':').next().context("no port")?.parse()?;
    let (id, secret) = API_KEY;
    let builder = Emulator::builder().api_key(id, secret).runner_certificate(CERTIFICATE);
    let builder = builder.recording(Recording::Counts).run_timeout(RUN_TIMEOUT);
    let emulator = builder.start().await?;

    let directory = tempfile::tempdir()?;
    let more = format!(
        "  - match: {{implementationType: GITHUB_WORKFLOW}}\n    component: {{embedded: github-workflow}}\n    \
         policy: {{file: github.toml}}\nruns: {{concurrency: {RUNS}, memoryMib: 1048576}}\nlog: {{level: warn}}\n\
         poll: {{interval: 100ms}}\n"
    );
    Process::configure(directory.path(), &emulator, &[], &more)?;
    let policy = ShippedPolicy::named("github-workflow")?.at_localhost("http", &[port]);
    fs::write(directory.path().join("github.toml"), policy.text())?;
    let mut daemon = Process::start(&program(), directory.path())?;
    let asked = emulator.wait_until(patience(), |view| view.requests(Claim) > 2);
    daemon.until(asked).await??;
    let idle = daemon.resident_bytes()? >> 10;
    let idle_parts = Parts::of(daemon.id())?;

    let base = github.api_url().replace("127.0.0.1", "localhost");
    for number in 0..RUNS {
        let implementation = GithubWorkflow::of(base.clone(), "12345", key.pkcs1_pem()?);
        let spec = RunSpec::github_workflow(implementation);
        let password = format!("the password of run {number}");
        emulator.enqueue(spec.sensitive_input("password", InputType::String, password));
    }
    for _ in 0..PATIENCE {
        let looked = github.wait_until(|world| world.count(Route::Run) >= 2 * RUNS);
        if daemon.until(looked).await?.is_ok() {
            break;
        }
        let [waiting, working] = emulator_counts(&emulator).await?;
        report(&format!(
            "{waiting} to be claimed, {working} in progress, {} looks",
            github.count(Route::Run)
        ));
    }
    let [_, working] = emulator_counts(&emulator).await?;
    ensure!(working == RUNS, "only {working} runs are in progress");
    // All have begun at the same time and look at the same time: what counts is how it is over several looks.
    let mut samples = Vec::new();
    for _ in 0..SAMPLES {
        tokio::time::sleep(PAUSE).await;
        samples.push(daemon.resident_bytes()? >> 10);
    }
    let threads = threads(&daemon)?;
    let parts = Parts::of(daemon.id())?;
    samples.sort_unstable();
    let at = |percent: usize| samples.get((samples.len() - 1) * percent / 100).copied();
    let [least, half, most] = [0, 50, 100].map(|percent| at(percent).unwrap_or_default());
    let above = half.saturating_sub(idle);
    report(&format!(
        "idle {idle} KiB; with {RUNS} polling runs {half} KiB in the median ({least} to {most}): {} MiB above idle (target 150), {} KiB per run; \
         {threads} threads",
        above >> 10,
        above / RUNS as u64,
    ));
    parts.report(&idle_parts);
    Ok(())
}

/// KiB in memory, by what they are mapped for.
#[derive(Default)]
struct Parts {
    /// The stacks on which guests and what they call are executed.
    stacks: u64,
    /// What guests have changed of what their memories began with.
    images: u64,
    /// What guests have beyond that.
    grown: u64,
    /// What the daemon has allocated.
    heap: u64,
    /// Code and the rest.
    files: u64,
}

impl Parts {
    fn of(process: u32) -> Result<Self> {
        let mut parts = Self::default();
        let (mut kind, mut end) = (Kind::Heap, 0);
        for line in fs::read_to_string(format!("/proc/{process}/smaps"))?.lines() {
            if let Some(kib) = line.strip_prefix("Rss:") {
                let kib: u64 = kib.trim().trim_end_matches(" kB").parse()?;
                *match kind {
                    Kind::Stack => &mut parts.stacks,
                    Kind::Image => &mut parts.images,
                    Kind::Grown => &mut parts.grown,
                    Kind::Heap => &mut parts.heap,
                    Kind::File => &mut parts.files,
                } += kib;
            }
            let mut words = line.split_whitespace();
            let range = words.next().and_then(|range| range.split_once('-'));
            let Some((start, until)) = range else { continue };
            let start = u64::from_str_radix(start, 16)?;
            let before = std::mem::replace(&mut end, u64::from_str_radix(until, 16)?);
            // Permissions, offset, device and inode stand in front of the name.
            kind = match words.nth(4) {
                Some(name) if name.starts_with("/memfd:wasm") => Kind::Image,
                Some(name) if !name.starts_with('[') => Kind::File,
                None if start == before && matches!(kind, Kind::Image | Kind::Grown) => Kind::Grown,
                None if end - start == STACK => Kind::Stack,
                Some(_) | None => Kind::Heap,
            };
        }
        Ok(parts)
    }

    fn report(&self, idle: &Self) {
        let per_run = |now: u64, idle: u64| now.saturating_sub(idle) / RUNS as u64;
        report(&format!(
            "KiB per run: stack {}, guest's data {}, guest's heap {}, host's heap {}, files {}",
            per_run(self.stacks, idle.stacks),
            per_run(self.images, idle.images),
            per_run(self.grown, idle.grown),
            per_run(self.heap, idle.heap),
            per_run(self.files, idle.files),
        ));
    }
}

enum Kind {
    Stack,
    Image,
    Grown,
    Heap,
    File,
}

/// Bytes of the stack of a run, which nothing else has; a guard page is between each two.
const STACK: u64 = 2 << 20;

/// Runs that nobody has claimed, and runs that are in progress.
async fn emulator_counts(emulator: &Emulator) -> Result<[usize; 2]> {
    let counts = Cell::new([0; 2]);
    let look = |view: &EmulatorView<'_>| {
        counts.set([RunState::Pending, RunState::InProgress].map(|state| view.runs(state)));
        true
    };
    emulator.wait_until(patience(), look).await?;
    Ok(counts.get())
}

fn threads(daemon: &Process) -> Result<usize> {
    Ok(fs::read_dir(format!("/proc/{}/task", daemon.id()))?.count())
}

#[expect(clippy::print_stdout, reason = "the result of a bench is printed")]
fn report(line: &str) {
    println!("{line}");
}
