//! Lets the host parse large values, each of them wrong at its very end, so that nothing comes of the work.

use guests::{OutputType, OutputValue};

guests::attack!(execute);

/// More than the budget allows if the work is charged, and few if only the calls are.
const TIMES: u32 = 5_000;

fn execute(_: guests::Run) -> guests::Ending {
    let step = guests::started("parsing");
    let value = OutputValue::Json(format!("[{}", "1,".repeat(50_000)));
    for _ in 0..TIMES {
        let _ = step.output("key", OutputType::Code, &value, false);
    }
    Ok(guests::Verdict::Succeeded)
}
