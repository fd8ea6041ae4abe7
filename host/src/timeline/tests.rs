use super::*;

fn timeline() -> Timeline {
    Timeline::new(&Limits { steps: 2, outputs_bytes: 20, log_total_bytes: 10, ..Limits::default() })
}

fn declare(timeline: &mut Timeline, id: &str, name: &str) -> Result<StepIndex, DeclareError> {
    timeline.declare(timeline.door().step(id, name)?)
}

fn shown(text: &str) -> Shown {
    Shown(text.to_owned())
}

fn log(timeline: &mut Timeline, step: StepIndex, text: &str) -> Result<(), StepError> {
    timeline.begin_lines(step, text.len())?;
    timeline.continue_lines(step, text, true)
}

#[test]
fn declaring_an_id_again_finds_the_same_step() {
    let mut timeline = timeline();
    let first = declare(&mut timeline, "one", "One").unwrap();
    assert_eq!(declare(&mut timeline, "one", "Other"), Ok(first));
    assert_eq!(timeline.declarations().collect::<Vec<_>>(), [("one", "One")]);
}

#[test]
fn step_ids_that_could_break_a_dashboard_are_not_taken() {
    for id in ["", "a b", "ä", "a/b", "a\n", &"x".repeat(65)] {
        assert_eq!(declare(&mut timeline(), id, "x"), Err(DeclareError::InvalidId), "{id:?}");
    }
}

#[test]
fn one_step_too_many_hits_the_limit() {
    let mut timeline = timeline();
    declare(&mut timeline, "1", "").unwrap();
    declare(&mut timeline, "2", "").unwrap();
    assert!(matches!(declare(&mut timeline, "3", ""), Err(DeclareError::Limit(_))));
}

#[test]
fn a_step_takes_changes_only_while_it_runs() {
    let mut timeline = timeline();
    let step = declare(&mut timeline, "one", "One").unwrap();
    assert_eq!(log(&mut timeline, step, "x"), Err(StepError::NotStarted));
    timeline.start(step).unwrap();
    log(&mut timeline, step, "x").unwrap();
    timeline.succeed(step).unwrap();
    assert_eq!(timeline.tell(step, shown("x")), Err(StepError::Ended));
    assert_eq!(timeline.start(step), Err(StepError::Ended));
    assert_eq!(timeline.fail(step, shown("x")), Err(StepError::Ended));
}

#[test]
fn log_output_is_limited_over_all_steps_and_streams() {
    let mut timeline = timeline();
    let step = declare(&mut timeline, "one", "One").unwrap();
    timeline.start(step).unwrap();
    log(&mut timeline, step, "12345").unwrap();
    timeline.begin_write(5).unwrap();
    assert!(matches!(log(&mut timeline, step, "1"), Err(StepError::Limit(_))));
    assert!(timeline.begin_write(1).is_err());
}

#[test]
fn outputs_are_limited_in_sum_and_a_replaced_one_counts_once() {
    let mut timeline = timeline();
    let step = declare(&mut timeline, "one", "One").unwrap();
    timeline.start(step).unwrap();
    let output = |key: &str, text: &str| {
        Door::default().output(key, Output::text(OutputKind::String, text, false).unwrap()).unwrap()
    };
    for _ in 0..5 {
        timeline.output(step, output("key", "1234567890")).unwrap();
    }
    assert!(matches!(timeline.output(step, output("k2", "12345")), Err(StepError::Limit(_))));
}

#[test]
fn only_changed_steps_are_told() {
    let mut timeline = timeline();
    let one = declare(&mut timeline, "one", "One").unwrap();
    declare(&mut timeline, "two", "Two").unwrap();
    let seen = timeline.changes_since(0);
    assert_eq!(seen.steps.len(), 2);
    timeline.start(one).unwrap();
    let new = timeline.changes_since(seen.revision);
    assert_eq!(new.steps.iter().map(|s| s.id.as_str()).collect::<Vec<_>>(), ["one"]);
    assert!(timeline.changes_since(new.revision).steps.is_empty());
}
