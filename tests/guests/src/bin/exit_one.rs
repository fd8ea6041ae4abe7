//! Leaves with an error code.
#![expect(clippy::exit, reason = "the attack")]

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    std::process::exit(1)
}
