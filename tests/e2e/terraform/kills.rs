//! Whoever is killed whenever: the kill matrix.

mod stage;

use blockhouse_tests::kill_matrix::{
    Cell, Disturbance, Ending, Knowledge, Phase, Promise, Stage as _, judge, play, table,
};
use stage::Troupe;
use std::path::Path;

/// Plays a disturbance in every phase, one after the other with the same daemon; each cell that does not hold is named.
async fn play_all(disturbance: Disturbance) {
    let mut troupe = Troupe::assemble(disturbance).await.unwrap();
    let mut broken = Vec::new();
    for phase in Phase::ALL {
        let told = play(&Cell::of(disturbance, phase), &mut troupe).await;
        if let Err(error) = told {
            broken.push(format!("{disturbance} during {phase}: {error:#}\n{}", troupe.story()));
            // Nothing of this cell may reach into the next one.
            troupe = Troupe::assemble(disturbance).await.unwrap();
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n\n"));
}

#[tokio::test]
async fn a_killed_daemon_loses_nothing() {
    play_all(Disturbance::DaemonKilled).await;
}

#[tokio::test]
async fn a_daemon_that_is_told_to_stop_finishes_its_run_before_another_one_is_started() {
    play_all(Disturbance::DaemonStopped).await;
}

#[tokio::test]
async fn a_killed_shim_loses_no_state() {
    play_all(Disturbance::ShimKilled).await;
}

#[tokio::test]
async fn a_killed_terraform_is_told_with_its_state_and_leaves_no_lock() {
    play_all(Disturbance::TerraformKilled).await;
}

#[tokio::test]
async fn a_state_that_can_not_be_written_for_a_while_is_written_later() {
    play_all(Disturbance::StateFails).await;
}

#[tokio::test]
async fn a_state_that_is_refused_is_kept_and_pushed_when_its_backend_recovers() {
    play_all(Disturbance::StateRefused).await;
}

#[tokio::test]
async fn an_unreachable_api_is_waited_for() {
    play_all(Disturbance::ApiUnreachable).await;
}

#[tokio::test]
async fn a_full_disk_fails_runs_and_loses_no_state() {
    play_all(Disturbance::DiskFull).await;
}

#[tokio::test]
async fn a_clock_that_jumps_changes_nothing() {
    play_all(Disturbance::ClockJump).await;
}

#[tokio::test]
async fn a_run_directory_outlives_the_writing_of_the_final_status() {
    let mut troupe = Troupe::assemble(Disturbance::DaemonKilled).await.unwrap();
    troupe.enter(Phase::Apply).await.unwrap();
    troupe.hold_an_update().await.unwrap();
    troupe.end_in_silence().await.unwrap();
    // What the status is follows from the run's directory alone.
    troupe.disturb(Disturbance::DaemonKilled).await.unwrap();
    troupe.recover(Disturbance::DaemonKilled).await.unwrap();
    troupe.release(Phase::Apply).await.unwrap();
    let seen = troupe.settle().await.unwrap();
    let promise = Promise { ending: Ending::Succeeds, knowledge: Knowledge::Exact };
    assert_eq!(judge(promise, Phase::Apply, &seen), Vec::<String>::new());
}

#[test]
fn the_documented_table_is_the_one_that_is_played() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/docs/terraform.md");
    let document = std::fs::read_to_string(path).unwrap();
    assert!(
        document.contains(&table()),
        "host/docs/terraform.md must have this table:\n{}",
        table()
    );
}
