//! Calls itself without end.

use std::hint::black_box;

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    black_box(deeper(0));
    Ok(guests::Verdict::Succeeded)
}

#[expect(unconditional_recursion, reason = "the attack")]
fn deeper(depth: u64) -> u64 {
    black_box(deeper(black_box(depth + 1))) + 1
}
