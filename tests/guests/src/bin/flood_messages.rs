//! Replaces its messages without end, by short ones: none is too long, and each is worth nothing a moment later.

guests::attack!(execute);

fn execute(run: guests::Run) -> guests::Ending {
    let step = guests::started("telling");
    let summarizes = guests::text(&run, "how") == Some("summarize");
    loop {
        if summarizes {
            guests::summarize("all work");
        } else {
            let _ = step.tell("and no play");
        }
    }
}
