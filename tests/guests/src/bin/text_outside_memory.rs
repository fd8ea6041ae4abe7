//! Passes a text that begins where its memory ends.

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    guests::raw::summarize_at(0xffff_fff0, 1_000);
    Ok(guests::Verdict::Succeeded)
}
