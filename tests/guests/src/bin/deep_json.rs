//! Sets outputs that are valid JSON and that other programs refuse to read: nested too deep, a number too long.

use guests::{OutputType, OutputValue};

guests::attack!(execute);

const EXTREME: usize = 20_000;

fn execute(_: guests::Run) -> guests::Ending {
    let step = guests::started("nesting");
    let nested = format!("{}{}", "[".repeat(EXTREME), "]".repeat(EXTREME));
    let number = "9".repeat(EXTREME);
    for (key, kind, json) in
        [("deep", OutputType::Code, nested), ("long", OutputType::Integer, number)]
    {
        let answer = step.output(key, kind, &OutputValue::Json(json), false);
        guests::tell!(&step, "{key}: {}", answer.is_ok());
    }
    Ok(guests::Verdict::Succeeded)
}
