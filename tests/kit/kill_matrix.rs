//! The matrix is whole, and its judge sees what is broken.

use anyhow::Result;
use blockhouse_emulator::RunState;
use blockhouse_tests::kill_matrix::{
    Cell, Disturbance, Ending, Knowledge, Observed, Phase, Promise, Stage, cells, judge, play,
    table,
};
use std::collections::BTreeSet;

const EXACT: Promise = Promise { ending: Ending::Succeeds, knowledge: Knowledge::Exact };

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn good() -> Observed {
    Observed {
        run: RunState::Succeeded,
        final_statuses: 1,
        text: String::new(),
        certain: set(&["a"]),
        possible: set(&["a", "b"]),
        recorded: set(&["a"]),
        orphaned_locks: vec![],
        survivors: vec![],
        leaks: vec![],
    }
}

#[test]
fn every_pair_is_in_the_matrix_and_few_are_empty() {
    let cells = cells();
    assert_eq!(cells.len(), Disturbance::ALL.len() * Phase::ALL.len());
    let empty: Vec<_> = cells.iter().filter(|cell| cell.promise.is_err()).collect();
    assert_eq!(empty.len(), 8, "{empty:#?}");
    let table = table();
    assert_eq!(table.lines().count(), Disturbance::ALL.len() + 2, "{table}");
    assert!(
        table.contains("| Terraform killed | – (no Terraform yet) | fails, state exact |"),
        "{table}"
    );
}

#[test]
fn the_judge_sees_each_breach() {
    let judge = |seen: &Observed| judge(EXACT, Phase::Apply, seen).join("\n");
    assert_eq!(judge(&good()), "");
    assert_eq!(judge(&Observed { recorded: set(&["a", "b"]), ..good() }), "", "b may exist");
    let text = |text: &str| vec![text.to_owned()];
    for (seen, says) in [
        (Observed { run: RunState::Failed, ..good() }, "not succeeded"),
        (Observed { final_statuses: 2, ..good() }, "2 final statuses"),
        (Observed { recorded: set(&[]), ..good() }, "forgotten: [\"a\"]"),
        (Observed { recorded: set(&["a", "c"]), ..good() }, "invented: [\"c\"]"),
        (Observed { orphaned_locks: text("x"), ..good() }, "lock: x"),
        (Observed { survivors: text("x"), ..good() }, "survivor: x"),
        (Observed { leaks: text("x"), ..good() }, "leak: x"),
    ] {
        let told = judge(&seen);
        assert!(told.contains(says) && told.lines().count() == 1, "{says}: {told}");
    }
}

#[test]
fn who_fails_says_why_and_who_does_not_know_says_so() {
    let promise = Promise { ending: Ending::Fails("killed"), knowledge: Knowledge::Unknown };
    let seen = |text: &str| Observed {
        run: RunState::Failed,
        text: text.to_owned(),
        recorded: set(&[]),
        ..good()
    };
    let judge = |text| judge(promise, Phase::Apply, &seen(text)).len();
    assert_eq!(judge("Killed; the STATE may lack something"), 0);
    assert_eq!((judge("killed"), judge("the state"), judge("")), (1, 1, 2));
}

#[test]
fn a_dry_run_that_changes_the_state_is_seen() {
    let seen = Observed { recorded: set(&["a", "b"]), ..good() };
    assert_eq!(judge(EXACT, Phase::Plan, &seen).len(), 1);
}

#[derive(Default)]
struct Diary(Vec<&'static str>);

impl Stage for Diary {
    async fn enter(&mut self, _: Phase) -> Result<()> {
        self.0.push("enter");
        Ok(())
    }
    async fn disturb(&mut self, _: Disturbance) -> Result<()> {
        self.0.push("disturb");
        Ok(())
    }
    async fn release(&mut self, _: Phase) -> Result<()> {
        self.0.push("release");
        Ok(())
    }
    async fn noticed(&mut self, _: Disturbance) -> Result<()> {
        self.0.push("noticed");
        Ok(())
    }
    async fn recover(&mut self, _: Disturbance) -> Result<()> {
        self.0.push("recover");
        Ok(())
    }
    async fn settle(&mut self) -> Result<Observed> {
        self.0.push("settle");
        Ok(good())
    }
}

#[tokio::test]
async fn an_outage_is_met_before_it_ends_and_a_dead_daemon_is_replaced_before_its_run_goes_on() {
    let mut diary = Diary::default();
    let cell = Cell::of(Disturbance::StateFails, Phase::Apply);
    play(&cell, &mut diary).await.unwrap();
    assert_eq!(diary.0, ["enter", "disturb", "release", "noticed", "recover", "settle"]);
    let mut diary = Diary::default();
    play(&Cell::of(Disturbance::DaemonKilled, Phase::Apply), &mut diary).await.unwrap();
    assert_eq!(diary.0, ["enter", "disturb", "recover", "release", "settle"]);
    let mut diary = Diary::default();
    play(&Cell::of(Disturbance::ShimKilled, Phase::Clone), &mut diary).await.unwrap();
    assert!(diary.0.is_empty(), "nothing could go wrong");
    let killed = Cell::of(Disturbance::TerraformKilled, Phase::Apply);
    assert!(play(&killed, &mut diary).await.is_err(), "the run succeeded although it could not");
}
