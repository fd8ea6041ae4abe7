use super::*;

fn timeline() -> Timeline {
    Timeline::new(&Limits { steps: 2, outputs_bytes: 20, log_total_bytes: 10, ..Limits::default() })
}

#[test]
fn declaring_an_id_again_finds_the_same_step() {
    let mut timeline = timeline();
    let first = timeline.declare("one", "One").unwrap();
    assert_eq!(timeline.declare("one", "Other"), Ok(first));
    assert_eq!(timeline.declarations().collect::<Vec<_>>(), [("one", "One")]);
}

#[test]
fn step_ids_that_could_break_a_dashboard_are_not_taken() {
    for id in ["", "a b", "ä", "a/b", "a\n", &"x".repeat(65)] {
        assert_eq!(timeline().declare(id, "x"), Err(DeclareError::InvalidId), "{id:?}");
    }
}

#[test]
fn one_step_too_many_hits_the_limit() {
    let mut timeline = timeline();
    timeline.declare("1", "").unwrap();
    timeline.declare("2", "").unwrap();
    assert!(matches!(timeline.declare("3", ""), Err(DeclareError::Limit(_))));
}

#[test]
fn a_step_takes_changes_only_while_it_runs() {
    let mut timeline = timeline();
    let step = timeline.declare("one", "One").unwrap();
    assert_eq!(timeline.log(step, "x"), Err(StepError::NotStarted));
    timeline.start(step).unwrap();
    timeline.log(step, "x").unwrap();
    timeline.succeed(step).unwrap();
    assert_eq!(timeline.tell(step, "x"), Err(StepError::Ended));
    assert_eq!(timeline.start(step), Err(StepError::Ended));
    assert_eq!(timeline.fail(step, "x"), Err(StepError::Ended));
}

#[test]
fn log_output_is_limited_over_all_steps_and_streams() {
    let mut timeline = timeline();
    let step = timeline.declare("one", "One").unwrap();
    timeline.start(step).unwrap();
    timeline.log(step, "12345").unwrap();
    timeline.write(b"12345").unwrap();
    assert!(matches!(timeline.log(step, "1"), Err(StepError::Limit(_))));
    assert!(timeline.write(b"1").is_err());
}

#[test]
fn outputs_are_limited_in_sum_and_a_replaced_one_counts_once() {
    let mut timeline = timeline();
    let step = timeline.declare("one", "One").unwrap();
    timeline.start(step).unwrap();
    let text = |text: &str| Output::text(OutputKind::String, text, false).unwrap();
    for _ in 0..5 {
        timeline.output(step, "key", text("1234567890")).unwrap();
    }
    assert!(matches!(timeline.output(step, "k2", text("12345")), Err(StepError::Limit(_))));
}

#[test]
fn only_changed_steps_are_told() {
    let mut timeline = timeline();
    let one = timeline.declare("one", "One").unwrap();
    timeline.declare("two", "Two").unwrap();
    let seen = timeline.changes_since(0);
    assert_eq!(seen.steps.len(), 2);
    timeline.start(one).unwrap();
    let new = timeline.changes_since(seen.revision);
    assert_eq!(new.steps.iter().map(|s| s.id.as_str()).collect::<Vec<_>>(), ["one"]);
    assert!(timeline.changes_since(new.revision).steps.is_empty());
}
