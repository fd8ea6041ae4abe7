//! Lets the host make random bytes all the time, as many at once as are allowed.

use wasip2::random::random::get_random_bytes;

guests::attack!(execute);

/// More than the budget allows if the bytes are charged, and few if only the calls are.
const TIMES: u32 = 4_000;

fn execute(_: guests::Run) -> guests::Ending {
    for _ in 0..TIMES {
        std::hint::black_box(get_random_bytes(65_536));
    }
    Ok(guests::Verdict::Succeeded)
}
