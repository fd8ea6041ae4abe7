//! Uses steps before they have begun and after they have ended, well and badly. Careless rather than hostile: the answers are
//! errors.

use guests::{OutputType, OutputValue, Step, StepError};

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    let journal = guests::started("journal");
    let good = Step::new("good", "A step that succeeds");
    let bad = Step::new("bad", "A step that fails");
    use_all(&journal, "not started", &good);
    let answers = [good.start(), good.succeed(), bad.start(), bad.fail("the first")];
    guests::tell!(&journal, "ending: {answers:?}");
    use_all(&journal, "succeeded", &good);
    use_all(&journal, "failed", &bad);
    Ok(guests::Verdict::Succeeded)
}

/// Everything that a running step would take, and `start`, which would make it one.
fn use_all(journal: &Step, state: &str, step: &Step) {
    let value = OutputValue::Text(state.to_owned());
    let output = step.output("key", OutputType::String, &value, false);
    let answers: [Result<(), StepError>; 5] =
        [step.log("late"), step.tell("late"), output, step.succeed(), step.fail("late")];
    guests::tell!(journal, "{state}: {answers:?}");
    if state != "not started" {
        guests::tell!(journal, "{state}, start: {:?}", step.start());
    }
}
