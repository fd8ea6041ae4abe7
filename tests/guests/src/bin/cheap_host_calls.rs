//! Makes the host work all the time and computes next to nothing itself.

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    let step = guests::started("asking");
    loop {
        // Each call changes the timeline and wakes the reporter.
        let _ = step.start();
    }
}
