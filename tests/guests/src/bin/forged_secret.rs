//! Takes the handle of a step for that of a secret.

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    let step = guests::started("forging");
    guests::raw::reveal(step.handle());
    Ok(guests::Verdict::Succeeded)
}
