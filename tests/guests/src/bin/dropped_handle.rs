//! Uses a step that it has given back.

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    let step = guests::started("dropping");
    let handle = step.handle();
    drop(step);
    guests::raw::start(handle);
    Ok(guests::Verdict::Succeeded)
}
