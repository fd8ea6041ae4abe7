//! The daemon against the emulator, over real HTTP.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed"
)]

mod aborts;
mod azure_devops;
mod cli;
mod components;
#[cfg(target_os = "linux")]
mod connections;
mod containment;
#[cfg(target_os = "linux")]
mod crash_points;
#[cfg(target_os = "linux")]
mod disks;
mod documents;
mod egress;
mod faults;
mod files;
mod github_workflow;
mod gitlab_cicd;
mod given_away;
mod hello;
mod load;
mod manual;
mod outages;
mod policies;
mod probes;
mod replay;
mod runs;
mod secrets;
mod shares;
mod stopping;
mod terraform;
#[cfg(target_os = "linux")]
mod terraform_walls;
mod terraform_workspace;

use blockhouse::journal::{self, History};
use blockhouse::run::RunId;
use blockhouse::unseal::PrivateKey;
use blockhouse_emulator::{Emulator, RunState, RunView, Status};
use blockhouse_tests::{API_KEY, CERTIFICATE, PRIVATE_KEY, patience};
use secrecy::SecretString;
use std::path::Path;
use std::time::Duration;
use uuid::Uuid;

/// An emulator that seals to the test key and accepts the test API key.
async fn emulator() -> Emulator {
    let (id, secret) = API_KEY;
    let builder = Emulator::builder().api_key(id, secret).runner_certificate(CERTIFICATE);
    builder.start().await.expect("the emulator starts")
}

/// The run ended once, in this state, and has no open step.
#[track_caller]
fn assert_ended(run: &RunView, state: RunState) {
    assert_eq!(run.state, state, "{run:#?}");
    assert_eq!(run.terminal_updates, 1, "{run:#?}");
    let open = |status| matches!(status, Status::InProgress | Status::Pending);
    assert!(!run.steps.iter().any(|step| open(step.status)), "{run:#?}");
}

/// Aborts a run and waits until its daemon knows, while the run itself is held up.
async fn abort_and_be_heard(emulator: &Emulator, id: &Uuid) {
    emulator.abort(id);
    let before = emulator.run(id).expect("the run exists").updates;
    // The next update's answer tells the daemon, and the one after that shows that it was heard.
    let heard = emulator
        .wait_until(patience(), |view| view.run(id).is_some_and(|run| run.updates >= before + 2));
    heard.await.expect("the daemon hears of the abort");
}

/// Waits until a run's final status is in the journal of this state directory: of a run that can do nothing outside, meshStack may hear before.
async fn until_decided(state: &Path, id: &Uuid) {
    until_kept(state, id, |history| history.is_some_and(|history| history.end.is_some())).await;
}

/// Waits until the journal of this state directory needs a run no more, likewise.
async fn until_settled(state: &Path, id: &Uuid) {
    until_kept(state, id, |history| history.is_none()).await;
}

async fn until_kept(state: &Path, id: &Uuid, is_it: impl Fn(Option<&History>) -> bool) {
    let key = PrivateKey::from_pem(&SecretString::from(PRIVATE_KEY)).expect("a key");
    let id = RunId::parse(&id.to_string()).expect("an id");
    let kept = async {
        let seen = || journal::look(state, &key).expect("the journal can be read");
        while !is_it(seen().runs.get(&id)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(patience(), kept).await.expect("it is written");
}

/// All that the run's user or operator can read.
fn all_text(run: &RunView) -> String {
    let steps = run.steps.iter().flat_map(|step| [&step.user_message, &step.system_message]);
    steps.chain([&run.summary]).flatten().map(String::as_str).collect::<Vec<_>>().join("\n")
}

/// What a run has used, as its log tells.
struct Used {
    million_instructions: f64,
    memory_mib: f64,
}

impl Used {
    #[track_caller]
    fn by(run: &RunView) -> Self {
        let text = all_text(run);
        let used = text.lines().find_map(|line| line.strip_prefix("used "));
        let words: Vec<_> = used.expect("its log tells it").split(' ').collect();
        let number =
            |at: usize| words.get(at).and_then(|word| word.parse::<f64>().ok()).expect("a number");
        // Such as `12.3 of 10000 million instructions, 1.1 MiB of …`.
        assert_eq!((words.get(3), words.get(6)), (Some(&"million"), Some(&"MiB")), "{words:?}");
        Self { million_instructions: number(0), memory_mib: number(5) }
    }
}
