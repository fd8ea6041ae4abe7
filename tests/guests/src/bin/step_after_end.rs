//! Uses steps before they have begun and after they have ended. Careless rather than hostile: the answers are errors.

use guests::{OutputType, OutputValue, Step};

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    let journal = guests::started("journal");
    let step = Step::new("step", "Step");
    for moment in ["before", "after"] {
        let value = OutputValue::Text(moment.to_owned());
        let output = step.output("key", OutputType::String, &value, false);
        let answers = [step.log("x"), step.tell("x"), output, step.succeed(), step.fail("x")];
        guests::tell!(&journal, "{moment}: {answers:?}");
        let _ = step.start();
        let _ = step.succeed();
    }
    guests::tell!(&journal, "start: {:?}", step.start());
    Ok(guests::Verdict::Succeeded)
}
