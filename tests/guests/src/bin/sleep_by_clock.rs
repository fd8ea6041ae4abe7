//! Waits for very long with WASI's clocks, behind the back of aborts.
#![expect(clippy::disallowed_methods, reason = "the attack")]

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    let _step = guests::started("sleeping");
    std::thread::sleep(std::time::Duration::MAX);
    Ok(guests::Verdict::Succeeded)
}
