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

use blockhouse_emulator::{Emulator, RunState, RunView, Status};
use blockhouse_tests::{API_KEY, CERTIFICATE};

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

/// All that the run's user or operator can read.
fn all_text(run: &RunView) -> String {
    let steps = run.steps.iter().flat_map(|step| [&step.user_message, &step.system_message]);
    steps.chain([&run.summary]).flatten().map(String::as_str).collect::<Vec<_>>().join("\n")
}
