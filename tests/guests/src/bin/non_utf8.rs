//! Passes a text that is not Unicode.

guests::attack!(execute);

fn execute(_: guests::Run) -> guests::Ending {
    guests::raw::summarize(b"\xff\xfe\xc0\x80");
    Ok(guests::Verdict::Succeeded)
}
