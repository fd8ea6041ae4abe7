//! Waits for one thing that is ready, named many times in one list, and for a list that is longer than anything could need.

use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::io::poll::poll;

guests::attack!(execute);

/// More than the budget allows if the entries are charged, and few if only the calls are.
const TIMES: u32 = 10_000;

fn execute(_: guests::Run) -> guests::Ending {
    let ready = subscribe_duration(0);
    ready.block();
    let list = vec![&ready; 100];
    for _ in 0..TIMES {
        std::hint::black_box(poll(&list));
    }
    std::hint::black_box(poll(&vec![&ready; 1_000]));
    Ok(guests::Verdict::Succeeded)
}
