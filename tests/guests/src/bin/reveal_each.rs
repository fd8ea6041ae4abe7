//! Asks for the plain text of every secret and writes down which it was given.

use guests::Value;

guests::attack!(execute);

fn execute(run: guests::Run) -> guests::Ending {
    let step = guests::started("prying");
    for input in &run.block.inputs {
        if let Value::Secret(secret) = &input.value {
            guests::tell!(&step, "{}: {}", input.key, secret.reveal().is_ok());
        }
    }
    Ok(guests::Verdict::Succeeded)
}
