//! Passes more in one call than the host is willing to copy.

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    guests::summarize(&"x".repeat(4 << 20));
    Ok(guests::Verdict::Succeeded)
}
