//! Makes handles of WASI's own and never gives one back.

use wasip2::clocks::monotonic_clock::subscribe_duration;

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    loop {
        std::mem::forget(subscribe_duration(u64::MAX));
    }
}
