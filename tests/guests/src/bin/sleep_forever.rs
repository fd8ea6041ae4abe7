//! Waits for longer than the universe is going to last, in the way that the host offers.

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    let _step = guests::started("sleeping");
    while !guests::pause(u64::MAX) {}
    Ok(guests::Verdict::Succeeded)
}
