//! Gives a secret number away as an output that is a number.

use guests::{OutputType, OutputValue, Secret};

guests::attack!(execute);

fn execute(run: guests::Run) -> guests::Ending {
    let step = guests::started("counting");
    if let Some(Ok(number)) = guests::first_secret(&run).map(Secret::reveal) {
        let value = OutputValue::Json(number);
        guests::tell!(&step, "{:?}", step.output("number", OutputType::Integer, &value, false));
        guests::tell!(&step, "{:?}", step.output("code", OutputType::Code, &value, false));
    }
    Ok(guests::Verdict::Succeeded)
}
