//! Leaves as if all were well, without a verdict.
#![expect(clippy::exit, reason = "the attack")]

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    std::process::exit(0)
}
