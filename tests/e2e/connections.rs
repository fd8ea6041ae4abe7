//! meshStack is there, and the way to it is not: its name is gone, its certificate is replaced. No run is lost.

use crate::{assert_ended, emulator};
use blockhouse_emulator::{Emulator, Fault, Gate, Route, RunSpec, RunState};
use blockhouse_tests::{Authority, Front, Hosts, Process, patience};
use std::fs;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use uuid::Uuid;

const PROGRAM: &str = env!("CARGO_BIN_EXE_blockhouse-under-test");

/// No resolver knows it.
const NAME: &str = "meshstack.invalid";

/// A run whose end waits for meshStack's answer, and what stands between the two.
struct Scene {
    emulator: Emulator,
    front: Front,
    directory: TempDir,
    /// Where the first try waits. It is never opened: that try ends with its connection.
    gate: Gate,
    decided: Uuid,
}

impl Scene {
    async fn new(url: &str, tls: Option<&Authority>) -> Self {
        let emulator = emulator().await;
        let (_, port) = emulator.url().rsplit_once(':').unwrap();
        let acceptor = tls.map(|authority| authority.server("localhost", false).unwrap());
        let front = Front::start(port.parse().unwrap(), acceptor).await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let mut more = "poll: {interval: 100ms}\n".to_owned();
        if let Some(authority) = tls {
            fs::write(directory.path().join("ca.pem"), authority.pem()).unwrap();
            more.push_str("http: {caFiles: [ca.pem]}\n");
        }
        let path = Process::configure(directory.path(), &emulator, &[], &more).unwrap();
        let config = fs::read_to_string(&path).unwrap();
        fs::write(path, config.replace(emulator.url(), &format!("{url}:{}", front.port())))
            .unwrap();
        let gate = Gate::new();
        emulator.script(Route::Update, Fault::Hold(gate.clone()), 1);
        let decided = emulator.enqueue(RunSpec::manual());
        Self { emulator, front, directory, gate, decided }
    }

    /// A daemon that waits for the answer to the run's end.
    async fn start(&self, program: &Path) -> Process {
        let mut daemon = Process::start(program, self.directory.path()).unwrap();
        daemon.until(self.gate.reached(1)).await.unwrap();
        daemon
    }

    /// The run's end is told, and another run is executed.
    async fn goes_on(&self, daemon: &mut Process) {
        for run in [self.decided, self.emulator.enqueue(RunSpec::manual())] {
            let ended = daemon.until(self.emulator.wait_for_end(&run, patience())).await.unwrap();
            assert_ended(&ended.unwrap(), RunState::Succeeded);
        }
    }
}

#[tokio::test]
async fn a_certificate_that_is_replaced_by_a_wrong_one_and_a_right_one_costs_no_run() {
    let authority = Authority::new().unwrap();
    let scene = Scene::new("https://localhost", Some(&authority)).await;
    let mut daemon = scene.start(Path::new(PROGRAM)).await;
    let other = Authority::new().unwrap().server("localhost", false).unwrap();
    scene.front.present(other);
    daemon.until(scene.front.refused(3)).await.unwrap();
    assert_eq!(scene.emulator.run(&scene.decided).unwrap().terminal_updates, 0);
    assert!(daemon.log().contains("could not connect"), "{}", daemon.log());
    scene.front.present(authority.server("localhost", false).unwrap());
    scene.goes_on(&mut daemon).await;
}

#[tokio::test]
async fn a_name_that_is_not_known_for_a_while_costs_no_run() {
    let scene = Scene::new(&format!("http://{NAME}"), None).await;
    let scripts = tempfile::tempdir().unwrap();
    let hosts = Hosts::new(Path::new(PROGRAM), scripts.path()).unwrap();
    hosts.know(NAME).unwrap();
    let mut daemon = scene.start(hosts.program()).await;
    hosts.know("another.invalid").unwrap();
    scene.front.cut();
    let noticed = async {
        while !daemon.log().contains("could not connect") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(patience(), noticed).await.unwrap();
    assert_eq!(scene.emulator.run(&scene.decided).unwrap().terminal_updates, 0);
    hosts.know(NAME).unwrap();
    scene.goes_on(&mut daemon).await;
}
