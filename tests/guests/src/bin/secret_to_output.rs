//! Passes a secret on without seeing it, and claims that it is not sensitive.

use guests::{OutputType, OutputValue};

guests::attack!(execute);

fn execute(run: guests::Run) -> guests::Ending {
    let step = guests::started("passing");
    if let Some(secret) = guests::first_secret(&run) {
        let value = OutputValue::Secret(secret);
        guests::tell!(&step, "{:?}", step.output("copy", OutputType::String, &value, false));
        // The wrong type: the error must not contain the value.
        guests::tell!(&step, "{:?}", step.output("bad", OutputType::Integer, &value, false));
    }
    Ok(guests::Verdict::Succeeded)
}
