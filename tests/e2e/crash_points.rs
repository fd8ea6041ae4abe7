//! The program is killed at every place that it has a name for, in runs of every type: the crash matrix.

mod disk;
mod play;
mod trace;

use blockhouse::crash::{CrashPoint, Pass};
use blockhouse_tests::Process;
use blockhouse_tests::crash_matrix::{Story, dead_points};
use play::{Gone, play};
use std::collections::BTreeSet;
use std::path::Path;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use trace::Trace;

const PROGRAM: &str = env!("CARGO_BIN_EXE_blockhouse-under-test");

/// How many runs are played at a time, over all tests: each has a meshStack, services and daemons of its own.
static TURNS: Semaphore = Semaphore::const_new(6);

/// The shim of the verb that writes: after that of `init` and that of the list of workspaces.
const WRITING: u32 = 3;

/// At which of its passes a point is tried.
///
/// Requests differ from each other, and so do programs; of the others, the first and the last pass do.
fn tried(point: CrashPoint, numbers: &[u32]) -> Vec<Pass> {
    let (first, last) = (numbers.first(), numbers.last());
    let numbers: BTreeSet<u32> = match point {
        // The first ones lead to the pipeline and start it, the others look at it.
        CrashPoint::HttpPermitted | CrashPoint::HttpConnected | CrashPoint::HttpAnswered => {
            numbers.iter().take(3).chain(last).copied().collect()
        }
        _ if point.is_of_shim() => BTreeSet::from([WRITING]),
        // How many records are written at once, and how many reports there are, is a matter of time.
        CrashPoint::JournalAppended => BTreeSet::from([1, 2]),
        CrashPoint::ReportStepsWritten | CrashPoint::ReportAccepted => BTreeSet::from([1]),
        // The verb that writes, too.
        CrashPoint::OperationBegun | CrashPoint::OperationEnded => {
            [first, Some(&WRITING), last].into_iter().flatten().copied().collect()
        }
        _ => first.into_iter().chain(last).copied().collect(),
    };
    numbers.into_iter().map(|number| Pass { point, number }).collect()
}

/// Plays a story to its end, and then once for each of its crash points; each that does not hold is named.
async fn play_all(story: Story, gone: Gone) {
    let trace = {
        let _turn = TURNS.acquire().await.unwrap();
        let played = play(story, None, Gone::Process).await;
        played.unwrap_or_else(|error| panic!("{story}: {error:#}"))
    };
    let mut broken = undeclared(story, &trace);
    let mut plays = JoinSet::new();
    let points = match gone {
        Gone::Process => story.passes(),
        Gone::Power => story.passes_without_power(),
    };
    for point in points {
        for pass in tried(point, &trace.numbers(point)) {
            plays.spawn(async move {
                let _turn = TURNS.acquire().await.unwrap();
                let played = play(story, Some(pass), gone).await;
                played.map(drop).map_err(|error| format!("{story} killed at {pass}: {error:#}"))
            });
        }
    }
    let count = plays.len();
    while let Some(played) = plays.join_next().await {
        match played {
            Ok(played) => broken.extend(played.err()),
            Err(panic) => broken.push(format!("{story}: {panic}")),
        }
    }
    broken.sort();
    assert!(broken.is_empty(), "{} of {count}:\n\n{}", broken.len(), broken.join("\n\n"));
}

/// Where what the run came by differs from what the matrix says.
fn undeclared(story: Story, trace: &Trace) -> Vec<String> {
    let declared = story.passes();
    let missing = declared.iter().filter(|point| trace.numbers(**point).is_empty());
    let missing = missing.map(|point| format!("{story} does not come by `{}`", point.name()));
    // On a slow machine, a short run may last longer than the first second.
    let is_chance = |point: &CrashPoint| {
        matches!(point, CrashPoint::ReportStepsWritten | CrashPoint::ReportAccepted)
    };
    // These do not depend on the type.
    let is_general = |point: &CrashPoint| {
        Story::Manual.passes().contains(point) || Story::Stopped.passes().contains(point)
    };
    let new = CrashPoint::ALL.iter().filter(|point| {
        let is_played = declared.contains(point) || is_chance(point) || is_general(point);
        story.is_whole() && !trace.numbers(**point).is_empty() && !is_played
    });
    let new =
        new.map(|point| format!("{story} comes by `{}`, and is not killed there", point.name()));
    missing.chain(new).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manual_run_survives_every_crash() {
    play_all(Story::Manual, Gone::Process).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_with_files_survives_every_crash() {
    play_all(Story::Files, Gone::Process).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_github_run_survives_every_crash_and_dispatches_once() {
    play_all(Story::Github, Gone::Process).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gitlab_run_survives_every_crash_and_triggers_once() {
    play_all(Story::Gitlab, Gone::Process).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_azure_run_survives_every_crash_and_starts_its_pipeline_once() {
    play_all(Story::Azure, Gone::Process).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_survives_every_crash() {
    play_all(Story::Apply, Gone::Process).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destroy_survives_every_crash() {
    play_all(Story::Destroy, Gone::Process).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_state_survives_every_crash() {
    play_all(Story::Refused, Gone::Process).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_survives_every_crash() {
    play_all(Story::Aborted, Gone::Process).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_survives_every_crash() {
    play_all(Story::ManualAgain, Gone::Process).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_of_a_program_survives_every_crash() {
    play_all(Story::ApplyAgain, Gone::Process).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_survives_every_crash() {
    play_all(Story::Stopped, Gone::Process).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manual_run_whose_machine_loses_power_goes_on_or_has_done_nothing() {
    play_all(Story::Manual, Gone::Power).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_with_files_whose_machine_loses_power_goes_on_or_has_done_nothing() {
    play_all(Story::Files, Gone::Power).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_github_run_whose_machine_loses_power_dispatches_once_or_has_done_nothing() {
    play_all(Story::Github, Gone::Power).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_whose_machine_loses_power_loses_no_state_and_leaves_no_lock() {
    play_all(Story::Apply, Gone::Power).await;
}

#[test]
fn every_crash_point_is_in_a_story() {
    let dead = dead_points();
    assert!(dead.is_empty(), "nothing comes by {dead:?}");
}

#[test]
fn a_crash_point_that_does_not_exist_is_a_mistake() {
    let place = tempfile::tempdir().unwrap();
    for arguments in [&["daemon"][..], &["shim", "/nowhere"]] {
        let mut command = Process::command(Path::new(PROGRAM), place.path());
        command.args(arguments).env(blockhouse::crash::AT, "claim.forgotten");
        let output = command.output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(64), "{told}");
        assert!(told.contains("names no crash point: `claim.forgotten`"), "{told}");
    }
}
