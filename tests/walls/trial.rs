//! What the tests share: a guest, tight limits and the picture of how it ended.

use blockhouse::audit::{About, Auditor};
use blockhouse::capability::http::{self, Outbound};
use blockhouse::capability::{Native, Progress};
use blockhouse::digest::Digest;
use blockhouse::outcome::{AbortReason, Failure, LimitHit, Outcome, Usage};
use blockhouse::prepare::redactor;
use blockhouse::run::{
    Behavior, Block, Definition, Implementation, InputKind, OpenedDocument, OpenedInput, OpenedRun,
    Run, RunId, RunLink, Value,
};
use blockhouse::rundir::WorkDirectory;
use blockhouse::sandbox::{Component, Config, Job, Sandbox};
use blockhouse::shutdown::Abort;
use blockhouse::tape::Tape;
use blockhouse::timeline::{Output, StepReport, Timeline};
use blockhouse_policy::{Grants, Limits, Policy};
use secrecy::SecretString;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::task::JoinHandle;

pub(crate) const MIB: usize = 1 << 20;

/// Long enough to be never reached: tests that hit it hang, and that is noticed.
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// The sandbox that all tests of the process share.
pub(crate) fn sandbox() -> &'static Arc<Sandbox> {
    static SANDBOX: OnceLock<Arc<Sandbox>> = OnceLock::new();
    SANDBOX.get_or_init(|| Arc::new(sandbox_for(64)))
}

/// A sandbox for so many runs at a time.
pub(crate) fn sandbox_for(max_runs: u32) -> Sandbox {
    Sandbox::new(&Config { max_runs, compiler: blockhouse_tests::compiler() }).unwrap()
}

/// Tight enough that each is hit within milliseconds.
pub(crate) fn tight() -> Limits {
    Limits {
        fuel: 100_000_000,
        memory_bytes: 16 * MIB,
        wall_time: HOUR,
        log_kept_bytes: 8 << 10,
        log_total_bytes: 256 << 10,
        outputs_bytes: 64 << 10,
        message_bytes: 1 << 10,
        steps: 20,
        handles: 200,
        table_elements: 10_000,
        host_call_bytes: MIB,
        component_bytes: MIB,
        http_requests: 20,
        http_sent_bytes: 256 << 10,
        http_received_bytes: 256 << 10,
        http_connections: 2,
        tenant_runs: None,
    }
}

/// The guest, compiled once for each sandbox.
fn load(sandbox: &'static Sandbox, guest: &[u8], max_bytes: usize) -> Component {
    type Loaded = Mutex<HashMap<(usize, Digest), Component>>;
    static LOADED: OnceLock<Loaded> = OnceLock::new();
    let key = (std::ptr::from_ref(sandbox).addr(), Digest::of(guest));
    let loaded = LOADED.get_or_init(Loaded::default);
    let find = || loaded.lock().unwrap().get(&key).cloned();
    find().unwrap_or_else(|| {
        let component = sandbox.load(guest, max_bytes).unwrap();
        loaded.lock().unwrap().insert(key, component.clone());
        component
    })
}

/// A run to be: a component, a sandbox, limits and inputs.
pub(crate) struct Trial {
    sandbox: &'static Sandbox,
    component: Component,
    limits: Limits,
    policy: String,
    http: http::Config,
    work: Option<WorkDirectory>,
    native: Option<Native>,
    document: Option<String>,
    inputs: Vec<OpenedInput>,
    grace: Duration,
    tape: Arc<Tape>,
}

impl Trial {
    /// Within [`tight`] limits, without inputs and grants.
    pub(crate) fn of(guest: &[u8]) -> Self {
        Self::in_sandbox(sandbox(), guest)
    }

    pub(crate) fn in_sandbox(sandbox: &'static Sandbox, guest: &[u8]) -> Self {
        let limits = tight();
        let component = load(sandbox, guest, limits.component_bytes);
        let (policy, http) = (String::new(), http::Config::default());
        let (work, native, document, inputs) = (None, None, None, Vec::new());
        let (grace, tape) = (HOUR, Arc::new(Tape::off().unwrap()));
        Self {
            sandbox,
            component,
            limits,
            policy,
            http,
            work,
            native,
            document,
            inputs,
            grace,
            tape,
        }
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.limits);
        self
    }

    /// What it sees as `/work`.
    pub(crate) fn work(mut self, work: &WorkDirectory) -> Self {
        self.work = Some(work.clone());
        self
    }

    /// What it drives native programs with.
    pub(crate) fn native(mut self, native: Native) -> Self {
        self.native = Some(native);
        self
    }

    /// A run of the type `GITHUB_WORKFLOW` with this document.
    pub(crate) fn document(mut self, text: &str) -> Self {
        self.document = Some(text.to_owned());
        self
    }

    pub(crate) fn input(self, key: &str, value: Value) -> Self {
        self.input_of(InputKind::String, key, value)
    }

    pub(crate) fn input_of(mut self, kind: InputKind, key: &str, value: Value) -> Self {
        let key = key.to_owned();
        self.inputs.push(OpenedInput { key, kind, value, environment: false });
        self
    }

    pub(crate) fn secret(self, key: &str, text: &str) -> Self {
        self.input(key, Value::Secret(SecretString::from(text)))
    }

    /// With what this text of a policy grants; without one, nothing is granted.
    pub(crate) fn policy(mut self, text: &str) -> Self {
        self.policy.push_str(text);
        self
    }

    /// With these resolvers, proxies and authorities for its requests.
    pub(crate) fn http(mut self, config: http::Config) -> Self {
        self.http = config;
        self
    }

    pub(crate) fn reveal(self, key: &str) -> Self {
        self.policy(&format!("[[secrets.reveal]]\nreason = 'x'\nkeys = ['{key}']\n"))
    }

    /// What it has seen before, and where what it sees is recorded.
    pub(crate) fn tape(mut self, tape: &Arc<Tape>) -> Self {
        self.tape = Arc::clone(tape);
        self
    }

    pub(crate) fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// The secrets that are not redacted everywhere, and why.
    pub(crate) fn warnings(&mut self) -> Vec<(String, &'static str)> {
        let run = opened_run(std::mem::take(&mut self.inputs));
        let (_, warnings) = redactor(&run, None).unwrap();
        self.inputs = run.inputs;
        warnings.into_iter().map(|warning| (warning.key, warning.omission.reason())).collect()
    }

    /// Starts the run and does not wait for it.
    pub(crate) fn start(self) -> Started {
        let (work, run) = self.prepare();
        Started { work: tokio::spawn(work), run }
    }

    /// Runs it to its end, on a task of its own.
    pub(crate) async fn run(self) -> Ended {
        self.start().end().await
    }

    /// Runs it to its end as far as the returned future is polled.
    pub(crate) async fn run_here(self) -> Ended {
        let (work, run) = self.prepare();
        run.ended(work.await)
    }

    fn prepare(self) -> (impl Future<Output = (Outcome, Usage)>, Prepared) {
        let Self {
            sandbox,
            component,
            limits,
            policy,
            http,
            work,
            native,
            document,
            inputs,
            grace,
            tape,
        } = self;
        let policy = format!("description = 'For tests.'\n{policy}");
        let policy = Policy::parse("test.toml", &policy).unwrap_or_else(|error| panic!("{error}"));
        let outbound = Outbound::build(http, [&policy]).unwrap();
        let abort = Abort::default();
        let progress = Arc::new(Progress::new(Timeline::new(&limits), abort.clone()));
        let mut run = opened_run(inputs);
        let document = document.map(|text| {
            "GITHUB_WORKFLOW".clone_into(&mut run.run.definition.implementation.kind);
            Arc::new(OpenedDocument::of(&text, &run).unwrap())
        });
        let redactor = Arc::new(redactor(&run, document.as_deref()).unwrap().0);
        progress.change(|timeline| timeline.redact_with(&redactor));
        let job = Job {
            run,
            grants: Arc::new(Grants::new(Arc::new(policy), None, &limits)),
            native,
            document,
            work,
            progress: Arc::clone(&progress),
            tape,
            outbound: Arc::new(outbound),
            auditor: Arc::new(Auditor::new(About::default(), Arc::default())),
            abort_grace: grace,
        };
        let work = async move { sandbox.execute(&component, job).await };
        (work, Prepared { progress, abort, limits })
    }
}

/// What is to be seen of a run from outside.
struct Prepared {
    progress: Arc<Progress>,
    abort: Abort,
    limits: Limits,
}

impl Prepared {
    fn ended(self, (outcome, usage): (Outcome, Usage)) -> Ended {
        // Usage is part of every end, whatever the end is.
        assert_eq!(usage.fuel_allowed, self.limits.fuel);
        assert_eq!(usage.memory_allowed, self.limits.memory_bytes);
        assert_eq!(usage.wall_time_allowed, self.limits.wall_time);
        assert!(usage.fuel <= usage.fuel_allowed, "{usage}");
        assert!(usage.memory_peak <= usage.memory_allowed, "{usage}");
        assert!(usage.wall_time > Duration::ZERO, "{usage}");

        let before = self.progress.timeline().changes_since(0);
        let told = log(&before.steps);
        self.progress.change(|timeline| timeline.finish(&outcome, Some(&usage)));
        let changes = self.progress.timeline().changes_since(0);
        let calls = before.revision;
        Ended { outcome, usage, calls, told, summary: changes.summary, steps: changes.steps }
    }
}

/// A run that is going on.
pub(crate) struct Started {
    work: JoinHandle<(Outcome, Usage)>,
    run: Prepared,
}

impl Started {
    pub(crate) fn abort(&self, reason: AbortReason) {
        self.run.abort.abort(reason);
    }

    /// Ends it as the death of the daemon does: nothing of it goes on, and nobody is told.
    pub(crate) async fn kill(self) {
        self.work.abort();
        assert!(self.work.await.unwrap_err().is_cancelled());
    }

    /// Waits until the guest has written this to a log.
    pub(crate) async fn tells(&self, text: &str) {
        let progress = &self.run.progress;
        while !log(&progress.timeline().changes_since(0).steps).contains(text) {
            assert!(!self.work.is_finished(), "it ended without telling `{text}`");
            progress.changed().await;
        }
    }

    pub(crate) async fn end(self) -> Ended {
        let ended = self.work.await.unwrap();
        self.run.ended(ended)
    }
}

/// How a run ended and what its user sees then.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) outcome: Outcome,
    pub(crate) usage: Usage,
    /// How many times the guest has changed its timeline.
    pub(crate) calls: u64,
    /// The logs as the guest has written them, before the host added the end.
    pub(crate) told: String,
    pub(crate) summary: Option<String>,
    pub(crate) steps: Vec<StepReport>,
}

impl Ended {
    pub(crate) fn code(&self) -> &'static str {
        self.outcome.code()
    }

    /// What the application team reads; nothing after a success.
    pub(crate) fn message(&self) -> String {
        self.outcome.user_message().unwrap_or_default()
    }

    /// What the operator reads beyond that.
    pub(crate) fn detail(&self) -> String {
        self.outcome.detail().unwrap_or_default()
    }

    /// The logs with what the host has added at the end.
    pub(crate) fn log(&self) -> String {
        log(&self.steps)
    }

    pub(crate) fn output(&self, key: &str) -> Option<&Output> {
        let outputs: BTreeMap<_, _> = self.steps.iter().flat_map(|step| &step.outputs).collect();
        outputs.get(&key.to_owned()).copied()
    }

    /// The limit that ended the run.
    pub(crate) fn hit(&self) -> LimitHit {
        match &self.outcome {
            Outcome::Failed(Failure::Limit(hit)) => *hit,
            other => panic!("no limit was hit: {other:?}\n{}", self.log()),
        }
    }

    /// The run ended well.
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.outcome, Outcome::Succeeded, "{}", self.log());
        self
    }

    /// The run was stopped by a limit, and its user reads exactly this.
    #[track_caller]
    pub(crate) fn stopped_by(self, code: &str, words: &str) -> Self {
        assert_eq!(self.code(), code, "{:?}\n{}", self.outcome, self.log());
        assert_eq!(self.message(), format!("The run was stopped by a limit ({code}): {words}."));
        self
    }

    /// The component crashed by its own doing; the operator reads this about it.
    #[track_caller]
    pub(crate) fn crashed(self, code: &str, detail: &str) -> Self {
        assert_eq!(self.code(), code, "{:?}\n{}", self.outcome, self.log());
        assert!(self.detail().contains(detail), "{}", self.detail());
        assert!(self.message().contains("crashed. Please tell the platform team"));
        self
    }
}

fn log(steps: &[StepReport]) -> String {
    steps.iter().filter_map(|step| step.log.as_deref()).collect()
}

/// A run of a block with these inputs.
pub(crate) fn opened_run(inputs: Vec<OpenedInput>) -> OpenedRun {
    let run = Run {
        id: RunId::parse("00000000-0000-0000-0000-000000000001").unwrap(),
        number: 1,
        behavior: Behavior::Apply,
        trigger: None,
        block: Block {
            uuid: "block".to_owned(),
            display_name: "A block".to_owned(),
            tenant: "tenant".to_owned(),
            project: None,
            platform: None,
            inputs: Vec::new(),
            parents: Vec::new(),
        },
        definition: Definition {
            uuid: "definition".to_owned(),
            owner: "owner".to_owned(),
            version: 1,
            implementation: Implementation {
                kind: "HOSTILE".to_owned(),
                settings: BTreeMap::new(),
            },
        },
        links: vec![RunLink { name: "self".to_owned(), href: "https://mesh/run".to_owned() }],
    };
    OpenedRun { run, inputs, settings: Vec::new() }
}
