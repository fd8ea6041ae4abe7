//! Lends the host one handle a thousand times in the same call.

use wasip2::clocks::monotonic_clock::subscribe_duration;

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    let one = subscribe_duration(0);
    let _ = wasip2::io::poll::poll(&[&one; 1_000]);
    Ok(guests::Verdict::Succeeded)
}
