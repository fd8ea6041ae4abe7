//! Makes steps without end.

use guests::Step;

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    for number in 0_u64.. {
        drop(Step::new(&number.to_string(), "Step"));
    }
    Ok(guests::Verdict::Succeeded)
}
