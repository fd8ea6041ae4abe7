//! Sets outputs that don't have the form of their type. Careless rather than hostile: the answers are errors.

use guests::{OutputType, OutputValue};

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    let step = guests::started("misshapen");
    let json = |json: &str| OutputValue::Json(json.to_owned());
    let text = |text: &str| OutputValue::Text(text.to_owned());
    let long_key = "k".repeat(257);
    let cases = [
        ("key", OutputType::Code, json("{")),
        ("key", OutputType::Integer, json("1.5")),
        ("key", OutputType::Integer, text("1")),
        ("key", OutputType::Boolean, json("\"true\"")),
        ("key", OutputType::String, json("1")),
        ("", OutputType::String, text("x")),
        ("line\nend", OutputType::String, text("x")),
        (&long_key, OutputType::String, text("x")),
    ];
    for (key, kind, value) in &cases {
        guests::tell!(&step, "{:?}", step.output(key, *kind, value, false));
    }
    Ok(guests::Verdict::Succeeded)
}
