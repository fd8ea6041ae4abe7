//! Sets outputs without end, each of them small.

use guests::{OutputType, OutputValue};

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    let step = guests::started("filling");
    let value = OutputValue::Text("x".repeat(1_000));
    for number in 0_u64.. {
        let _ = step.output(&number.to_string(), OutputType::String, &value, false);
    }
    Ok(guests::Verdict::Succeeded)
}
