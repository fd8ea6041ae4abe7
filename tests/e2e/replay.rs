//! Components in flight when the daemon dies, or makes way for the next one: they go on, and nothing happens twice.

use crate::{all_text, assert_ended, emulator};
use blockhouse_emulator::{
    Emulator, Fault, Gate, InputType, Route, RunSpec, RunState, RunView, Status,
};
use blockhouse_tests::{Leaks, Process, patience};
use serde_json::json;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use uuid::Uuid;

const PROGRAM: &str = env!("CARGO_BIN_EXE_blockhouse-under-test");
const SECRET: &str = "hunter2-hunter2";

/// Answers with the number of the request; what is asked of `/held`, only when the gate is open.
struct Server {
    port: u16,
    gate: Arc<Semaphore>,
    lines: Arc<Mutex<Vec<String>>>,
    arrived: watch::Sender<usize>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let gate = Arc::new(Semaphore::new(0));
        let (lines, arrived) = (Arc::new(Mutex::new(Vec::new())), watch::Sender::new(0));
        let server = Self { port, gate, lines, arrived };
        let (gate, lines) = (Arc::clone(&server.gate), Arc::clone(&server.lines));
        let arrived = server.arrived.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (gate, lines) = (Arc::clone(&gate), Arc::clone(&lines));
                tokio::spawn(serve(stream, gate, lines, arrived.clone()));
            }
        });
        server
    }

    /// Waits until so many requests have arrived.
    async fn arrived(&self, count: usize) {
        self.arrived.subscribe().wait_for(|arrived| *arrived >= count).await.unwrap();
    }

    fn open(&self) {
        self.gate.add_permits(Semaphore::MAX_PERMITS >> 1);
    }

    /// Answers one of those that are held.
    fn answer_one(&self) {
        self.gate.add_permits(1);
    }

    fn count(&self, path: &str) -> usize {
        self.lines.lock().unwrap().iter().filter(|line| line.contains(path)).count()
    }
}

async fn serve(
    mut stream: TcpStream,
    gate: Arc<Semaphore>,
    lines: Arc<Mutex<Vec<String>>>,
    arrived: watch::Sender<usize>,
) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let request = String::from_utf8(request).unwrap();
    let line = request.lines().next().unwrap_or_default().to_owned();
    let number = {
        let mut lines = lines.lock().unwrap();
        lines.push(line.clone());
        lines.len()
    };
    arrived.send_replace(number);
    if line.contains("/held") {
        gate.acquire().await.unwrap().forget();
    }
    let body = format!("answer {number} {SECRET}");
    let length = body.len();
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
    // Whoever asked may be dead.
    let _ = stream.write_all(answer.as_bytes()).await;
}

struct Scene {
    emulator: Emulator,
    directory: TempDir,
    server: Server,
}

impl Scene {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let scene = Self { emulator: emulator().await, directory, server: Server::start().await };
        scene.configure(blockhouse_artifacts::ACT_OUTSIDE);
        scene
    }

    /// With this component for the type `ACT`.
    fn configure(&self, component: &[u8]) {
        let guests = [("ACT", component)];
        let directory = self.directory.path();
        Process::configure(directory, &self.emulator, &guests, "poll: {interval: 100ms}\n")
            .unwrap();
        let policy = format!(
            "description = 'One server and files.'\n\
             [files]\nreason = 'r'\nwork = 'read-write'\nquota_mib = 1\nquota_files = 20\n\
             [[http]]\nreason = 'r'\nhosts = ['127.0.0.1']\nschemes = ['http']\nports = [{}]\n",
            self.server.port,
        );
        fs::write(directory.join("policy.toml"), policy).unwrap();
    }

    fn start(&self) -> Process {
        Process::start(Path::new(PROGRAM), self.directory.path()).unwrap()
    }

    /// A run that does this, in this order; `/` begins a path of the server.
    fn enqueue(&self, acts: &[(&str, &str)]) -> Uuid {
        let spec = RunSpec::manual().implementation(json!({ "type": "ACT" })).sensitive_input(
            "password",
            InputType::String,
            SECRET,
        );
        let acts = acts.iter().enumerate();
        let spec = acts.fold(spec, |spec, (number, (what, with))| {
            let with = match with.strip_prefix("/work/") {
                None if with.starts_with('/') => {
                    format!("http://127.0.0.1:{}{with}", self.server.port)
                }
                _ => (*with).to_owned(),
            };
            spec.input(format!("{number:02} {what}"), InputType::String, json!(with))
        });
        self.emulator.enqueue(spec)
    }

    async fn ended(&self, process: &mut Process, run: &Uuid) -> RunView {
        let ended = self.emulator.wait_for_end(run, patience());
        process.until(ended).await.unwrap().unwrap()
    }

    fn nothing_is_left(&self) {
        let runs = self.directory.path().join("state/runs");
        let left: Vec<_> = fs::read_dir(runs).into_iter().flatten().flatten().collect();
        assert!(left.is_empty(), "{left:?}");
    }

    /// No file of the state has the secret in it, although there is something of the run.
    fn nothing_is_in_clear(&self) {
        let state = self.directory.path().join("state");
        assert_eq!(fs::read_dir(state.join("runs")).unwrap().count(), 1);
        let leaks = Leaks::of([("the input and the answers", SECRET)]).unwrap();
        assert_eq!(leaks.in_directory(&state, |_| false).unwrap(), []);
    }

    /// A run whose daemon was killed between two requests, and is started again with another component for its type.
    async fn killed_before_another_component(&self) -> Uuid {
        let mut process = self.start();
        let run = self.enqueue(&[("POST", "/before"), ("GET", "/held")]);
        process.until(self.server.arrived(2)).await.unwrap();
        process.kill().unwrap();
        self.configure(blockhouse_artifacts::WATCH_ABORT);
        run
    }
}

fn seen(run: &RunView) -> String {
    assert_ended(run, RunState::Succeeded);
    run.output("seen").unwrap().value.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_run_in_flight_goes_on_after_the_daemon_was_killed() {
    let scene = Scene::new().await;
    let mut process = scene.start();
    let run = scene.enqueue(&[
        ("numbers", ""),
        ("file", "/work/one"),
        ("POST", "/before"),
        ("GET", "/held"),
        ("file", "/work/two"),
        ("POST", "/after"),
    ]);
    process.until(scene.server.arrived(2)).await.unwrap();
    for deaths in 1..=3 {
        process.kill().unwrap();
        scene.nothing_is_in_clear();
        process = scene.start();
        process.until(scene.server.arrived(2 + deaths)).await.unwrap();
    }
    scene.server.open();
    let run = scene.ended(&mut process, &run).await;
    let seen = seen(&run);
    assert_eq!(seen.matches("true").count(), 2, "files are made again: {seen}");
    assert!(seen.contains("POST answer 1"), "{seen}");
    let counts = ["/before", "/held", "/after"].map(|path| scene.server.count(path));
    assert_eq!(counts, [1, 4, 1]);
    drop(process);
    scene.nothing_is_left();
}

#[tokio::test]
async fn a_request_that_was_sent_and_not_answered_is_not_sent_again() {
    let scene = Scene::new().await;
    let mut process = scene.start();
    let run = scene.enqueue(&[("POST", "/held"), ("POST", "/after")]);
    process.until(scene.server.arrived(1)).await.unwrap();
    process.kill().unwrap();
    let mut process = scene.start();
    let run = scene.ended(&mut process, &run).await;
    assert!(seen(&run).contains("it may have been carried out"), "{run:#?}");
    assert_eq!([scene.server.count("/held"), scene.server.count("/after")], [1, 1]);
}

#[tokio::test]
async fn a_run_that_has_used_wasi_http_is_not_begun_again() {
    let scene = Scene::new().await;
    let mut process = scene.start();
    let authority = format!("127.0.0.1:{}", scene.server.port);
    let run = scene.enqueue(&[("wasi", &authority), ("GET", "/held")]);
    process.until(scene.server.arrived(2)).await.unwrap();
    process.kill().unwrap();
    let mut process = scene.start();
    let run = scene.ended(&mut process, &run).await;
    assert_ended(&run, RunState::Failed);
    assert!(all_text(&run).contains("wasi:http"), "{run:#?}");
    assert_eq!(scene.server.count("/wasi"), 1);
    drop(process);
    scene.nothing_is_left();
}

#[tokio::test]
async fn a_claimed_run_that_was_not_begun_is_executed() {
    let scene = Scene::new().await;
    let gate = Gate::new();
    scene.emulator.script(Route::Register, Fault::Hold(gate.clone()), 1);
    let mut process = scene.start();
    let run = scene.emulator.enqueue(RunSpec::manual());
    process.until(gate.reached(1)).await.unwrap();
    process.kill().unwrap();
    let mut process = scene.start();
    let run = scene.ended(&mut process, &run).await;
    assert_ended(&run, RunState::Succeeded);
}

#[tokio::test]
async fn a_run_goes_on_by_the_component_that_it_was_begun_with() {
    let scene = Scene::new().await;
    let run = scene.killed_before_another_component().await;
    scene.server.open();
    let mut process = scene.start();
    let run = scene.ended(&mut process, &run).await;
    assert!(seen(&run).contains("answer"), "{run:#?}");
    assert_eq!(scene.server.count("/before"), 1);
}

#[tokio::test]
async fn a_run_whose_component_is_gone_ends_and_is_not_begun_by_another_one() {
    let scene = Scene::new().await;
    let run = scene.killed_before_another_component().await;
    fs::remove_dir_all(scene.directory.path().join("state/registry")).unwrap();
    let mut process = scene.start();
    let run = scene.ended(&mut process, &run).await;
    assert_ended(&run, RunState::Failed);
    assert!(all_text(&run).contains("is not kept"), "{run:#?}");
    assert_eq!(scene.server.count("/before"), 1);
}

#[tokio::test]
async fn a_step_that_began_while_meshstack_was_slow_is_known_after_a_crash() {
    let scene = Scene::new().await;
    let gate = Gate::new();
    scene.emulator.script(Route::Register, Fault::Hold(gate.clone()), 1);
    let mut process = scene.start();
    let run = scene.enqueue(&[("GET", "/held"), ("step", "second"), ("GET", "/held")]);
    process.until(gate.reached(1)).await.unwrap();
    scene.server.answer_one();
    process.until(scene.server.arrived(2)).await.unwrap();
    gate.open();
    let is_shown = |run: RunView| run.step("second").is_some();
    let shown = scene.emulator.wait_until(patience(), |view| view.run(&run).is_some_and(is_shown));
    process.until(shown).await.unwrap().unwrap();
    process.kill().unwrap();
    // So that only the journal has what is known of the run.
    scene.configure(blockhouse_artifacts::WATCH_ABORT);
    fs::remove_dir_all(scene.directory.path().join("state/registry")).unwrap();
    let mut process = scene.start();
    let run = scene.ended(&mut process, &run).await;
    assert_ended(&run, RunState::Failed);
    assert!(run.steps.iter().all(|step| step.status == Status::Failed), "{run:#?}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_daemon_that_hands_over_leaves_at_once_and_its_runs_go_on() {
    let scene = Scene::new().await;
    let mut process = scene.start();
    let run = scene.enqueue(&[("POST", "/before"), ("GET", "/held"), ("POST", "/after")]);
    process.until(scene.server.arrived(2)).await.unwrap();
    process.hand_over().unwrap();
    assert_eq!(process.ended(patience()).await.unwrap().code(), Some(0), "{}", process.log());
    assert_eq!(scene.emulator.run(&run).unwrap().terminal_updates, 0);
    scene.nothing_is_in_clear();
    scene.server.open();
    let mut process = scene.start();
    let run = scene.ended(&mut process, &run).await;
    seen(&run);
    assert_eq!(["/before", "/after"].map(|path| scene.server.count(path)), [1, 1]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_claim_that_is_under_way_is_not_lost_by_handing_over() {
    let scene = Scene::new().await;
    let run = scene.emulator.enqueue(RunSpec::manual());
    let gate = Gate::new();
    scene.emulator.script(Route::Claim, Fault::Hold(gate.clone()), 1);
    let mut process = scene.start();
    process.until(gate.reached(1)).await.unwrap();
    process.hand_over().unwrap();
    gate.open();
    assert_eq!(process.ended(patience()).await.unwrap().code(), Some(0), "{}", process.log());
    let mut process = scene.start();
    let run = scene.ended(&mut process, &run).await;
    assert_ended(&run, RunState::Succeeded);
}
