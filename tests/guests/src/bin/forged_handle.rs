//! Uses a step that it was never given.

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    guests::raw::start(12_345);
    Ok(guests::Verdict::Succeeded)
}
