//! Not hostile: waits for an abort, takes a moment to clean up and tells so.
#![expect(
    clippy::disallowed_methods,
    reason = "`pause` returns at once while the run is being aborted"
)]

use guests::Failure;
use std::time::Duration;

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    let step = guests::started("working");
    while !guests::pause(u64::MAX) {}
    std::thread::sleep(Duration::from_millis(20));
    guests::tell!(&step, "cleaned up");
    Err(Failure { message: "stopped half-way".to_owned(), detail: None })
}
