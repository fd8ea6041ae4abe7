//! A component is executed, killed, and executed again with its tape.

use crate::http::server::{Names, Reply, Server, ok};
use crate::trial::{Ended, Trial};
use blockhouse::digest::Digest;
use blockhouse::outcome::Outcome;
use blockhouse::run::Value;
use blockhouse::tape::Tape;
use blockhouse::unseal::PrivateKey;
use blockhouse_artifacts::ACT_OUTSIDE;
use secrecy::SecretString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use tempfile::TempDir;
use tokio::sync::Semaphore;

static KEY: LazyLock<Arc<PrivateKey>> = LazyLock::new(|| {
    Arc::new(PrivateKey::from_pem(&SecretString::from(blockhouse_tests::PRIVATE_KEY)).unwrap())
});

/// A run's directory, a server that gives each request a number, and what the run is to do.
struct Scene {
    directory: TempDir,
    server: Server,
    gate: Arc<Semaphore>,
    acts: Vec<(String, String)>,
}

impl Scene {
    /// Requests to `/held` are answered when the gate opens. `acts`: what and with what, where `/` begins a path of the server.
    async fn new(acts: &[(&str, &str)]) -> Self {
        let gate = Arc::new(Semaphore::new(0));
        let (shut, number) = (Arc::clone(&gate), AtomicUsize::new(0));
        let server = Server::start(move |seen| {
            let answer = ok(&format!("answer {}", number.fetch_add(1, Ordering::SeqCst)));
            match seen.line.contains("/held") {
                true => Reply::Held(Arc::clone(&shut), Box::new(answer)),
                false => answer,
            }
        })
        .await;
        let acts = acts.iter().enumerate().map(|(number, (what, with))| {
            let with = if with.starts_with('/') { server.url(with) } else { (*with).to_owned() };
            let with = if with == "server" { server.authority() } else { with };
            (format!("{number:02} {what}"), with)
        });
        let acts = acts.collect();
        Self { directory: tempfile::tempdir().unwrap(), server, gate, acts }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("run")
    }

    fn trial(&self, tape: Tape) -> Trial {
        let trial = Trial::of(ACT_OUTSIDE).policy(&crate::http::granted(self.server.port));
        let trial = trial.http(Names::local().config()).tape(&Arc::new(tape));
        self.acts
            .iter()
            .fold(trial, |trial, (what, with)| trial.input(what, Value::Text(with.clone())))
    }

    fn begin(&self) -> Trial {
        self.trial(Tape::begin(&self.path(), KEY.public(), Digest::of(ACT_OUTSIDE)).unwrap())
    }

    fn resume(&self) -> Trial {
        self.trial(Tape::resume(&self.path(), &KEY, Digest::of(ACT_OUTSIDE)).unwrap())
    }

    /// Executes the run until the request that is held has arrived, and kills it there.
    async fn killed(&self) {
        let run = self.begin().start();
        let requests = self.acts.iter().take_while(|(_, with)| !with.ends_with("/held"));
        let before = requests.filter(|(_, with)| with.contains("api.test")).count();
        self.server.holds(1, before + 1).await;
        run.kill().await;
        self.gate.add_permits(Semaphore::MAX_PERMITS >> 1);
    }
}

fn seen(ended: &Ended) -> String {
    assert_eq!(ended.outcome, Outcome::Succeeded, "{}", ended.told);
    ended.output("seen").unwrap().expose().to_owned()
}

const EVERYTHING: [(&str, &str); 8] = [
    ("clocks", ""),
    ("numbers", ""),
    ("GET", "/first"),
    ("pause", "1"),
    ("sleep", "1"),
    ("aborted", ""),
    ("POST", "/second"),
    ("clocks", ""),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_resumed_sees_what_it_saw_and_does_nothing_again() {
    let scene = Scene::new(&EVERYTHING).await;
    // It gets to its end, and the daemon dies before anybody knows.
    let first = seen(&scene.begin().run().await);
    assert!(first.contains("answer 0") && first.contains("answer 1"), "{first}");
    for _ in 0..2 {
        let again = seen(&scene.resume().run().await);
        // What was told after the last request was written nowhere, and nothing depends on it.
        let told = |text: &str| text.rsplit_once("clocks").unwrap().0.to_owned();
        assert_eq!(told(&again), told(&first));
        assert_eq!(scene.server.connections(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_killed_goes_on_where_it_was() {
    for (method, sent_again) in
        [("GET", true), ("PUT", true), ("POST*", true), ("POST", false), ("PATCH", false)]
    {
        let acts = [("numbers", ""), ("POST", "/before"), (method, "/held"), ("POST", "/after")];
        let scene = Scene::new(&acts).await;
        scene.killed().await;
        let told = seen(&scene.resume().run().await);
        let requests = scene.server.seen().iter().map(|seen| seen.line.clone()).collect::<Vec<_>>();
        let count = |path: &str| requests.iter().filter(|line| line.contains(path)).count();
        assert_eq!((count("/before"), count("/after")), (1, 1), "{method}: {requests:?}");
        assert_eq!(count("/held"), if sent_again { 2 } else { 1 }, "{method}: {requests:?}");
        // A component that can't know whether it was done is told so.
        let is_lost = told.contains("it may have been carried out");
        assert_eq!(is_lost, !sent_again, "{method}: {told}");
        // Once it is told, it stays told.
        let again = seen(&scene.resume().run().await);
        assert_eq!(again, told, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_does_something_else_than_before_is_stopped() {
    for (number, another) in
        [(0, ("POST", "/other")), (0, ("pause", "1")), (1, ("POST", "/other")), (1, ("clocks", ""))]
    {
        let mut scene =
            Scene::new(&[("POST", "/before"), ("POST", "/held"), ("POST", "/after")]).await;
        scene.killed().await;
        let (what, with) = another;
        let with = if with.is_empty() { String::new() } else { scene.server.url(with) };
        scene.acts[number] = (format!("{number:02} {what}"), with);
        let ended = scene.resume().run().await;
        let Outcome::Faulted(fault) = &ended.outcome else { panic!("{:?}", ended.outcome) };
        assert!(fault.detail.contains("so that nothing is done twice"), "{}", fault.detail);
        assert_eq!(scene.server.connections(), 2, "{another:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_has_used_wasi_http_does_not_begin_again() {
    let scene = Scene::new(&[("POST", "/before"), ("wasi", "server"), ("POST", "/held")]).await;
    scene.killed().await;
    let ended = scene.resume().run().await;
    let Outcome::Faulted(fault) = &ended.outcome else { panic!("{:?}", ended.outcome) };
    assert!(fault.detail.contains("wasi:http"), "{}", fault.detail);
    assert_eq!(scene.server.connections(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn random_numbers_of_two_runs_have_nothing_in_common() {
    let scene = Scene::new(&[("numbers", "")]).await;
    assert_ne!(seen(&scene.begin().run().await), seen(&scene.begin().run().await));
}
