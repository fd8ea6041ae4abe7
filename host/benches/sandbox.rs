//! What the sandbox costs a run: making the store, instantiating, executing and dropping.
//!
//! The component is `MANUAL` without inputs, so that hardly anything but the sandbox itself is measured. The baseline is the
//! same work without a sandbox: the three changes of the timeline that the component makes. Each run is timed on its own,
//! since the target is a median and the tail is worth knowing.

#![expect(clippy::expect_used, reason = "a bench that can't be set up measures nothing")]

use blockhouse::audit::{About, Auditor};
use blockhouse::capability::Progress;
use blockhouse::capability::http::{self, Outbound};
use blockhouse::run::{Behavior, Block, Definition, Implementation, OpenedRun, Run, RunId};
use blockhouse::sandbox::{CacheConfig, Compiler, Config, Job, Sandbox};
use blockhouse::shutdown::Abort;
use blockhouse::tape::Tape;
use blockhouse::timeline::Timeline;
use blockhouse_policy::{Grants, Limits, Policy};
use secrecy::SecretBox;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

const WARM_UP: usize = 1_000;
const RUNS: usize = 20_000;
const COMPILATIONS: usize = 20;

fn job(grants: &Arc<Grants>, outbound: &Arc<Outbound>) -> Job {
    Job {
        tape: Arc::new(Tape::off().expect("there is randomness")),
        run: OpenedRun { run: run(), inputs: Vec::new(), settings: Vec::new() },
        grants: Arc::clone(grants),
        work: None,
        native: None,
        document: None,
        progress: Arc::new(Progress::new(Timeline::new(grants.limits()), Abort::default())),
        outbound: Arc::clone(outbound),
        auditor: Arc::new(Auditor::new(About::default(), Arc::default())),
        abort_grace: Duration::from_secs(10),
    }
}

fn run() -> Run {
    let uuid = || "68ce5455-0000-4000-8000-000000000000".to_owned();
    Run {
        id: RunId::parse("b3116611-0000-4000-8000-000000000000").expect("a UUID is an id"),
        number: 1,
        behavior: Behavior::Apply,
        trigger: None,
        block: Block {
            uuid: uuid(),
            display_name: "block".to_owned(),
            tenant: "my-workspace".to_owned(),
            project: None,
            platform: None,
            inputs: Vec::new(),
            parents: Vec::new(),
        },
        definition: Definition {
            uuid: uuid(),
            owner: "platform-team".to_owned(),
            version: 1,
            implementation: Implementation {
                kind: "MANUAL".to_owned(),
                settings: std::collections::BTreeMap::new(),
            },
        },
        links: Vec::new(),
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let directory = tempfile::tempdir().expect("a directory");
    let key = SecretBox::new(Box::new([0; 32]));
    let cache = CacheConfig { directory: directory.path().to_owned(), max_bytes: 1 << 30, key };
    let sandbox = sandbox(64, None);
    let cached = self::sandbox(1, Some(cache));
    let manual = blockhouse::embedded::COMPONENTS.first().expect("there is MANUAL");
    let limits = Limits::default();
    let component = sandbox.load(manual.bytes, limits.component_bytes).expect("MANUAL loads");
    // A policy of every kind of grant, under a ceiling.
    let policy = |name, text| Arc::new(Policy::parse(name, text).expect("a valid policy"));
    let full = policy("platform.toml", include_str!("../../policies/multi-tenant/platform.toml"));
    let ceiling = policy("ceiling.toml", include_str!("../../policies/multi-tenant/ceiling.toml"));
    let outbound = Outbound::build(http::Config::default(), [&*full]).expect("a way out");
    let outbound = Arc::new(outbound);
    let grants = Arc::new(Grants::new(full, Some(ceiling), &limits));

    let baseline = measure(
        RUNS,
        || Timeline::new(grants.limits()),
        |mut timeline| {
            let step = timeline.door().step("manual", "Manual Block Run").expect("a step");
            let step = timeline.declare(step).expect("a step");
            timeline.start(step).expect("started");
            timeline.succeed(step).expect("succeeded");
            black_box(timeline);
        },
    );
    let sandboxed = measure(
        RUNS,
        || job(&grants, &outbound),
        |job| {
            black_box(runtime.block_on(sandbox.execute(&component, job)));
        },
    );
    let compiled = measure(
        COMPILATIONS,
        || (),
        |()| {
            black_box(sandbox.load(manual.bytes, usize::MAX).expect("MANUAL loads"));
        },
    );
    let from_cache = measure(
        RUNS / 10,
        || (),
        |()| {
            black_box(cached.load(manual.bytes, usize::MAX).expect("MANUAL loads"));
        },
    );
    report("the timeline alone (baseline)", &baseline);
    report("a run of MANUAL in the sandbox (target: p50 of 40 µs)", &sandboxed);
    report("compiling MANUAL in a process of its own", &compiled);
    report("loading MANUAL from the cache", &from_cache);
}

fn sandbox(max_runs: u32, cache: Option<CacheConfig>) -> Sandbox {
    let compiler = Compiler {
        program: env!("CARGO_BIN_EXE_blockhouse").into(),
        memory_bytes: 2 << 30,
        timeout: Duration::from_secs(60),
        cache,
    };
    Sandbox::new(&Config { max_runs, compiler }).expect("address space")
}

/// Times each call of `work` on what `prepare` made for it; sorted.
fn measure<T>(runs: usize, prepare: impl Fn() -> T, work: impl Fn(T)) -> Vec<Duration> {
    for _ in 0..WARM_UP.min(runs) {
        work(prepare());
    }
    let times = (0..runs).map(|_| {
        let prepared = prepare();
        let started = Instant::now();
        work(prepared);
        started.elapsed()
    });
    let mut times: Vec<_> = times.collect();
    times.sort_unstable();
    times
}

#[expect(clippy::print_stdout, reason = "the result of a bench is printed")]
fn report(what: &str, times: &[Duration]) {
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
    println!("{what}: p50 {:.1?}, p90 {:.1?}, p99 {:.1?}", at(50), at(90), at(99));
}
