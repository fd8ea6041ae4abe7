//! Makes handles and never gives one back.

use guests::Step;

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    loop {
        // One step, many handles to it.
        std::mem::forget(Step::new("leak", "Leak"));
    }
}
